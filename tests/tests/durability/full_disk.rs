//! A disk that is full: whatever doesn't fit fails with an error that says so, nothing that was acknowledged is
//! lost, and with room again everything works.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use synod::device::{Device, MemoryDevice, Survival};
use synod::{Durability, Engine, Error, Options, Table, TransactionOptions, restore, verify};
use synod_tests::crash::failure::{is_poisoned, wait_until};

use super::support::{HOME, SEGMENT_BYTES, bytes_of, contents, files, open, options, put};

const BACKUP: &str = "/backup";
const COPY: &str = "/copy";

/// A log whose segments nothing here fills.
const LONG_SEGMENT_BYTES: u64 = 64 << 20;

/// How far ahead the log is prepared.
const PREPARED_BYTES: u64 = 1 << 20;

/// Bounds the room on the device to what is used and `bytes` more.
fn leave_room(device: &MemoryDevice, bytes: u64) {
    device.set_capacity(Some(device.used_bytes() + bytes));
}

/// Checks that an error says that the disk is full, and where.
fn check_full(error: &Error, place: &str) {
    assert!(error.is_disk_full(), "{error}");
    let text = error.to_string();
    assert!(text.contains("no storage space") && text.contains(place), "{text}");
}

/// Sets each of these keys to itself and something more.
fn put_all(engine: &Engine, table: &Table, keys: Range<u64>, more: u64) {
    keys.for_each(|key| _ = put(engine, table, key, key + more));
}

fn try_put(engine: &Engine, table: &Table, key: u64, bytes: usize, level: Durability) -> Result<(), Error> {
    let txn = engine.begin(TransactionOptions::new().durability(level))?;
    let mut value = key.to_be_bytes().to_vec();
    value.resize(bytes, 7);
    txn.put(table, key.to_be_bytes(), value)?;
    txn.commit().map(drop)
}

/// Commits until the disk is full; returns what was acknowledged as durable, and the error.
fn fill(engine: &Engine, table: &Table, bytes: usize) -> (BTreeMap<u64, u64>, Error) {
    let levels = [Durability::Sync, Durability::Group, Durability::Buffered];
    let mut acknowledged = contents(engine, "t");
    for key in 1000.. {
        let level = levels[(key % 3) as usize];
        match try_put(engine, table, key, bytes, level) {
            Ok(()) if level.waits() => drop(acknowledged.insert(key, key)),
            Ok(()) => {}
            Err(error) => return (acknowledged, error),
        }
        assert!(acknowledged.len() < 10_000, "the disk doesn't get full");
    }
    unreachable!("there are enough keys")
}

/// Checks that the database holds what was acknowledged, and works.
fn check_works(device: &MemoryDevice, options: Options, acknowledged: &BTreeMap<u64, u64>) {
    assert_eq!(verify(HOME, &options).unwrap().damage, []);
    let engine = Engine::open(HOME, options.clone()).unwrap();
    let mut found = contents(&engine, "t");
    let lost: Vec<_> = acknowledged.iter().filter(|(key, value)| found.get(key) != Some(value)).collect();
    assert!(lost.is_empty(), "acknowledged commits are lost: {lost:?}");
    let table = engine.table("t").unwrap();
    put(&engine, &table, 5, 55);
    engine.table("another").unwrap();
    engine.checkpoint().unwrap();
    engine.close().unwrap();
    found.insert(5, 55);
    let engine = Engine::open(HOME, options.device(Arc::new(device.crash(Survival::Nothing)))).unwrap();
    assert_eq!(contents(&engine, "t"), found);
}

