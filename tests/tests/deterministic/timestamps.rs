//! Timestamps follow the order, whatever the clock does; and whoever reads at one reads what was there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use synod::clock::ManualClock;
use synod::device::MemoryDevice;
use synod::errors::TransactionError;
use synod::{Engine, Error, Options, Timestamp};
use synod_tests::crash::failure::in_time;
use synod_tests::deterministic::clients::run;
use synod_tests::deterministic::places::Place;
use synod_tests::deterministic::script::{Declares, Script, Step};
use synod_tests::deterministic::serial::State;
use synod_tests::deterministic::verdict::{judge, line_up};
use synod_tests::deterministic::witness::fresh_id;
use synod_tests::deterministic::world::{contents, contents_at, in_memory, on_device, options};

use crate::scripts::draw;

/// Longer than any test runs.
const NEVER: Duration = Duration::from_secs(3600);

const A: Place = Place { table: 0, key: 0 };

fn add(engine: &Engine) -> Timestamp {
    let script = Script { id: fresh_id(), steps: vec![Step::Add(A, 1)], declares: Declares::Each };
    engine.execute(script).unwrap().timestamp
}

/// An engine on a device, and by a clock that goes when it is told to.
fn by_clock(device: &MemoryDevice, clock: &Arc<ManualClock>, options: Options) -> Engine {
    on_device(device, options.clock(clock.clone()))
}

#[test]
fn each_moment_of_the_past_can_be_read_within_the_retention() {
    for workers in [1, 4] {
        let engine = in_memory(options().workers(workers).retention(NEVER));
        let history = run(&engine, &draw(workers as u64, 4, 30), 0);
        let line = line_up(&history.records, &State::new()).unwrap();
        for at in &line.places {
            let snapshot = engine.snapshot_at(*at).unwrap();
            assert_eq!(contents_at(&engine, &snapshot).unwrap(), *line.state_at(*at));
        }
    }
}

#[test]
fn the_past_can_be_read_while_the_order_goes_on() {
    in_time("time travel", || {
        let engine = in_memory(options().workers(2).retention(NEVER));
        let is_over = AtomicBool::new(false);
        let (history, looks) = std::thread::scope(|scope| {
            let looker = scope.spawn(|| {
                let mut looks = Vec::new();
                while !is_over.load(Ordering::Relaxed) && looks.len() < 1000 {
                    // A moment that has just come, before which others may still be at work.
                    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
                    let snapshot = engine.snapshot_at(Timestamp(now.as_nanos() as u64)).unwrap();
                    let contents = contents_at(&engine, &snapshot).unwrap();
                    looks.push((snapshot.timestamp(), contents, snapshot));
                }
                looks
            });
            let history = run(&engine, &draw(9, 4, 40), 1);
            is_over.store(true, Ordering::Relaxed);
            (history, looker.join().unwrap())
        });
        let line = judge(&history, &State::new()).unwrap_or_else(|problem| panic!("{problem}"));
        for (at, seen, snapshot) in looks {
            assert_eq!(seen, *line.state_at(at), "at {at:?}");
            assert_eq!(contents_at(&engine, &snapshot).unwrap(), seen, "a snapshot has changed");
        }
    });
}

#[test]
fn timestamps_increase_though_the_clock_stands_still_or_steps_back() {
    let device = MemoryDevice::new();
    let clock = Arc::new(ManualClock::new(1_000_000, 0));
    let mut last = Timestamp::MIN;
    let mut count = 0;
    for round in 0..4 {
        let engine = by_clock(&device, &clock, options().retention(NEVER));
        for step in 0..12 {
            match step % 4 {
                // These take a timestamp, too, each in its way.
                0 => drop(engine.table("passing").unwrap()),
                1 => assert!(engine.drop_table("passing").unwrap()),
                2 => {
                    let snapshot = engine.snapshot_at(Timestamp(last.0 + 1).min(Timestamp(1_000_000)));
                    assert!(snapshot.is_ok() || last.0 >= 1_000_000);
                }
                _ => clock.set(1_000_000 - 1000 * round),
            }
            let before = engine.snapshot().unwrap();
            let at = add(&engine);
            count += 1;
            assert!(at > last && at > before.timestamp(), "{at:?} after {last:?}");
            assert_eq!(contents_at(&engine, &engine.snapshot_at(at).unwrap()).unwrap().len(), 1);
            last = at;
        }
        engine.close().unwrap();
    }
    let engine = by_clock(&device, &clock, options());
    assert_eq!(contents(&engine).into_values().next(), Some(u64::to_le_bytes(count).to_vec()));
}

#[test]
fn nothing_comes_before_a_snapshot_of_the_present_moment() {
    let device = MemoryDevice::new();
    let clock = Arc::new(ManualClock::new(1_000, 0));
    let engine = by_clock(&device, &clock, options());
    add(&engine);
    for moment in (5_000..9_000).step_by(1_000) {
        clock.set(moment);
        let snapshot = engine.snapshot_at(Timestamp(moment)).unwrap();
        let before = contents_at(&engine, &snapshot).unwrap();
        assert!(add(&engine) > Timestamp(moment));
        assert_eq!(contents_at(&engine, &snapshot).unwrap(), before, "a snapshot has changed");
    }
    let future = engine.snapshot_at(Timestamp(1_000_000)).unwrap_err();
    assert!(matches!(future, Error::Transaction(TransactionError::SnapshotInFuture { .. })), "{future}");
    assert!(add(&engine) < Timestamp(1_000_000));
}
