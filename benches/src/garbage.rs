//! Memory under endless updates of few records: do old versions really go?
//!
//! Every update leaves a version behind that nobody can read any more. An engine that forgets to collect them
//! grows with the number of updates, not of records. So: many updates of few records, and a look at resident
//! memory early and at the end.

use crate::error::{Error, Result};
use crate::machine;
use crate::progress::Progress;
use crate::random::Random;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use synod::{Durability, Engine, Options, Table, TransactOptions, TransactionOptions};

const VALUE_BYTES: usize = 100;
/// The share of the updates after which memory is looked at first: a million of ten.
const FIRST_LOOK: u64 = 10;

/// How to update.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct GarbageOptions {
    /// Updates, of all threads together.
    pub updates: u64,
    /// Records, each as likely to be updated as any other.
    pub records: u64,
    /// Threads that update.
    pub threads: usize,
}

impl Default for GarbageOptions {
    fn default() -> Self {
        GarbageOptions { updates: 10_000_000, records: 1_000, threads: machine::cores() }
    }
}

/// What memory did meanwhile.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct GarbageReport {
    /// What was done.
    pub options: GarbageOptions,
    /// Resident memory before the first update, in bytes.
    pub resident_at_start_bytes: u64,
    /// After a tenth of the updates.
    pub resident_after_tenth_bytes: u64,
    /// After all of them.
    pub resident_at_end_bytes: u64,
    /// How long the updates took.
    pub seconds: f64,
}

/// Updates records of an engine in memory, each in a transaction of its own.
///
/// # Errors
///
/// If an option is zero or the engine fails.
pub fn measure(options: GarbageOptions, progress: &mut Progress) -> Result<GarbageReport> {
    if options.records == 0 || options.threads == 0 || options.updates < FIRST_LOOK {
        return Err(Error::Settings(format!(
            "at least {FIRST_LOOK} updates, one record and one thread are needed"
        )));
    }
    let engine = Engine::in_memory(Options::new().durability(Durability::None))?;
    let table = engine.table("garbage")?;
    engine.transact(|txn| {
        (0..options.records).try_for_each(|key| txn.put(&table, key.to_be_bytes(), [0; VALUE_BYTES]))
    })?;
    let done = AtomicU64::new(0);
    let (started, resident_at_start_bytes) = (Instant::now(), machine::memory().resident_bytes);
    let first = options.updates / FIRST_LOOK;
    update_in_parallel(&engine, &table, options, first, &done, progress)?;
    let resident_after_tenth_bytes = machine::memory().resident_bytes;
    update_in_parallel(&engine, &table, options, options.updates - first, &done, progress)?;
    Ok(GarbageReport {
        options,
        resident_at_start_bytes,
        resident_after_tenth_bytes,
        resident_at_end_bytes: machine::memory().resident_bytes,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Does `updates` more updates on all threads.
fn update_in_parallel(
    engine: &Engine,
    table: &Table,
    options: GarbageOptions,
    updates: u64,
    done: &AtomicU64,
    progress: &mut Progress,
) -> Result<()> {
    let threads = options.threads as u64;
    let share = |thread: u64| updates / threads + u64::from(thread < updates % threads);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let random = Random::new(updates, thread);
                scope.spawn(move || update(engine, table, options.records, share(thread), random, done))
            })
            .collect();
        while !workers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(20));
            // Relaxed: only shown as progress.
            let so_far = done.load(Ordering::Relaxed);
            progress
                .set(so_far, || format!("{so_far} updates, {} MiB", machine::memory().resident_bytes >> 20));
        }
        for worker in workers {
            worker.join().map_err(|panic| Error::panicked(&*panic))??;
        }
        Ok(())
    })
}

/// Updates random records, one in each transaction.
fn update(
    engine: &Engine,
    table: &Table,
    records: u64,
    updates: u64,
    mut random: Random,
    done: &AtomicU64,
) -> Result<()> {
    const REPORT_EVERY: u64 = 1_000;
    let options = TransactOptions {
        transaction: TransactionOptions::new().durability(Durability::None),
        ..TransactOptions::default()
    };
    for index in 0..updates {
        let key = random.below(records).to_be_bytes();
        let value = [index as u8; VALUE_BYTES];
        engine.transact_with(&options, |txn| txn.put(table, key, value))?.handle.wait()?;
        if index % REPORT_EVERY == 0 {
            // Relaxed: only shown as progress.
            done.fetch_add(REPORT_EVERY, Ordering::Relaxed);
        }
    }
    Ok(())
}
