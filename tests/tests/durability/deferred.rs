//! Handles of deferred commits: resolved in commit order, only when durable, and no burden when dropped.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use synod::device::{MemoryDevice, Survival};
use synod::{CommitHandle, Durability, Engine, Table, Timestamp, TransactionOptions};
use synod_tests::conformance::world::wait_until;
use synod_tests::crash::gate::GatedDevice;

use super::support::{HOME, contents, open, options};

fn put_deferred(engine: &Engine, table: &Table, key: u64, level: Durability) -> CommitHandle {
    let txn = engine.begin(TransactionOptions::new().durability(level)).unwrap();
    txn.put(table, key.to_be_bytes(), key.to_be_bytes()).unwrap();
    txn.commit_deferred().unwrap()
}

const ASKING_THREADS: u64 = 3;
const ASKED_PER_THREAD: u64 = 100;

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
    let device = GatedDevice::new();
    let in_memory = options(&device.memory).device(Arc::new(device.clone()));
    let engine = Engine::open(HOME, in_memory.group_window(Duration::from_millis(5))).unwrap();
    let table = engine.table("t").unwrap();
    let (rung, missing) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let closed = device.close_gate();
    let commit_and_ask = &|thread: u64| {
        let keys = (0..ASKED_PER_THREAD).map(|number| thread * ASKED_PER_THREAD + number);
        let commit = |key| (key, put_deferred(&engine, &table, key, Durability::Group));
        let mut handles: Vec<_> = keys.map(commit).collect();
        // Whoever asks first isn't answered first.
        handles.reverse();
        for (key, handle) in &mut handles {
            let timestamp = handle.timestamp();
            let (rung, missing, device) = (rung.clone(), missing.clone(), device.memory.clone());
            let bell = Bell { timestamp, key: *key, device, rung, missing };
            let waker = Waker::from(Arc::new(bell));
            let polled = Pin::new(&mut *handle).poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending(), "{key} was answered while nothing could be flushed");
        }
        handles
    };
    std::thread::scope(|scope| {
        // Others flush, too.
        scope.spawn(|| {
            for key in 1000..1100 {
                put_deferred(&engine, &table, key, Durability::Sync).wait().unwrap();
            }
        });
        let threads: Vec<_> =
            (0..ASKING_THREADS).map(|thread| scope.spawn(move || commit_and_ask(thread))).collect();
        let handles: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(*rung.lock().unwrap(), [], "woken while nothing could be flushed");
        drop(closed);
        handles.into_iter().for_each(|(_, handle)| _ = handle.wait().unwrap());
    });
    let all = (ASKING_THREADS * ASKED_PER_THREAD) as usize;
    wait_until("all handles that were asked are answered", || rung.lock().unwrap().len() == all);
    let rung = rung.lock().unwrap();
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
