//! Locks: mutual exclusion, wake-ups, deadlocks, and that everything is released at the end.

use shuttle::sync::atomic::AtomicUsize;
use synod_storage::sync::Ordering;

use super::scene::{Scene, explore, interrupt_everywhere, join};
use crate::DeadlockPolicy;
use crate::protocol::{Intent, Isolation};

/// Three transactions increment one counter; all of them count.
fn count(policy: DeadlockPolicy, intent: Intent, occupied: bool) {
    let scene = Scene::holding(policy, &["k"]);
    if occupied {
        scene.occupy_sharing_slots();
    }
    join((0..3).map(|_| {
        scene.thread(move |scene| {
            scene.transact(Isolation::Serializable, |txn| scene.increment(txn, "k", intent));
        })
    }));
    assert_eq!(scene.value("k"), Some(3));
    scene.assert_unlocked();
}

#[test]
fn increments_under_update_locks_all_count_and_never_abort() {
    explore(|| {
        let scene = Scene::holding(DeadlockPolicy::Detect, &["k"]);
        join((0..3).map(|_| {
            scene.thread(|scene| {
                let work = |txn: &mut _| scene.increment(txn, "k", Intent::Update);
                let ((), aborts) = scene.transact(Isolation::Serializable, work);
                assert_eq!(aborts, 0, "one waits for the other, and nobody collides");
            })
        }));
        assert_eq!(scene.value("k"), Some(3));
        scene.assert_unlocked();
    });
}

#[test]
fn increments_that_upgrade_shared_locks_all_count_with_detection() {
    explore(|| count(DeadlockPolicy::Detect, Intent::Read, false));
}

#[test]
fn increments_all_count_with_wound_wait() {
    explore(|| count(DeadlockPolicy::WoundWait, Intent::Read, false));
}

#[test]
fn increments_all_count_with_wait_die() {
    explore(|| count(DeadlockPolicy::WaitDie, Intent::Read, false));
}

#[test]
fn increments_all_count_without_waiting() {
    explore(|| count(DeadlockPolicy::NoWait, Intent::Read, false));
}

#[test]
fn increments_all_count_in_slots_without_bits() {
    explore(|| count(DeadlockPolicy::Detect, Intent::Read, true));
}

/// Each transaction increments two counters, in its own order.
fn cross(policy: DeadlockPolicy) {
    let scene = Scene::holding(policy, &["a", "b", "c"]);
    join(["ab", "bc", "ca"].map(|order| {
        scene.thread(move |scene| {
            scene.transact(Isolation::Serializable, |txn| {
                (0..2).try_for_each(|at| scene.increment(txn, &order[at..=at], Intent::Update))
            });
        })
    }));
    assert_eq!(["a", "b", "c"].map(|key| scene.value(key)), [Some(2); 3]);
    scene.assert_unlocked();
}

#[test]
fn cycles_are_broken_and_nothing_stays_locked_with_detection() {
    explore(|| cross(DeadlockPolicy::Detect));
}

#[test]
fn cycles_are_broken_and_nothing_stays_locked_with_wound_wait() {
    explore(|| cross(DeadlockPolicy::WoundWait));
}

#[test]
fn cycles_are_broken_and_nothing_stays_locked_with_wait_die() {
    explore(|| cross(DeadlockPolicy::WaitDie));
}

#[test]
fn a_writer_is_never_beside_anyone() {
    // Two readers and two writers hold locks for a moment, and look who else does.
    explore(|| {
        let scene = Scene::holding(DeadlockPolicy::Detect, &["k"]);
        let holders = std::sync::Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        join([Intent::Read, Intent::Write, Intent::Read, Intent::Write].map(|intent| {
            let holders = holders.clone();
            scene.thread(move |scene| {
                let kind = usize::from(intent == Intent::Write);
                scene.transact(Isolation::Serializable, |txn| {
                    scene.get(txn, "k", intent)?;
                    holders[kind].fetch_add(1, Ordering::SeqCst);
                    let (readers, writers) =
                        (holders[0].load(Ordering::SeqCst), holders[1].load(Ordering::SeqCst));
                    assert!(writers == 0 || (writers == 1 && readers == 0), "{readers} beside {writers}");
                    holders[kind].fetch_sub(1, Ordering::SeqCst);
                    Ok(())
                });
            })
        }));
        scene.assert_unlocked();
    });
}

#[test]
fn a_lock_granted_to_a_victim_is_given_back() {
    // An old one arrives while a young one waits and the holder releases: the young one may be told to die
    // and be granted its lock at the same time.
    explore(|| {
        let scene = Scene::holding(DeadlockPolicy::WaitDie, &["a"]);
        join([3u64, 2, 1].map(|age| {
            scene.thread(move |scene| {
                let mut txn = scene.begin(Isolation::Serializable, Some(age));
                if scene.get(&mut txn, "a", Intent::Write).is_ok() {
                    scene.put(&mut txn, "a", 1).unwrap();
                }
            })
        }));
        scene.assert_unlocked();
    });
}

#[test]
fn no_two_transactions_share_an_id() {
    explore(|| {
        let scene = Scene::new(DeadlockPolicy::Detect);
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let scene = scene.clone();
                shuttle::thread::spawn(move || {
                    [(); 2].map(|()| {
                        let mut txn = scene.begin(Isolation::Serializable, None);
                        txn.savepoint().unwrap().transaction
                    })
                })
            })
            .collect();
        let mut ids: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        ids.sort_unstable();
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    });
}

#[test]
fn who_looks_never_meets_a_deadlock_that_is_about_to_be_broken() {
    interrupt_everywhere(|| {
        let scene = Scene::holding(DeadlockPolicy::Detect, &["a", "b"]);
        let looker = scene.thread(|scene| {
            for _ in 0..20 {
                let waiting = scene.protocol.waiting();
                let waits_for_a_waiter = |waiter: &crate::Waiting| {
                    waiting.iter().any(|other| waiter.waits_for.contains(&other.transaction))
                };
                // Of two transactions, one waits for the other, and that one goes on.
                assert!(!waiting.iter().any(waits_for_a_waiter), "{waiting:?}");
            }
        });
        // Each holds one of the two already, so that only the look has to come at a certain moment.
        let writers = [("a", "b"), ("b", "a")].map(|(first, second)| {
            let mut txn = scene.begin(Isolation::Serializable, None);
            scene.put(&mut txn, first, 1).unwrap();
            scene.thread(move |scene| {
                let _ = scene.put(&mut txn, second, 2);
            })
        });
        join(writers.into_iter().chain([looker]));
        scene.assert_unlocked();
    });
}
