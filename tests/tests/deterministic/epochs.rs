//! Epochs: procedures run while theirs is open, and it ends before anything of it has to be in the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use synod::clock::ManualClock;
use synod::device::{Fault, MemoryDevice, Survival};
use synod::{Durability, Engine, Executed, Options, Timestamp, TransactionOptions};
use synod_tests::crash::failure::{in_time, storage_error, wait_until};
use synod_tests::crash::gate::GatedDevice;
use synod_tests::deterministic::places::Place;
use synod_tests::deterministic::script::{Declares, Script, Seen, Step};
use synod_tests::deterministic::witness::fresh_id;
use synod_tests::deterministic::world::{contents_at, in_memory, on_device, options, tables, value};

/// Longer than any test runs.
const NEVER: Duration = Duration::from_secs(3600);

const A: Place = Place { table: 0, key: 0 };

fn add() -> Script {
    Script { id: fresh_id(), steps: vec![Step::Add(A, 1)], declares: Declares::Each }
}

fn execute(engine: &Engine, level: Durability) -> Executed<Vec<Seen>> {
    engine.execute_with(TransactionOptions::new().durability(level), add()).unwrap()
}

/// The place of a procedure that was executed: its epoch, and how many of that come before it.
fn place(executed: &Executed<Vec<Seen>>) -> (u64, u32) {
    let position = executed.position.unwrap();
    (position.epoch, position.index)
}

/// For a database of which nothing is flushed, and no epoch ends, unless somebody asks for it.
fn lazy() -> Options {
    // By the clock, which stands still, no epoch gets old.
    options().clock(Arc::new(ManualClock::new(1_000, 0))).epoch_interval(NEVER).flush_interval(NEVER)
}

/// A database with one procedure, whose next flush fails.
fn about_to_fail() -> (MemoryDevice, Engine) {
    let device = MemoryDevice::new();
    let engine = on_device(&device, lazy());
    execute(&engine, Durability::Sync);
    device.inject(Fault::Sync(1));
    (device, engine)
}

/// How often it was added, as far as a crash would leave it.
fn surviving(device: &MemoryDevice) -> Option<u64> {
    value(&on_device(&device.crash(Survival::Nothing), options()), A)
}

#[test]
fn procedures_share_an_epoch_until_somebody_asks_for_durability() {
    let device = MemoryDevice::new();
    let engine = on_device(&device, lazy());
    let first = execute(&engine, Durability::Buffered);
    let (epoch, index) = place(&first);
    assert_eq!(index, 0);
    let mut last = first.timestamp;
    for expected in 1..10 {
        let executed = execute(&engine, Durability::Buffered);
        assert_eq!(place(&executed), (epoch, expected));
        assert!(executed.timestamp > last);
        last = executed.timestamp;
    }
    assert_eq!(surviving(&device), None, "nobody has asked for it");
    assert_eq!(place(&execute(&engine, Durability::Sync)), (epoch, 10));
    assert_eq!(surviving(&device), Some(11));
    assert_eq!(place(&execute(&engine, Durability::Group)), (epoch + 1, 0));
    assert_eq!(surviving(&device), Some(12));
    assert_eq!(place(&execute(&engine, Durability::Buffered)), (epoch + 2, 0));
    engine.flush().unwrap();
    assert_eq!(surviving(&device), Some(13));
    assert_eq!(place(&execute(&engine, Durability::Buffered)), (epoch + 3, 0));
    engine.checkpoint().unwrap();
    assert_eq!(surviving(&device), Some(14));
    assert_eq!(place(&execute(&engine, Durability::Buffered)), (epoch + 4, 0));
    engine.table("another").unwrap();
    assert_eq!(place(&execute(&engine, Durability::Buffered)), (epoch + 5, 0));
    // Who only reads is told nothing that could be lost.
    let reader = engine.begin(TransactionOptions::new().read_only().durability(Durability::Sync)).unwrap();
    let [table, _] = tables(&engine).unwrap();
    assert!(reader.get(&table, A.bytes()).unwrap().is_some());
    reader.commit().unwrap();
    assert_eq!(surviving(&device), Some(16));
}

#[test]
fn an_epoch_is_full_at_some_point() {
    let engine = in_memory(lazy().epoch_requests_max(3));
    let places: Vec<_> = (0..7).map(|_| place(&execute(&engine, Durability::Buffered))).collect();
    let first = places[0].0;
    assert_eq!(places, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0)].map(|(e, i)| (first + e, i)));
}

#[test]
fn what_nobody_asks_for_is_durable_within_the_flush_interval() {
    in_time("the flusher", || {
        let device = MemoryDevice::new();
        let engine =
            on_device(&device, options().epoch_interval(NEVER).flush_interval(Duration::from_millis(1)));
        for count in 1..=3 {
            execute(&engine, Durability::Buffered);
            wait_until("it is flushed", || surviving(&device) == Some(count));
        }
    });
}

