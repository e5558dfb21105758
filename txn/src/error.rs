//! What a transaction's operations can answer instead of a result.

use synod_storage::Timestamp;

use crate::{Abort, Isolation, Mode, SNAPSHOTS_MAX, TRANSACTIONS_MAX};

/// The result of a transaction's operation.
pub type Result<T> = std::result::Result<T, Error>;

/// An abort, or an error.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The transaction is over; its effects are undone. See [`Abort::is_retryable`].
    #[error("the transaction was aborted: {0}")]
    Aborted(Abort),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] synod_storage::Error),
    /// `insert` found the key present. The transaction goes on.
    #[error("the key \"{}\" is already present in table {table}", key.escape_ascii())]
    KeyExists {
        /// The table.
        table: String,
        /// The key.
        key: Vec<u8>,
    },
    /// The table was dropped.
    #[error("the table {table} was dropped")]
    TableDropped {
        /// The table's name.
        table: String,
    },
    /// A write in a read-only transaction.
    #[error("a read-only transaction cannot write")]
    ReadOnly,
    /// The protocol doesn't offer this isolation level.
    #[error("the mode {mode} has no isolation level {level}; it has {}", names(mode.levels()))]
    UnsupportedIsolation {
        /// The mode.
        mode: Mode,
        /// The level asked for.
        level: Isolation,
    },
    /// The deterministic mode knows its transactions beforehand: it runs procedures.
    #[error(
        "the deterministic mode runs procedures, and no transactions that read and write as they go; use Engine::execute, \
         begin a read-only transaction, or open the database in another mode"
    )]
    NeedsProcedure,
    /// A procedure has asked for something that isn't in the footprint which it was declared with.
    #[error(
        "{} table {table}{} is outside of the footprint that was declared",
        if *writes { "a write to" } else { "a read of" },
        key.as_ref().map_or_else(|| ", by a scan,".to_owned(), |key| format!(", key \"{}\",", key.escape_ascii()))
    )]
    OutsideFootprint {
        /// The table.
        table: String,
        /// The key; `None` for a scan.
        key: Option<Vec<u8>>,
        /// Whether it would have been written, or read to be written.
        writes: bool,
    },
    /// A savepoint that belongs to another transaction, or was rolled back over.
    #[error(
        "the savepoint no longer exists: it belongs to another transaction, or an earlier one was rolled back to"
    )]
    UnknownSavepoint,
    /// A snapshot older than what is kept.
    #[error("no versions are kept for timestamp {asked}; the oldest readable one is {oldest}")]
    SnapshotTooOld {
        /// The timestamp asked for.
        asked: Timestamp,
        /// The oldest timestamp that can be read.
        oldest: Timestamp,
    },
    /// A snapshot in the future.
    #[error("timestamp {asked} lies in the future; the clock says {now}")]
    SnapshotInFuture {
        /// The timestamp asked for.
        asked: Timestamp,
        /// The clock's latest bound.
        now: Timestamp,
    },
    /// All transaction slots are taken.
    #[error("{TRANSACTIONS_MAX} read-write transactions are running; end some before beginning more")]
    TooManyTransactions,
    /// All snapshot slots are taken.
    #[error("{SNAPSHOTS_MAX} snapshots are open; drop some before opening more")]
    TooManySnapshots,
}

fn names(levels: &[Isolation]) -> String {
    levels.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Error {
    /// The abort, if this is one.
    pub fn abort(&self) -> Option<&Abort> {
        match self {
            Error::Aborted(abort) => Some(abort),
            _ => None,
        }
    }
}
