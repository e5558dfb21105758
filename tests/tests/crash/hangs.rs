//! Situations in which somebody could be left waiting for ever.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use synod::device::{Fault, MemoryDevice};
use synod::{CommitHandle, Durability, Engine, Options, Timestamp, TransactionOptions};
use synod_storage::Home;
use synod_storage::wal::{FRAME_BYTES_MAX, LogStart, Wal, WalOptions};
use synod_tests::crash::failure::{in_time, is_poisoned, wait_until};
use synod_tests::crash::workload::{HOME, at_level};
use synod_txn::clock::SystemClock;
use synod_txn::{CommitLog, DurabilityOptions, Store, StoreOptions};

/// Longer than any test runs.
const NEVER: Duration = Duration::from_secs(3600);

/// So much in one transaction that its thread writes to the log's file itself.
const LARGE_VALUES: usize = 2;
const LARGE_VALUE_BYTES: usize = 9 << 20;

fn commit_large(engine: &Engine, table: &synod::Table) {
    let value = vec![1; LARGE_VALUE_BYTES];
    let committed = engine.transact_with(&at_level(Durability::Buffered), |txn| {
        (0..LARGE_VALUES).try_for_each(|key| txn.put(table, format!("large {key}"), &value))
    });
    assert!(committed.unwrap().handle.is_done());
}

#[test]
fn who_waits_for_the_flusher_learns_that_somebody_elses_write_has_failed() {
    let device = MemoryDevice::new();
    let options = Options::new()
        .device(Arc::new(device.clone()))
        .flush_interval(NEVER)
        .group_window(Duration::from_millis(700));
    let engine = Engine::open(HOME, options).unwrap();
    let table = engine.table("t").unwrap();
    // Somebody else is at work, so that there's company to be gathered.
    let _company = engine.begin(TransactionOptions::new()).unwrap();
    let frames = engine.stats().log.unwrap().frames;
    let waiting = {
        let (engine, table) = (engine.clone(), table.clone());
        std::thread::spawn(move || {
            let committed =
                engine.transact_with(&at_level(Durability::Group), |txn| txn.put(&table, "small", ""));
            committed.unwrap().handle.wait()
        })
    };
    wait_until("the small commit", || engine.stats().log.unwrap().frames > frames);
    // The flusher gathers company now; the write below happens in this thread.
    device.inject(Fault::Write(1));
    commit_large(&engine, &table);
    let outcome = in_time("the wait for the flusher", move || waiting.join().unwrap());
    assert!(is_poisoned(&outcome.unwrap_err()));
}

#[test]
fn what_a_committing_thread_has_written_out_is_synced_soon() {
    let device = MemoryDevice::new();
    let options = Options::new().device(Arc::new(device.clone())).flush_interval(NEVER);
    let engine = Engine::open(HOME, options).unwrap();
    let table = engine.table("t").unwrap();
    let syncs = device.operations().syncs;
    commit_large(&engine, &table);
    wait_until("a sync", || device.operations().syncs > syncs);
    wait_until("the end of the flush", || engine.stats().log.unwrap().buffered_bytes == 0);
}

/// A commit log whose flusher runs, and whose bound first lags behind: a commit at 51 is in flight during the
/// first flush, and has ended when the next one begins.
fn with_lagging_bound(work: impl FnOnce(&CommitLog, &(dyn Fn() -> Timestamp + Sync)) + Send + 'static) {
    in_time("a commit behind another one in flight", || {
        let device = Arc::new(MemoryDevice::new());
        let home = Home::open(device, Path::new(HOME)).unwrap();
        let (wal, _) = Wal::open(&home, WalOptions::default(), LogStart::default(), &mut |_| Ok(())).unwrap();
        let options = DurabilityOptions { group_window: Duration::ZERO, flush_interval: NEVER };
        let log = CommitLog::new(wal, Timestamp(10), options);
        let asked = AtomicU64::new(0);
        let bound = || Timestamp(if asked.fetch_add(1, Ordering::SeqCst) == 0 { 50 } else { 100 });
        std::thread::scope(|scope| {
            scope.spawn(|| log.run_flusher(bound, || false));
            work(&log, &bound);
            log.stop_flusher();
        });
    });
}

