//! What snapshots see while procedures are executed, and moments between epochs.

use super::procedures::{Known, Mix};
use super::scene::{Scene, explore, join};
use crate::Snapshot;

#[test]
fn a_snapshot_sees_whole_transactions_and_all_that_was_answered() {
    explore(|| {
        let scene = Scene::new(2);
        let clients = [
            scene.client([Mix::new(1, "az", "az"), Mix::new(2, "az", "az")]),
            scene.client([Mix::new(3, "az", "az").rejecting(), Mix::new(4, "az", "az")]),
            // This one may well have finished while what comes before it hasn't.
            scene.thread(|scene| {
                let done = scene.execute(Mix::new(5, "", "m"));
                assert_eq!(prefix(scene).get("m"), Some(&5), "what was answered isn't seen");
                prefix(scene);
                vec![done]
            }),
        ];
        scene.assert_serial(join(clients));
    });
}

/// What a new snapshot sees: the whole of some transactions, and the same again.
fn prefix(scene: &Scene) -> super::procedures::State {
    let snapshot = scene.engine.snapshot().unwrap();
    let state = scene.state(&snapshot);
    assert_eq!(state.get("a"), state.get("z"), "half a transaction is seen");
    assert_eq!(scene.state(&snapshot), state, "the snapshot has changed");
    state
}

#[test]
fn between_epochs_only_whole_epochs_are_visible() {
    explore(|| {
        let scene = Scene::new(2);
        let mut clients = vec![
            scene.client([Mix::new(1, "", "a"), Mix::new(2, "ab", "b")]),
            scene.client([Mix::new(3, "", "b"), Mix::new(4, "", "c").known(Known::Range)]),
        ];
        let viewer = scene.thread(|scene| {
            let store = &scene.engine.inner.store;
            let look = || Ok((synod_txn::Snapshot::newest(store)?, store.epoch()));
            let (snapshot, epoch) = scene.executor().between_epochs(store, look).unwrap();
            let snapshot = Snapshot::new(scene.engine.clone(), snapshot);
            (snapshot.timestamp(), epoch, scene.state(&snapshot))
        });
        clients.push(scene.client([Mix::new(5, "", "e")]));
        let mut done = join(clients);
        let (at, epoch, seen) = viewer.join().unwrap();
        done.sort_by_key(|done| done.at);
        let mut expected = super::procedures::State::new();
        for done in &done {
            assert_eq!(done.epoch <= epoch, done.at <= at, "epoch {} at {:?}", done.epoch, done.at);
            if done.epoch <= epoch {
                done.mix.apply(&mut expected);
            }
        }
        assert_eq!(seen, expected);
        scene.assert_serial(done);
    });
}

#[test]
fn tables_are_created_among_the_epochs() {
    explore(|| {
        let scene = Scene::new(2);
        let clients = [
            scene.client([Mix::new(1, "", "a"), Mix::new(2, "ab", "b")]),
            scene.client([Mix::new(3, "b", "b").known(Known::Not)]),
        ];
        scene.engine.table("another").unwrap();
        let own = scene.execute(Mix::new(4, "ab", "a"));
        let mut done = join(clients);
        done.push(own);
        scene.assert_serial(done);
    });
}
