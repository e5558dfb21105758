//! Operations that wait for no disk: reads, short transactions, scans. Each returns nanoseconds of processor time.

use super::OPERATIONS_OF_TRANSACTION;
use super::store::{Store, at_level};
use super::work::{Pattern, require_found};
use crate::error::{Error, Result};
use smallvec::SmallVec;
use std::hint::black_box;
use std::time::Duration;
use synod::{Durability, Isolation, Mode, TransactOptions, TransactionOptions};

/// Reads in one transaction, where single reads are measured: begin and commit weigh a hundredth.
const READS_OF_TRANSACTION: usize = 100;
const SCAN_RECORDS: usize = 100;
/// How many short transactions a thread has in flight, where it has more than one.
pub(super) const SHORT_IN_FLIGHT: usize = 16;
/// Scans are as long as a hundred reads, so there are fewer of them.
const KEYS_FOR_ONE_SCAN: usize = 50;

/// About how many steps of transactions all of this takes for each key: three reads, four times one and a half in a mixed
/// transaction, and what scans find, which go on to the end of a leaf.
pub(super) const RECORDED_STEPS_FOR_A_KEY: u64 = 14;

/// Processor time of one of `operations`, in nanoseconds.
fn per_operation_ns(cpu: Duration, operations: usize) -> f64 {
    cpu.as_nanos() as f64 / operations.max(1) as f64
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
    Ok(per_operation_ns(
        read_in_chunks(store, READS_OF_TRANSACTION, &serializable(store))?,
        store.operations(),
    ))
}

/// A serializable transaction of ten point reads.
pub(super) fn ten_reads(store: &Store) -> Result<f64> {
    let cpu = read_in_chunks(store, OPERATIONS_OF_TRANSACTION, &serializable(store))?;
    Ok(per_operation_ns(cpu, store.operations().div_ceil(OPERATIONS_OF_TRANSACTION)))
}

/// The same, with all keys handed over at once.
pub(super) fn ten_reads_together(store: &Store) -> Result<f64> {
    let options = serializable(store);
    let cpu = store.on_all_threads(|keys| {
        keys.chunks(OPERATIONS_OF_TRANSACTION).try_for_each(|chunk| {
            let keys: SmallVec<[_; OPERATIONS_OF_TRANSACTION]> =
                chunk.iter().map(|key| key.to_be_bytes()).collect();
            let found = store.engine.transact_with(&options, |txn| {
                let mut found = true;
                txn.multi_get_with(&store.table, &keys, |_, row| found &= black_box(row).is_some())?;
                Ok::<_, Error>(found)
            })?;
            require_found(found.value)
        })
    })?;
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

/// The same, with keys handed over at once.
pub(super) fn mixed_together(store: &Store) -> Result<f64> {
    let cpu = store.short_transactions(Pattern::Together, 1, &at_level(Durability::None))?;
    Ok(per_operation_ns(cpu, store.operations() / OPERATIONS_OF_TRANSACTION))
}

/// A transaction of five reads and five updates, with a log that isn't waited for.
pub(super) fn mixed_buffered(store: &Store) -> Result<f64> {
    mixed_ns(store, Durability::Buffered)
}

/// The same, with many in flight.
pub(super) fn mixed_in_flight(store: &Store) -> Result<f64> {
    let options = at_level(Durability::Buffered);
    let cpu = store.short_transactions(Pattern::OneByOne, SHORT_IN_FLIGHT, &options)?;
    Ok(per_operation_ns(cpu, store.operations() / OPERATIONS_OF_TRANSACTION))
}

fn mixed_ns(store: &Store, level: Durability) -> Result<f64> {
    let cpu = mixed(store, &at_level(level))?;
    Ok(per_operation_ns(cpu, store.operations() / OPERATIONS_OF_TRANSACTION))
}

/// Transactions of five reads and five updates; returns the processor time.
pub(super) fn mixed(store: &Store, options: &TransactOptions) -> Result<Duration> {
    store.short_transactions(Pattern::OneByOne, 1, options)
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
    Ok(per_operation_ns(scan_with(store, &serializable(store))?, scans(store)))
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

/// For transactions that only read. Those of the deterministic mode have to say so: other ones are procedures.
fn serializable(store: &Store) -> TransactOptions {
    let transaction = TransactionOptions::new().isolation(Isolation::Serializable);
    let transaction = match store.engine.mode() {
        Mode::Deterministic => transaction.read_only(),
        _ => transaction,
    };
    TransactOptions { transaction, ..TransactOptions::default() }
}
