//! A commit that is in order and visible, and not yet durable.

use std::pin::Pin;
use std::task::{Context, Poll};

use synod_storage::Timestamp;
use synod_txn::{CommitReceipt, Durability};

use crate::{Engine, Result};

/// Tells when a deferred commit is as durable as its level promises. Wait for it with
/// [`CommitHandle::wait`], or as a future. Dropping it doesn't undo the commit, nor delay it.
#[must_use = "until the handle says so, the commit may not survive a crash"]
#[derive(Debug)]
pub struct CommitHandle {
    engine: Engine,
    receipt: CommitReceipt,
    durability: Durability,
}

impl CommitHandle {
    pub(crate) fn new(engine: Engine, receipt: CommitReceipt, durability: Durability) -> Self {
        if durability.waits()
            && let Some(log) = engine.inner.store.log()
            // A reader may have seen what isn't durable yet, too.
            && (receipt.wrote || !log.is_settled(receipt.timestamp))
        {
            log.want_flusher();
        }
        CommitHandle { engine, receipt, durability }
    }

    /// The commit timestamp. For a transaction that wrote nothing: the newest one that it has read, or may
    /// have read the deletion of.
    pub fn timestamp(&self) -> Timestamp {
        self.receipt.timestamp
    }

    /// Whether [`CommitHandle::wait`] would return at once, with success or failure.
    pub fn is_done(&self) -> bool {
        match self.engine.inner.store.log() {
            Some(log) if self.durability.waits() => log.is_settled(self.receipt.timestamp),
            _ => true,
        }
    }

    /// Waits until the commit is durable. At [`Durability::Sync`] the calling thread flushes the log
    /// itself, if nobody else does.
    ///
    /// # Errors
    /// If the log has failed: then the commit is visible, but may not survive.
    pub fn wait(self) -> Result<Timestamp> {
        self.engine.inner.store.wait_durable(self.receipt.timestamp, self.durability)?;
        Ok(self.receipt.timestamp)
    }
}

impl Future for CommitHandle {
    type Output = Result<Timestamp>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let timestamp = self.receipt.timestamp;
        match self.engine.inner.store.log() {
            Some(log) if self.durability.waits() => match log.poll(timestamp, context.waker()) {
                Some(outcome) => Poll::Ready(outcome.map(|()| timestamp).map_err(Into::into)),
                None => Poll::Pending,
            },
            _ => Poll::Ready(Ok(timestamp)),
        }
    }
}
