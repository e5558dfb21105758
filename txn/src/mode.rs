//! The concurrency-control modes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Isolation, Result};

/// How an engine keeps concurrent transactions apart. Chosen when it is opened; the data are the same under all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// Two-phase locking: conflicting transactions wait for each other. Wastes no work; readers and writers of the
    /// same records stand in each other's way.
    #[default]
    #[serde(rename = "2pl")]
    TwoPhaseLocking,
    /// Optimistic: transactions run as if alone, and check at the end whether they were. Cheap while conflicts are
    /// rare; under many, work is thrown away.
    #[serde(rename = "occ")]
    Optimistic,
    /// Multi-version: transactions read from a snapshot, so that readers and writers never wait for each other.
    #[serde(rename = "mvcc")]
    MultiVersion,
    /// Deterministic: procedures get their order, which a log keeps, before they run, and nothing but that order decides what
    /// happens. No deadlocks, and no aborts by contention; the same log gives the same state, always.
    #[serde(rename = "deterministic")]
    Deterministic,
}

impl Mode {
    /// All modes.
    pub const ALL: [Mode; 4] =
        [Mode::TwoPhaseLocking, Mode::Optimistic, Mode::MultiVersion, Mode::Deterministic];

    /// Those in which a transaction reads and writes as it goes, without being known beforehand.
    pub const INTERACTIVE: [Mode; 3] = [Mode::TwoPhaseLocking, Mode::Optimistic, Mode::MultiVersion];

    /// The isolation levels that the mode has, weakest first.
    pub const fn levels(self) -> &'static [Isolation] {
        use Isolation::{ReadCommitted, ReadUncommitted, RepeatableRead, Serializable, Snapshot};
        match self {
            Mode::TwoPhaseLocking => &[ReadUncommitted, ReadCommitted, RepeatableRead, Serializable],
            Mode::Optimistic => &[ReadCommitted, Serializable],
            Mode::MultiVersion => &[ReadCommitted, Snapshot, Serializable],
            Mode::Deterministic => &[Serializable],
        }
    }

    /// An error unless the mode has this level.
    ///
    /// # Errors
    /// [`Error::UnsupportedIsolation`].
    pub fn check(self, level: Isolation) -> Result<()> {
        match self.levels().contains(&level) {
            true => Ok(()),
            false => Err(Error::UnsupportedIsolation { mode: self, level }),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Mode::TwoPhaseLocking => "2pl",
            Mode::Optimistic => "occ",
            Mode::MultiVersion => "mvcc",
            Mode::Deterministic => "deterministic",
        })
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let mode = Mode::ALL.into_iter().find(|mode| mode.to_string() == text);
        mode.ok_or_else(|| format!("unknown mode \"{text}\": use 2pl, occ, mvcc or deterministic"))
    }
}
