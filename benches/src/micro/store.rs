//! The table that single operations are measured on.

use super::MicroOptions;
use crate::calibrate::LOOKUP_THETA;
use crate::error::{Error, Result};
use crate::machine;
use crate::put_rows::Rows;
use crate::random::Random;
use crate::zipf::scattered_keys;
use std::path::Path;
use std::sync::Barrier;
use std::time::Duration;
use synod::{Durability, Engine, Options, Table, TransactOptions, TransactionOptions};

/// The table's name.
pub(super) const TABLE: &str = "micro";
/// Bytes of a key.
const KEY_BYTES: usize = 8;
/// Bytes of a value.
pub(super) const VALUE_BYTES: usize = 100;
const LOAD_BATCH: u64 = 1_000;

/// A loaded table, and the keys that each thread works through.
pub(super) struct Store {
    pub(super) engine: Engine,
    pub(super) table: Table,
    pub(super) records: u64,
    keys_of_thread: Vec<Vec<u64>>,
}

impl Store {
    /// Opens an engine in `directory` and fills a table; there are no keys yet. Also returns how many bytes of memory
    /// a record takes beyond its key and value.
    pub(super) fn load(directory: &Path, options: MicroOptions) -> Result<(Store, f64)> {
        let engine_options = Options::new().mode(options.mode).record_history(options.records_history);
        let engine = Engine::open(directory, crate::register(engine_options))?;
        let table = engine.table(TABLE)?;
        let before = machine::memory().resident_bytes;
        fill(&engine, &table, options.records)?;
        let grown = machine::memory().resident_bytes.saturating_sub(before) as f64;
        let overhead = grown / options.records as f64 - (KEY_BYTES + VALUE_BYTES) as f64;
        Ok((Store { engine, table, records: options.records, keys_of_thread: Vec::new() }, overhead))
    }

    /// Takes these keys from now on; each thread gets so many of them.
    pub(super) fn use_keys(&mut self, all: &[u64], of_thread: usize) {
        self.keys_of_thread = all.chunks(of_thread).map(<[u64]>::to_vec).collect();
    }

    /// Runs `work` on every thread at the same time, each with its own keys; returns the processor time of
    /// all of them together.
    pub(super) fn on_all_threads(&self, work: impl Fn(&[u64]) -> Result<()> + Sync) -> Result<Duration> {
        run_together(&self.keys_of_thread, |keys| work(keys))
    }

    /// Operations of all threads together, if each key is one operation.
    pub(super) fn operations(&self) -> usize {
        self.keys_of_thread.iter().map(Vec::len).sum()
    }

    /// The number of threads.
    pub(super) fn threads(&self) -> usize {
        self.keys_of_thread.len()
    }

    /// The keys of the first thread.
    pub(super) fn first_keys(&self) -> &[u64] {
        &self.keys_of_thread[0]
    }
}

/// Keys for all threads, as popular as those that L is measured with.
pub(super) fn usual_keys(options: &MicroOptions) -> Vec<u64> {
    let count = options.operations * options.threads;
    scattered_keys(options.records, LOOKUP_THETA, count, &mut Random::new(0x510D, 0))
}

/// Options for transactions at a durability level.
pub(super) fn at_level(level: Durability) -> TransactOptions {
    TransactOptions { transaction: TransactionOptions::new().durability(level), ..TransactOptions::default() }
}

/// Runs `work` for each part on a thread of its own, all starting together; returns the processor time that
/// they have used.
pub(super) fn run_together<T: Sync>(parts: &[T], work: impl Fn(&T) -> Result<()> + Sync) -> Result<Duration> {
    let barrier = Barrier::new(parts.len());
    let (barrier, work) = (&barrier, &work);
    std::thread::scope(|scope| {
        let start = |part| {
            scope.spawn(move || {
                barrier.wait();
                let before = machine::thread_cpu_time();
                work(part).map(|()| machine::thread_cpu_time().saturating_sub(before))
            })
        };
        let workers: Vec<_> = parts.iter().map(start).collect();
        workers.into_iter().try_fold(Duration::ZERO, |sum, worker| {
            Ok(sum + worker.join().map_err(|panic| Error::panicked(&*panic))??)
        })
    })
}

/// Writes all records, in key order.
fn fill(engine: &Engine, table: &Table, records: u64) -> Result<()> {
    let mut rows = Rows::default();
    for first in (0..records).step_by(LOAD_BATCH as usize) {
        for key in first..records.min(first + LOAD_BATCH) {
            rows.push(table, &key.to_be_bytes(), &value_of(key));
        }
        rows.write(engine, Durability::Buffered)?;
        // A history begins behind the load.
        drop(engine.take_history());
    }
    Ok(())
}

/// The first value of a key.
fn value_of(key: u64) -> [u8; VALUE_BYTES] {
    let mut value = [b'v'; VALUE_BYTES];
    value[..KEY_BYTES].copy_from_slice(&key.to_be_bytes());
    value
}
