//! Handing procedures to an engine.

use std::sync::Arc;

use crossbeam_epoch::pin;
use synod_storage::Timestamp;
use synod_txn::{Durability, Footprint, Isolation, Reconnaissance, Snapshot as StoreSnapshot};

use super::job::{Arguments, run_caught};
use super::{Answer, AnyJob, Executed, Job, Position, Procedure, Ticket, View, declare};
use crate::deterministic::{Ahead, Scheduled};
use crate::directory::Directory;
use crate::transact::TransactOptions;
use crate::transaction::Body;
use crate::{Engine, Error, Result, Transaction, TransactionOptions};

/// How often a footprint is found out on a snapshot. If it has moved every time, whole tables are locked instead.
const RECONNAISSANCES_MAX: u32 = 8;

impl Engine {
    /// Executes a procedure and waits for its answer, until that is as durable as the engine's default durability asks.
    ///
    /// In the deterministic mode it gets its place in the order, is run there, mostly by this very thread, and can't be
    /// aborted. In the others it is run like the work of [`Engine::transact`].
    ///
    /// # Errors
    /// The procedure's own error, a panic of it, [`Error::UnknownProcedure`] if it isn't registered
    /// ([`Options::procedure`](crate::Options::procedure)), [`Error::Overloaded`], or a failure of the log.
    pub fn execute<P: Procedure>(&self, procedure: P) -> Result<Executed<P::Output>> {
        self.execute_with(TransactionOptions::new(), procedure)
    }

    /// As [`Engine::execute`], with a durability and an isolation level of its own. In the deterministic mode everything
    /// is logged: [`Durability::None`] is as good as [`Durability::Buffered`].
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub fn execute_with<P: Procedure>(
        &self,
        options: TransactionOptions,
        procedure: P,
    ) -> Result<Executed<P::Output>> {
        let durability = self.check::<P>(options)?;
        if self.inner.executor.is_none() {
            return self.run_now(options, &procedure)?.wait();
        }
        let job = self.job(procedure);
        let ahead = self.sequence(job.clone(), 0, Some(&|| job.answer.is_there()))?;
        self.wait_for_execution(&job.answer, ahead);
        if let Some(handle) = self.durability_of(&job.answer, durability) {
            handle.wait()?;
        }
        job.answer.take().expect("the answer is there, and nobody else takes it")
    }

