//! What can go wrong in sequencing.

use synod_storage::Timestamp;

/// The result of an operation of a log of batches.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of a log of batches. None of these is worth a retry.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] synod_storage::Error),
    /// A batch is none.
    #[error("the batch at timestamp {at} is malformed: {flaw}")]
    Malformed {
        /// The timestamp under which the log has it.
        at: Timestamp,
        /// What is wrong with it.
        #[source]
        flaw: Malformed,
    },
    /// A batch came to the log that isn't later than all before it. Nothing was appended.
    #[error("a batch up to timestamp {timestamp} came to the log, which already goes up to {last}")]
    OutOfOrder {
        /// The batch's last timestamp.
        timestamp: Timestamp,
        /// The last timestamp in the log.
        last: Timestamp,
    },
    /// What was asked for was in a part of the log that has been truncated.
    #[error("the batches after timestamp {asked} are gone; the log goes back to {oldest}")]
    Gone {
        /// The timestamp asked for.
        asked: Timestamp,
        /// The oldest timestamp after which all batches are there.
        oldest: Timestamp,
    },
    /// The log has failed, and takes nothing any more.
    #[error("the log of batches has failed; what was durable is there when it is opened anew")]
    Failed,
}

/// A request was refused, since as many as allowed are already on their way. Nothing has happened; later there
/// will be room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{in_flight} requests are in flight, and at most {limit} may be; try again when some have finished")]
pub struct Overloaded {
    /// Requests that were submitted and haven't finished.
    pub in_flight: usize,
    /// The most that may be.
    pub limit: usize,
}

/// A part of a request is too long to be put into a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {part} of a request has {bytes} bytes; at most {limit} are allowed")]
pub struct RequestTooLarge {
    /// Which part: "procedure's name", "arguments", "footprint".
    pub part: &'static str,
    /// Its length.
    pub bytes: usize,
    /// The most that is allowed.
    pub limit: usize,
}

/// Bytes are no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}, at byte {offset}")]
pub struct Malformed {
    /// Where, from the batch's first byte.
    pub offset: usize,
    /// What is wrong there.
    pub reason: &'static str,
}
