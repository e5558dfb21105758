//! The log of batches: the seam between what orders transactions and what keeps that order.
//!
//! A deterministic engine is a function of its log. So a log is all that a crash, or a replica, has to bring back:
//!
//! ```text
//!          appended, in order
//! ├───── durable ─────┼─ not yet ─┤
//! 41   45   52   60   │ 71   74            a batch is known by the timestamp of its last transaction
//!                     └─ a crash may take these away, from the end on
//! ```
//!
//! On one node the log is a file; on several it is what they agree upon. What either has to promise stands at [`Log`].

use synod_storage::Timestamp;

use crate::Result;

/// Keeps batches in order, and makes them durable. All methods may be called from any thread. What it promises:
///
/// - **Order.** Batches stand in the order in which they were appended, which is that of their timestamps. Whatever
///   happens, what the log has is a prefix of that, or of what another node appended in this one's stead.
/// - **Durability.** A batch that was durable once is there for ever, and in the same place, until it is truncated.
///   Nobody is given a batch to read before it is durable.
/// - **Wholeness.** A batch is there as it was appended, byte for byte, or not at all. Damage is an error.
/// - **Failure** is final. After an error of [`append`](Log::append) or [`wait_durable`](Log::wait_durable) that is the
///   log's own nobody knows what of the rest is durable; both answer errors from then on, and opening the log anew
///   tells.
pub trait Log: Send + Sync {
    /// Puts a batch behind all others. It isn't durable yet. `last` is the timestamp of its last transaction. Never
    /// waits for a disk or another node.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`](crate::Error::OutOfOrder) if the log has a batch that isn't earlier: nothing has happened
    /// then. Otherwise the log has failed.
    fn append(&self, last: Timestamp, batch: &[u8]) -> Result<()>;

    /// Reads the batches whose last transaction is after `after`, in order.
    ///
    /// The iterator has come to its end for the time being when it is where the log isn't durable any further: asked
    /// again later, it goes on. It answers [`Error::Gone`](crate::Error::Gone) if it is overtaken by a truncation,
    /// and what reading says; nothing sensible comes behind an error.
    ///
    /// # Errors
    /// [`Error::Gone`](crate::Error::Gone) if some of these batches were truncated.
    fn read_after(&self, after: Timestamp) -> Result<Batches<'_>>;

    /// Every batch whose last transaction is at this timestamp or before is durable. Never waits.
    fn durable(&self) -> Timestamp;

    /// Waits until every batch up to `timestamp` is durable; the caller may have to do the work for all who wait.
    /// `timestamp` is not after that of the last batch appended.
    ///
    /// # Errors
    /// If the log has failed, before or meanwhile.
    fn wait_durable(&self, timestamp: Timestamp) -> Result<()>;

    /// Forgets batches all of whose transactions are before `before`: somebody has their effects elsewhere, durably.
    /// Some of them may be kept, the later ones; those that aren't durable are kept always.
    ///
    /// # Errors
    /// If something could not be removed. The log hasn't failed by that.
    fn truncate(&self, before: Timestamp) -> Result<()>;
}

/// Batches of a log, in order; see [`Log::read_after`].
pub type Batches<'a> = Box<dyn Iterator<Item = Result<LoggedBatch>> + Send + 'a>;

/// A batch as it stands in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedBatch {
    /// The timestamp of its last transaction.
    pub last: Timestamp,
    /// Its bytes, as they were appended.
    pub body: Vec<u8>,
}