    /// Hands in a procedure, to be executed in its place, and returns at once; the ticket tells what comes of it. Whoever
    /// [waits](Ticket::wait) for it runs it, and others, with the waiting thread; it is also a future; and if nobody
    /// waits, it is executed all the same, within an epoch's interval. In other modes than the deterministic one it has
    /// been run when this returns, and may not be durable.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # use synod::{Engine, Error, Mode, Options, Procedure, View};
    /// #[derive(Serialize, Deserialize)]
    /// struct Count;
    ///
    /// impl Procedure for Count {
    ///     const NAME: &'static str = "count";
    ///     type Output = u8;
    ///
    ///     fn run(&self, view: &View<'_>) -> Result<u8, Error> {
    ///         let counters = view.table("counters")?;
    ///         let count = view.get(counters, "all")?.map_or(0, |count| count[0]) + 1;
    ///         view.put(counters, "all", [count])?;
    ///         Ok(count)
    ///     }
    /// }
    ///
    /// let engine = Engine::in_memory(Options::new().mode(Mode::Deterministic).procedure::<Count>())?;
    /// engine.table("counters")?;
    /// let tickets: Vec<_> = (0..5).map(|_| engine.submit(Count)).collect::<Result<_, _>>()?;
    /// for (ticket, expected) in tickets.into_iter().zip(1..) {
    ///     assert_eq!(ticket.wait()?.output, expected); // or ticket.await?
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::UnknownProcedure`], [`Error::Overloaded`], [`Error::NoSuchTable`], a failure of the log. What becomes of
    /// the procedure itself is the ticket's answer.
    pub fn submit<P: Procedure>(&self, procedure: P) -> Result<Ticket<P::Output>> {
        self.submit_with(TransactionOptions::new(), procedure)
    }

    /// As [`Engine::submit`], with options; see [`Engine::execute_with`].
    ///
    /// # Errors
    /// As [`Engine::submit`].
    pub fn submit_with<P: Procedure>(
        &self,
        options: TransactionOptions,
        procedure: P,
    ) -> Result<Ticket<P::Output>> {
        let durability = self.check::<P>(options)?;
        let Some(executor) = &self.inner.executor else { return self.run_now(options, &procedure) };
        let job = self.job(procedure);
        self.sequence(job.clone(), 0, None)?;
        executor.helpers.call_soon();
        Ok(Ticket::sequenced(self.clone(), job, durability))
    }

    /// Runs a procedure that only reads, on a snapshot of all that was answered so far, beside the others and outside
    /// of their order. It needs no footprint, and isn't in the log.
    ///
    /// # Errors
    /// The procedure's own; an error if it writes.
    pub fn query<P: Procedure>(&self, procedure: &P) -> Result<P::Output> {
        let transaction = self.begin(TransactionOptions::new().read_only())?;
        let directory = self.directory();
        let output =
            run_caught(procedure, &View::new(&transaction, &directory, self.inner.store.oracle().last()))?;
        transaction.commit()?;
        Ok(output)
    }

    /// Whether the procedure can be taken, and how durable its answer is to be.
    fn check<P: Procedure>(&self, options: TransactionOptions) -> Result<Durability> {
        self.check_open()?;
        self.inner.library.check(P::NAME, P::VERSION)?;
        if let Some(isolation) = options.isolation {
            self.inner.protocol.mode().check(isolation)?;
        }
        Ok(options.durability.unwrap_or(self.inner.defaults.durability))
    }

    fn job<P: Procedure>(&self, procedure: P) -> Arc<Job<P>> {
        Arc::new(Job::new(procedure, self.history().map_or(0, |history| history.moment())))
    }

    /// Puts a job into the order. `reconnaissances` says how often its footprint was found out before. If the caller is going
    /// to wait, until `is_enough` says so, it begins to run what there is to run; what it has looked up beforehand is handed
    /// back if it hasn't come to that.
    fn sequence(
        &self,
        job: Arc<dyn AnyJob>,
        reconnaissances: u32,
        is_enough: Option<&dyn Fn() -> bool>,
    ) -> Result<Option<Ahead<'_>>> {
        let Some(executor) = &self.inner.executor else { return Err(Error::Closed) };
        let is_logged = self.inner.store.log().is_some();
        loop {
            let directory = self.directory();
            let version = directory.version;
            // It is filled where it stays.
            let mut footprint = Arc::<Footprint>::default();
            let to_fill = Arc::get_mut(&mut footprint).expect("nobody else has it yet");
            let is_declared = reconnaissances == 0 && declare(&*job, &directory, to_fill)?;
            if !is_declared {
                footprint = Arc::new(self.found(&*job, reconnaissances, &directory)?);
            }
            let scheduled = Scheduled {
                footprint,
                job: job.clone(),
                reconnaissances: if is_declared { 0 } else { reconnaissances + 1 },
                is_replayed: false,
                position: Position { epoch: 0, index: 0 },
            };
            let may_run = is_enough.is_some() && executor.may_enter();
            let pinned = may_run.then(pin);
            // What the next steps wait for is on its way while the arguments are written down.
            pinned.iter().for_each(|pinned| scheduled.footprint.prefetch(pinned));
            let arguments = if is_logged { job.encode()? } else { Arguments::new() };
            let mut ahead =
                pinned.map(|pinned| self.look_ahead(executor, &scheduled.footprint, directory, pinned));
            // If not, a table was created or dropped meanwhile: what was declared may be wrong.
            if let Some(core) = executor.submit(self, scheduled, &arguments, version)? {
                match is_enough {
                    Some(is_enough) => _ = self.run_from(executor, core, &mut ahead, is_enough),
                    None => executor.let_go(core),
                }
                return Ok(ahead);
            }
        }
    }

    /// Puts a job in again whose footprint has moved.
    pub(crate) fn restart(&self, scheduled: Scheduled) {
        let job = scheduled.job.clone();
        if let Err(error) = self.sequence(job, scheduled.reconnaissances, None) {
            if let Some(executor) = &self.inner.executor {
                executor.core().give_up();
            }
            scheduled.job.fail(error);
            let at = self.inner.store.oracle().last();
            if let Some(waiter) = scheduled.job.publish(at) {
                waiter.wake();
            }
        }
    }

    /// The footprint that a job has when it runs on a snapshot; in the end, everything.
    fn found(&self, job: &dyn AnyJob, reconnaissances: u32, directory: &Directory) -> Result<Footprint> {
        let mut footprint = Footprint::new();
        if reconnaissances >= RECONNAISSANCES_MAX {
            for table in self.inner.store.catalog().tables() {
                footprint.write_range(&table, std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
            }
            footprint.seal();
            return Ok(footprint);
        }
        if let Some(executor) = &self.inner.executor {
            executor.count_reconnaissance();
        }
        let snapshot = StoreSnapshot::newest(&self.inner.store)?;
        let now = snapshot.timestamp();
        let scout = Box::new(Reconnaissance::new(snapshot));
        let levels = (Isolation::Serializable, Durability::None);
        let transaction = Transaction::new(self.clone(), Body::ReadWrite(scout), levels, None);
        // What it answers is of no interest: it will be run again.
        let _ = job.run(&View::new(&transaction, directory, now), None);
        Ok(transaction.reconnoitred())
    }

    /// Runs a procedure in a transaction, under the mode that there is.
    fn run_now<P: Procedure>(&self, options: TransactionOptions, procedure: &P) -> Result<Ticket<P::Output>> {
        let directory = self.directory();
        let options = TransactOptions { transaction: options, ..TransactOptions::default() };
        let outcome = self.transact_with(&options, |transaction| {
            run_caught(procedure, &View::new(transaction, &directory, self.inner.store.oracle().now()))
        });
        let answer = Arc::new(Answer::default());
        let handle = match outcome {
            Ok(committed) => {
                let timestamp = committed.handle.timestamp();
                answer.put(Ok(Executed { output: committed.value, timestamp, position: None }));
                Some(committed.handle)
            }
            Err(error) => {
                answer.put(Err(error));
                None
            }
        };
        answer.publish(Timestamp::MIN);
        Ok(Ticket::answered(self.clone(), answer, handle))
    }
}