#[test]
fn a_moment_between_two_procedures_of_an_epoch_can_be_read() {
    let clock = Arc::new(ManualClock::new(1_000, 0));
    let engine = in_memory(options().clock(clock.clone()).epoch_interval(NEVER).retention(NEVER));
    let first = execute(&engine, Durability::Buffered);
    clock.set(2_000);
    let second = execute(&engine, Durability::Buffered);
    assert_eq!((place(&second).0, second.timestamp), (place(&first).0, Timestamp(2_000)));
    let added = |at| {
        let snapshot = engine.snapshot_at(Timestamp(at)).unwrap();
        contents_at(&engine, &snapshot).unwrap()[&(A.table, A.bytes())].clone()
    };
    assert_eq!([1_999, 2_000].map(|at| added(at)[0]), [1, 2]);
    // A moment that has come, and behind which nothing has happened: what comes later isn't in it.
    clock.set(3_000);
    let snapshot = engine.snapshot_at(Timestamp(3_000)).unwrap();
    assert!(execute(&engine, Durability::Buffered).timestamp > Timestamp(3_000));
    assert_eq!(contents_at(&engine, &snapshot).unwrap()[&(A.table, A.bytes())][0], 2);
}

#[test]
fn tables_come_and_go_and_checkpoints_are_taken_among_those_who_flush() {
    in_time("tables among epochs", || {
        let device = MemoryDevice::new();
        let engine = on_device(&device, lazy());
        let is_over = AtomicBool::new(false);
        let executed: u64 = std::thread::scope(|scope| {
            let client = |level| {
                let (engine, is_over) = (&engine, &is_over);
                scope.spawn(move || {
                    let mut executed = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        execute(engine, level);
                        executed += 1;
                    }
                    executed
                })
            };
            let clients = [Durability::Sync, Durability::Group, Durability::Buffered].map(client);
            for _ in 0..200 {
                engine.table("another").unwrap();
                engine.checkpoint().unwrap();
                assert!(engine.drop_table("another").unwrap());
                engine.stats();
            }
            is_over.store(true, Ordering::Relaxed);
            clients.into_iter().map(|client| client.join().unwrap()).sum()
        });
        engine.flush().unwrap();
        assert_eq!(surviving(&device), Some(executed));
    });
}

#[test]
fn a_checkpoint_that_waits_for_an_epoch_does_not_hold_up_the_end() {
    in_time("dropping an engine", || {
        let device = MemoryDevice::new();
        for count in (2..=6).step_by(2) {
            let engine = on_device(&device, lazy().checkpoint_interval(Some(Duration::from_millis(1))));
            execute(&engine, Durability::Buffered);
            // Nobody executes this one.
            drop(engine.submit(add()).unwrap());
            // Long enough for the checkpoint to have begun.
            std::thread::sleep(Duration::from_millis(150));
            drop(engine);
            assert_eq!(surviving(&device), Some(count));
        }
    });
}

#[test]
fn when_the_log_has_failed_everybody_is_told_and_nobody_waits() {
    in_time("a failed log", || {
        let (device, engine) = about_to_fail();
        // What has run stays visible.
        execute(&engine, Durability::Buffered);
        let failure = engine.flush().unwrap_err();
        assert!(storage_error(&failure).is_some(), "{failure}");
        assert_eq!(value(&engine, A), Some(2));
        let failures = [
            engine.execute_with(TransactionOptions::new().durability(Durability::Buffered), add()).err(),
            engine.flush().err(),
            engine.checkpoint().err(),
            engine.table("another").err(),
            engine.clone().close().err(),
        ];
        assert!(failures.iter().flatten().all(|error| storage_error(error).is_some()), "{failures:?}");
        assert_eq!(failures.iter().flatten().count(), failures.len());
        drop(engine);
        assert_eq!(surviving(&device), Some(1));
    });
}

#[test]
fn an_epoch_that_the_log_does_not_take_any_more_is_waited_for_by_nobody() {
    in_time("an epoch that never ends", || {
        let device = GatedDevice::new();
        let engine = on_device(&device, lazy());
        execute(&engine, Durability::Buffered);
        let gate = device.close_gate();
        std::thread::scope(|scope| {
            let flush = scope.spawn(|| engine.flush().is_err());
            wait_until("the first epoch is being flushed", || device.held() > 0);
            execute(&engine, Durability::Buffered);
            device.memory.inject(Fault::Sync(1));
            drop(gate);
            assert!(flush.join().unwrap());
        });
        for _ in 0..2 {
            assert!(storage_error(&engine.checkpoint().unwrap_err()).is_some());
            assert!(storage_error(&engine.table("another").unwrap_err()).is_some());
            assert_eq!(engine.stats().sequencing.unwrap().committed, 2);
        }
        assert_eq!(surviving(&device.memory), None);
    });
}

#[test]
fn when_the_log_fails_with_an_epoch_open_its_clients_are_told() {
    in_time("a log that fails meanwhile", || {
        let (_, engine) = about_to_fail();
        let levels = [Durability::Sync, Durability::Group, Durability::Sync];
        let submit = |level| engine.submit_with(TransactionOptions::new().durability(level), add()).unwrap();
        let tickets = levels.map(submit);
        let failed = std::thread::scope(|scope| {
            let waiting = tickets.map(|ticket| scope.spawn(|| ticket.wait().is_err()));
            waiting.into_iter().filter_map(|failed| failed.join().unwrap().then_some(())).count()
        });
        assert_eq!(failed, levels.len());
    });
}
