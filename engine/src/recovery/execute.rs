//! Executing what the log has of procedures.
//!
//! A batch of procedures says what was done, not what came of it. So once the log has come to one, the rest is executed,
//! with a store and a scheduler, as it was the first time; what interactive transactions have committed behind it, and
//! changes of the catalog, come in between:
//!
//! ```text
//!  checkpoint │ commits │ batch batch batch │ commits │ batch ✗ torn
//!   loaded      replayed └── executed ──────┘ replayed  executed
//! ```

use std::path::PathBuf;
use std::time::Instant;

use synod_storage::Timestamp;
use synod_storage::wal::{Piece, WAL_DIRECTORY, Wal};
use synod_txn::Snapshot;

use super::Cutoff;
use super::replay::Replay;
use crate::deterministic::{Executor, Replayed, ReplayedEpoch};
use crate::{Engine, Result};

/// A log to be executed.
pub(crate) struct ExecutedLog<'l> {
    pub(crate) wal: &'l Wal,
    /// The directory of its files.
    pub(crate) directory: PathBuf,
    /// What comes up to here is there already.
    pub(crate) after: Timestamp,
    pub(crate) cutoff: Cutoff,
    /// The last epoch to be executed.
    pub(crate) until: u64,
}

impl Engine {
    /// Executes the log from behind `after` on, if there are procedures, and makes the order go on where it ends.
    ///
    /// # Errors
    /// If the log has procedures that aren't known, or has other results than it had.
    pub(crate) fn resume_order(&mut self, after: Option<Timestamp>, cutoff: Cutoff) -> Result<()> {
        let Some(executor) = &self.inner.executor else { return Ok(()) };
        let started = Instant::now();
        self.rehash(executor)?;
        let mut procedures = 0;
        if let (Some(after), Some(log), Some(checkpointer)) =
            (after, self.inner.store.log(), &self.inner.checkpointer)
        {
            let directory = checkpointer.home().directory().join(WAL_DIRECTORY);
            let log = ExecutedLog { wal: log.wal(), directory, after, cutoff, until: u64::MAX };
            procedures = self.execute_log(executor, &log, executor.options.workers, &mut |_| ())?;
        }
        executor.core().end_replay(self.inner.store.oracle().last());
        self.note_executed(procedures, started.elapsed());
        Ok(())
    }

    /// Takes the hash of the state anew: something has changed that no procedure has.
    fn rehash(&self, executor: &Executor) -> Result<()> {
        if executor.options.hashes_state {
            let snapshot = Snapshot::newest(&self.inner.store)?;
            let hash = self.inner.store.state_hash(&snapshot);
            executor.core().prefix().set_hash(hash);
        }
        Ok(())
    }

    /// Executes a log with so many threads; `observe` hears of the epochs, in order. Returns how many procedures there
    /// were.
    ///
    /// # Errors
    /// As [`Engine::resume_order`].
    pub(crate) fn execute_log(
        &self,
        executor: &Executor,
        log: &ExecutedLog<'_>,
        threads: usize,
        observe: &mut dyn FnMut(ReplayedEpoch),
    ) -> Result<u64> {
        *executor.core().prefix().replayed() = Some(Replayed::default());
        let procedures = self.with_replayers(threads, || self.execute_pieces(executor, log, observe))?;
        let mut core = executor.core();
        let Some(mut replayed) = core.prefix().replayed().take() else { return Ok(procedures) };
        drop(core);
        replayed.end().into_iter().for_each(observe);
        replayed.divergence.map_or(Ok(procedures), Err)
    }

    fn execute_pieces(
        &self,
        executor: &Executor,
        log: &ExecutedLog<'_>,
        observe: &mut dyn FnMut(ReplayedEpoch),
    ) -> Result<u64> {
        let mut reader = log.wal.read_after(log.after)?;
        let mut procedures = 0;
        let mut next = reader.next(log.wal)?;
        while let Some(piece) = next.take() {
            next = match piece {
                Piece::Batch(batch) => {
                    let Some(count) = self.replay_batch(executor, &batch, (log.after, log.until))? else {
                        break;
                    };
                    procedures += count;
                    let settled = executor.core().prefix().replayed().as_mut().map(Replayed::take_settled);
                    settled.into_iter().flatten().for_each(&mut *observe);
                    reader.next(log.wal)?
                }
                piece => {
                    self.run_to_the_end();
                    let follower = self.replay_pieces(piece, &mut || Ok(reader.next(log.wal)?), log)?;
                    self.refresh_directory();
                    self.rehash(executor)?;
                    follower
                }
            };
        }
        self.run_to_the_end();
        Ok(procedures)
    }

    /// Replays pieces that are no batches, up to the next batch, which is returned.
    pub(crate) fn replay_pieces(
        &self,
        first: Piece,
        read: &mut dyn FnMut() -> Result<Option<Piece>>,
        log: &ExecutedLog<'_>,
    ) -> Result<Option<Piece>> {
        let store = &self.inner.store;
        std::thread::scope(|scope| {
            let mut replay = Replay::new(store.catalog(), log.cutoff, log.directory.clone());
            let mut next = Some(first);
            while let Some(piece) = next.take_if(|piece| !matches!(piece, Piece::Batch(_))) {
                let last = piece.last_timestamp();
                replay.take(piece, scope)?;
                next = read()?;
                store.oracle().observe(last);
            }
            store.add_garbage(replay.finish()?);
            Ok(next)
        })
    }
}