/// Fills the disk with commits of some length, where so much room is left, and checks everything.
fn commits_fill_the_disk(segment_bytes: u64, bytes: usize, room: u64) {
    let device = MemoryDevice::new();
    let options = options(&device).log_segment_bytes(segment_bytes);
    let engine = Engine::open(HOME, options.clone()).unwrap();
    let table = engine.table("t").unwrap();
    put_all(&engine, &table, 0..10, 0);
    let before = engine.snapshot().unwrap();
    leave_room(&device, room);

    let (acknowledged, error) = fill(&engine, &table, bytes);
    assert!(is_poisoned(&error), "{error}");
    check_full(&error, "/db/wal/");
    assert!(error.to_string().contains("reopen"), "{error}");
    // Reading goes on, in old snapshots and new ones.
    let expected: Vec<_> = (0..10).map(|key| (key, key)).collect();
    assert!(super::support::contents_at(&before, &table).into_iter().eq(expected));
    let seen = contents(&engine, "t");
    assert!(acknowledged.iter().all(|(key, value)| seen.get(key) == Some(value)));
    // Nothing else is written, even if there is room by now.
    device.set_capacity(None);
    for level in Durability::ALL {
        let error = try_put(&engine, &table, 1, 10, level).unwrap_err();
        assert!(is_poisoned(&error) && error.is_disk_full(), "{level}: {error}");
    }
    assert!(engine.table("new").unwrap_err().is_disk_full());
    assert!(engine.checkpoint().unwrap_err().is_disk_full());
    drop((before, table));
    assert!(engine.close().unwrap_err().is_disk_full());

    // Opening needs no room; nor does looking.
    let full = device.crash(Survival::Everything);
    leave_room(&full, 0);
    let on = |device: &MemoryDevice| options.clone().device(Arc::new(device.clone()));
    assert_eq!(verify(HOME, &on(&full)).unwrap().damage, []);
    let engine = Engine::open(HOME, on(&full)).unwrap();
    assert!(acknowledged.iter().all(|(key, value)| contents(&engine, "t").get(key) == Some(value)));
    drop(engine);
    full.set_capacity(None);
    for found in
        [full, device.crash(Survival::Nothing), device.crash(Survival::Random { seed: room }), device]
    {
        check_works(&found, on(&found), &acknowledged);
    }
}

#[test]
fn a_commit_that_does_not_fit_fails_and_no_other_is_lost() {
    for room in [0, 1, 511, 4096, 40_000, 77_777, 200_000] {
        commits_fill_the_disk(LONG_SEGMENT_BYTES, 30_000, room);
    }
    // Longer than what is gathered before it is written.
    commits_fill_the_disk(LONG_SEGMENT_BYTES, 300_000, 500_000);
}

#[test]
fn a_segment_that_can_not_be_begun_fails_the_commit_that_needed_it_and_no_other() {
    for room in (0..14_000).step_by(450) {
        commits_fill_the_disk(SEGMENT_BYTES, 100, room);
    }
}

#[test]
fn the_last_room_goes_to_commits_and_not_to_preparations() {
    let device = MemoryDevice::new();
    let engine = Engine::open(HOME, options(&device).log_segment_bytes(LONG_SEGMENT_BYTES)).unwrap();
    let table = engine.table("t").unwrap();
    try_put(&engine, &table, 0, PREPARED_BYTES as usize + 1, Durability::Sync).unwrap();
    const ROOM: u64 = 50_000;
    leave_room(&device, ROOM);
    let committed = engine.stats().log.unwrap().bytes;
    let (acknowledged, error) = fill(&engine, &table, 100);
    check_full(&error, "/db/wal/");
    let fitted = engine.stats().log.unwrap().bytes - committed;
    assert!(fitted > ROOM * 2 / 3, "of {ROOM} bytes of room, only {fitted} could be used for commits");
    drop((engine, table));
    device.set_capacity(None);
    check_works(&device, options(&device), &acknowledged);
}

#[test]
fn a_table_that_can_not_be_logged_does_not_exist() {
    let device = MemoryDevice::new();
    let engine = open(&device);
    let mut created = Vec::new();
    leave_room(&device, 0);
    let error = loop {
        let name = format!("table {}", created.len());
        match engine.table(&name) {
            Ok(_) => created.push(name),
            Err(error) => break error,
        }
    };
    check_full(&error, "/db/wal/");
    assert!(created.len() > 10);
    let is_as_before = |engine: &Engine| created.iter().all(|name| engine.tables().contains(name));
    assert!(is_as_before(&engine) && engine.tables().len() == created.len());
    drop(engine);
    let again = MemoryDevice::clone(&device);
    again.set_capacity(None);
    let engine = open(&again);
    assert!(is_as_before(&engine));
    engine.table(&format!("table {}", created.len())).unwrap();
    assert_eq!(engine.tables().len(), created.len() + 1);
}

