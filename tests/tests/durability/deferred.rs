//! Handles of deferred commits: resolved in commit order, only when durable, and no burden when dropped.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use synod::device::{MemoryDevice, Survival};
use synod::{CommitHandle, Durability, Engine, Table, Timestamp, TransactionOptions};
use synod_tests::conformance::world::wait_until;

use super::support::{HOME, contents, open, options};

fn put_deferred(engine: &Engine, table: &Table, key: u64, level: Durability) -> CommitHandle {
    let txn = engine.begin(TransactionOptions::new().durability(level)).unwrap();
    txn.put(table, key.to_be_bytes(), key.to_be_bytes()).unwrap();
    txn.commit_deferred().unwrap()
}

/// Takes note of its commit when it is woken, and of what a power cut would leave at that moment.
struct Bell {
    timestamp: Timestamp,
    key: u64,
    device: MemoryDevice,
    rung: Arc<Mutex<Vec<Timestamp>>>,
    missing: Arc<Mutex<Vec<u64>>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.lock().unwrap().push(self.timestamp);
        if self.key.is_multiple_of(16) {
            let after = open(&self.device.crash(Survival::Nothing));
            if !contents(&after, "t").contains_key(&self.key) {
                self.missing.lock().unwrap().push(self.key);
            }
        }
    }
}

#[test]
fn handles_are_resolved_in_commit_order_and_only_when_durable() {
    let device = MemoryDevice::new();
    let engine = Engine::open(HOME, options(&device).group_window(Duration::from_millis(5))).unwrap();
    let table = engine.table("t").unwrap();
    let (rung, missing) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let registered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        // Others flush, too.
        scope.spawn(|| {
            for key in 1000..1100 {
                put_deferred(&engine, &table, key, Durability::Sync).wait().unwrap();
            }
        });
        for thread in 0..3 {
            let (engine, table, device) = (&engine, &table, &device);
            let (rung, missing, registered) = (&rung, &missing, &registered);
            scope.spawn(move || {
                let keys = (0..100).map(|number| thread * 100 + number);
                let commit = |key| (key, put_deferred(engine, table, key, Durability::Group));
                let mut handles: Vec<_> = keys.map(commit).collect();
                // Whoever asks first isn't answered first.
                handles.reverse();
                for (key, handle) in &mut handles {
                    let timestamp = handle.timestamp();
                    let (rung, missing, device) = (rung.clone(), missing.clone(), device.clone());
                    let bell = Bell { timestamp, key: *key, device, rung, missing };
                    let waker = Waker::from(Arc::new(bell));
                    let polled = Pin::new(&mut *handle).poll(&mut Context::from_waker(&waker));
                    match polled {
                        Poll::Pending => {
                            registered.fetch_add(1, Ordering::SeqCst);
                        }
                        Poll::Ready(outcome) => assert_eq!(outcome.unwrap(), timestamp),
                    }
                }
                for (_, handle) in handles {
                    handle.wait().unwrap();
                }
            });
        }
    });
    let all_rang = || rung.lock().unwrap().len() == registered.load(Ordering::SeqCst);
    wait_until("all handles that were asked are answered", all_rang);
    let rung = rung.lock().unwrap();
    assert!(rung.len() > 20, "only {} handles were waited for", rung.len());
    assert!(rung.is_sorted(), "out of order: {rung:?}");
    assert_eq!(*missing.lock().unwrap(), Vec::<u64>::new(), "woken before the commit was durable");
}

#[test]
fn a_dropped_handle_loses_no_commit() {
    let device = MemoryDevice::new();
    let engine = open(&device);
    let table = engine.table("t").unwrap();
    for level in [Durability::Sync, Durability::Group, Durability::Buffered] {
        for key in 0..20 {
            drop(put_deferred(&engine, &table, key + 100 * level as u64, level));
        }
    }
    engine.flush().unwrap();
    assert_eq!(contents(&open(&device.crash(Survival::Nothing)), "t").len(), 60);
}
