//! Detection: cycles are found when they close, reported by name, and end with their youngest member.

use std::thread::scope;

use synod::{Abort, DeadlockPolicy, Transaction};

use crate::stage::{Stage, abort_of};

fn stage(keys: &[&str]) -> Stage {
    Stage::new(DeadlockPolicy::Detect, keys)
}

/// The keys that the members of a cycle wait for, from the victim on.
fn waited_for(abort: &Abort) -> Vec<Option<String>> {
    let Abort::Deadlock { cycle } = abort else { panic!("no deadlock: {abort}") };
    let mut members: Vec<_> = cycle.iter().map(|member| member.transaction).collect();
    members.sort_unstable();
    members.dedup();
    assert_eq!(members.len(), cycle.len(), "each transaction waits once: {abort}");
    assert!(cycle.iter().all(|member| member.table == "t"));
    let text = |key: &Vec<u8>| String::from_utf8_lossy(key).into_owned();
    cycle.iter().map(|member| member.key.as_ref().map(text)).collect()
}

fn names<const N: usize>(keys: [&str; N]) -> Vec<Option<String>> {
    keys.map(|key| Some(key.to_owned())).to_vec()
}

#[test]
fn the_younger_of_two_is_aborted_when_it_closes_the_cycle() {
    let stage = stage(&["a", "b"]);
    let (old, young) = (stage.begin(), stage.begin());
    stage.put(&old, "a").unwrap();
    stage.put(&young, "b").unwrap();
    scope(|scope| {
        let waiter = stage.commit_beside(scope, old, "b");
        stage.wait_for_waits(1);
        let abort = abort_of(stage.put(&young, "a"));
        assert_eq!(waited_for(&abort), names(["a", "b"]));
        assert!(abort.is_retryable());
        waiter.join().unwrap();
        assert_eq!(young.abort_reason(), Some(abort.clone()));
        assert_eq!(abort_of(stage.read(&young, "a")), abort, "every operation says the same");
        assert_eq!(abort_of(young.commit()), abort);
    });
    assert_eq!(stage.engine.stats().transactions.aborts.deadlock, 1);
}

#[test]
fn the_younger_of_two_is_aborted_when_the_older_closes_the_cycle() {
    let stage = stage(&["a", "b"]);
    let (old, young) = (stage.begin(), stage.begin());
    stage.put(&old, "a").unwrap();
    stage.put(&young, "b").unwrap();
    scope(|scope| {
        let waiter = stage.put_beside(scope, young, "a");
        stage.wait_for_waits(1);
        stage.put(&old, "b").unwrap();
        assert_eq!(waited_for(&waiter.refused()), names(["a", "b"]));
    });
    old.commit().unwrap();
}

#[test]
fn a_cycle_of_three_is_found_from_whichever_side_it_closes() {
    for first in 0..3 {
        let stage = stage(&["a", "b", "c"]);
        // Ascending age: member 2 is the youngest. Each waits for the key of the next one.
        let members: Vec<(usize, Transaction)> = (0..3).map(|member| (member, stage.begin())).collect();
        let keys = ["a", "b", "c"];
        for (member, txn) in &members {
            stage.put(txn, keys[*member]).unwrap();
        }
        let mut in_order: Vec<_> = members.into_iter().collect();
        in_order.rotate_left(first);
        scope(|scope| {
            let mut waiting = Vec::new();
            for (step, (member, txn)) in in_order.into_iter().enumerate() {
                stage.wait_for_waits(step as u64);
                let stage = &stage;
                waiting.push(scope.spawn(move || {
                    let outcome = stage.put(&txn, keys[(member + 1) % 3]);
                    // Those who got through commit, and so let the next one through.
                    outcome.and_then(|()| txn.commit()).map_err(|error| (member, error))
                }));
            }
            let outcomes: Vec<_> = waiting.into_iter().map(|thread| thread.join().unwrap()).collect();
            let mut victims: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
            let (member, error) = victims.pop().expect("somebody has to go");
            assert!(victims.is_empty(), "one is enough");
            assert_eq!(member, 2, "the youngest");
            assert_eq!(waited_for(error.abort().unwrap()), names(["a", "b", "c"]));
        });
    }
}

