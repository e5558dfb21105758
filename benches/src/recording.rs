//! Collects what an engine records while a workload runs on it, up to a limit, and writes it for the checker.
//!
//! ```text
//! workload ──► engine, which notes each step ──► collector, every few milliseconds ──► file
//!     ▲                                              │ counts
//!     └──────────── stop, at the limit ──────────────┘
//! ```
//!
//! A history that lacks transactions in its middle would be judged wrongly, so a run that reaches the limit ends there.
//! What was loaded before isn't recorded: a version that was read and that nobody has written was there before.

use crate::error::{Error, Result};
use crate::history::checkable_as_listed;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use synod::{Engine, RecordedStep, RecordedTransaction};
use synod_checker::write_edn;

/// The most steps that are recorded: reads, writes, scans, and each record that a scan finds. So many take about a
/// gigabyte of memory until they are written.
pub const RECORDED_STEPS_MAX: u64 = 2_000_000;

/// How often the engine is asked for what it has recorded.
const COLLECT_EVERY: Duration = Duration::from_millis(5);

/// What was recorded.
#[derive(Debug, Default)]
pub struct Recorded {
    transactions: Vec<RecordedTransaction>,
    steps: u64,
}

impl Recorded {
    /// How many transactions, aborted ones included.
    pub fn transactions(&self) -> usize {
        self.transactions.len()
    }

    /// How many steps they have taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Adds what the engine has recorded since it was asked last.
    pub fn take_from(&mut self, engine: &Engine) {
        let transactions = engine.take_history();
        self.steps += transactions.iter().map(steps).sum::<u64>();
        self.transactions.extend(transactions);
    }

    /// Writes it to `path` in the form that `synod check` reads; returns the bytes written.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn write(&self, path: &Path) -> Result<u64> {
        let failed = |source| Error::io("cannot write", path, source);
        let file = File::create(path).map_err(failed)?;
        let mut out = BufWriter::new(&file);
        write_edn(&checkable_as_listed(&self.transactions), &mut out).map_err(failed)?;
        out.flush().map_err(failed)?;
        drop(out);
        Ok(file.metadata().map_err(failed)?.len())
    }
}

/// The steps of a transaction, as the limit counts them.
fn steps(transaction: &RecordedTransaction) -> u64 {
    let steps_of = |step: &RecordedStep| match step {
        RecordedStep::Scan { found, .. } => 1 + found.len() as u64,
        RecordedStep::Get { .. } | RecordedStep::Put { .. } => 1,
    };
    transaction.steps.iter().map(steps_of).sum()
}

/// Runs `work`, and collects what `engine` records meanwhile. `work` gets a flag that asks it to end: when `stop` does,
/// or when `limit` is reached. What its transactions do before they notice comes on top.
pub fn record_while<T>(
    engine: &Engine,
    stop: &AtomicBool,
    limit: u64,
    work: impl FnOnce(&AtomicBool) -> T,
) -> (T, Recorded) {
    let mut recorded = Recorded::default();
    let ends = AtomicBool::new(false);
    let ended = collect_while(
        || {
            recorded.take_from(engine);
            // Relaxed: the flags only ask for an end.
            if stop.load(Ordering::Relaxed) || recorded.steps >= limit {
                ends.store(true, Ordering::Relaxed);
            }
        },
        || work(&ends),
    );
    recorded.take_from(engine);
    (ended, recorded)
}

/// Runs `work`, and throws away what `engine` records meanwhile.
pub fn discard_while<T>(engine: &Engine, work: impl FnOnce() -> T) -> T {
    let ended = collect_while(|| drop(engine.take_history()), work);
    drop(engine.take_history());
    ended
}

/// Runs `work`, and `collect` again and again beside it.
fn collect_while<T>(mut collect: impl FnMut() + Send, work: impl FnOnce() -> T) -> T {
    /// Ends the collector also when `work` panics.
    struct End<'a>(&'a AtomicBool);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                collect();
                std::thread::sleep(COLLECT_EVERY);
            }
        });
        let _end = End(&is_over);
        work()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use synod::Options;

    fn recording() -> (Engine, synod::Table) {
        let engine = Engine::in_memory(Options::new().record_history(true)).expect("opens");
        let table = engine.table("t").expect("created");
        (engine, table)
    }

    #[test]
    fn work_is_asked_to_end_at_the_limit_and_nothing_is_lost() {
        let (engine, table) = recording();
        let ((), recorded) = record_while(&engine, &AtomicBool::new(false), 10, |ends| {
            while !ends.load(Ordering::Relaxed) {
                engine.transact(|txn| txn.put(&table, "key", "value")).expect("commits");
            }
            engine.transact(|txn| txn.put(&table, "last", "value")).expect("commits");
        });
        assert!(recorded.steps() >= 10);
        assert_eq!(recorded.steps(), engine.stats().transactions.commits, "one step for each");
        let last = recorded.transactions.last().expect("there are some");
        assert!(matches!(&last.steps[..], [RecordedStep::Put { key, .. }] if &key[..] == b"last"));
    }

    #[test]
    fn records_that_a_scan_finds_count() {
        let (engine, table) = recording();
        discard_while(&engine, || {
            for key in ["a", "b", "c"] {
                engine.transact(|txn| txn.put(&table, key, "")).expect("commits");
            }
        });
        let ((), recorded) = record_while(&engine, &AtomicBool::new(false), u64::MAX, |_| {
            engine.transact(|txn| txn.scan(&table, ..).try_for_each(|found| found.map(drop))).expect("reads");
        });
        assert_eq!(recorded.transactions(), 1);
        assert!(recorded.steps() >= 4, "{recorded:?}");
    }

    #[test]
    fn the_user_can_end_it() {
        let (engine, _) = recording();
        let (ended, _) = record_while(&engine, &AtomicBool::new(true), u64::MAX, |ends| {
            while !ends.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            true
        });
        assert!(ended);
    }
}
