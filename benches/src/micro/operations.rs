//! Operations that wait for no disk: reads, short transactions, scans. Each returns nanoseconds of processor time.

use super::OPERATIONS_OF_TRANSACTION;
use super::store::{Store, VALUE_BYTES, at_level};
use crate::error::{Error, Result};
use std::hint::black_box;
use std::time::Duration;
use synod::{Durability, Isolation, TransactOptions, Transaction, TransactionOptions};

/// Reads in one transaction, where single reads are measured: begin and commit weigh a hundredth.
const READS_OF_TRANSACTION: usize = 100;
const SCAN_RECORDS: usize = 100;
/// Scans are as long as a hundred reads, so there are fewer of them.
const KEYS_FOR_ONE_SCAN: usize = 50;

/// About how many steps of transactions all of this takes for each key: two reads, twice one and a half in a mixed
/// transaction, and what scans find, which go on to the end of a leaf.
pub(super) const RECORDED_STEPS_FOR_A_KEY: u64 = 9;

/// Processor time of one of `operations`, in nanoseconds.
fn per_operation_ns(cpu: Duration, operations: usize) -> f64 {
    cpu.as_nanos() as f64 / operations.max(1) as f64
}

/// Every key was loaded and none is deleted, so a read that finds nothing is a bug.
fn require_found(found: bool) -> Result<()> {
    if found {
        return Ok(());
    }
    Err(Error::MissingRow { table: "micro", key: "of a point read".to_string() })
}

/// A point read in a snapshot; one snapshot for each thread.
pub(super) fn snapshot_read(store: &Store) -> Result<f64> {
    let cpu = store.on_all_threads(|keys| {
        let snapshot = store.engine.snapshot()?;
        let mut found = true;
        for key in keys {
            found &= snapshot.get_with(&store.table, key.to_be_bytes(), |row| black_box(row).is_some())?;
        }
        require_found(found)
    })?;
    Ok(per_operation_ns(cpu, store.operations()))
}

/// A point read in a serializable transaction, a hundred in each.
pub(super) fn serializable_read(store: &Store) -> Result<f64> {
    Ok(per_operation_ns(read_in_chunks(store, READS_OF_TRANSACTION, &serializable())?, store.operations()))
}

/// A serializable transaction of ten point reads.
pub(super) fn ten_reads(store: &Store) -> Result<f64> {
    let cpu = read_in_chunks(store, OPERATIONS_OF_TRANSACTION, &serializable())?;
    Ok(per_operation_ns(cpu, store.operations().div_ceil(OPERATIONS_OF_TRANSACTION)))
}

/// Reads every key, so many in a transaction; returns the processor time.
pub(super) fn read_in_chunks(store: &Store, reads: usize, options: &TransactOptions) -> Result<Duration> {
    store.on_all_threads(|keys| {
        keys.chunks(reads).try_for_each(|chunk| {
            let found = store.engine.transact_with(options, |txn| {
                chunk.iter().try_fold(true, |found, key| {
                    let read = |row: Option<&[u8]>| black_box(row).is_some();
                    Ok::<_, Error>(found & txn.get_with(&store.table, key.to_be_bytes(), read)?)
                })
            })?;
            require_found(found.value)
        })
    })
}

/// A transaction of five reads and five updates, without a log.
pub(super) fn mixed_none(store: &Store) -> Result<f64> {
    mixed_ns(store, Durability::None)
}

/// A transaction of five reads and five updates, with a log that isn't waited for.
pub(super) fn mixed_buffered(store: &Store) -> Result<f64> {
    mixed_ns(store, Durability::Buffered)
}

fn mixed_ns(store: &Store, level: Durability) -> Result<f64> {
    let cpu = mixed(store, &at_level(level))?;
    Ok(per_operation_ns(cpu, store.operations() / OPERATIONS_OF_TRANSACTION))
}

/// Transactions of five reads and five updates; returns the processor time.
pub(super) fn mixed(store: &Store, options: &TransactOptions) -> Result<Duration> {
    store.on_all_threads(|keys| {
        keys.chunks_exact(OPERATIONS_OF_TRANSACTION).try_for_each(|chunk| {
            let committed = store.engine.transact_with(options, |txn| read_and_update(store, txn, chunk))?;
            committed.handle.wait()?;
            Ok(())
        })
    })
}

/// Reads every other key, and adds one to a byte of the others.
fn read_and_update(store: &Store, txn: &Transaction, keys: &[u64]) -> Result<()> {
    for pair in keys.chunks_exact(2) {
        let found = txn.get_with(&store.table, pair[0].to_be_bytes(), |row| black_box(row).is_some())?;
        require_found(found)?;
        let key = pair[1].to_be_bytes();
        let copy = |row: Option<&[u8]>| row.and_then(<[u8]>::first_chunk::<VALUE_BYTES>).copied();
        let current = txn.get_for_update_with(&store.table, key, copy)?;
        require_found(current.is_some())?;
        let mut value = current.unwrap_or([0; VALUE_BYTES]);
        value[VALUE_BYTES - 1] = value[VALUE_BYTES - 1].wrapping_add(1);
        txn.put(&store.table, key, value)?;
    }
    Ok(())
}

/// A scan of 100 records in a snapshot.
pub(super) fn snapshot_scan(store: &Store) -> Result<f64> {
    let cpu = store.on_all_threads(|keys| {
        let snapshot = store.engine.snapshot()?;
        for key in keys.iter().step_by(KEYS_FOR_ONE_SCAN) {
            let start = scan_start(store, *key);
            let mut bytes = 0;
            let mut scan = snapshot.scan(&store.table, start.to_be_bytes()..);
            for _ in 0..SCAN_RECORDS {
                bytes += scan.next_ref()?.map_or(0, |(_, value)| value.len());
            }
            black_box(bytes);
        }
        Ok(())
    })?;
    Ok(per_operation_ns(cpu, scans(store)))
}

/// A scan of 100 records, each in a serializable transaction of its own.
pub(super) fn serializable_scan(store: &Store) -> Result<f64> {
    Ok(per_operation_ns(scan_with(store, &serializable())?, scans(store)))
}

/// Scans of 100 records, each in a transaction of its own; returns the processor time.
pub(super) fn scan_with(store: &Store, options: &TransactOptions) -> Result<Duration> {
    store.on_all_threads(|keys| {
        for key in keys.iter().step_by(KEYS_FOR_ONE_SCAN) {
            let start = scan_start(store, *key);
            let committed = store.engine.transact_with(options, |txn| {
                let mut bytes = 0;
                let mut scan = txn.scan(&store.table, start.to_be_bytes()..);
                for _ in 0..SCAN_RECORDS {
                    bytes += scan.next_ref()?.map_or(0, |(_, value)| value.len());
                }
                Ok::<_, Error>(bytes)
            })?;
            black_box(committed.value);
        }
        Ok(())
    })
}

/// Where a scan at `key` starts, so that a hundred records follow (if the table has so many).
fn scan_start(store: &Store, key: u64) -> u64 {
    key.min(store.records.saturating_sub(SCAN_RECORDS as u64))
}

/// How many scans all threads do together.
pub(super) fn scans(store: &Store) -> usize {
    store.threads() * store.first_keys().len().div_ceil(KEYS_FOR_ONE_SCAN)
}

fn serializable() -> TransactOptions {
    TransactOptions {
        transaction: TransactionOptions::new().isolation(Isolation::Serializable),
        ..TransactOptions::default()
    }
}
