//! The optimistic mode: what was read is so still at the commit timestamp, or the transaction aborts.

use std::sync::Arc;

use shuttle::sync::atomic::{AtomicBool, Ordering};

use super::scene::{Scene, explore, interrupt_everywhere, join};
use crate::protocol::{Intent, Isolation};
use crate::{Direction, Durability};

/// Two transactions, each of which writes its own key if the other's has no mark.
fn cross(scene: &Arc<Scene>, is_marked: fn(&Scene, &mut super::scene::Running, &str) -> crate::Result<bool>) {
    join([("x", "y"), ("y", "x")].map(|(mine, other)| {
        scene.thread(move |scene| {
            scene.transact(Isolation::Serializable, |txn| {
                if !is_marked(scene, txn, other)? {
                    scene.put(txn, mine, 1)?;
                }
                Ok(())
            });
        })
    }));
    let marked = ["x", "y"].into_iter().filter(|key| scene.value(key) == Some(1)).count();
    assert_eq!(marked, 1, "write skew");
    scene.assert_unlocked();
}

#[test]
fn write_skew_over_two_records_is_refused() {
    interrupt_everywhere(|| {
        let scene = Scene::optimistic(&["x", "y"]);
        cross(&scene, |scene, txn, key| Ok(scene.get(txn, key, Intent::Read)? == Some(1)));
    });
}

#[test]
fn write_skew_over_two_absent_keys_is_refused() {
    interrupt_everywhere(|| {
        let scene = Scene::optimistic(&["a"]);
        cross(&scene, |scene, txn, key| Ok(scene.get(txn, key, Intent::Read)?.is_some()));
    });
}

#[test]
fn phantoms_in_a_range_are_refused() {
    interrupt_everywhere(|| {
        let scene = Scene::optimistic(&["a", "z"]);
        cross(&scene, |scene, txn, _| Ok(!scene.keys(txn, "b", "y", Direction::Forward)?.is_empty()));
    });
}

#[test]
fn a_change_is_noticed_that_a_later_one_has_put_out_of_its_chain() {
    // The reader of k, and writer of z; the reader of z, and writer of k; and somebody who replaces k afterwards.
    interrupt_everywhere(|| {
        let scene = Scene::optimistic(&["k", "z"]);
        let has_written_k = Arc::new(AtomicBool::new(false));
        let writes_k = has_written_k.clone();
        join([
            scene.thread(|scene| {
                scene.transact(Isolation::Serializable, |txn| {
                    if scene.get(txn, "k", Intent::Read)? == Some(0) {
                        scene.put(txn, "z", 1)?;
                    }
                    Ok(())
                });
            }),
            scene.thread(move |scene| {
                let (written, _) = scene.transact(Isolation::Serializable, |txn| {
                    let is_free = scene.get(txn, "z", Intent::Read)? == Some(0);
                    if is_free {
                        scene.put(txn, "k", 1)?;
                    }
                    Ok(is_free)
                });
                writes_k.store(written, Ordering::SeqCst);
                scene.transact(Isolation::Serializable, |txn| scene.put(txn, "k", 2));
            }),
        ]);
        let has_written_z = scene.value("z") == Some(1);
        assert!(!(has_written_z && has_written_k.load(Ordering::SeqCst)), "write skew");
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

#[test]
fn insertions_that_are_refused_leave_nothing_behind() {
    explore(|| {
        let scene = Scene::optimistic(&["k"]);
        let thread = |mine: &'static str, rounds: usize| {
            scene.thread(move |scene| {
                for _ in 0..rounds {
                    scene.transact(Isolation::Serializable, |txn| {
                        scene.increment(txn, "k", Intent::Update)?;
                        scene.put(txn, mine, 1)
                    });
                    scene.transact(Isolation::Serializable, |txn| scene.delete(txn, mine));
                }
            })
        };
        let sweeper = scene.thread(|scene| {
            scene.store.sweep();
        });
        join([thread("a", 2), thread("b", 1), sweeper]);
        scene.store.sweep();
        scene.store.sweep();
        let guard = crossbeam_epoch::pin();
        for key in ["a", "b"] {
            assert!(scene.table.index().get(key.as_bytes(), &guard).is_none(), "{key}");
        }
        assert_eq!(scene.value("k"), Some(3));
        scene.assert_unlocked();
    });
}