#[test]
fn a_database_that_can_not_be_created_is_created_once_there_is_room() {
    let mut refused = 0;
    for capacity in (0..6000).step_by(250).chain([511, 512, 513, 4607, 4608]) {
        let device = MemoryDevice::new();
        device.set_capacity(Some(capacity));
        match Engine::open(HOME, options(&device)) {
            Ok(engine) => assert!(engine.tables().is_empty()),
            Err(error) => {
                check_full(&error, "/db/");
                refused += 1;
            }
        }
        device.set_capacity(None);
        for found in [device.crash(Survival::Nothing), device.crash(Survival::Everything), device] {
            let engine = open(&found);
            put(&engine, &engine.table("t").unwrap(), 1, 1);
            drop(engine);
            assert_eq!(contents(&open(&found), "t").len(), 1);
        }
    }
    assert!(refused > 15, "only {refused} refusals");
}

#[test]
fn a_database_opens_on_a_full_disk_and_nothing_is_damaged() {
    let device = MemoryDevice::new();
    let engine = open(&device);
    let table = engine.table("t").unwrap();
    for key in 0..100 {
        put(&engine, &table, key, key);
        if key == 70 {
            engine.checkpoint().unwrap();
        }
    }
    let expected = contents(&engine, "t");
    let crashed = (0..5).map(|seed| device.crash(Survival::Random { seed })).collect::<Vec<_>>();
    engine.close().unwrap();
    for found in crashed.into_iter().chain([device]) {
        for _ in 0..2 {
            found.set_capacity(Some(0));
            let engine = open(&found);
            assert_eq!(contents(&engine, "t"), expected);
            assert!(
                engine.checkpoint().is_ok_and(|taken| taken.records == 0) || {
                    check_full(&engine.checkpoint().unwrap_err(), "/db/checkpoints/");
                    true
                }
            );
        }
        found.set_capacity(None);
        check_works(&found, options(&found), &expected);
    }
}

/// A database of some length with one checkpoint, and what it holds.
fn with_checkpoint(options: Options) -> (Engine, Table) {
    let engine = Engine::open(HOME, options.log_segment_bytes(LONG_SEGMENT_BYTES)).unwrap();
    let table = engine.table("t").unwrap();
    put_all(&engine, &table, 0..300, 0);
    engine.checkpoint().unwrap();
    put_all(&engine, &table, 0..300, 1000);
    (engine, table)
}

#[test]
fn a_checkpoint_that_does_not_fit_leaves_everything_as_it_was() {
    let device = MemoryDevice::new();
    let (engine, table) = with_checkpoint(options(&device));
    let one = engine.stats().checkpoints.unwrap().kept_bytes;
    let before = (files(&device, "checkpoints"), files(&device, "wal"), device.used_bytes());
    let rooms: Vec<u64> = (0..19).map(|step| step * one / 20).chain([1]).collect();
    for (failed, room) in (1..).zip(&rooms) {
        leave_room(&device, *room);
        check_full(&engine.checkpoint().unwrap_err(), "/db/checkpoints/");
        assert_eq!(before, (files(&device, "checkpoints"), files(&device, "wal"), device.used_bytes()));
        assert_eq!(engine.stats().checkpoints.unwrap().failed, failed);
        put(&engine, &table, 1, *room);
        let copy = device.crash(Survival::Nothing);
        assert_eq!(contents(&open(&copy), "t"), contents(&engine, "t"));
    }
    leave_room(&device, one + one / 10);
    assert_eq!(engine.checkpoint().unwrap().records, 300);
    assert_eq!(engine.stats().checkpoints.unwrap().taken, 2);
    put(&engine, &table, 1, 1);
}

