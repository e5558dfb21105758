//! What an operation of the engine can answer instead of a result.

use std::path::{Path, PathBuf};

use synod_txn::Abort;

/// The result of an operation of the engine.
pub type Result<T> = std::result::Result<T, Error>;

/// An abort, which is worth a retry, or an error, which isn't. See [`Error::abort`].
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A transaction or a snapshot could not do what was asked.
    #[error(transparent)]
    Transaction(#[from] synod_txn::Error),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] synod_storage::Error),
    /// A table name that is empty, or longer than [`TABLE_NAME_BYTES_MAX`](crate::TABLE_NAME_BYTES_MAX).
    #[error("a table name has 1 to {max} bytes; this one has {bytes}", max = crate::TABLE_NAME_BYTES_MAX)]
    TableName {
        /// The name's length.
        bytes: usize,
    },
    /// A table of another engine.
    #[error("the table {table} belongs to another engine")]
    ForeignTable {
        /// The table's name.
        table: String,
    },
    /// A merge into a table that has no merge function.
    #[error(
        "the table {table} has no merge function; give it one with Options::merge before opening the engine"
    )]
    NoMergeFunction {
        /// The table's name.
        table: String,
    },
    /// The merge function refused its operand.
    #[error("the merge function of table {table} failed: {reason}")]
    MergeFailed {
        /// The table's name.
        table: String,
        /// What the function said.
        reason: String,
    },
    /// `transact` has tried as often as it was allowed to.
    #[error("gave up after {attempts} attempts; the last one ended so: {last}")]
    RetriesExhausted {
        /// How often the work was tried.
        attempts: u32,
        /// Why the last attempt was aborted.
        last: Abort,
    },
    /// What was asked for needs a log on disk, and this engine lives in memory only.
    #[error("this engine lives in memory and has no log; open one with Engine::open")]
    NoLog,
    /// A directory is not what a backup can be made in, or restored from.
    #[error("{} is not a backup: {reason}", path.display())]
    NotABackup {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A backup was to be restored into a directory that holds something.
    #[error("{} is not empty; restore into a new directory", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The engine was closed.
    #[error("the engine is closed")]
    Closed,
    /// `close` was called while transactions or snapshots were still open.
    #[error(
        "the engine is still in use by {users} other handles, transactions or snapshots; drop them first"
    )]
    InUse {
        /// How many others there are.
        users: usize,
    },
}

impl Error {
    pub(crate) fn not_a_backup(path: &Path, reason: &'static str) -> Self {
        Error::NotABackup { path: path.to_owned(), reason }
    }

    /// The reason, if the engine aborted the transaction: then all its effects are undone, and
    /// [`Abort::is_retryable`] says whether trying again makes sense. `None` for every other failure.
    pub fn abort(&self) -> Option<&Abort> {
        match self {
            Error::Transaction(error) => error.abort(),
            Error::RetriesExhausted { last, .. } => Some(last),
            _ => None,
        }
    }

    /// Whether the reason is that the disk is full, or the user's share of it. A commit that fails so leaves a log
    /// that accepts no more commits: make room and open the database anew. Whatever else fails so, a checkpoint
    /// or a backup, can be tried again.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Error::Storage(error) | Error::Transaction(synod_txn::Error::Storage(error)) => {
                error.is_disk_full()
            }
            _ => false,
        }
    }

    /// Whether this is the answer of `insert` to a key that is already there. The transaction goes on.
    pub fn is_key_exists(&self) -> bool {
        matches!(self, Error::Transaction(synod_txn::Error::KeyExists { .. }))
    }
}
