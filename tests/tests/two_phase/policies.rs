//! The other policies do what their names say, and everyone gets through under all of them.

use std::thread::scope;

use synod::{Abort, DeadlockPolicy, Transaction};
use synod_tests::random::Random;

use crate::stage::{Stage, abort_of};

#[test]
fn wound_wait_the_older_wounds_and_the_younger_notices_at_its_next_step() {
    let stage = Stage::new(DeadlockPolicy::WoundWait, &["k", "other"]);
    let (old, young) = (stage.begin(), stage.begin());
    stage.put(&young, "k").unwrap();
    scope(|scope| {
        let waiting = stage.put_beside(scope, old, "k");
        stage.wait_for_waits(1);
        assert!(matches!(abort_of(stage.read(&young, "other")), Abort::Wounded { .. }));
        waiting.granted().commit().unwrap();
    });
    assert_eq!(stage.engine.stats().transactions.aborts.wounded, 1);
}

#[test]
fn wound_wait_a_wounded_transaction_cannot_commit() {
    let stage = Stage::new(DeadlockPolicy::WoundWait, &["k"]);
    let (old, young) = (stage.begin(), stage.begin());
    young.put(&stage.table, "k", "young").unwrap();
    scope(|scope| {
        let waiting = stage.put_beside(scope, old, "k");
        stage.wait_for_waits(1);
        assert!(matches!(abort_of(young.commit()), Abort::Wounded { .. }));
        waiting.granted().commit().unwrap();
    });
    let snapshot = stage.engine.snapshot().unwrap();
    assert_eq!(snapshot.get(&stage.table, "k").unwrap().as_deref(), Some(&b"new"[..]));
}

#[test]
fn wound_wait_a_wounded_sleeper_is_woken() {
    let stage = Stage::new(DeadlockPolicy::WoundWait, &["a", "b"]);
    let (old, young) = (stage.begin(), stage.begin());
    stage.put(&old, "a").unwrap();
    stage.put(&young, "b").unwrap();
    scope(|scope| {
        let sleeping = stage.put_beside(scope, young, "a");
        stage.wait_for_waits(1);
        stage.put(&old, "b").unwrap();
        assert!(matches!(sleeping.refused(), Abort::Wounded { .. }));
    });
    old.commit().unwrap();
}

#[test]
fn wound_wait_the_younger_waits_for_the_older() {
    let stage = Stage::new(DeadlockPolicy::WoundWait, &["k"]);
    let (old, young) = (stage.begin(), stage.begin());
    stage.put(&old, "k").unwrap();
    scope(|scope| {
        let waiting = stage.put_beside(scope, young, "k");
        stage.wait_for_waits(1);
        old.commit().unwrap();
        waiting.granted().commit().unwrap();
    });
}

#[test]
fn wait_die_the_younger_dies_at_once_and_is_told_where() {
    let stage = Stage::new(DeadlockPolicy::WaitDie, &["k"]);
    let (old, young) = (stage.begin(), stage.begin());
    stage.put(&old, "k").unwrap();
    match abort_of(stage.put(&young, "k")) {
        Abort::Died { table, key, .. } => {
            assert_eq!((table.as_str(), key.as_deref()), ("t", Some(&b"k"[..])));
        }
        other => panic!("{other}"),
    }
    old.commit().unwrap();
    let stats = stage.engine.stats().transactions;
    assert_eq!((stats.aborts.died, stats.lock_waits), (1, 0));
}

#[test]
fn wait_die_the_older_waits_for_the_younger() {
    let stage = Stage::new(DeadlockPolicy::WaitDie, &["k"]);
    let (old, young) = (stage.begin(), stage.begin());
    stage.put(&young, "k").unwrap();
    scope(|scope| {
        let waiting = stage.put_beside(scope, old, "k");
        stage.wait_for_waits(1);
        young.commit().unwrap();
        waiting.granted().commit().unwrap();
    });
}

#[test]
fn wait_die_a_waiting_transaction_dies_when_an_older_one_gets_ahead_of_it() {
    let stage = Stage::new(DeadlockPolicy::WaitDie, &["k"]);
    let (oldest, middle, youngest) = (stage.begin(), stage.begin(), stage.begin());
    // The oldest holds the gap in front of k, which is in nobody's way, but puts it ahead in k's queue.
    assert_eq!(oldest.scan(&stage.table, "a".."b").count(), 0);
    stage.put(&youngest, "k").unwrap();
    scope(|scope| {
        let waiting = stage.put_beside(scope, middle, "k");
        stage.wait_for_waits(1);
        let ahead = stage.put_beside(scope, oldest, "k");
        assert!(matches!(waiting.refused(), Abort::Died { .. }));
        youngest.commit().unwrap();
        ahead.granted().commit().unwrap();
    });
}

#[test]
fn no_wait_nobody_waits_whatever_its_age() {
    let stage = Stage::new(DeadlockPolicy::NoWait, &["k"]);
    for holder_is_older in [false, true] {
        let (first, second) = (stage.begin(), stage.begin());
        let (holder, other) = if holder_is_older { (first, second) } else { (second, first) };
        stage.put(&holder, "k").unwrap();
        match abort_of(stage.put(&other, "k")) {
            Abort::LockBusy { table, key, .. } => {
                assert_eq!((table.as_str(), key.as_deref()), ("t", Some(&b"k"[..])));
            }
            other => panic!("{other}"),
        }
        holder.commit().unwrap();
    }
    let scanner = stage.begin();
    assert_eq!(scanner.scan(&stage.table, ..).count(), 1);
    let inserter = stage.begin();
    assert!(matches!(abort_of(stage.put(&inserter, "z")), Abort::LockBusy { key: None, .. }), "the end of t");
    assert_eq!(stage.engine.stats().transactions.lock_waits, 0);
}

#[test]
fn everyone_gets_through_under_every_policy() {
    for policy in DeadlockPolicy::ALL {
        let stage = Stage::new(policy, &["a", "b", "c", "d"]);
        scope(|scope| {
            for thread in 0..4 {
                let stage = &stage;
                scope.spawn(move || {
                    let mut random = Random::new(thread);
                    for _ in 0..60 {
                        let keys: [&str; 3] =
                            std::array::from_fn(|_| *random.pick(&["a", "b", "c", "d", "e"]));
                        let work = |txn: &Transaction| {
                            keys.iter().try_for_each(|key| {
                                stage.read(txn, key)?;
                                stage.put(txn, key)
                            })
                        };
                        stage.engine.transact(work).unwrap_or_else(|error| panic!("{policy}: {error}"));
                    }
                });
            }
        });
        let stats = stage.engine.stats().transactions;
        assert!(stats.commits >= 240 && stats.running == 0, "{policy}: {stats:?}");
        let last = stage.begin_impatient(std::time::Duration::ZERO);
        ["a", "b", "c", "d", "e", "f"].iter().try_for_each(|key| stage.put(&last, key)).expect("all is free");
    }
}