#[test]
fn the_background_tries_again_and_succeeds_once_there_is_room() {
    let device = MemoryDevice::new();
    let (engine, table) = with_checkpoint(options(&device).checkpoint_log_bytes(60_000));
    let mut key = 0;
    let mut commit_until = |what: &str, holds: &dyn Fn(&synod::CheckpointStats) -> bool| {
        wait_until(what, || {
            key += 1;
            put(&engine, &table, key % 300, key);
            holds(&engine.stats().checkpoints.unwrap())
        });
    };
    commit_until("a checkpoint", &|stats| stats.taken >= 2 && !stats.is_due);
    let (taken, before) = (engine.stats().checkpoints.unwrap().taken, files(&device, "checkpoints"));
    leave_room(&device, 10_000);
    commit_until("a failure", &|stats| stats.failed >= 1);
    assert_eq!(files(&device, "checkpoints"), before);
    let used = bytes_of(&device, "checkpoints");
    commit_until("some more commits", &|stats| stats.newest.is_some());
    assert!(
        engine.stats().checkpoints.unwrap().kept_bytes == used,
        "something is left of the failed attempt"
    );
    device.set_capacity(None);
    commit_until("the next attempt", &|stats| stats.taken > taken);
    let expected = contents(&engine, "t");
    engine.close().unwrap();
    assert_eq!(contents(&open(&device), "t"), expected);
}

#[test]
fn a_backup_that_does_not_fit_is_none_and_the_database_goes_on() {
    let device = MemoryDevice::new();
    let (engine, table) = with_checkpoint(options(&device));
    let one = engine.stats().checkpoints.unwrap().kept_bytes;
    let before = device.used_bytes();
    for room in (0..20).map(|step| step * one / 20) {
        leave_room(&device, room);
        check_full(&engine.backup_to(BACKUP).unwrap_err(), BACKUP);
        device.set_capacity(None);
        let left = device.used_bytes() - before;
        assert!(left < 6000, "a failed backup leaves {left} bytes");
        assert!(matches!(restore(BACKUP, COPY, &options(&device)), Err(Error::NotABackup { .. })));
        put(&engine, &table, 1, room);
    }
    let whole = engine.backup_to(BACKUP).unwrap();
    assert!(!whole.is_incremental && whole.timestamp == engine.snapshot().unwrap().timestamp());

    // Bringing it up to date fails, too; what there was stays, and each attempt comes a little further.
    let expected = contents(&engine, "t");
    put_all(&engine, &table, 0..300, 2000);
    for room in (0..8).map(|step| step * 1000) {
        leave_room(&device, room);
        check_full(&engine.backup_to(BACKUP).unwrap_err(), BACKUP);
        device.set_capacity(None);
        let copy = device.crash(Survival::Everything);
        restore(BACKUP, COPY, &options(&copy)).unwrap();
        let copied = contents(&Engine::open(COPY, options(&copy)).unwrap(), "t");
        let is_old_or_new = |(key, value): (&u64, &u64)| *value == expected[key] || *value == key + 2000;
        assert!(copied.len() == 300 && copied.iter().all(is_old_or_new));
        put(&engine, &table, 1, 2001);
    }
    assert!(engine.backup_to(BACKUP).unwrap().is_incremental);
    restore(BACKUP, COPY, &options(&device)).unwrap();
    let copy = Engine::open(COPY, options(&device)).unwrap();
    assert_eq!(contents(&copy, "t"), contents(&engine, "t"));
}

#[test]
fn a_restore_that_does_not_fit_leaves_nothing_and_can_be_repeated() {
    let device = MemoryDevice::new();
    let (engine, _) = with_checkpoint(options(&device));
    let backup = engine.backup_to(BACKUP).unwrap();
    let before = device.used_bytes();
    for room in (0..20).map(|step| step * backup.bytes / 20) {
        leave_room(&device, room);
        check_full(&restore(BACKUP, COPY, &options(&device)).unwrap_err(), COPY);
        assert_eq!(device.used_bytes(), before, "room {room}");
        assert_eq!(device.list(Path::new(COPY)).unwrap(), [] as [&Path; 0]);
    }
    device.set_capacity(None);
    let restored = restore(BACKUP, COPY, &options(&device)).unwrap();
    assert_eq!(restored.timestamp, backup.timestamp);
    let copy = Engine::open(COPY, options(&device).flush_interval(Duration::from_millis(1))).unwrap();
    assert_eq!(contents(&copy, "t"), contents(&engine, "t"));
}
