//! What a workload runs on: this engine in each of its modes, or another one.
//!
//! A workload's transaction is a [`Job`], and asks no more of an engine than a [`Txn`] has: reads, writes, scans. So the
//! same code runs on all of them, and what differs is what an engine does about it.
//!
//! ```text
//!   Target ── client() ──► Client ── attempt(work) ──► begin, work(&mut dyn Txn), commit
//!   one engine,            one for each thread           │
//!   open and loaded                                      └ Err(Stop::Conflict): nothing has happened, try again
//! ```

mod retry;
mod synod;

pub(crate) use self::synod::register;
pub use self::synod::{SynodTarget, name_of};
pub use retry::Backoff;

use crate::error::{Error, Result};
use crate::workload::{Answer, Job};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

/// A table, by its place in [`Workload::tables`](crate::workload::Workload::tables).
pub type TableNumber = usize;

/// Why a transaction ends without a commit.
#[derive(Debug)]
pub enum Stop {
    /// The engine gave it up for others' sake, for this reason; tried again, it may succeed.
    Conflict(&'static str),
    /// The transaction's own rules say no: too little money, no such row. A valid answer.
    Rejected(&'static str),
    /// It can't go on.
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Stop {
        Stop::Failed(error.into())
    }
}

/// A transaction in progress, on some engine.
///
/// Values are copied out into buffers of the caller's: so all engines pay for a copy, and none for an allocation that
/// others don't need.
pub trait Txn {
    /// Reads a key: makes `value` what the key has. Returns whether it has something; if not, `value` is empty.
    fn get(&mut self, table: TableNumber, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Stop>;

    /// As [`Txn::get`], for a key that the transaction is going to write.
    fn get_for_update(&mut self, table: TableNumber, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Stop> {
        self.get(table, key, value)
    }

    /// Reads several keys at a time, maybe to write them: hands `each` the place of each key, in order, and what it has.
    fn get_many(
        &mut self,
        table: TableNumber,
        keys: &[&[u8]],
        for_update: bool,
        each: &mut dyn FnMut(usize, Option<&[u8]>),
    ) -> Result<(), Stop> {
        let mut value = Vec::new();
        for (nth, key) in keys.iter().enumerate() {
            let is_there = match for_update {
                true => self.get_for_update(table, key, &mut value)?,
                false => self.get(table, key, &mut value)?,
            };
            each(nth, is_there.then_some(&value[..]));
        }
        Ok(())
    }

    /// Sets what a key has.
    fn put(&mut self, table: TableNumber, key: &[u8], value: &[u8]) -> Result<(), Stop>;

    /// Takes a key away, if it is there.
    fn delete(&mut self, table: TableNumber, key: &[u8]) -> Result<(), Stop>;

    /// Visits the records from key `from` on, in ascending order, up to the first key that isn't below `to`, or until
    /// `each` says that it is enough, by `false`. An empty `to` is none.
    fn scan(
        &mut self,
        table: TableNumber,
        from: &[u8],
        to: &[u8],
        each: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), Stop>;
}

/// What happens in a transaction.
pub type Work<'w> = dyn FnMut(&mut dyn Txn) -> Result<(), Stop> + 'w;

/// A row to be loaded: table, key, value.
pub type Row = (TableNumber, Vec<u8>, Vec<u8>);

/// One thread's connection to an engine.
pub trait Client {
    /// Runs `work` in one transaction, and commits it as durably as the target was opened for; if anything fails,
    /// undoes it. A transaction that only reads sees one state of everything.
    fn attempt(&mut self, only_reads: bool, work: &mut Work<'_>) -> Result<(), Stop>;

    /// Writes many rows, which need not be durable when this returns.
    fn load(&mut self, rows: &[Row]) -> Result<()> {
        finished(self.attempt(false, &mut |txn| {
            rows.iter().try_for_each(|(table, key, value)| txn.put(*table, key, value))
        }))
    }

    /// Runs a job until it has committed or is rejected; notes in `tally` what it took.
    fn execute(&mut self, job: &Job, tally: &mut Tally) -> Result<Outcome> {
        retry::until_done(self, job, tally)
    }

    /// Hands in a job that was `due` then. Once as many are in flight as the target was opened for, gives the outcome of
    /// the one that was handed in first, and when that was due.
    fn submit(&mut self, job: &Job, due: Instant, tally: &mut Tally) -> Result<Option<(Outcome, Instant)>> {
        self.execute(job, tally).map(|outcome| Some((outcome, due)))
    }

    /// The outcome of the one that was handed in first, if there is one in flight.
    fn take_in_flight(&mut self) -> Result<Option<(Outcome, Instant)>> {
        Ok(None)
    }
}

/// What became of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has committed.
    Committed(Answer),
    /// Its own rules refused it, and it has done nothing.
    Rejected,
}

/// What executions took beyond themselves.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Attempts that the engine gave up, by reason.
    pub aborts: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Counts an attempt that was given up.
    pub fn count(&mut self, reason: &'static str) {
        *self.aborts.entry(reason).or_default() += 1;
    }
}

/// An engine that is open.
pub trait Target: Sync {
    /// What it is.
    fn about(&self) -> &About;

    /// A connection for the calling thread.
    fn client(&self) -> Result<Box<dyn Client + '_>>;

    /// Does what the engine's users would do after a big load, before they measure: writes out what waits.
    fn settle(&self) -> Result<()> {
        Ok(())
    }
}

/// What is to be known of a target, to read its figures rightly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// A short name, unique among those of a run: `occ`, `rocksdb-optimistic`.
    pub name: String,
    /// What and which version: `redb 4.5`.
    pub engine: String,
    /// The isolation level that its transactions have here.
    pub isolation: String,
    /// Anomalies that this level allows; empty at serializable.
    pub allows: Vec<String>,
    /// What a commit has waited for when it returns.
    pub durability: String,
    /// Whether transactions that write run at the same time.
    pub has_concurrent_writers: bool,
    /// Settings and limits worth a word.
    pub notes: Vec<String>,
}

/// How a target is to be opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Where its files go: a directory of its own.
    pub directory: PathBuf,
    /// The tables, by number.
    pub tables: Vec<&'static str>,
    /// When a commit is done.
    pub durability: ::synod::Durability,
    /// How many threads will use it at the same time, at most.
    pub threads: usize,
    /// How many transactions each of them has in flight; more than one only where the target can.
    pub in_flight: usize,
}

/// Makes `value` what was found, and says whether that is something.
pub(crate) fn copy(found: Option<&[u8]>, value: &mut Vec<u8>) -> bool {
    value.clear();
    value.extend_from_slice(found.unwrap_or_default());
    found.is_some()
}

/// Takes it that nothing was in the way.
pub(crate) fn finished(outcome: Result<(), Stop>) -> Result<()> {
    match outcome {
        Ok(()) => Ok(()),
        Err(Stop::Failed(error)) => Err(error),
        Err(Stop::Conflict(reason) | Stop::Rejected(reason)) => {
            Err(Error::Settings(format!("a transaction that is alone was given up: {reason}")))
        }
    }
}
