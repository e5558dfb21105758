//! Small scenarios under shuttle, which runs the threads in one interleaving after another (random ones,
//! and those of probabilistic concurrency testing: Burckhardt et al., ASPLOS 2010). Nodes have four
//! entries, so that a few keys make splits, empty leaves and a changing root.
//!
//!     RUSTFLAGS="--cfg shuttle" cargo test -p synod-storage --lib
//!
//! Shuttle makes every atomic operation sequentially consistent: this finds missing locks, versions and
//! validations, not weak orderings. Each run has its own garbage collector, so that all that it retired
//! is freed at its end.

use std::ops::Bound;
use std::sync::Arc;

use crossbeam_epoch::{Collector, Guard};
use shuttle::thread;

use super::super::{Batch, Index, Insertion};
use crate::Record;
use crate::sync::Ordering;

struct Scene {
    index: Index,
    collector: Collector,
}

impl Scene {
    fn with_keys(keys: impl IntoIterator<Item = u8>) -> Arc<Scene> {
        let scene = Scene { index: Index::new(), collector: Collector::new() };
        scene.pinned(|guard| keys.into_iter().for_each(|key| assert!(scene.insert(key, guard))));
        Arc::new(scene)
    }

    fn pinned<T>(&self, act: impl FnOnce(&Guard) -> T) -> T {
        let participant = self.collector.register();
        let guard = participant.pin();
        act(&guard)
    }

    fn insert(&self, key: u8, guard: &Guard) -> bool {
        let made = self.index.insert(&[key], || Record::allocate(&[key], 0, 0), |_| true, guard);
        matches!(made, Insertion::Inserted(_))
    }

    fn remove(&self, key: u8, guard: &Guard) {
        let record = self.index.get(&[key], guard).expect("it is there until this thread removes it");
        record.word().store(Record::DEAD, Ordering::SeqCst);
        self.index.remove(record, guard);
    }

    fn forward(&self, guard: &Guard) -> Vec<u8> {
        let mut batch = Batch::new();
        let mut keys = Vec::new();
        self.index.leaf_from(Bound::Unbounded, &mut batch, guard);
        loop {
            keys.extend(batch.records().iter().map(|record| record.key()[0]));
            let Some(fence) = batch.fence() else { return keys };
            self.index.leaf_from(Bound::Included(fence), &mut batch, guard);
        }
    }

    fn backward(&self, guard: &Guard) -> Vec<u8> {
        let mut batch = Batch::new();
        let mut keys = Vec::new();
        self.index.leaf_to(Bound::Unbounded, &mut batch, guard);
        loop {
            keys.extend(batch.records().iter().rev().map(|record| record.key()[0]));
            let Some(fence) = batch.fence() else { return keys };
            self.index.leaf_to(Bound::Excluded(fence), &mut batch, guard);
        }
    }

    /// Starts a thread that acts on the scene, pinned.
    fn thread(self: &Arc<Self>, act: impl FnOnce(&Scene, &Guard) + Send + 'static) -> thread::JoinHandle<()> {
        let scene = Arc::clone(self);
        thread::spawn(move || scene.pinned(|guard| act(&scene, guard)))
    }

    fn assert_holds(&self, keys: &[u8]) {
        self.pinned(|guard| {
            super::verify(&self.index, guard);
            assert_eq!(self.forward(guard), keys);
        });
    }
}

fn explore(scenario: impl Fn() + Send + Sync + Copy + 'static) {
    shuttle::check_random(scenario, 1500);
    shuttle::check_pct(scenario, 1500, 3);
}

