//! Several keys read at a time, beside those who take their records out of the index and put new ones in.

use std::sync::Arc;

use super::scene::{Running, Scene, explore, interrupt_everywhere, join};
use crate::protocol::{Intent, Isolation};
use crate::{DeadlockPolicy, Result};

const LEVEL: Isolation = Isolation::Serializable;

fn read(scene: &Scene, txn: &mut Running, intent: Intent) -> Result<Vec<Option<u8>>> {
    let mut found = Vec::new();
    txn.read_together(&scene.table, &[b"x", b"a", b"b"], intent, &mut |_, version| {
        found.push(version.and_then(|version| version.value()).map(|value| value[0]));
    })?;
    Ok(found)
}

/// Of `a` and `b` one is there at any time, and `x` tells how often that has changed.
fn change_places(scene: &Scene, from: &str, to: &str) {
    scene.transact(LEVEL, |txn| {
        scene.increment(txn, "x", Intent::Update)?;
        assert!(scene.delete(txn, from)?);
        scene.put(txn, to, 7)
    });
}

fn scenario(scene: Arc<Scene>, intent: Intent) {
    scene.fill(&["a", "x"]);
    change_places(&scene, "a", "b");
    change_places(&scene, "b", "a");
    // Whoever begins now is later than the deletion of `b`.
    scene.fill(&["y"]);
    // An empty record is left of `b`: it goes, and another one comes.
    let mover = scene.thread(|scene| {
        // The first may only find that it isn't time yet.
        (0..3).for_each(|_| _ = scene.store.sweep());
        change_places(scene, "a", "b");
    });
    let reader = scene.thread(move |scene| {
        scene.transact(LEVEL, |txn| {
            // Also one that won't commit sees a state that there was.
            let seen = read(scene, txn, intent)?;
            let is_there: Vec<bool> = seen[1..].iter().map(Option::is_some).collect();
            assert_eq!(is_there, [seen[0] == Some(2), seen[0] == Some(3)], "{seen:?}");
            Ok(())
        });
    });
    join([mover, reader]);
    scene.assert_unlocked();
}

#[test]
fn what_was_looked_up_ahead_may_leave_the_index_two_phase() {
    for intent in [Intent::Read, Intent::Update] {
        let run = move || scenario(Scene::new(DeadlockPolicy::Detect), intent);
        explore(run);
        interrupt_everywhere(run);
    }
}

#[test]
fn what_was_looked_up_ahead_may_leave_the_index_optimistic() {
    let run = || scenario(Scene::optimistic(&[]), Intent::Read);
    explore(run);
    interrupt_everywhere(run);
}

#[test]
fn what_was_looked_up_ahead_may_leave_the_index_multi_version() {
    for intent in [Intent::Read, Intent::Update] {
        let run = move || scenario(Scene::multi_version(), intent);
        explore(run);
        interrupt_everywhere(run);
    }
}
