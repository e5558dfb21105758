//! What a checkpoint holds, what recovery makes of it, and of damaged ones.

use std::sync::atomic::{AtomicBool, Ordering};

use synod::device::{Device, MemoryDevice, Survival};
use synod::errors::StorageError;
use synod::{Durability, Engine, Error, Options, TransactionOptions};

use super::support::{HOME, contents, files, open, options, put};

#[test]
fn a_checkpoint_and_the_log_behind_it_are_the_whole_database() {
    let device = MemoryDevice::new();
    let engine = open(&device);
    let table = engine.table("t").unwrap();
    engine.table("empty").unwrap();
    for key in 0..300 {
        put(&engine, &table, key, key);
    }
    let checkpoint = engine.checkpoint().unwrap();
    assert_eq!(checkpoint.records, 300);
    for key in 0..50 {
        put(&engine, &table, key, key + 1000);
    }
    engine.transact(|txn| txn.delete_range(&table, 100u64.to_be_bytes()..200u64.to_be_bytes())).unwrap();
    let expected = contents(&engine, "t");
    drop(engine);
    let engine = open(&device.crash(Survival::Nothing));
    assert_eq!(engine.tables(), ["empty", "t"]);
    assert_eq!(contents(&engine, "t"), expected);
    assert_eq!(expected.len(), 200);
    let report = engine.stats().recovery.unwrap();
    assert_eq!(report.checkpoint, Some(checkpoint.timestamp));
    assert_eq!((report.checkpoint_records, report.commits), (300, 51));
}

#[test]
fn the_log_before_the_older_of_two_checkpoints_is_removed() {
    let device = MemoryDevice::new();
    let engine = open(&device);
    let table = engine.table("t").unwrap();
    let mut counts = Vec::new();
    for round in 0..5 {
        for key in 0..200 {
            put(&engine, &table, key, round);
        }
        engine.checkpoint().unwrap();
        counts.push((files(&device, "checkpoints").len(), files(&device, "wal").len()));
    }
    // Nothing goes before there are two; then only what the older one needs is kept.
    assert_eq!(counts[0].0, 1);
    assert!(counts[1..].iter().all(|count| count.0 == 2), "{counts:?}");
    assert!(counts[1..].iter().all(|count| count.1 <= counts[0].1 + 2), "{counts:?}");
    drop(engine);
    assert!(contents(&open(&device), "t").values().all(|value| *value == 4));
}

#[test]
fn with_one_checkpoint_kept_the_log_before_it_goes_at_once() {
    let device = MemoryDevice::new();
    let engine = Engine::open(HOME, options(&device).checkpoints_kept(1)).unwrap();
    let table = engine.table("t").unwrap();
    for key in 0..200 {
        put(&engine, &table, key, 7);
    }
    let before = files(&device, "wal").len();
    let checkpoint = engine.checkpoint().unwrap();
    assert!(before > 3 && files(&device, "wal").len() == 1);
    assert!(checkpoint.log_bytes_removed > 10_000);
    put(&engine, &table, 1000, 1);
    engine.checkpoint().unwrap();
    assert_eq!(files(&device, "checkpoints").len(), 1);
    drop(engine);
    assert_eq!(contents(&open(&device), "t").len(), 201);
}

/// Three rounds of updates, a checkpoint after each of the first two.
fn two_checkpoints() -> MemoryDevice {
    let device = MemoryDevice::new();
    let engine = open(&device);
    let table = engine.table("t").unwrap();
    for round in 0..3 {
        for key in 0..100 {
            put(&engine, &table, key, round);
        }
        if round < 2 {
            engine.checkpoint().unwrap();
        }
    }
    engine.close().unwrap();
    device
}

fn flip(device: &MemoryDevice, path: &std::path::Path, offset: u64) {
    let file = device.open(path).unwrap();
    let mut byte = [0];
    assert_eq!(file.read_at(offset, &mut byte).unwrap(), 1);
    file.write_at(offset, &[byte[0] ^ 4]).unwrap();
    file.sync_data().unwrap();
}

#[test]
fn a_damaged_newest_checkpoint_is_set_aside_and_the_one_before_is_used() {
    let device = two_checkpoints();
    let checkpoints = files(&device, "checkpoints");
    flip(&device, &checkpoints[1], 5000);
    for _ in 0..2 {
        let engine = open(&device);
        assert!(contents(&engine, "t").values().all(|value| *value == 2));
        assert_eq!(contents(&engine, "t").len(), 100);
    }
    let names: Vec<_> =
        files(&device, "checkpoints").iter().map(|path| path.extension().unwrap().to_owned()).collect();
    assert_eq!(names, ["checkpoint", "damaged"]);
    // The next one takes its place.
    let engine = open(&device);
    engine.table("another").unwrap();
    engine.checkpoint().unwrap();
    assert_eq!(engine.stats().checkpoints.unwrap().kept, 2);
}

#[test]
fn a_database_whose_checkpoints_are_all_damaged_says_so_and_changes_nothing() {
    let device = two_checkpoints();
    let engine = open(&device);
    // The third one: the log no longer reaches back to the beginning.
    engine.table("u").unwrap();
    engine.checkpoint().unwrap();
    engine.close().unwrap();
    let checkpoints = files(&device, "checkpoints");
    assert_eq!(checkpoints.len(), 2);
    checkpoints.iter().for_each(|path| flip(&device, path, 4500));
    for _ in 0..2 {
        match Engine::open(HOME, options(&device)).unwrap_err() {
            Error::Storage(StorageError::Corrupt { path, .. }) => assert_eq!(path, checkpoints[1]),
            error => panic!("{error}"),
        }
        assert_eq!(files(&device, "checkpoints"), checkpoints);
    }
    flip(&device, &checkpoints[0], 4500);
    assert!(contents(&open(&device), "t").values().all(|value| *value == 2));
}

