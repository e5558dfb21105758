//! Commits: timestamps, and who sees them.

use std::sync::Arc;

use shuttle::sync::atomic::AtomicU64;
use shuttle::thread;
use synod_storage::Timestamp;
use synod_storage::sync::Ordering;

use super::scene::{Scene, explore, interrupt_everywhere, join};
use crate::clock::ManualClock;
use crate::protocol::Isolation;
use crate::visibility::latest_committed;
use crate::{DeadlockPolicy, Durability, Oracle, Snapshot};

#[test]
fn timestamps_are_unique_and_grow() {
    explore(|| {
        let oracle = Arc::new(Oracle::new(Arc::new(ManualClock::new(0, 0)), Timestamp(7)));
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let oracle = oracle.clone();
                thread::spawn(move || {
                    let first = oracle.next();
                    assert!(oracle.last() >= first);
                    let second = oracle.next();
                    assert!(second > first);
                    [first, second]
                })
            })
            .collect();
        let mut all: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        all.sort();
        assert_eq!(all, (8..14).map(Timestamp).collect::<Vec<_>>());
    });
}

#[test]
fn a_snapshot_sees_all_of_a_commit_or_nothing_and_all_that_was_acknowledged() {
    explore(|| {
        let scene = Scene::holding(DeadlockPolicy::Detect, &["a", "z"]);
        let acknowledged = Arc::new(AtomicU64::new(0));
        let acknowledge = acknowledged.clone();
        join([
            scene.thread(move |scene| {
                for value in 1..3 {
                    scene.transact(Isolation::Serializable, |txn| {
                        scene.put(txn, "a", value)?;
                        scene.put(txn, "z", value)
                    });
                    acknowledge.store(value.into(), Ordering::SeqCst);
                }
            }),
            scene.thread(move |scene| {
                let least = acknowledged.load(Ordering::SeqCst) as u8;
                let snapshot = Snapshot::newest(&scene.store).unwrap();
                let (z, a) = (scene.see(&snapshot, "z"), scene.see(&snapshot, "a"));
                assert_eq!(a, z, "half a commit");
                assert!(a >= Some(least), "{least} was acknowledged, and {a:?} is seen");
                assert_eq!(scene.see(&snapshot, "a"), a, "the snapshot has changed");
            }),
            scene.thread(|scene| {
                scene.store.sweep();
            }),
        ]);
    });
}

#[test]
fn the_commit_bound_leaves_out_whatever_is_not_finished() {
    // Whoever sees a bound finds all commits up to it stamped.
    explore(|| {
        let scene = Scene::holding(DeadlockPolicy::Detect, &["a", "b"]);
        join([
            scene.thread(|scene| {
                scene.transact(Isolation::Serializable, |txn| scene.put(txn, "a", 1));
            }),
            scene.thread(|scene| {
                scene.transact(Isolation::Serializable, |txn| scene.put(txn, "b", 1));
            }),
            scene.thread(|scene| {
                let bound = scene.store.commit_bound();
                let guard = crossbeam_epoch::pin();
                let committed = ["a", "b"].into_iter().filter(|key| {
                    let record = scene.table.index().get(key.as_bytes(), &guard).unwrap();
                    let head = record.head().unwrap();
                    head.state() != synod_storage::VersionState::Committed(Timestamp(1))
                        && matches!(head.state(), synod_storage::VersionState::Committed(at) if at <= bound)
                });
                // The first commit, at 1, filled the table.
                assert_eq!(committed.count() as u64, bound.0 - 1);
            }),
        ]);
    });
}

#[test]
fn the_newest_committed_version_is_found_while_it_is_being_replaced() {
    interrupt_everywhere(|| {
        let scene = Scene::holding(DeadlockPolicy::Detect, &["k"]);
        let mut writer = scene.begin(Isolation::Serializable, None);
        scene.put(&mut writer, "k", 1).unwrap();
        join([
            scene.thread(|_| {
                writer.commit(Durability::None).unwrap();
            }),
            scene.thread(|scene| {
                let guard = crossbeam_epoch::pin();
                let record = scene.table.index().get(b"k", &guard).unwrap();
                let found = latest_committed(record).and_then(synod_storage::Version::value);
                assert!(matches!(found, Some([0 | 1])), "{found:?}");
            }),
        ]);
    });
}
