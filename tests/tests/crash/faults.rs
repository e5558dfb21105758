//! A disk that fails once: nobody is told a lie, nobody waits for ever, and reopening finds what was promised.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use synod::device::{Fault, MemoryDevice, Survival};
use synod::{Durability, Engine, Error, Options, TransactionOptions};
use synod_tests::crash::failure::{in_time, is_poisoned, wait_until};
use synod_tests::crash::gate::GatedDevice;
use synod_tests::crash::history::Recorder;
use synod_tests::crash::verdict::Image;
use synod_tests::crash::workload::{HOME, Workload, at_level, small_options};

/// Unparks a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Checks that an engine whose log has failed refuses whatever writes, and serves whatever reads.
fn check_failed(engine: &Engine) {
    let table = engine.table("ledger").unwrap();
    for level in Durability::ALL {
        let outcome = engine.transact_with(&at_level(level), |txn| txn.put(&table, "late", "value"));
        let error = outcome.map(|_| ()).unwrap_err();
        assert!(is_poisoned(&error), "{level}: {error}");
        assert!(error.to_string().contains("reopen"), "{error}");
    }
    let snapshot = engine.snapshot().unwrap();
    assert!(!snapshot.contains(&table, "late").unwrap(), "a refused commit is visible");
    assert!(snapshot.scan(&table, ..).all(|record| record.is_ok()));
    let txn = engine.begin(TransactionOptions::new().durability(Durability::Buffered)).unwrap();
    assert!(!txn.contains(&table, "late").unwrap());
    txn.commit().unwrap();
    assert!(is_poisoned(&engine.flush().unwrap_err()));
    assert!(is_poisoned(&engine.table("late").unwrap_err()));
    assert!(!engine.tables().contains(&"late".to_string()));
}

/// Three threads work until the fault strikes.
fn work(device: &MemoryDevice, recorder: &Recorder, fault: Fault) -> Option<Engine> {
    let engine = Engine::open(HOME, small_options(device.clone())).unwrap();
    let workload = Workload::begin(&engine, recorder, 0).unwrap();
    device.inject(fault);
    let failures: Vec<_> = std::thread::scope(|scope| {
        let run = |thread| workload.run(60, thread);
        let threads: Vec<_> = (0..3).map(|thread| scope.spawn(move || run(thread))).collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap().err()).collect()
    });
    assert!(failures.iter().all(is_poisoned), "{failures:?}");
    (!failures.is_empty()).then_some(engine)
}

#[test]
fn after_a_failed_write_or_sync_all_fails_cleanly_and_reopening_finds_what_was_acknowledged() {
    let mut struck = 0;
    for fault in (1..30).flat_map(|nth| [Fault::Write(nth), Fault::Sync(nth)]) {
        struck += in_time(&format!("work on a disk with {fault:?}"), move || {
            let (device, recorder) = (MemoryDevice::new(), Recorder::default());
            let Some(engine) = work(&device, &recorder, fault) else { return 0 };
            check_failed(&engine);
            assert!(is_poisoned(&engine.close().unwrap_err()));
            let end = recorder.history();
            for survival in [Survival::Nothing, Survival::Everything, Survival::Random { seed: 1 }] {
                Image::take(&device, &recorder, survival).judge(&end);
            }
            // Without a crash: the same machine opens it again.
            Image { device, before: end.clone(), after: end.clone() }.judge(&end);
            1
        });
    }
    assert!(struck > 40, "only {struck} faults struck");
}

#[test]
fn everyone_who_waits_for_a_sync_that_fails_is_told() {
    in_time("somebody who waits for a failed sync", || {
        let device = GatedDevice::new();
        let engine = Engine::open(HOME, Options::new().device(Arc::new(device.clone()))).unwrap();
        let table = engine.table("t").unwrap();
        let commit = |level, key: u8| {
            let committed = engine.transact_with(&at_level(level), |txn| txn.put(&table, [key], ""));
            committed.unwrap().handle
        };
        std::thread::scope(|scope| {
            let gate = device.close_gate();
            let leader = scope.spawn(|| commit(Durability::Sync, 0).wait());
            wait_until("the sync", || device.held() == 1);
            let blocking: Vec<_> = (1..=6)
                .map(|key| {
                    let level = if key % 2 == 0 { Durability::Sync } else { Durability::Group };
                    scope.spawn(move || commit(level, key).wait())
                })
                .collect();
            let futures: Vec<_> =
                (10..13).map(|key| scope.spawn(move || block_on(commit(Durability::Group, key)))).collect();
            let deferred = commit(Durability::Group, 20);
            wait_until("all commits", || engine.stats().transactions.commits >= 11);
            device.memory.inject(Fault::Sync(1));
            drop(gate);
            let waiting = std::iter::once(leader).chain(blocking).chain(futures);
            for outcome in waiting.map(|thread| thread.join().unwrap()).chain([deferred.wait()]) {
                assert!(is_poisoned(&outcome.unwrap_err()));
            }
        });
        // All that is visible, and none of it is promised.
        assert_eq!(engine.snapshot().unwrap().scan(&table, ..).count(), 11);
    });
}

#[test]
fn a_fault_while_a_table_is_created_or_dropped_is_reported() {
    for (nth, drops) in [(1, false), (1, true)] {
        let device = MemoryDevice::new();
        let engine = Engine::open(HOME, small_options(device.clone())).unwrap();
        engine.table("t").unwrap();
        device.inject(Fault::Sync(nth));
        let outcome: Result<(), Error> =
            if drops { engine.drop_table("t").map(|_| ()) } else { engine.table("u").map(|_| ()) };
        assert!(is_poisoned(&outcome.unwrap_err()));
        drop(engine);
        let engine = Engine::open(HOME, small_options(device.crash(Survival::Nothing))).unwrap();
        assert_eq!(engine.tables(), ["t"]);
    }
}

/// A process that dies while it creates a database leaves names behind that a second process sees, and that are not
/// durable: what that one commits must not rest on them.
#[test]
fn a_database_whose_creation_was_broken_off_is_durable_all_the_same() {
    let mut broken_off = 0;
    for nth in 1.. {
        let device = MemoryDevice::new();
        device.inject(Fault::DirectorySync(nth));
        let Err(_) = Engine::open(HOME, small_options(device.clone())) else { break };
        broken_off += 1;
        let engine = Engine::open(HOME, small_options(device.clone())).unwrap();
        let table = engine.table("t").unwrap();
        let committed =
            engine.transact_with(&at_level(Durability::Sync), |txn| txn.put(&table, "k", "v")).unwrap();
        committed.handle.wait().unwrap();
        drop(engine);
        let engine = Engine::open(HOME, small_options(device.crash(Survival::Nothing))).unwrap();
        let table = engine.table("t").unwrap();
        assert!(engine.snapshot().unwrap().contains(&table, "k").unwrap(), "sync {nth}");
    }
    assert!(broken_off >= 2, "creating a database syncs more than {broken_off} directories");
}