#[test]
fn insertions_into_each_others_gaps_are_a_deadlock_too() {
    let stage = stage(&["m"]);
    let (old, young) = (stage.begin(), stage.begin());
    for txn in [&old, &young] {
        assert_eq!(txn.scan(&stage.table, "a".."b").count(), 0);
        assert_eq!(txn.scan(&stage.table, "x"..).count(), 0);
    }
    scope(|scope| {
        let waiter = stage.put_beside(scope, old, "a1");
        stage.wait_for_waits(1);
        let abort = abort_of(stage.put(&young, "x1"));
        assert_eq!(waited_for(&abort), [None, Some("m".to_owned())], "the table's end, and the gap before m");
        assert!(abort.to_string().contains("the end of t"), "{abort}");
        waiter.granted().commit().unwrap();
    });
    assert_eq!(stage.keys(), "a1m");
}

#[test]
fn a_transaction_that_waits_beside_a_cycle_is_left_alone() {
    let stage = stage(&["a", "b"]);
    let (old, young, bystander) = (stage.begin(), stage.begin(), stage.begin());
    stage.put(&old, "a").unwrap();
    stage.put(&young, "b").unwrap();
    scope(|scope| {
        let waiting = stage.put_beside(scope, bystander, "a");
        stage.wait_for_waits(1);
        let waiter = stage.commit_beside(scope, old, "b");
        stage.wait_for_waits(2);
        assert_eq!(waited_for(&abort_of(stage.put(&young, "a"))), names(["a", "b"]));
        waiter.join().unwrap();
        waiting.granted().commit().unwrap();
    });
}

#[test]
fn a_waiter_waits_for_nobody_who_has_left() {
    let stage = stage(&["a", "k"]);
    let (first, second, waiter) = (stage.begin(), stage.begin(), stage.begin());
    stage.read(&first, "k").unwrap();
    stage.read(&second, "k").unwrap();
    stage.put(&waiter, "a").unwrap();
    scope(|scope| {
        let waiting = stage.commit_beside(scope, waiter, "k");
        stage.wait_for_waits(1);
        first.commit().unwrap();
        // It takes the place of the one that has left, and waits for the waiter: that is no cycle.
        let next = stage.begin();
        let behind = stage.commit_beside(scope, next, "a");
        stage.wait_for_waits(2);
        second.commit().unwrap();
        waiting.join().unwrap();
        behind.join().unwrap();
    });
    assert_eq!(stage.engine.stats().transactions.aborts.deadlock, 0);
}

#[test]
fn the_victims_locks_and_writes_are_gone_at_once() {
    let stage = stage(&["a", "b"]);
    let (old, young) = (stage.begin(), stage.begin());
    stage.put(&old, "a").unwrap();
    stage.put(&young, "b").unwrap();
    stage.put(&young, "c").unwrap();
    let old = scope(|scope| {
        let waiter = stage.put_beside(scope, old, "b");
        stage.wait_for_waits(1);
        abort_of(stage.put(&young, "a"));
        waiter.granted()
    });
    // The victim is still in scope.
    stage.put(&old, "c").unwrap();
    old.commit().unwrap();
    assert!(young.abort_reason().is_some());
    assert_eq!(stage.keys(), "abc");
}

#[test]
fn who_asks_for_keys_together_holds_none_that_comes_behind_the_one_it_waits_for() {
    let stage = stage(&["a", "b", "c"]);
    let (holder, together) = (stage.begin(), stage.begin());
    stage.put(&holder, "b").unwrap();
    scope(|scope| {
        let waiter = scope.spawn(|| {
            let mut seen = Vec::new();
            let keys = ["c", "b", "a", "absent"];
            together
                .multi_get_for_update_with(&stage.table, &keys, |nth, value| {
                    seen.push((nth, value.map(<[u8]>::to_vec)));
                })
                .unwrap();
            together.commit().unwrap();
            seen
        });
        stage.wait_for_waits(1);
        stage.put(&holder, "c").expect("it was given back when b wasn't free");
        holder.commit().unwrap();
        let (old, new) = (Some(b"old".to_vec()), Some(b"new".to_vec()));
        let expected = [(0, new.clone()), (1, new), (2, old), (3, None)];
        assert_eq!(waiter.join().unwrap(), expected, "in the order in which they were asked for");
    });
    assert_eq!(stage.engine.stats().transactions.aborts.deadlock, 0);
}
