//! Why a history can't be checked. What a check finds is no error, but an answer.

use crate::history::{History, Name, Version, label};
use std::fmt;

/// A history makes no sense, so that nothing can be said of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A key is used with versions, as a list and as a register, or two of these.
    #[error(
        "{transaction} uses {key} in another way than a transaction before it: as a list, a register, or with versions"
    )]
    MixedKey {
        /// The key.
        key: Name,
        /// Who used it in the second way.
        transaction: Place,
    },
    /// Two writes of a key claim the same version, or one claims that of an unborn key.
    #[error("{transaction} makes version {version} of {key}, which is not new: versions must be unique")]
    SameVersion {
        /// The key.
        key: Name,
        /// The version.
        version: Version,
        /// Who made it, too.
        transaction: Place,
    },
    /// A value is written, or an element is appended, twice to the same key: who is read can't be told.
    #[error("{transaction} writes {value} to {key}, which is not the first time: values must be unique")]
    SameValue {
        /// The key.
        key: Name,
        /// The value.
        value: Name,
        /// Who wrote it, too.
        transaction: Place,
    },
}

/// Which transaction of a history it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its place in the history, counted from 0.
    pub transaction: usize,
    /// Where in a file it was.
    pub line: Option<u64>,
}

impl Place {
    pub(crate) fn of(history: &History, transaction: usize) -> Place {
        Place { transaction, line: history.transactions()[transaction].line }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&label(self.transaction))?;
        match self.line {
            Some(line) => write!(formatter, " (line {line})"),
            None => Ok(()),
        }
    }
}

/// Why a history without an anomaly says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTold {
    /// It has no transactions.
    Empty,
    /// No transaction is known to have committed.
    NothingCommitted,
}

impl fmt::Display for NotTold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            NotTold::Empty => "there are no transactions in it",
            NotTold::NothingCommitted => "no transaction in it is known to have committed",
        })
    }
}
