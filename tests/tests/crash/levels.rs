//! What each durability level promises, looked at from the disk.

use std::time::Duration;

use synod::device::{MemoryDevice, Survival};
use synod::{Durability, Engine, Options, Table, Timestamp, Transaction, TransactionOptions};
use synod_tests::crash::failure::wait_until;
use synod_tests::crash::gate::GatedDevice;
use synod_tests::crash::verdict::open;
use synod_tests::crash::workload::{HOME, small_options};

/// Longer than any test runs: what is flushed before was flushed for another reason.
const NEVER: Duration = Duration::from_secs(3600);

fn patient(device: &MemoryDevice) -> Engine {
    Engine::open(HOME, small_options(device.clone()).flush_interval(NEVER)).unwrap()
}

fn begin(engine: &Engine, level: Durability) -> Transaction {
    engine.begin(TransactionOptions::new().durability(level)).unwrap()
}

fn put(engine: &Engine, table: &Table, key: &str, level: Durability) -> Timestamp {
    let txn = begin(engine, level);
    txn.put(table, key, "value").unwrap();
    txn.commit().unwrap()
}

fn delete(engine: &Engine, table: &Table, key: &str, level: Durability) {
    let txn = begin(engine, level);
    assert!(txn.delete(table, key).unwrap());
    txn.commit().unwrap();
}

/// The keys that a crash at this moment leaves for certain.
fn durable_keys(device: &MemoryDevice) -> Vec<String> {
    let engine = open(&device.crash(Survival::Nothing));
    let (snapshot, table) = (engine.snapshot().unwrap(), engine.table("t").unwrap());
    let keys = snapshot.scan(&table, ..).map(|record| String::from_utf8(record.unwrap().0.to_vec()).unwrap());
    keys.collect()
}

#[test]
fn sync_and_group_commits_are_durable_when_they_return() {
    let device = MemoryDevice::new();
    let engine = patient(&device);
    let table = engine.table("t").unwrap();
    for (key, level) in [("a", Durability::Sync), ("b", Durability::Group)] {
        put(&engine, &table, key, level);
        assert!(durable_keys(&device).iter().any(|found| found == key), "{level}");
    }
}

#[test]
fn buffered_commits_are_flushed_within_the_interval() {
    let device = MemoryDevice::new();
    let options = small_options(device.clone()).flush_interval(Duration::from_millis(5));
    let engine = Engine::open(HOME, options).unwrap();
    let table = engine.table("t").unwrap();
    for key in ["a", "b", "c"] {
        let syncs = device.operations().syncs;
        put(&engine, &table, key, Durability::Buffered);
        wait_until("a flush in the background", || device.operations().syncs > syncs);
        assert!(durable_keys(&device).iter().any(|found| found == key));
    }
    assert_eq!(engine.stats().log.unwrap().buffered_bytes, 0);
}

#[test]
fn an_idle_database_syncs_nothing() {
    let device = MemoryDevice::new();
    let options = small_options(device.clone()).flush_interval(Duration::from_millis(1));
    let engine = Engine::open(HOME, options).unwrap();
    let table = engine.table("t").unwrap();
    put(&engine, &table, "a", Durability::Sync);
    let changes = device.operations().changes;
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(device.operations().changes, changes);
}

#[test]
fn buffered_commits_survive_close_and_the_drop_of_the_last_handle() {
    for closes in [true, false] {
        let device = MemoryDevice::new();
        let engine = patient(&device);
        let table = engine.table("t").unwrap();
        put(&engine, &table, "a", Durability::Buffered);
        assert_eq!(durable_keys(&device), [""; 0], "it was durable before");
        let snapshot = engine.snapshot().unwrap();
        if closes {
            drop(snapshot);
            engine.close().unwrap();
        } else {
            drop(engine);
            assert_eq!(durable_keys(&device), [""; 0], "a snapshot still holds the database");
            drop(snapshot);
        }
        assert_eq!(durable_keys(&device), ["a"]);
    }
}

#[test]
fn flush_makes_buffered_commits_durable() {
    let device = MemoryDevice::new();
    let engine = patient(&device);
    let table = engine.table("t").unwrap();
    put(&engine, &table, "a", Durability::Buffered);
    put(&engine, &table, "b", Durability::None);
    engine.flush().unwrap();
    assert_eq!(durable_keys(&device), ["a"]);
}

#[test]
fn commits_without_durability_are_visible_and_not_in_the_log() {
    let device = MemoryDevice::new();
    let engine = patient(&device);
    let table = engine.table("t").unwrap();
    let frames = engine.stats().log.unwrap().frames;
    put(&engine, &table, "a", Durability::None);
    assert!(engine.snapshot().unwrap().contains(&table, "a").unwrap());
    assert_eq!(engine.stats().log.unwrap().frames, frames);
    engine.close().unwrap();
    assert_eq!(durable_keys(&device), [""; 0]);
}