fn join(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Whatever the writers do, a scan rises strictly and sees every key that is there throughout.
fn assert_scan(mut keys: Vec<u8>, permanent: &[u8]) {
    assert!(keys.is_sorted_by(|left, right| left < right), "{keys:?}");
    keys.retain(|key| permanent.contains(key));
    assert_eq!(keys, permanent);
}

#[test]
fn splits_hide_no_key_from_readers() {
    explore(|| {
        let scene = Scene::with_keys([10, 20, 30, 40]);
        join([
            scene.thread(|scene, guard| assert!(scene.insert(25, guard) && scene.insert(27, guard))),
            scene.thread(|scene, guard| assert!(scene.insert(5, guard) && scene.insert(35, guard))),
            scene.thread(|scene, guard| {
                for key in [30, 10, 40] {
                    assert_eq!(scene.index.get(&[key], guard).unwrap().key(), [key]);
                }
            }),
            scene.thread(|scene, guard| assert_scan(scene.forward(guard), &[10, 20, 30, 40])),
        ]);
        scene.assert_holds(&[5, 10, 20, 25, 27, 30, 35, 40]);
    });
}

#[test]
fn removed_leaves_hide_no_key_from_readers() {
    explore(|| {
        // Leaves: 10 20 | 30 40 | 50 60 70.
        let scene = Scene::with_keys([10, 20, 30, 40, 50, 60, 70]);
        join([
            scene.thread(|scene, guard| {
                scene.remove(30, guard);
                scene.remove(40, guard);
            }),
            scene.thread(|scene, guard| {
                scene.remove(10, guard);
                assert!(scene.insert(45, guard));
            }),
            scene.thread(|scene, guard| {
                assert_scan(scene.forward(guard), &[20, 50, 60, 70]);
                assert_eq!(scene.index.get(&[50], guard).unwrap().key(), [50]);
            }),
            scene.thread(|scene, guard| {
                let mut keys = scene.backward(guard);
                keys.reverse();
                assert_scan(keys, &[20, 50, 60, 70]);
            }),
        ]);
        scene.assert_holds(&[20, 45, 50, 60, 70]);
    });
}

#[test]
fn neighbours_that_become_empty_at_once_leave_one_leaf() {
    explore(|| {
        let scene = Scene::with_keys([10, 20, 30, 40, 50]);
        join([
            scene.thread(|scene, guard| [10, 20].into_iter().for_each(|key| scene.remove(key, guard))),
            scene.thread(|scene, guard| [50, 40, 30].into_iter().for_each(|key| scene.remove(key, guard))),
            scene.thread(|scene, guard| {
                assert!(scene.index.get(&[15], guard).is_none());
                assert!(scene.insert(33, guard));
            }),
        ]);
        scene.assert_holds(&[33]);
        assert_eq!(scene.index.statistics().leaves, 1);
    });
}

#[test]
fn reused_nodes_are_not_taken_for_their_former_selves() {
    explore(|| {
        let scene = Scene::with_keys([10, 20, 30, 40, 50]);
        join([
            scene.thread(|scene, guard| {
                // The leaf of 10 and 20 goes, and comes back as the right half of a split.
                [10, 20].into_iter().for_each(|key| scene.remove(key, guard));
                [60, 70, 80].into_iter().for_each(|key| assert!(scene.insert(key, guard)));
            }),
            scene.thread(|scene, guard| {
                for key in [10, 20] {
                    assert!(scene.index.get(&[key], guard).is_none_or(|record| record.key() == [key]));
                }
                assert_scan(scene.forward(guard), &[30, 40, 50]);
            }),
        ]);
        scene.assert_holds(&[30, 40, 50, 60, 70, 80]);
    });
}

/// Whoever has found a record in the tree, and is about to leave a shortcut, must not do so once it was removed; nor may a
/// segment that is being split keep it.
#[test]
fn a_removed_record_keeps_no_shortcut() {
    explore(|| {
        let scene = Scene::with_keys([10, 20, 30, 40]);
        scene.pinned(|guard| {
            let record = scene.index.get(&[20], guard).unwrap();
            scene.index.shortcuts.forget(record, guard);
        });
        join([
            scene.thread(|scene, guard| {
                if let Some(record) = scene.index.get(&[20], guard) {
                    assert_eq!(record.key(), [20]);
                }
            }),
            scene.thread(|scene, guard| scene.remove(20, guard)),
            scene.thread(|scene, guard| {
                [50, 60, 70].into_iter().for_each(|key| assert!(scene.insert(key, guard)))
            }),
        ]);
        scene.assert_holds(&[10, 30, 40, 50, 60, 70]);
        scene.pinned(|guard| assert!(scene.index.get(&[20], guard).is_none()));
    });
}

#[test]
fn one_of_two_inserters_of_a_key_wins() {
    explore(|| {
        let scene = Scene::with_keys([10, 20, 30, 40]);
        let wins = Arc::new(std::sync::atomic::AtomicU32::new(0));
        join([0, 1].map(|_| {
            let wins = Arc::clone(&wins);
            scene.thread(move |scene, guard| {
                let won = scene.insert(25, guard);
                wins.fetch_add(u32::from(won), std::sync::atomic::Ordering::Relaxed);
            })
        }));
        assert_eq!(wins.load(std::sync::atomic::Ordering::Relaxed), 1);
        scene.assert_holds(&[10, 20, 25, 30, 40]);
    });
}

/// An inserter and a scanner of the gap in front of `successor`, which is the first key of another leaf
/// where `keys` fill more than one.
fn gap_handshake(keys: impl IntoIterator<Item = u8>, gap: u8, successor: u8) {
    const MARK: u64 = 1;
    let scene = Scene::with_keys(keys);
    let filled = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let locked = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (fills, locks) = (Arc::clone(&filled), Arc::clone(&locked));
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    join([
        scene.thread(move |scene, guard| {
            let admit = |behind: Option<Record<'_>>| {
                let behind = behind.unwrap();
                assert_eq!(behind.key(), [successor]);
                behind.word().load(Ordering::SeqCst) & MARK == 0
            };
            let made = scene.index.insert(&[gap], || Record::allocate(&[gap], 0, 0), admit, guard);
            fills.store(matches!(made, Insertion::Inserted(_)), relaxed);
        }),
        scene.thread(move |scene, guard| {
            let mut batch = Batch::new();
            scene.index.leaf_from(Bound::Included(&[gap]), &mut batch, guard);
            if batch.records().first().is_some_and(|record| record.key() == [gap]) {
                return;
            }
            let behind = scene.index.get(&[successor], guard).unwrap();
            behind.word().fetch_or(MARK, Ordering::SeqCst);
            locks.store(scene.index.is_current(&batch.witness()), relaxed);
        }),
    ]);
    assert!(!(filled.load(relaxed) && locked.load(relaxed)), "a key appeared in a locked gap");
}

#[test]
fn no_key_appears_in_a_locked_gap() {
    explore(|| gap_handshake([10, 30], 20, 30));
}

#[test]
fn no_key_appears_in_a_locked_gap_between_leaves() {
    explore(|| gap_handshake([10, 20, 30, 40, 50], 25, 30));
}
