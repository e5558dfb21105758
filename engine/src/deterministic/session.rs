//! A thread that runs transactions for a while.

use std::any::Any;
use std::cell::RefCell;
use std::sync::Arc;
use std::task::Waker;

use crossbeam_epoch::{Guard, pin};
use synod_storage::sync::{MutexGuard, spin};
use synod_storage::{TableId, Timestamp};
use synod_txn::{Durability, Execution, Footprint, Isolation, Replaced};

use super::Executor;
use super::core::{Core, Finished, Outcome, Placed, Runnable, Scheduled};
use crate::directory::Directory;
use crate::history::Recording;
use crate::procedure::{Verdict, View};
use crate::transaction::Body;
use crate::{Engine, Error, Transaction};

/// What a thread needs to run transactions.
struct Session<'e> {
    engine: &'e Engine,
    executor: &'e Executor,
    directory: Arc<Directory>,
    /// What the procedures get to see; an [`Execution`] carries it.
    transaction: Transaction,
    /// What has been replaced, and can be cleared away after the turn.
    replaced: Vec<Replaced>,
}

/// A session that has looked up the records of a transaction before its turn.
pub(crate) struct Ahead<'e> {
    session: Session<'e>,
    /// Since then.
    pinned: Guard,
}

thread_local! {
    /// Memory for this thread's next session.
    static SPARE_LIST: RefCell<Vec<Replaced>> = const { RefCell::new(Vec::new()) };
}

impl Engine {
    /// Runs transactions of the deterministic mode, whoever has submitted them, until there's nothing to run at the
    /// moment, or `is_enough` says so. Returns whether anything was run: if not, enough others are at it, or nothing can
    /// be run now.
    pub(crate) fn run_ready(&self, is_enough: &dyn Fn() -> bool) -> bool {
        let Some(executor) = &self.inner.executor else { return false };
        self.run_from(executor, executor.core(), &mut None, is_enough)
    }

    /// Looks up the records of a transaction that is going to be submitted, and run by this very thread unless others are
    /// faster: what is done beforehand doesn't keep those waiting who come after it.
    pub(crate) fn look_ahead<'e>(
        &'e self,
        executor: &'e Executor,
        footprint: &Arc<Footprint>,
        directory: Arc<Directory>,
        pinned: Guard,
    ) -> Ahead<'e> {
        let session = Session::new(self, executor, directory);
        // SAFETY: `Ahead` isn't sent to another thread, since its guard can't be, and keeps the thread pinned.
        session.execution(|execution| unsafe { execution.look_ahead(footprint, &pinned) });
        Ahead { session, pinned }
    }

    /// As [`Engine::run_ready`], for somebody who has locked the core already, and may have looked ahead for one that may be
    /// among them.
    pub(crate) fn run_from<'e>(
        &'e self,
        executor: &'e Executor,
        mut core: MutexGuard<'e, Core>,
        ahead: &mut Option<Ahead<'e>>,
        is_enough: &dyn Fn() -> bool,
    ) -> bool {
        let store = &self.inner.store;
        if !core.has_work() || !core.enter(executor.options.workers) {
            executor.let_go(core);
            return false;
        }
        let mut session: Option<Session<'_>> = None;
        let mut last: Option<(Finished, Guard)> = None;
        let mut has_run = false;
        loop {
            let is_over = last.is_some() && is_enough();
            let runnable = if is_over { None } else { core.take() };
            let leftover = runnable.is_none().then(|| core.leave());
            let served = core.take_served();
            match runnable {
                Some(_) => executor.let_go_to_run(core),
                None => executor.let_go(core),
            }
            served.into_iter().for_each(Waker::wake);
            executor.help_write(store);
            // Only now, with the core unlocked.
            let cleared = last.take().zip(session.as_mut());
            let has_restarted =
                cleared.is_some_and(|((last, guard), session)| session.clear_away(last, &guard));
            let Some(runnable) = runnable else {
                leftover.into_iter().for_each(|leftover| executor.pass_on(leftover));
                if has_restarted {
                    // They were put in again after it was known what is left.
                    executor.pass_on_what_is_left();
                }
                return has_run;
            };
            let guard = match ahead.take_if(|ahead| ahead.is_for(runnable.footprint())) {
                Some(ahead) => {
                    session = Some(ahead.session);
                    ahead.pinned
                }
                None => pin(),
            };
            let session = session.get_or_insert_with(|| Session::new(self, executor, self.directory()));
            let mut finished = session.run(runnable, &guard);
            has_run = true;
            core = executor.core();
            if core.finish(&finished, store) {
                executor.epoch_ended.notify_all();
            }
            executor.has_finished(finished.runnable.place.at, &mut core);
            drop(finished.recording.take());
            core.answer(&finished);
            last = Some((finished, guard));
        }
    }
}

impl Ahead<'_> {
    fn is_for(&self, footprint: &Arc<Footprint>) -> bool {
        self.session.execution(|execution| execution.has_looked_ahead(footprint))
    }
}

