//! Executing a log again, and finding out whether it does again what it did.
//!
//! The batches of a log go through the same scheduler as when they were new, with the timestamps that they had then, and
//! are run by as many threads. Every so often a batch says which hash the state had after an earlier epoch; if it has another one
//! now, that epoch, or one since the last that was right, has come out differently.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;
use synod_sequencer::{Batch, RequestRef, StateHash};
use synod_storage::Timestamp;
use synod_storage::wal::BatchPiece;
use synod_txn::Footprint;

use super::core::Placed;
use super::{Executor, Scheduled};
use crate::procedure::{Position, declare};
use crate::{Engine, Error, Result};

/// So many transactions are read ahead of those that run.
const AHEAD_MAX: usize = 4096;

/// How long a thread rests that finds nothing to run.
const REST: Duration = Duration::from_micros(50);

/// An epoch that has been executed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ReplayedEpoch {
    /// Its number.
    pub epoch: u64,
    /// The timestamp of its last transaction.
    pub last: Timestamp,
    /// The hash of the state after it; 0 if none is kept.
    pub hash: u64,
    /// Whether the log has the same hash for it; `None` if it has none.
    pub is_confirmed: Option<bool>,
}

/// What a replay finds out about epochs.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// Executed, and later than all that the log has said something about.
    executed: VecDeque<ReplayedEpoch>,
    /// What the log says about epochs that haven't been executed.
    expected: VecDeque<StateHash>,
    /// Executed, and not fetched.
    settled: Vec<ReplayedEpoch>,
    pub(crate) divergence: Option<Error>,
}

impl Replayed {
    /// An epoch has been executed.
    pub(super) fn passed(&mut self, epoch: u64, last: Timestamp, hash: u64) {
        self.executed.push_back(ReplayedEpoch { epoch, last, hash, is_confirmed: None });
        // Several batches may say the same.
        while let Some(expected) = self.expected.pop_front_if(|expected| expected.epoch <= epoch) {
            self.compare(expected);
        }
    }

    /// The log says what the hash was after an epoch.
    fn expect(&mut self, expected: StateHash) {
        match self.executed.back() {
            Some(newest) if newest.epoch >= expected.epoch => self.compare(expected),
            _ => self.expected.push_back(expected),
        }
    }

    fn compare(&mut self, StateHash { epoch, hash: expected }: StateHash) {
        while let Some(mut executed) = self.executed.pop_front_if(|executed| executed.epoch <= epoch) {
            if executed.epoch == epoch {
                let found = executed.hash;
                executed.is_confirmed = Some(found == expected);
                if found != expected && self.divergence.is_none() {
                    self.divergence = Some(Error::Diverged { epoch, expected, found });
                }
            }
            self.settled.push(executed);
        }
    }

    /// The epochs that were executed since the last call, as far as the log has been asked about them.
    pub(crate) fn take_settled(&mut self) -> Vec<ReplayedEpoch> {
        std::mem::take(&mut self.settled)
    }

    /// Nothing more comes from the log: the epochs that weren't fetched yet.
    pub(crate) fn end(&mut self) -> Vec<ReplayedEpoch> {
        self.settled.extend(self.executed.drain(..));
        self.take_settled()
    }
}

impl Engine {
    /// Lets so many threads run what `feed` takes in, until that has ended and all has run.
    pub(crate) fn with_replayers<T>(&self, threads: usize, feed: impl FnOnce() -> Result<T>) -> Result<T> {
        let has_ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|| {
                    // Relaxed: who sees it late looks once more.
                    while !has_ended.load(Ordering::Relaxed) {
                        if !self.run_for_replay() {
                            std::thread::sleep(REST);
                        }
                    }
                });
            }
            let fed = feed().inspect(|_| self.run_to_the_end());
            has_ended.store(true, Ordering::Relaxed);
            fed
        })
    }

    /// As [`Engine::run_ready`], and others can see that it is at work.
    fn run_for_replay(&self) -> bool {
        let Some(executor) = &self.inner.executor else { return false };
        executor.replayers_at_work.fetch_add(1, Ordering::Relaxed);
        let has_run = self.run_ready(&|| false);
        // Release: whoever sees that nobody is at work sees what was done.
        executor.replayers_at_work.fetch_sub(1, Ordering::Release);
        has_run
    }

    /// Runs all transactions, and waits until nobody has anything to do with any of them.
    pub(crate) fn run_to_the_end(&self) {
        let Some(executor) = &self.inner.executor else { return };
        self.run_all(0);
        // Those who ran the last ones may still be clearing away.
        while executor.replayers_at_work.load(Ordering::Acquire) > 0 {
            std::thread::yield_now();
        }
    }

    /// Runs transactions until at most so many are left.
    fn run_all(&self, left: usize) {
        let Some(executor) = &self.inner.executor else { return };
        loop {
            let core = executor.core();
            if core.backlog() <= left {
                return;
            }
            drop(core);
            if !self.run_ready(&|| false) {
                // Others run what is left, and what waits for it.
                std::thread::yield_now();
            }
        }
    }

    /// Takes in a batch out of a log, but for what comes at or before `after`, and runs earlier ones, if too many wait.
    /// Returns how many procedures it had; `None` if its epoch comes after `until`.
    ///
    /// # Errors
    /// If it is malformed, or has a procedure that isn't known; if an earlier epoch has turned out to be different.
    pub(crate) fn replay_batch(
        &self,
        executor: &Executor,
        piece: &BatchPiece,
        (after, until): (Timestamp, u64),
    ) -> Result<Option<u64>> {
        let batch = Batch::decode(&piece.body)
            .map_err(|flaw| synod_sequencer::Error::Malformed { at: piece.timestamp, flaw })?;
        let header = batch.header();
        if header.epoch > until {
            return Ok(None);
        }
        let mut places = Vec::with_capacity(batch.len());
        for (index, (at, request)) in batch.requests().enumerate() {
            if at > after {
                let position = Position { epoch: header.epoch, index: index as u32 };
                places.push(Placed { at, scheduled: self.replay_request(&request, position)? });
            }
        }
        let count = places.len() as u64;
        self.run_all(AHEAD_MAX);
        let mut core = executor.core();
        core.take_logged(header.epoch, batch.last(), places, &self.inner.store);
        let replayed = core.prefix().replayed().get_or_insert_default();
        if let Some(state) = header.verified.filter(|_| executor.options.hashes_state) {
            replayed.expect(state);
        }
        match &replayed.divergence {
            Some(divergence) => Err(divergence.clone()),
            None => Ok(Some(count)),
        }
    }

    fn replay_request(&self, request: &RequestRef<'_>, position: Position) -> Result<Scheduled> {
        let job = self.inner.library.decode(request.procedure, request.version, request.arguments)?;
        let problem =
            |reason: String| Error::ProcedureArguments { procedure: request.procedure.to_owned(), reason };
        let mut footprint = Footprint::new();
        let reconnaissances = match request.footprint {
            Some(found) => {
                footprint = Footprint::decode(found, self.inner.store.catalog())
                    .map_err(|error| problem(error.to_string()))?;
                1
            }
            None if declare(&*job, &self.directory(), &mut footprint)? => 0,
            None => {
                let reason = "its footprint was declared when it was logged, and is unknown now";
                return Err(problem(reason.to_owned()));
            }
        };
        let footprint = std::sync::Arc::new(footprint);
        Ok(Scheduled { footprint, job, reconnaissances, is_replayed: true, position })
    }
}