#[test]
fn a_checkpoint_that_is_removed_with_the_log_it_needs_is_noticed() {
    let device = two_checkpoints();
    let engine = open(&device);
    engine.table("u").unwrap();
    engine.checkpoint().unwrap();
    engine.close().unwrap();
    for path in files(&device, "checkpoints") {
        device.remove(&path).unwrap();
    }
    let error = Engine::open(HOME, options(&device)).unwrap_err();
    assert!(matches!(error, Error::Storage(StorageError::Corrupt { .. })), "{error}");
}

#[test]
fn tables_keep_their_numbers_and_dropped_ones_stay_dropped() {
    let device = MemoryDevice::new();
    let engine = open(&device);
    for name in ["a", "b", "c"] {
        let table = engine.table(name).unwrap();
        put(&engine, &table, 1, 1);
    }
    engine.drop_table("b").unwrap();
    engine.drop_table("c").unwrap();
    engine.checkpoint().unwrap();
    let table = engine.table("c").unwrap();
    put(&engine, &table, 2, 2);
    drop(engine);
    for _ in 0..2 {
        let engine = open(&device);
        assert_eq!(engine.tables(), ["a", "c"]);
        assert_eq!(contents(&engine, "a").len(), 1);
        assert_eq!(contents(&engine, "c").into_iter().collect::<Vec<_>>(), [(2, 2)]);
    }
}

#[test]
fn transactions_go_on_while_checkpoints_are_taken_and_each_is_consistent() {
    let device = MemoryDevice::new();
    let engine = open(&device);
    let table = engine.table("t").unwrap();
    for key in 0..50 {
        put(&engine, &table, key, 100);
    }
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2)
            .map(|thread| {
                let (engine, table, is_over) = (engine.clone(), table.clone(), &is_over);
                scope.spawn(move || {
                    for step in (0..u64::MAX).take_while(|_| !is_over.load(Ordering::Relaxed)) {
                        let (from, to) = (step * 7 % 50, (step * 11 + thread + 1) % 50);
                        engine
                            .transact(|txn| {
                                for (key, change) in [(from, -1i64), (to, 1)] {
                                    let old = txn.get_for_update(&table, key.to_be_bytes())?.unwrap();
                                    let old = u64::from_be_bytes(old[..8].try_into().unwrap());
                                    let new = old.strict_add_signed(change).to_be_bytes();
                                    txn.put(&table, key.to_be_bytes(), new)?;
                                }
                                Ok::<_, Error>(())
                            })
                            .unwrap();
                    }
                })
            })
            .collect();
        for _ in 0..20 {
            let before = engine.snapshot().unwrap().timestamp();
            while engine.snapshot().unwrap().timestamp() == before {
                std::thread::yield_now();
            }
            engine.checkpoint().unwrap();
            let copy = open(&device.crash(Survival::Nothing));
            assert_eq!(contents(&copy, "t").values().sum::<u64>(), 5000, "money was lost or made");
        }
        is_over.store(true, Ordering::Relaxed);
        writers.into_iter().for_each(|writer| writer.join().unwrap());
    });
}

#[test]
fn checkpoints_are_taken_by_log_bytes_and_by_time() {
    for options in [
        Options::new().checkpoint_log_bytes(20_000),
        Options::new().checkpoint_interval(Some(std::time::Duration::from_millis(20))),
    ] {
        let device = MemoryDevice::new();
        let engine = Engine::open(HOME, options.device(std::sync::Arc::new(device.clone()))).unwrap();
        let table = engine.table("t").unwrap();
        let mut round = 0;
        while engine.stats().checkpoints.unwrap().taken < 2 {
            put(&engine, &table, round % 100, round);
            round += 1;
        }
        assert!(engine.stats().checkpoints.unwrap().kept >= 1);
        engine.close().unwrap();
    }
}

#[test]
fn a_checkpoint_of_an_unchanged_database_is_the_one_that_there_is() {
    let device = MemoryDevice::new();
    let engine = open(&device);
    let table = engine.table("t").unwrap();
    put(&engine, &table, 1, 1);
    let first = engine.checkpoint().unwrap();
    let second = engine.checkpoint().unwrap();
    assert_eq!(first.timestamp, second.timestamp);
    assert_eq!(files(&device, "checkpoints").len(), 1);
}

#[test]
fn an_engine_in_memory_has_no_checkpoints() {
    let engine = Engine::in_memory(Options::new()).unwrap();
    assert!(matches!(engine.checkpoint(), Err(Error::NoLog)));
    assert!(engine.stats().checkpoints.is_none());
}

#[test]
fn unlogged_commits_are_in_a_checkpoint_whole_or_not_at_all() {
    let device = MemoryDevice::new();
    let engine = open(&device);
    let table = engine.table("t").unwrap();
    for step in 0..100u64 {
        let txn = engine.begin(TransactionOptions::new().durability(Durability::None)).unwrap();
        for key in 0..3 {
            txn.put(&table, (step * 3 + key).to_be_bytes(), step.to_be_bytes()).unwrap();
        }
        txn.commit().unwrap();
        if step == 49 {
            engine.checkpoint().unwrap();
        }
    }
    drop(engine);
    assert_eq!(contents(&open(&device), "t").len(), 150);
}
