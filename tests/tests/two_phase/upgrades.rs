//! From a shared or an update lock to an exclusive one.

use std::thread::scope;

use synod::{Abort, DeadlockPolicy};

use crate::stage::{Stage, abort_of};

#[test]
fn a_sole_reader_upgrades_although_another_waits_to_write() {
    for policy in [DeadlockPolicy::Detect, DeadlockPolicy::WaitDie, DeadlockPolicy::WoundWait] {
        let stage = Stage::new(policy, &["k"]);
        // Under wait-die only the older waits, under wound-wait only the younger.
        let (first, second) = (stage.begin(), stage.begin());
        let (reader, writer) =
            if policy == DeadlockPolicy::WaitDie { (second, first) } else { (first, second) };
        stage.read(&reader, "k").unwrap();
        scope(|scope| {
            let waiting = stage.put_beside(scope, writer, "k");
            stage.wait_for_waits(1);
            stage.put(&reader, "k").unwrap_or_else(|error| panic!("{policy}: {error}"));
            reader.commit().unwrap();
            waiting.granted().commit().unwrap();
        });
        assert_eq!(stage.engine.stats().transactions.aborts, synod::AbortCounts::default(), "{policy}");
    }
}

#[test]
fn an_upgrade_waits_for_other_readers_and_goes_ahead_of_waiting_writers() {
    let stage = Stage::new(DeadlockPolicy::Detect, &["k"]);
    let (upgrader, reader, writer) = (stage.begin(), stage.begin(), stage.begin());
    stage.read(&upgrader, "k").unwrap();
    stage.read(&reader, "k").unwrap();
    scope(|scope| {
        let (got_lock, order) = std::sync::mpsc::channel();
        let upgraded = got_lock.clone();
        let stage = &stage;
        let waiting = scope.spawn(move || {
            stage.put(&writer, "k").unwrap();
            got_lock.send("writer").unwrap();
        });
        stage.wait_for_waits(1);
        let upgrading = scope.spawn(move || {
            stage.put(&upgrader, "k").unwrap();
            upgraded.send("upgrader").unwrap();
            upgrader.commit().unwrap();
        });
        stage.wait_for_waits(2);
        reader.commit().unwrap();
        upgrading.join().unwrap();
        waiting.join().unwrap();
        assert_eq!(order.iter().collect::<Vec<_>>(), ["upgrader", "writer"]);
    });
    assert_eq!(stage.engine.stats().transactions.aborts.deadlock, 0);
}

#[test]
fn two_readers_that_both_upgrade_are_a_deadlock_with_one_victim() {
    let stage = Stage::new(DeadlockPolicy::Detect, &["k"]);
    let (old, young) = (stage.begin(), stage.begin());
    stage.read(&old, "k").unwrap();
    stage.read(&young, "k").unwrap();
    scope(|scope| {
        let waiting = stage.put_beside(scope, old, "k");
        stage.wait_for_waits(1);
        assert!(matches!(abort_of(stage.put(&young, "k")), Abort::Deadlock { cycle } if cycle.len() == 2));
        waiting.granted().commit().unwrap();
    });
}

#[test]
fn reading_for_update_lets_readers_in_and_keeps_other_updaters_out() {
    let stage = Stage::new(DeadlockPolicy::Detect, &["k"]);
    let (updater, reader, other) = (stage.begin(), stage.begin(), stage.begin());
    updater.get_for_update(&stage.table, "k").unwrap();
    stage.read(&reader, "k").unwrap();
    scope(|scope| {
        let waiting = scope.spawn(|| {
            other.get_for_update(&stage.table, "k").unwrap();
            other.commit().unwrap();
        });
        stage.wait_for_waits(1);
        let writing = stage.commit_beside(scope, updater, "k");
        stage.wait_for_waits(2);
        reader.commit().unwrap();
        writing.join().unwrap();
        waiting.join().unwrap();
    });
    assert_eq!(stage.engine.stats().transactions.aborts.deadlock, 0);
}
