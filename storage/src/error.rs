//! What can go wrong in storage. None of these is worth a retry.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

use crate::{KEY_BYTES_MAX, Timestamp, VALUE_BYTES_MAX};

/// The result of a storage operation.
pub type Result<T> = std::result::Result<T, Error>;

/// A storage error. Clonable, because one failed write is the answer to every commit that waits for it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The key is longer than [`KEY_BYTES_MAX`].
    #[error("the key has {bytes} bytes; at most {KEY_BYTES_MAX} are allowed")]
    KeyTooLong {
        /// The key's length.
        bytes: usize,
    },
    /// The value is longer than [`VALUE_BYTES_MAX`].
    #[error("the value has {bytes} bytes; at most {VALUE_BYTES_MAX} are allowed")]
    ValueTooLong {
        /// The value's length.
        bytes: usize,
    },
    /// One transaction's writes don't fit into one log record.
    #[error("the transaction writes {bytes} bytes; at most {limit} fit into one log record")]
    TransactionTooLarge {
        /// The log record's length.
        bytes: usize,
        /// The most that is allowed.
        limit: usize,
    },
    /// A file operation failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was attempted, as a verb: "write", "sync", "open".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's answer.
        source: Arc<io::Error>,
    },
    /// An earlier write or sync of the log failed, so nothing more can be made durable.
    #[error("the log has failed and accepts no more commits; reopen the database to recover: {cause}")]
    Poisoned {
        /// The first failure.
        #[source]
        cause: Arc<Error>,
    },
    /// A commit came to the log after a later one was already written: its caller broke the promise
    /// that it gives with a flush's bound. The log stops, since it could not be read back.
    #[error(
        "the commit with timestamp {timestamp} came to the log after that with {last} was written; \
             this is a bug in the engine"
    )]
    OutOfOrder {
        /// The late commit's timestamp.
        timestamp: Timestamp,
        /// The last timestamp in the log.
        last: Timestamp,
    },
    /// A file is damaged in a place that a crash cannot explain.
    #[error("{} is damaged at offset {offset}: {reason}", path.display())]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// Where the damage begins, in bytes from the file's start.
        offset: u64,
        /// What was found there.
        reason: String,
    },
    /// What was asked for was in a part of the log that has been removed, since a checkpoint has it.
    #[error("the log after timestamp {asked} is gone; it goes back to {oldest}")]
    Gone {
        /// The timestamp asked for.
        asked: Timestamp,
        /// The oldest timestamp after which the log is there.
        oldest: Timestamp,
    },
    /// A file has a format version that this build doesn't know.
    #[error("{} has format version {found}; this build reads version {known}", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// The version it carries.
        found: u32,
        /// The version that this build reads and writes.
        known: u32,
    },
    /// Another process, or another engine in this one, has the database open.
    #[error("the database at {} is already open (its lock file is held)", path.display())]
    Locked {
        /// The database directory.
        path: PathBuf,
    },
}

impl Error {
    /// Wraps an operating system error with what was attempted and on which file.
    pub fn io(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Error::Io { action, path: path.into(), source: Arc::new(source) }
    }

    /// Whether the reason is that the disk is full, or the user's share of it.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Error::Io { source, .. } => {
                matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
            }
            Error::Poisoned { cause } => cause.is_disk_full(),
            _ => false,
        }
    }
}
