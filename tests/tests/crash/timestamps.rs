//! Commit timestamps grow from one life of the database to the next, whatever the clock does.

use std::sync::Arc;

use synod::clock::ManualClock;
use synod::device::{MemoryDevice, Survival};
use synod::{Engine, Error, Timestamp};
use synod_tests::crash::workload::{HOME, small_options};

const NOON: u64 = 1_700_000_000_000_000_000;

fn open(device: &MemoryDevice, clock: u64) -> Engine {
    let options = small_options(device.clone()).clock(Arc::new(ManualClock::new(clock, 0)));
    Engine::open(HOME, options).unwrap()
}

fn commit(engine: &Engine, key: u64) -> Result<Timestamp, Error> {
    let table = engine.table("t")?;
    let txn = engine.begin(synod::TransactionOptions::new())?;
    txn.put(&table, key.to_be_bytes(), "")?;
    txn.commit()
}

#[test]
fn a_clock_that_steps_back_over_a_restart_does_not_take_the_timestamps_along() {
    let device = MemoryDevice::new();
    let mut newest = Timestamp::MIN;
    // The clock goes back, stands still, goes forward, and fails altogether.
    for (life, clock) in
        [NOON, NOON - 1_000_000_000, NOON - 1_000_000_000, NOON + 5, 0].into_iter().enumerate()
    {
        let engine = open(&device, clock);
        assert!(engine.snapshot().unwrap().timestamp() >= newest);
        for key in 0..3 {
            let timestamp = commit(&engine, life as u64 * 10 + key).unwrap();
            assert!(timestamp > newest, "{timestamp} after {newest}");
            newest = timestamp;
        }
        // The new commits are seen, and the old ones are still the older ones.
        let snapshot = engine.snapshot().unwrap();
        let table = engine.table("t").unwrap();
        assert_eq!(snapshot.scan(&table, ..).count(), 3 * (life + 1));
    }
    assert!(newest > Timestamp(NOON + 5));
}

#[test]
fn the_same_holds_over_a_crash() {
    let mut device = MemoryDevice::new();
    let mut newest = Timestamp::MIN;
    for life in 0..5 {
        let engine = open(&device, NOON - life * 1_000_000);
        let timestamp = commit(&engine, life).unwrap();
        assert!(timestamp > newest, "{timestamp} after {newest}");
        newest = timestamp;
        device = device.crash(Survival::Nothing);
    }
}

#[test]
fn a_table_created_last_counts_too() {
    let device = MemoryDevice::new();
    let engine = open(&device, NOON);
    let before = commit(&engine, 1).unwrap();
    engine.table("younger").unwrap();
    drop(engine);
    let engine = open(&device, 0);
    // The creation took the timestamp after the commit's.
    assert!(commit(&engine, 2).unwrap() > Timestamp(before.0 + 1));
}