#[test]
fn who_waits_for_a_batch_that_can_not_be_appended_is_told() {
    in_time("a batch that is too long", || {
        let home = Home::open(Arc::new(MemoryDevice::new()), Path::new(HOME)).unwrap();
        let (wal, _) = Wal::open(&home, WalOptions::default(), LogStart::default(), &mut |_| Ok(())).unwrap();
        let log = CommitLog::new(wal, Timestamp(10), DurabilityOptions::default());
        let store = Store::new(StoreOptions { log: Some(log), ..StoreOptions::empty(Arc::new(SystemClock)) });
        store.begin_batch(Timestamp(11));
        store.oracle().observe(Timestamp(11));
        assert_eq!(store.commit_bound(), Timestamp(10));
        // Never touched, so it takes no memory.
        let is_told = |error: synod::errors::TransactionError| error.to_string().contains("1073741824");
        assert!(is_told(store.append_batch(Timestamp(11), &vec![0; FRAME_BYTES_MAX]).unwrap_err()));
        assert!(is_told(store.flush(Timestamp(11)).unwrap_err()));
        assert!(is_told(store.append_batch(Timestamp(12), b"short").unwrap_err()));
    });
}

#[test]
fn a_group_commit_whose_flush_fell_short_asks_for_another() {
    with_lagging_bound(|log, bound| log.wait(Timestamp(100), Durability::Group, bound).unwrap());
}

#[test]
fn a_future_whose_flush_fell_short_asks_for_another() {
    with_lagging_bound(|log, _| {
        let woken = Arc::new(Counter::default());
        while log.poll(Timestamp(100), &Waker::from(woken.clone())).is_none() {
            let before = woken.0.load(Ordering::SeqCst);
            if log.poll(Timestamp(100), &Waker::from(woken.clone())).is_none() {
                wait_until("the future's turn", || woken.0.load(Ordering::SeqCst) > before);
            }
        }
    });
}

#[test]
fn a_flush_does_not_end_before_everything_that_was_committed_is_durable() {
    with_lagging_bound(|log, bound| {
        log.flush(Timestamp(100), bound).unwrap();
        assert!(log.is_settled(Timestamp(100)));
    });
}

#[derive(Default)]
struct Counter(AtomicU64);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A task that owns the last handle to the engine, and ends in the thread that wakes it.
struct LastOwner {
    handle: Mutex<Option<CommitHandle>>,
    /// The handle was dropped, and that went well.
    has_ended: AtomicBool,
}

impl Wake for LastOwner {
    fn wake(self: Arc<Self>) {
        drop(self.handle.lock().take());
        self.has_ended.store(true, Ordering::SeqCst);
    }
}

#[test]
fn the_flusher_can_be_the_one_who_closes_the_database() {
    in_time("the end of the engine", || {
        let device = MemoryDevice::new();
        let options = || Options::new().device(Arc::new(device.clone())).flush_interval(NEVER);
        let engine = Engine::open(HOME, options().group_window(Duration::from_millis(50))).unwrap();
        let table = engine.table("t").unwrap();
        let committed = engine.transact_with(&at_level(Durability::Group), |txn| txn.put(&table, "key", ""));
        let handle = Mutex::new(Some(committed.unwrap().handle));
        let task = Arc::new(LastOwner { handle, has_ended: AtomicBool::new(false) });
        drop(engine);
        let waker = Waker::from(task.clone());
        let mut handle = task.handle.lock();
        let future = Pin::new(handle.as_mut().unwrap());
        assert!(matches!(future.poll(&mut Context::from_waker(&waker)), Poll::Pending));
        drop(handle);
        wait_until("the end of the task", || task.has_ended.load(Ordering::SeqCst));
        let mut reopened = None;
        wait_until("the end of the lock", || {
            reopened = Engine::open(HOME, options()).ok();
            reopened.is_some()
        });
        let engine = reopened.unwrap();
        assert!(engine.snapshot().unwrap().contains(&engine.table("t").unwrap(), "key").unwrap());
    });
}
