//! Replaying a database's log into a fresh engine.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use parking_lot::Mutex;
use serde::Serialize;
use synod_sequencer::Batch;
use synod_storage::Timestamp;
use synod_storage::wal::{Piece, WAL_DIRECTORY};
use synod_txn::{Durability, Snapshot};

use crate::deterministic::ReplayedEpoch;
use crate::procedure::{AnyJob, Verdict, View};
use crate::recovery::{ExecutedLog, Files, Start, recover_from};
use crate::{Engine, Error, Options, Result, TransactOptions, TransactionOptions};

/// How many procedures are read ahead of the threads that run them as transactions.
const JOBS_AHEAD: usize = 1024;

/// How a log is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayOptions {
    /// The last epoch to be executed. Default: the log's last.
    pub until: u64,
    /// Whether to begin with the newest checkpoint, as opening the database does, and not with the oldest, or with the
    /// beginning of the log if that is there. Default: no.
    pub from_newest_checkpoint: bool,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        ReplayOptions { until: u64::MAX, from_newest_checkpoint: false }
    }
}

/// A replayed log.
#[derive(Debug)]
pub struct Replayed {
    /// The state that the log has led to, in memory.
    pub engine: Engine,
    /// What there was to do.
    pub summary: ReplaySummary,
}

/// What a replay has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ReplaySummary {
    /// The timestamp of the checkpoint that it began with; `None` for the beginning of the log.
    pub checkpoint: Option<Timestamp>,
    /// Procedures executed.
    pub procedures: u64,
    /// How long executing them took, reading the log included.
    pub duration: Duration,
    /// The hash of the state at the end.
    pub state_hash: u64,
    /// A hash of all answers, each with its place; comparable among replays of one log. 0 in another mode than the
    /// deterministic one.
    pub answers_hash: u64,
}

impl Engine {
    /// Executes the log of the database in a directory again, in a fresh engine in memory, with as many threads as
    /// [`Options::workers`] says. The database must not be open, and stays as it is, but for a torn end of its log, which
    /// is cut off as at every opening.
    ///
    /// In the deterministic mode `observe` hears of each epoch, in order. In another mode the procedures are handed to the
    /// threads in the order of the log, and run like the work of [`Engine::transact`]: each with the time and the random
    /// numbers that it had, but in an order that nobody has decided. So the state may be another one; with one thread it is
    /// the same.
    ///
    /// # Errors
    /// [`Error::Diverged`] if an epoch has another result than it had when it was executed first, as far as the log says;
    /// [`Error::UnknownProcedure`]; and all that opening the database can answer.
    pub fn replay(
        path: impl AsRef<Path>,
        options: Options,
        replay: ReplayOptions,
        mut observe: impl FnMut(ReplayedEpoch),
    ) -> Result<Replayed> {
        let start = if replay.from_newest_checkpoint { Start::Newest } else { Start::Oldest };
        let mut recovered = recover_from(start, path.as_ref(), &options)?;
        let Some(Files { home, wal, report, .. }) = recovered.files.take() else { return Err(Error::NoLog) };
        let (after, cutoff) = (recovered.executes_after.take(), recovered.cutoff);
        let (mut options, threads) = (options.clone(), options.sequencing.workers);
        options.sequencing.hashes_answers = true;
        let mut engine = Engine::build(recovered, options);
        engine.resume_order(None, cutoff)?;
        let started = Instant::now();
        let mut procedures = 0;
        if let Some(after) = after {
            let directory = home.directory().join(WAL_DIRECTORY);
            let log = ExecutedLog { wal: &wal, directory, after, cutoff, until: replay.until };
            procedures = match &engine.inner.executor {
                Some(executor) => engine.execute_log(executor, &log, threads, &mut observe)?,
                None => engine.transact_log(&log, threads)?,
            };
        }
        let duration = started.elapsed();
        let (checkpoint, answers_hash) = (report.checkpoint, engine.end_replay());
        engine.start_threads()?;
        let state_hash = engine.inner.store.state_hash(&Snapshot::newest(&engine.inner.store)?);
        let summary = ReplaySummary { checkpoint, procedures, duration, state_hash, answers_hash };
        Ok(Replayed { engine, summary })
    }

    /// Makes the order go on behind what was replayed; returns the hash of all answers.
    fn end_replay(&self) -> u64 {
        let Some(executor) = &self.inner.executor else { return 0 };
        let mut core = executor.core();
        core.end_replay(self.inner.store.oracle().last());
        core.hashes().1
    }

    /// Runs the procedures of a log as transactions of an interactive mode.
    fn transact_log(&self, log: &ExecutedLog<'_>, threads: usize) -> Result<u64> {
        let (jobs, taken) = bounded::<(Timestamp, Arc<dyn AnyJob>)>(JOBS_AHEAD);
        let (done, failure) = (AtomicU64::new(0), Mutex::new(None));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let taken = taken.clone();
                scope.spawn(|| {
                    for (at, job) in taken {
                        if let Err(error) = self.transact_job(&*job, at) {
                            failure.lock().get_or_insert(error);
                        }
                        done.fetch_add(1, Ordering::Release);
                    }
                });
            }
            // Dropped at the end, so that the threads end.
            let jobs = jobs;
            self.feed_transactions(log, &jobs, &|sent| {
                while done.load(Ordering::Acquire) < sent {
                    std::thread::yield_now();
                }
                failure.lock().clone().map_or(Ok(()), Err)
            })
        })
    }

    /// Hands the procedures of a log to `jobs`; `settle` waits until so many are done. Returns how many there were.
    fn feed_transactions(
        &self,
        log: &ExecutedLog<'_>,
        jobs: &Sender<(Timestamp, Arc<dyn AnyJob>)>,
        settle: &dyn Fn(u64) -> Result<()>,
    ) -> Result<u64> {
        let mut reader = log.wal.read_after(log.after)?;
        let mut sent = 0;
        let mut next = reader.next(log.wal)?;
        while let Some(piece) = next.take() {
            next = match piece {
                Piece::Batch(piece) => {
                    let batch = Batch::decode(&piece.body)
                        .map_err(|flaw| synod_sequencer::Error::Malformed { at: piece.timestamp, flaw })?;
                    if batch.header().epoch > log.until {
                        break;
                    }
                    for (at, request) in batch.requests().filter(|(at, _)| *at > log.after) {
                        let library = &self.inner.library;
                        let job = library.decode(request.procedure, request.version, request.arguments)?;
                        sent += u64::from(jobs.send((at, job)).is_ok());
                    }
                    reader.next(log.wal)?
                }
                piece => {
                    settle(sent)?;
                    let follower = self.replay_pieces(piece, &mut || Ok(reader.next(log.wal)?), log)?;
                    self.refresh_directory();
                    follower
                }
            };
        }
        settle(sent)?;
        Ok(sent)
    }

    /// Runs one procedure as a transaction; its own rejection is no error.
    fn transact_job(&self, job: &dyn AnyJob, at: Timestamp) -> Result<()> {
        let directory = self.directory();
        let options = TransactionOptions::new().durability(Durability::None);
        let options = TransactOptions { transaction: options, ..TransactOptions::default() };
        let ran = self.transact_with(&options, |transaction| {
            match job.run(&View::new(transaction, &directory, at), None) {
                Verdict::Commit => Ok(()),
                Verdict::Reject => Err(job.error().unwrap_or(Error::Closed)),
            }
        });
        match ran {
            Err(error) if error.abort().is_some() || matches!(error, Error::Closed) => Err(error),
            _ => Ok(()),
        }
    }
}
