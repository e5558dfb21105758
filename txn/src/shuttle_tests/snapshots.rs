//! Snapshots and the watermark.

use std::time::Duration;

use synod_storage::Timestamp;

use super::scene::{Scene, explore, interrupt_everywhere, join};
use crate::protocol::Isolation;
use crate::{DeadlockPolicy, Snapshot};

/// Neither watermark, the collector's or a committer's, lies behind an open snapshot.
fn assert_kept(scene: &Scene, snapshot: &Snapshot) {
    let (snapshots, oracle) = (scene.store.snapshots(), scene.store.oracle());
    assert!(snapshots.watermark() <= snapshot.timestamp());
    assert!(snapshots.readers(oracle).watermark <= snapshot.timestamp());
    assert!(snapshots.advance(oracle) <= snapshot.timestamp());
}

#[test]
fn the_watermark_never_passes_a_snapshot_that_is_being_opened() {
    explore(|| {
        let scene = Scene::holding(DeadlockPolicy::Detect, &["k"]);
        let mut threads = vec![
            scene.thread(|scene| {
                scene.transact(Isolation::Serializable, |txn| scene.put(txn, "k", 1));
                scene.transact(Isolation::Serializable, |txn| scene.put(txn, "k", 2));
            }),
            scene.thread(|scene| {
                scene.store.sweep();
                scene.store.sweep();
            }),
        ];
        threads.extend((0..2).map(|_| {
            scene.thread(|scene| {
                let snapshot = Snapshot::newest(&scene.store).unwrap();
                assert_kept(scene, &snapshot);
                let seen = scene.see(&snapshot, "k");
                assert!(seen.is_some(), "its version is gone");
                assert_kept(scene, &snapshot);
                assert_eq!(scene.see(&snapshot, "k"), seen);
            })
        }));
        join(threads);
    });
}

/// Opens snapshots of the past while garbage is collected, and reads them when it has been.
fn travel(retention: Duration) {
    let scene = Scene::with_retention(DeadlockPolicy::Detect, retention);
    for value in 7..10 {
        scene.transact(Isolation::Serializable, |txn| scene.put(txn, "k", value));
    }
    let sweeper = scene.thread(|scene| {
        scene.store.sweep();
    });
    let traveller = scene.thread(|scene| {
        let open = [1, 2, 3].map(|at| Snapshot::at(&scene.store, Timestamp(at)));
        sweeper.join().unwrap();
        for snapshot in open.into_iter().flatten() {
            assert_kept(scene, &snapshot);
            assert_eq!(scene.see(&snapshot, "k"), Some(6 + snapshot.timestamp().0 as u8));
        }
    });
    traveller.join().unwrap();
}

#[test]
fn a_snapshot_of_the_past_is_whole_or_refused_without_retention() {
    interrupt_everywhere(|| travel(Duration::ZERO));
}

#[test]
fn a_snapshot_of_the_past_is_whole_or_refused_with_retention() {
    // The clock stands still, so that a retention of a nanosecond expires with every commit.
    interrupt_everywhere(|| travel(Duration::from_nanos(1)));
}

#[test]
fn a_snapshot_of_the_past_is_whole_or_refused_beside_commits() {
    interrupt_everywhere(|| {
        let scene = Scene::holding(DeadlockPolicy::Detect, &["k"]);
        let writer = scene.thread(|scene| {
            scene.transact(Isolation::Serializable, |txn| scene.put(txn, "k", 1));
        });
        let traveller = scene.thread(|scene| {
            let open = Snapshot::at(&scene.store, Timestamp(1));
            writer.join().unwrap();
            if let Ok(snapshot) = open {
                assert_kept(scene, &snapshot);
                assert_eq!(scene.see(&snapshot, "k"), Some(0));
            }
        });
        traveller.join().unwrap();
    });
}

#[test]
fn versions_that_are_passed_over_are_needed_by_nobody() {
    explore(|| {
        let scene = Scene::holding(DeadlockPolicy::Detect, &["k"]);
        let old = Snapshot::newest(&scene.store).unwrap();
        let writer = scene.thread(|scene| {
            for value in 1..4 {
                scene.transact(Isolation::Serializable, |txn| scene.put(txn, "k", value));
            }
        });
        let sweeper = scene.thread(|scene| {
            scene.store.sweep();
            scene.store.sweep();
        });
        let reader = scene.thread(|scene| {
            let mut newest = 0;
            for _ in 0..2 {
                let snapshot = Snapshot::newest(&scene.store).unwrap();
                let seen = scene.see(&snapshot, "k").expect("its version is gone");
                assert!(seen >= newest, "time went back");
                newest = seen;
                assert_eq!(scene.see(&snapshot, "k"), Some(seen));
            }
        });
        join([writer, sweeper, reader]);
        assert_eq!(scene.see(&old, "k"), Some(0));
        scene.transact(Isolation::Serializable, |txn| scene.put(txn, "k", 4));
        assert_eq!(scene.see(&old, "k"), Some(0));
    });
}