#[test]
fn a_commit_takes_all_before_it_along() {
    let device = MemoryDevice::new();
    let engine = patient(&device);
    let table = engine.table("t").unwrap();
    put(&engine, &table, "a", Durability::Buffered);
    put(&engine, &table, "b", Durability::Buffered);
    put(&engine, &table, "c", Durability::Sync);
    put(&engine, &table, "d", Durability::Buffered);
    assert_eq!(durable_keys(&device), ["a", "b", "c"]);
}

/// Counts in some way what a deletion that isn't durable has left, which is nothing; when the reader's commit returns, it must be. An old
/// snapshot keeps the tombstone there for the reader to see, or else it is removed before the reader begins.
fn check_reader(level: Durability, keeps_tombstone: bool, reader: fn(&Transaction, &Table) -> usize) {
    for read_only in [false, true] {
        let device = MemoryDevice::new();
        let engine = patient(&device);
        let table = engine.table("t").unwrap();
        put(&engine, &table, "a", Durability::Sync);
        put(&engine, &table, "b", Durability::Sync);
        let old_snapshot = keeps_tombstone.then(|| engine.snapshot().unwrap());
        delete(&engine, &table, "a", Durability::Buffered);
        if !keeps_tombstone {
            wait_until("the removal of the record", || engine.stats().garbage_records == 0);
        }
        assert_eq!(durable_keys(&device), ["a", "b"]);
        let options = TransactionOptions::new().durability(level);
        let txn = engine.begin(if read_only { options.read_only() } else { options }).unwrap();
        assert_eq!(reader(&txn, &table), 0);
        txn.commit().unwrap();
        assert_eq!(durable_keys(&device), ["b"], "{level}, read-only: {read_only}");
        drop(old_snapshot);
    }
}

/// Finds by every kind of read that the key `a` is gone.
fn check_readers(keeps_tombstone: bool) {
    for level in [Durability::Sync, Durability::Group] {
        let check = |reader: fn(&Transaction, &Table) -> usize| {
            check_reader(level, keeps_tombstone, reader);
        };
        check(|txn, table| usize::from(txn.contains(table, "a").unwrap()));
        check(|txn, table| txn.scan(table, .."b").count());
        check(|txn, table| txn.scan_rev(table, .."b").count());
        check(|txn, table| txn.prefix(table, "a").count());
    }
}

#[test]
fn a_reader_of_a_commit_that_is_not_durable_waits_for_it() {
    check_readers(true);
}

#[test]
fn a_reader_waits_for_a_deletion_even_if_nothing_is_left_of_it() {
    check_readers(false);
}

#[test]
fn a_reader_of_what_is_durable_waits_for_nothing() {
    let device = MemoryDevice::new();
    let engine = patient(&device);
    let table = engine.table("t").unwrap();
    put(&engine, &table, "a", Durability::Sync);
    put(&engine, &table, "b", Durability::Buffered);
    let changes = device.operations().changes;
    for level in Durability::ALL {
        let txn = begin(&engine, level);
        assert!(txn.contains(&table, "a").unwrap());
        txn.commit().unwrap();
    }
    let txn = begin(&engine, Durability::Buffered);
    assert!(txn.contains(&table, "b").unwrap());
    txn.commit().unwrap();
    assert_eq!(device.operations().changes, changes);
}

#[test]
fn a_reader_is_not_acknowledged_while_what_it_read_is_on_its_way_to_the_disk() {
    let device = GatedDevice::new();
    let options = Options::new().device(std::sync::Arc::new(device.clone())).flush_interval(NEVER);
    let engine = Engine::open(HOME, options).unwrap();
    let table = engine.table("t").unwrap();
    std::thread::scope(|scope| {
        let gate = device.close_gate();
        let writer = scope.spawn(|| put(&engine, &table, "a", Durability::Sync));
        wait_until("the writer's sync", || device.held() == 1);
        // Its locks are released already.
        let txn = begin(&engine, Durability::Sync);
        assert!(txn.contains(&table, "a").unwrap());
        let handle = txn.commit_deferred().unwrap();
        assert!(!handle.is_done() && !writer.is_finished());
        assert_eq!(durable_keys(&device.memory), [""; 0]);
        drop(gate);
        assert_eq!(handle.wait().unwrap(), writer.join().unwrap());
        assert_eq!(durable_keys(&device.memory), ["a"]);
    });
}
