//! Snapshots and the watermark.

use std::time::Duration;

use synod_storage::Timestamp;

use super::scene::{Scene, explore, join};
use crate::protocol::Isolation;
use crate::{DeadlockPolicy, Snapshot};

/// Neither watermark, the collector's or a committer's, lies behind an open snapshot.
fn assert_kept(scene: &Scene, snapshot: &Snapshot) {
    let (snapshots, oracle) = (scene.store.snapshots(), scene.store.oracle());
    assert!(snapshots.watermark() <= snapshot.timestamp());
    assert!(snapshots.watermark_for_commit(oracle) <= snapshot.timestamp());
    assert!(snapshots.advance(oracle) <= snapshot.timestamp());
}

#[test]
fn the_watermark_never_passes_a_snapshot_that_is_being_opened() {
    explore(|| {
        let scene = Scene::holding(DeadlockPolicy::Detect, &["k"]);
        let mut threads = vec![
            scene.thread(|scene| {
                scene.transact(Isolation::Serializable, |txn| scene.put(txn, "k", 1));
                scene.transact(Isolation::Serializable, |txn| scene.put(txn, "k", 2));
            }),
            scene.thread(|scene| {
                scene.store.sweep();
                scene.store.sweep();
            }),
        ];
        threads.extend((0..2).map(|_| {
            scene.thread(|scene| {
                let snapshot = Snapshot::newest(&scene.store).unwrap();
                assert_kept(scene, &snapshot);
                let seen = scene.see(&snapshot, "k");
                assert!(seen.is_some(), "its version is gone");
                assert_kept(scene, &snapshot);
                assert_eq!(scene.see(&snapshot, "k"), seen);
            })
        }));
        join(threads);
    });
}

/// Travels to the timestamp of the first value, while others write and collect garbage.
fn travel(retention: Duration) {
    let scene = Scene::with_retention(DeadlockPolicy::Detect, retention);
    scene.transact(Isolation::Serializable, |txn| scene.put(txn, "k", 7));
    join([
        scene.thread(|scene| {
            scene.transact(Isolation::Serializable, |txn| scene.put(txn, "k", 8));
            scene.transact(Isolation::Serializable, |txn| scene.put(txn, "k", 9));
        }),
        scene.thread(|scene| {
            scene.store.sweep();
            scene.store.sweep();
        }),
        scene.thread(|scene| {
            if let Ok(snapshot) = Snapshot::at(&scene.store, Timestamp(1)) {
                assert_kept(scene, &snapshot);
                assert_eq!(scene.see(&snapshot, "k"), Some(7));
                assert_eq!(scene.see(&snapshot, "k"), Some(7));
            }
        }),
    ]);
}

#[test]
fn a_snapshot_of_the_past_is_whole_or_refused_without_retention() {
    explore(|| travel(Duration::ZERO));
}

#[test]
fn a_snapshot_of_the_past_is_whole_or_refused_with_retention() {
    // The clock stands still, so that a retention of nothing but a nanosecond expires with every commit.
    explore(|| travel(Duration::from_nanos(1)));
}