impl<'e> Session<'e> {
    fn new(engine: &'e Engine, executor: &'e Executor, directory: Arc<Directory>) -> Self {
        let execution = Box::new(Execution::new(engine.inner.store.clone()));
        let levels = (Isolation::Serializable, Durability::None);
        let transaction = Transaction::new(engine.clone(), Body::ReadWrite(execution), levels, None);
        let replaced = SPARE_LIST.take();
        Session { engine, executor, directory, transaction, replaced }
    }

    /// Runs what was taken.
    fn run(&mut self, runnable: Runnable, guard: &Guard) -> Finished {
        if !self.engine.is_current(self.directory.version) {
            // While transactions run no table is created or dropped.
            self.directory = self.engine.directory();
        }
        let (outcome, hash_change) = self.run_one(&runnable.place, guard);
        let answer_hash = self.answer_hash(&runnable.place, outcome);
        let recording = self.transaction.take_recording();
        Finished { runnable, outcome, hash_change, answer_hash, recording }
    }

    fn run_one(&mut self, Placed { at, scheduled }: &Placed, guard: &Guard) -> (Outcome, u64) {
        for round in 0.. {
            // SAFETY: it ends below, under the same guard; the scheduler lets nobody else near its footprint.
            let begun =
                self.execution(|execution| unsafe { execution.begin(&scheduled.footprint, *at, guard) });
            match begun {
                Ok(()) => break,
                // Others have all slots, for a short while.
                Err(_) => spin(round),
            }
        }
        if let Some(history) = self.engine.history() {
            self.transaction.start_recording(Recording::of_procedure(history, scheduled.job.submitted()));
        }
        let view = View::new(&self.transaction, &self.directory, *at);
        let mut verdict = scheduled.job.run(&view, Some(scheduled.position));
        if self.executor.options.checks_determinism && !scheduled.is_replayed {
            verdict = self.run_again(&view, scheduled);
        }
        let has_strayed = self.execution(|execution| execution.has_strayed());
        if scheduled.reconnaissances > 0 && has_strayed {
            self.execution(Execution::reject);
            return (Outcome::Moved, 0);
        }
        (Outcome::Ended(verdict), self.end(verdict, *at, guard))
    }

    fn answer_hash(&self, Placed { at, scheduled }: &Placed, outcome: Outcome) -> u64 {
        match outcome {
            Outcome::Ended(_) if self.executor.options.hashes_answers => {
                synod_txn::stable_hash(&scheduled.job.outcome(), at.0)
            }
            _ => 0,
        }
    }

    /// Makes what was written visible to those who come next, or takes it back.
    fn end(&mut self, verdict: Verdict, at: Timestamp, guard: &Guard) -> u64 {
        let hashes = self.executor.options.hashes_state;
        let replaced = &mut self.replaced;
        let (hash_change, wrote) = with_execution(&self.transaction, |execution| match verdict {
            Verdict::Commit => {
                let wrote = execution.written().next().is_some();
                (execution.commit(hashes, replaced, guard), wrote)
            }
            Verdict::Reject => {
                execution.reject();
                (0, false)
            }
        });
        if verdict == Verdict::Commit {
            self.transaction.record_commit(wrote.then_some(at));
        }
        hash_change
    }

    /// Runs a procedure a second time in the same place, and compares. The answer is an error if they differ.
    fn run_again(&self, view: &View<'_>, Scheduled { job, position, .. }: &Scheduled) -> Verdict {
        let first = (job.outcome(), self.written());
        self.execution(Execution::undo);
        let verdict = job.run(&View::new(&self.transaction, &self.directory, view.now()), Some(*position));
        let second = (job.outcome(), self.written());
        if first == second {
            return verdict;
        }
        let what = if first.0 == second.0 { "has written" } else { "has answered" };
        job.fail(Error::NotDeterministic { procedure: job.name(), what });
        Verdict::Reject
    }

    fn written(&self) -> Vec<(TableId, Vec<u8>, Option<Vec<u8>>)> {
        self.execution(|execution| {
            let owned = execution
                .written()
                .map(|(table, key, value)| (table, key.to_vec(), value.map(<[u8]>::to_vec)));
            owned.collect()
        })
    }

    fn execution<T>(&self, work: impl FnOnce(&mut Execution) -> T) -> T {
        with_execution(&self.transaction, work)
    }

    /// After a turn: removes old versions, and puts the procedure in again if its footprint has moved. Whether it has.
    fn clear_away(&mut self, last: Finished, guard: &Guard) -> bool {
        let shard = self.execution(|execution| execution.shard());
        self.engine.inner.store.discard(shard, &mut self.replaced, guard);
        let scheduled = last.runnable.place.scheduled;
        let is_restarted = last.outcome == Outcome::Moved && !scheduled.is_replayed;
        if is_restarted {
            self.engine.restart(scheduled);
        }
        is_restarted
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        SPARE_LIST.set(std::mem::take(&mut self.replaced));
    }
}

fn with_execution<T>(transaction: &Transaction, work: impl FnOnce(&mut Execution) -> T) -> T {
    let mut body = transaction.body.borrow_mut();
    let Body::ReadWrite(active) = &mut *body else { unreachable!("a session's transaction is an execution") };
    let any: &mut dyn Any = &mut **active;
    work(any.downcast_mut().expect("a session's transaction is an execution"))
}
