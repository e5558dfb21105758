//! A ticket: the promise of an answer.

use std::fmt;
use std::hint::spin_loop;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use synod_storage::sync::{SPINS, Thread, current, give_way, park};
use synod_txn::{CommitReceipt, Durability};

use super::answer::HasAnswer;
use super::{Answer, Executed};
use crate::deterministic::Ahead;
use crate::{CommitHandle, Engine, Result};

/// How often a thread looks for its answer before it sleeps: some ten microseconds, as long as a few procedures take.
const LOOKS_AWAKE: u32 = if cfg!(shuttle) { 1 } else { 100 };

/// Tells what comes of a procedure, once that is as durable as was asked for. Wait for it with [`Ticket::wait`], or as a
/// future. Dropping it changes nothing: the procedure is executed.
#[must_use = "the ticket tells whether the procedure has succeeded"]
pub struct Ticket<T> {
    engine: Engine,
    answer: Arc<dyn HasAnswer<T>>,
    durability: Durability,
    /// What is left to wait for once the answer is there.
    handle: Option<CommitHandle>,
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl<T> Ticket<T> {
    pub(crate) fn sequenced(engine: Engine, answer: Arc<dyn HasAnswer<T>>, durability: Durability) -> Self {
        Ticket { engine, answer, durability, handle: None }
    }

    pub(crate) fn answered(
        engine: Engine,
        answer: Arc<dyn HasAnswer<T>>,
        handle: Option<CommitHandle>,
    ) -> Self {
        Ticket { engine, answer, durability: Durability::None, handle }
    }

    /// Whether the procedure has been executed; [`Ticket::wait`] may still have to wait until that is durable.
    pub fn is_executed(&self) -> bool {
        self.answer.answer().is_there()
    }

    /// Whether [`Ticket::wait`] would return at once, with success or failure.
    pub fn is_done(&self) -> bool {
        if !self.is_executed() {
            return false;
        }
        match (&self.handle, self.engine.inner.store.log()) {
            (Some(handle), _) => handle.is_done(),
            (None, Some(log)) if self.durability.waits() => log.is_settled(self.answer.answer().at()),
            _ => true,
        }
    }

    /// Waits until the procedure has been executed, and not until that is durable; but from now on the log is being
    /// flushed for it, if it is to be durable. For those who have more to do meanwhile. The waiting thread runs procedures.
    pub fn wait_executed(&mut self) {
        self.wait_for_execution();
        self.handle = self.handle();
        self.durability = Durability::None;
    }

    /// Waits for the answer, and until it is durable. The waiting thread runs procedures meanwhile, this one or others, and
    /// flushes the log at [`Durability::Sync`].
    ///
    /// # Errors
    /// What the procedure answered, or a failure of the log: then the effects are visible, and may not survive.
    pub fn wait(mut self) -> Result<Executed<T>> {
        self.wait_for_execution();
        if let Some(handle) = self.handle() {
            handle.wait()?;
        }
        self.answer.answer().take().expect("the answer is there, and nobody else takes it")
    }

    fn wait_for_execution(&self) {
        self.engine.wait_for_execution(self.answer.answer(), None);
    }

    /// What there is to wait for now that the answer is there.
    fn handle(&mut self) -> Option<CommitHandle> {
        let known = self.handle.take();
        known.or_else(|| self.engine.durability_of(self.answer.answer(), self.durability))
    }
}

impl Engine {
    /// Waits until a procedure has been executed, for which somebody may have looked ahead.
    pub(super) fn wait_for_execution<'e, T>(&'e self, answer: &Answer<T>, mut ahead: Option<Ahead<'e>>) {
        let Some(executor) = &self.inner.executor else { return };
        let is_there = || answer.is_there();
        let mut round = 0;
        let mut is_called = false;
        while !is_there() {
            // Whatever comes of this, it is known to others if there is more to run.
            is_called = false;
            if executor.may_run() && self.run_from(executor, executor.core(), &mut ahead, &is_there) {
                round = 0;
            } else if round < LOOKS_AWAKE {
                // Where as many are at work as may be, one of them may need this processor.
                if executor.may_enter() && round < SPINS {
                    spin_loop();
                } else {
                    // Not while pinned: others could free nothing until this thread gets a processor again.
                    ahead = None;
                    give_way();
                }
                round += 1;
            } else {
                // Not while pinned.
                ahead = None;
                is_called = self.sleep_until(answer);
                round = 0;
            }
        }
        if is_called {
            // Somebody counts on this thread, which doesn't need to run anything any more.
            executor.pass_on_what_is_left();
        }
    }

    /// Sleeps until the answer is there, or somebody has something to run. Whether it was called to run something.
    fn sleep_until<T>(&self, answer: &Answer<T>) -> bool {
        let Some(executor) = &self.inner.executor else { return false };
        let waker = Waker::from(Arc::new(Unpark(current())));
        let mut core = executor.core();
        if core.could_run(executor.options.workers) {
            return false;
        }
        core.add_sleeper(waker.clone());
        drop(core);
        if answer.wait_with(&waker) {
            park();
        }
        !executor.core().remove_sleeper(&waker)
    }

    /// What there is to wait for now that the answer is there, if it is to be durable.
    pub(super) fn durability_of<T>(
        &self,
        answer: &Answer<T>,
        durability: Durability,
    ) -> Option<CommitHandle> {
        // A rejection rests on what it has read: that has to be durable, too.
        let receipt = CommitReceipt { timestamp: answer.at(), wrote: true };
        durability.waits().then(|| CommitHandle::new(self.clone(), receipt, durability))
    }
}

impl<T> Future for Ticket<T> {
    type Output = Result<Executed<T>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.answer.answer().is_there() && self.answer.answer().wait_with(context.waker()) {
            if let Some(executor) = &self.engine.inner.executor {
                executor.helpers.call_for_future();
            }
            return Poll::Pending;
        }
        if self.handle.is_none() {
            self.handle = self.handle();
            self.durability = Durability::None;
        }
        if let Some(handle) = &mut self.handle {
            match Pin::new(handle).poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(_)) => {}
            }
        }
        Poll::Ready(self.answer.answer().take().expect("the answer is there, and nobody else takes it"))
    }
}

impl<T> fmt::Debug for Ticket<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("is_executed", &self.is_executed()).finish_non_exhaustive()
    }
}
