//! Garbage collection beside writers, scanners and table drops.

use std::sync::{Arc, Weak};

use synod_storage::Timestamp;

use super::scene::{Scene, explore, interrupt_everywhere, join};
use crate::protocol::{Expect, Intent, Isolation};
use crate::{DeadlockPolicy, Direction, Snapshot};

/// Leaves an empty record under `key`, queued for removal.
fn leave_empty_record(scene: &Scene, key: &str) {
    let mut txn = scene.begin(Isolation::Serializable, None);
    scene.put(&mut txn, key, 1).unwrap();
}

#[test]
fn a_value_written_into_a_record_that_is_being_removed_is_seen_at_once() {
    for direction in [Direction::Forward, Direction::Backward] {
        let scenario = move || {
            let scene = Scene::holding(DeadlockPolicy::Detect, &["a", "z"]);
            leave_empty_record(&scene, "k");
            join([
                scene.thread(|scene| {
                    scene.store.sweep();
                }),
                scene.thread(move |scene| {
                    scene.transact(Isolation::Serializable, |txn| scene.put(txn, "k", 5));
                    let (found, _) =
                        scene.transact(Isolation::Serializable, |txn| scene.keys(txn, "a", "z", direction));
                    assert_eq!(found, "akz", "a committed value was passed over");
                    let read = |txn: &mut _| scene.get(txn, "k", Intent::Read);
                    assert_eq!(scene.transact(Isolation::Serializable, read).0, Some(5));
                }),
            ]);
            scene.assert_unlocked();
        };
        explore(scenario);
    }
}

#[test]
fn a_record_that_turns_out_to_be_needed_is_passed_over_by_nobody() {
    // A writer has come between the collector's look at the record and its mark: the record is marked dead,
    // and comes back to life.
    interrupt_everywhere(|| {
        let scene = Scene::holding(DeadlockPolicy::Detect, &["a", "k", "z"]);
        let collector = scene.thread(|scene| {
            let guard = crossbeam_epoch::pin();
            let record = scene.table.index().get(b"k", &guard).unwrap();
            assert!(!scene.store.garbage().remove(record, (&scene.table, scene.store.read_marks()), &guard));
        });
        let reader = scene.thread(|scene| {
            for direction in [Direction::Forward, Direction::Backward] {
                let mut txn = scene.begin(Isolation::Serializable, None);
                assert_eq!(scene.keys(&mut txn, "a", "z", direction).unwrap(), "akz");
            }
            let mut txn = scene.begin(Isolation::Serializable, None);
            assert_eq!(scene.get(&mut txn, "k", Intent::Read).unwrap(), Some(0));
        });
        join([collector, reader]);
        scene.assert_unlocked();
    });
}

#[test]
fn garbage_made_while_a_record_is_found_clean_is_not_forgotten() {
    // The writer finds the collector's claim on the record, and relies on it.
    interrupt_everywhere(|| {
        let scene = Scene::holding(DeadlockPolicy::Detect, &["a", "k"]);
        let snapshot = Snapshot::newest(&scene.store).unwrap();
        scene.transact(Isolation::Serializable, |txn| scene.put(txn, "k", 1));
        drop(snapshot);
        let collector = scene.thread(|scene| {
            scene.store.sweep();
        });
        let writer = scene.thread(|scene| {
            scene.transact(Isolation::Serializable, |txn| scene.delete(txn, "k"));
        });
        join([collector, writer]);
        for _ in 0..3 {
            scene.store.sweep();
        }
        let guard = crossbeam_epoch::pin();
        assert_eq!((scene.table.count_records(&guard), scene.store.garbage_records()), (1, 0));
    });
}

#[test]
fn garbage_goes_when_everyone_is_done_and_nothing_else_does() {
    explore(|| {
        let scene = Scene::holding(DeadlockPolicy::Detect, &["a", "k"]);
        join([
            scene.thread(|scene| {
                scene.transact(Isolation::Serializable, |txn| scene.delete(txn, "k"));
                scene.transact(Isolation::Serializable, |txn| scene.put(txn, "k", 2));
                scene.transact(Isolation::Serializable, |txn| scene.delete(txn, "k"));
            }),
            scene.thread(|scene| {
                leave_empty_record(scene, "n");
                scene.transact(Isolation::Serializable, |txn| scene.put(txn, "m", 1));
            }),
            scene.thread(|scene| {
                scene.store.sweep();
                let snapshot = Snapshot::newest(&scene.store).unwrap();
                assert_eq!(scene.see(&snapshot, "a"), Some(0));
                scene.store.sweep();
            }),
        ]);
        // What one sweep can't finish, the next ones do.
        for _ in 0..4 {
            scene.store.sweep();
        }
        assert_eq!(scene.store.garbage_records(), 0);
        let guard = crossbeam_epoch::pin();
        assert_eq!(scene.table.count_records(&guard), 2, "a and m");
        scene.assert_unlocked();
    });
}

#[test]
fn a_dropped_table_stays_while_locks_may_be_held_in_it() {
    explore(|| {
        let scene = Scene::new(DeadlockPolicy::Detect);
        let id = scene.store.catalog().next_id();
        let table = scene.store.catalog().create(id, "dropped");
        let (store, protocol) = (scene.store.clone(), scene.protocol.clone());
        let weak: Weak<_> = Arc::downgrade(&table);
        let reader = shuttle::thread::spawn(move || {
            let options = crate::BeginOptions {
                isolation: Isolation::Serializable,
                lock_timeout: std::time::Duration::from_secs(60),
                age: None,
                audit: false,
            };
            let mut txn = protocol.begin(&options).unwrap();
            let weak = Arc::downgrade(&table);
            let locked = txn.read(&table, b"k", Intent::Read, &mut |_| ()).is_ok();
            drop(table);
            shuttle::thread::yield_now();
            assert!(!locked || weak.upgrade().is_some(), "freed under a lock");
        });
        let dropper = shuttle::thread::spawn(move || {
            store.remove_table(id, Timestamp(1));
            store.sweep();
        });
        reader.join().unwrap();
        dropper.join().unwrap();
        scene.store.sweep();
        assert!(weak.upgrade().is_none(), "never freed");
    });
}

#[test]
fn insertions_and_removals_of_one_key_leave_one_record() {
    explore(|| {
        let scene = Scene::new(DeadlockPolicy::Detect);
        let mut threads: Vec<_> = (0..2)
            .map(|_| {
                scene.thread(|scene| {
                    scene.transact(Isolation::Serializable, |txn| {
                        txn.write(&scene.table, b"k", Some(&[1]), Expect::Anything)?;
                        scene.delete(txn, "k")
                    });
                    scene.transact(Isolation::Serializable, |txn| scene.increment(txn, "k", Intent::Update));
                })
            })
            .collect();
        threads.push(scene.thread(|scene| {
            scene.store.sweep();
        }));
        join(threads);
        // The later deletion may have come after the other's increment.
        assert!(matches!(scene.value("k"), Some(1 | 2)));
        scene.assert_unlocked();
    });
}
