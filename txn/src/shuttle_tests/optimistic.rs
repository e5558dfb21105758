//! The optimistic mode: what was read is so still at the commit timestamp, or the transaction aborts.

use std::sync::Arc;

use shuttle::sync::atomic::{AtomicBool, Ordering};

use super::scene::{Running, Scene, explore, interrupt_everywhere, join};
use crate::protocol::{Intent, Isolation};
use crate::{Direction, Durability, Result};

/// Runs a scenario in which threads have to be interrupted at two certain steps.
fn interrupt_twice(scenario: impl Fn() + Send + Sync + Copy + 'static) {
    shuttle::check_pct(scenario, 5_000, 3);
}

/// A transaction that has read something and not found it taken, and writes `mine`; it remains to be committed.
fn prepared(scene: &Scene, mine: &str, is_taken: impl Fn(&mut Running) -> Result<bool>) -> Running {
    let mut txn = scene.begin(Isolation::Serializable, None);
    assert!(!is_taken(&mut txn).unwrap());
    scene.put(&mut txn, mine, 1).unwrap();
    txn
}

/// Two transactions, each of which writes its own key, since the other's isn't taken, commit at the same time.
fn cross(scene: &Arc<Scene>, is_taken: impl Fn(&mut Running, &str) -> Result<bool>) {
    let both =
        [("x", "y"), ("y", "x")].map(|(mine, other)| prepared(scene, mine, |txn| is_taken(txn, other)));
    join(both.map(|txn| {
        scene.thread(|_| {
            let _ = txn.commit(Durability::None);
        })
    }));
    let taken = ["x", "y"].into_iter().filter(|key| scene.value(key) == Some(1)).count();
    assert_eq!(taken, 1, "write skew, or two aborts");
    scene.assert_unlocked();
    // Of the key whose insertion was refused nothing is left.
    scene.store.sweep();
    let guard = crossbeam_epoch::pin();
    for key in ["x", "y"] {
        assert_eq!(scene.value(key).is_some(), scene.table.index().get(key.as_bytes(), &guard).is_some());
    }
}

#[test]
fn write_skew_over_two_records_is_refused() {
    interrupt_everywhere(|| {
        let scene = Scene::optimistic(&["x", "y"]);
        cross(&scene, |txn, key| Ok(scene.get(txn, key, Intent::Read)? == Some(1)));
    });
}

#[test]
fn write_skew_over_two_absent_keys_is_refused() {
    interrupt_everywhere(|| {
        let scene = Scene::optimistic(&["a"]);
        cross(&scene, |txn, key| Ok(scene.get(txn, key, Intent::Read)?.is_some()));
    });
}

#[test]
fn phantoms_in_a_range_are_refused() {
    interrupt_everywhere(|| {
        let scene = Scene::optimistic(&["a", "z"]);
        cross(&scene, |txn, _| Ok(!scene.keys(txn, "b", "y", Direction::Forward)?.is_empty()));
    });
}

#[test]
fn a_change_is_noticed_that_a_later_one_has_put_out_of_its_chain() {
    // One has read k and writes z; one has read z and writes k; and somebody replaces k at once.
    interrupt_twice(|| {
        let scene = Scene::optimistic(&["k", "z"]);
        let is_taken = |txn: &mut Running, key: &str| Ok(scene.get(txn, key, Intent::Read)? == Some(1));
        let writes_z = prepared(&scene, "z", |txn| is_taken(txn, "k"));
        let writes_k = prepared(&scene, "k", |txn| is_taken(txn, "z"));
        let has_written = Arc::new(AtomicBool::new(false));
        let note = has_written.clone();
        join([
            scene.thread(move |scene| {
                note.store(writes_k.commit(Durability::None).is_ok(), Ordering::SeqCst);
                scene.transact(Isolation::Serializable, |txn| scene.put(txn, "k", 2));
            }),
            scene.thread(|_| {
                let _ = writes_z.commit(Durability::None);
            }),
        ]);
        assert!(!(scene.value("z") == Some(1) && has_written.load(Ordering::SeqCst)), "write skew");
    });
}

#[test]
fn no_update_is_lost() {
    explore(|| {
        let scene = Scene::optimistic(&["n"]);
        join([Isolation::Serializable, Isolation::ReadCommitted].map(|level| {
            scene.thread(move |scene| {
                for _ in 0..2 {
                    scene.transact(level, |txn| scene.increment(txn, "n", Intent::Update));
                }
            })
        }));
        assert_eq!(scene.value("n"), Some(4));
        scene.assert_unlocked();
    });
}

#[test]
fn all_reads_are_of_one_state_even_if_the_transaction_is_bound_to_fail() {
    explore(|| {
        let scene = Scene::optimistic(&["a", "c", "e"]);
        let writer = scene.thread(|scene| {
            for value in 1..3 {
                scene.transact(Isolation::Serializable, |txn| {
                    scene.put(txn, "a", value)?;
                    scene.put(txn, "b", value)?;
                    scene.put(txn, "e", value)
                });
            }
            scene.transact(Isolation::Serializable, |txn| {
                scene.delete(txn, "b")?;
                scene.delete(txn, "c")
            });
            scene.store.sweep();
        });
        let reader = scene.thread(|scene| {
            scene.transact(Isolation::Serializable, |txn| {
                let a = scene.get(txn, "a", Intent::Read)?;
                let keys = scene.keys(txn, "b", "d", Direction::Forward)?;
                let e = scene.get(txn, "e", Intent::Read)?;
                assert_eq!(a, e, "half a transaction");
                match keys.as_str() {
                    "c" => assert_eq!(a, Some(0), "before the first"),
                    "bc" => assert!(a >= Some(1)),
                    "" => assert_eq!(a, Some(2), "after the last"),
                    keys => panic!("{keys}"),
                }
                assert_eq!(scene.keys(txn, "b", "d", Direction::Backward)?, keys);
                Ok(())
            });
        });
        join([writer, reader]);
        scene.assert_unlocked();
    });
}

#[test]
fn a_record_that_was_read_stays_while_its_address_is_remembered() {
    interrupt_everywhere(|| {
        let scene = Scene::optimistic(&["k"]);
        let deleter = scene.thread(|scene| {
            scene.transact(Isolation::Serializable, |txn| scene.delete(txn, "k"));
            scene.store.sweep();
            scene.store.sweep();
        });
        let reader = scene.thread(|scene| {
            let mut txn = scene.begin(Isolation::Serializable, None);
            let found = scene.get(&mut txn, "k", Intent::Read);
            deleter.join().unwrap();
            if let Ok(Some(_)) = found {
                let guard = crossbeam_epoch::pin();
                assert!(scene.table.index().get(b"k", &guard).is_some(), "its record has left the index");
            }
            txn.commit(Durability::None).unwrap();
        });
        reader.join().unwrap();
    });
}
