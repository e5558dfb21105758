//! Small databases on a device in memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use synod::device::{Device, MemoryDevice};
use synod::{Engine, Options, Table, Timestamp};

pub(crate) const HOME: &str = "/db";

/// A log segment so short that a few commits fill it.
pub(crate) const SEGMENT_BYTES: u64 = 6000;

pub(crate) fn options(device: &MemoryDevice) -> Options {
    Options::new()
        .device(std::sync::Arc::new(device.clone()))
        .log_segment_bytes(SEGMENT_BYTES)
        .checkpoint_log_bytes(u64::MAX)
}

pub(crate) fn open(device: &MemoryDevice) -> Engine {
    Engine::open(HOME, options(device)).unwrap()
}

/// Sets one key to a number, and to some length.
pub(crate) fn put(engine: &Engine, table: &Table, key: u64, value: u64) -> Timestamp {
    let txn = engine.begin(synod::TransactionOptions::new()).unwrap();
    let mut bytes = value.to_be_bytes().to_vec();
    bytes.resize(100, value as u8);
    txn.put(table, key.to_be_bytes(), bytes).unwrap();
    txn.commit().unwrap()
}

/// What a table holds, by number.
pub(crate) fn contents(engine: &Engine, table: &str) -> BTreeMap<u64, u64> {
    let table = engine.table(table).unwrap();
    contents_at(&engine.snapshot().unwrap(), &table)
}

pub(crate) fn contents_at(snapshot: &synod::Snapshot, table: &Table) -> BTreeMap<u64, u64> {
    let number = |bytes: &[u8]| u64::from_be_bytes(bytes[..8].try_into().unwrap());
    let records = snapshot.scan(table, ..).map(|record| {
        let (key, value) = record.unwrap();
        (number(&key), number(&value))
    });
    records.collect()
}

/// The files of one kind, sorted.
pub(crate) fn files(device: &MemoryDevice, folder: &str) -> Vec<PathBuf> {
    let mut files = device.list(&Path::new(HOME).join(folder)).unwrap_or_default();
    files.sort();
    files
}

pub(crate) fn bytes_of(device: &MemoryDevice, folder: &str) -> u64 {
    // A file may be removed after it was listed.
    let open = files(device, folder).into_iter().filter_map(|path| device.open(&path).ok());
    open.map(|file| file.size().unwrap()).sum()
}
