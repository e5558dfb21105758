//! What can go wrong in a workload, outside the rules of the workload itself.

use std::path::{Path, PathBuf};

/// The result of a workload's step.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A workload could not go on. A broken rule (a consistency condition, an audit range) is no error: it is
/// part of the report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The engine failed, or gave up on a transaction.
    #[error("the engine failed: {0}")]
    Engine(#[from] synod::Error),

    /// Another engine failed.
    #[error("{name} failed: {source}")]
    Peer {
        /// Which one.
        name: &'static str,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// A row that the workload's rules say is there isn't.
    #[error("table {table} has no row {key}; the database is damaged or was changed by another program")]
    MissingRow {
        /// The table.
        table: &'static str,
        /// The key, written for people.
        key: String,
    },

    /// A row's bytes are not what this version of the workload writes.
    #[error("a row of table {table} is malformed: {length} bytes, {problem}; load the database anew")]
    MalformedRow {
        /// The table.
        table: &'static str,
        /// How long the row is, in bytes.
        length: usize,
        /// What doesn't fit.
        problem: &'static str,
    },

    /// A transaction has seen what no order of whole transactions can show. It is an error and no part of a report,
    /// because nothing that such a run has measured is worth anything.
    #[error("isolation is broken: {rule}: {expected} is right, and {seen} was seen")]
    Violated {
        /// What must hold.
        rule: &'static str,
        /// What the transaction has seen.
        seen: i64,
        /// What it should have seen.
        expected: i64,
    },

    /// A procedure has found such a thing, in its words.
    #[error("{0}")]
    ProcedureFailed(String),

    /// One of several engines that are compared failed.
    #[error("{target}: {source}")]
    Target {
        /// Which one, and where.
        target: String,
        /// What it said.
        source: Box<Error>,
    },

    /// The settings contradict each other, or the database at hand.
    #[error("{0}")]
    Settings(String),

    /// A file or directory could not be used.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: "cannot write".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },

    /// A chart could not be drawn.
    #[error("a chart can't be drawn: {0}")]
    Drawing(String),

    /// The user ended it.
    #[error("interrupted")]
    Interrupted,

    /// A worker thread panicked: a bug, in the workload or in the engine.
    #[error("a worker thread panicked: {0}")]
    WorkerPanicked(String),
}

impl Error {
    /// An I/O error with its path and what was tried.
    pub fn io(action: &'static str, path: &Path, source: std::io::Error) -> Error {
        Error::Io { action, path: path.to_path_buf(), source }
    }

    /// The same with the name of the target that it is of; an interruption is nobody's.
    pub(crate) fn of(self, target: &str) -> Error {
        match self {
            Error::Interrupted => Error::Interrupted,
            other => Error::Target { target: target.to_string(), source: Box::new(other) },
        }
    }

    /// Whether it says that the engine has broken a rule of the workload, and not that it can't go on.
    pub(crate) fn is_broken_rule(&self) -> bool {
        matches!(
            self,
            Error::Violated { .. }
                | Error::ProcedureFailed(_)
                | Error::MissingRow { .. }
                | Error::MalformedRow { .. }
        )
    }

    /// The text of a panic that a joined thread left behind.
    pub(crate) fn panicked(payload: &(dyn std::any::Any + Send)) -> Error {
        let text = payload
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_string());
        Error::WorkerPanicked(text)
    }
}
