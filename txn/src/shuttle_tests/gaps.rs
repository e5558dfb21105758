//! Gaps: nothing appears in a range that a serializable transaction has read.

use super::scene::{Scene, explore, interrupt_everywhere, join};
use crate::protocol::{Intent, Isolation};
use crate::{DeadlockPolicy, Direction};

/// A scanner reads a range twice while others insert into it and delete from it, in pairs.
fn scan_twice(direction: Direction, keys: &[&str]) {
    let scene = Scene::holding(DeadlockPolicy::Detect, keys);
    join([
        scene.thread(|scene| {
            scene.transact(Isolation::Serializable, |txn| {
                scene.put(txn, "f", 1)?;
                scene.put(txn, "d", 1)
            });
        }),
        scene.thread(move |scene| {
            scene.transact(Isolation::Serializable, |txn| {
                let first = scene.keys(txn, "b", "g", direction)?;
                let second = scene.keys(txn, "b", "g", direction)?;
                assert_eq!(first, second);
                assert_eq!(first.contains('d'), first.contains('f'), "half a transaction: {first}");
                Ok(())
            });
        }),
        scene.thread(|scene| {
            scene.transact(Isolation::Serializable, |txn| scene.delete(txn, "c"));
            scene.store.sweep();
        }),
    ]);
    scene.assert_unlocked();
}

#[test]
fn a_forward_scan_meets_no_phantoms() {
    explore(|| scan_twice(Direction::Forward, &["a", "c", "h"]));
}

#[test]
fn a_backward_scan_meets_no_phantoms() {
    explore(|| scan_twice(Direction::Backward, &["a", "c", "h"]));
}

#[test]
fn a_scan_of_an_empty_table_meets_no_phantoms() {
    explore(|| scan_twice(Direction::Forward, &[]));
}

#[test]
fn a_scan_to_the_end_over_several_leaves_meets_no_phantoms() {
    explore(|| scan_twice(Direction::Backward, &["a", "b", "c", "c1", "c2", "e", "e1", "e2"]));
}

#[test]
fn an_insertion_into_ones_own_gap_keeps_both_parts_closed() {
    // The record behind the gap is shared by somebody whose slot has no bits, so that its lock is in the lock
    // table, and moves into the control word while the gap's holder looks at it.
    interrupt_everywhere(|| {
        let scene = Scene::holding(DeadlockPolicy::NoWait, &["a", "h"]);
        let mut holder = scene.begin(Isolation::Serializable, None);
        assert_eq!(scene.keys(&mut holder, "b", "g", Direction::Forward).unwrap(), "");
        scene.occupy_sharing_slots();
        let mut sharer = scene.begin(Isolation::Serializable, None);
        scene.get(&mut sharer, "h", Intent::Read).unwrap();
        let inserting = scene.clone();
        let inserter = shuttle::thread::spawn(move || {
            inserting.put(&mut holder, "e", 1).unwrap();
            holder
        });
        join([scene.thread(move |_| drop(sharer))]);
        let holder = inserter.join().unwrap();
        for key in ["d", "f"] {
            let mut other = scene.begin(Isolation::Serializable, None);
            assert!(scene.put(&mut other, key, 1).is_err(), "{key} is in the gap that was read");
        }
        drop(holder);
        scene.assert_unlocked();
    });
}

#[test]
fn a_key_that_was_found_absent_stays_absent() {
    // Write skew over two absent keys.
    explore(|| {
        let scene = Scene::new(DeadlockPolicy::Detect);
        join([("x", "y"), ("y", "x")].map(|(mine, other)| {
            scene.thread(move |scene| {
                scene.transact(Isolation::RepeatableRead, |txn| {
                    if scene.get(txn, other, Intent::Read)?.is_none() {
                        scene.put(txn, mine, 1)?;
                    }
                    Ok(())
                });
            })
        }));
        let present = ["x", "y"].into_iter().filter(|key| scene.value(key).is_some()).count();
        assert_eq!(present, 1);
        scene.assert_unlocked();
    });
}
