//! What an operation of the engine can answer instead of a result.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use synod_sequencer::{Overloaded, RequestTooLarge};
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
    /// A procedure has decided against what it was asked to do ([`Error::rejected`]). It had no effect.
    #[error("rejected: {reason}")]
    Rejected {
        /// What the procedure said.
        reason: Arc<str>,
    },
    /// A procedure has panicked. It had no effect.
    #[error("the procedure {procedure} has panicked: {message}")]
    ProcedurePanicked {
        /// Its name.
        procedure: &'static str,
        /// What the panic said.
        message: String,
    },
    /// A procedure that isn't registered, or in another version only.
    #[error(
        "the procedure {procedure}, version {version}, is {}; give it to Options::procedure before opening the engine",
        known.map_or_else(|| "unknown".to_owned(), |known| format!("known in version {known} only"))
    )]
    UnknownProcedure {
        /// Its name.
        procedure: String,
        /// The version that was asked for, by the program or by the log.
        version: u32,
        /// The version that is registered, if there is one.
        known: Option<u32>,
    },
    /// The arguments of a procedure can't be encoded, or aren't what the procedure expects.
    #[error("the arguments of the procedure {procedure} can't be encoded or decoded: {reason}")]
    ProcedureArguments {
        /// The procedure's name.
        procedure: String,
        /// What serde said.
        reason: String,
    },
    /// A procedure that was run twice in the same place has done two things ([`Options::check_determinism`]). It had no
    /// effect.
    ///
    /// [`Options::check_determinism`]: crate::Options::check_determinism
    #[error(
        "the procedure {procedure} isn't deterministic: run twice in the same place, it {what} two different things"
    )]
    NotDeterministic {
        /// Its name.
        procedure: &'static str,
        /// "has answered" or "has written".
        what: &'static str,
    },
    /// The state after an epoch isn't what it was when the epoch was executed first: a procedure isn't deterministic, its
    /// code has changed under the same version, or the data were changed.
    #[error(
        "diverged: after epoch {epoch} the state's hash is {found:016x}, and was {expected:016x} when the epoch was \
         executed first; a procedure isn't deterministic, or has changed under the same version number"
    )]
    Diverged {
        /// The first epoch after which the state is known to differ.
        epoch: u64,
        /// The hash in the log.
        expected: u64,
        /// The hash now.
        found: u64,
    },
    /// A table that doesn't exist.
    #[error("there is no table {table}")]
    NoSuchTable {
        /// Its name.
        table: String,
    },
    /// Too many procedures are in flight. Nothing has happened; try again when some have been answered.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// A procedure whose arguments, or footprint, are too long for the log. Nothing has happened.
    #[error(transparent)]
    RequestTooLarge(#[from] RequestTooLarge),
    /// The log of procedures has failed, or makes no sense.
    #[error(transparent)]
    Sequencer(#[from] synod_sequencer::Error),
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
    /// What a [`Procedure`](crate::Procedure) answers that decides against doing what it was asked to do.
    pub fn rejected(reason: impl Into<Arc<str>>) -> Self {
        Error::Rejected { reason: reason.into() }
    }

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
