//! What a transaction does.

use super::name::{Key, Name, Value};
use std::fmt;
use std::ops::Bound;

/// A version of a key, as an engine that records itself knows it. Versions of a key are ordered by this.
///
/// The *stamp* of what was committed is the commit timestamp. A write that never was committed has any stamp that no
/// other transaction's write of the key has. The *step* tells the writes of one transaction to one key apart: 0 for
/// the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Who wrote it, and when; 0 only for [`Version::UNBORN`].
    pub stamp: u64,
    /// Which of its transaction's writes to the key it is.
    pub step: u32,
}

impl Version {
    /// What is read of a key that was never written.
    pub const UNBORN: Version = Version { stamp: 0, step: 0 };

    /// The version that was written first by the transaction with this commit timestamp.
    pub const fn at(stamp: u64) -> Version {
        Version { stamp, step: 0 }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Version::UNBORN => formatter.write_str("nothing"),
            Version { stamp, step: 0 } => write!(formatter, "@{stamp}"),
            Version { stamp, step } => write!(formatter, "@{stamp}.{step}"),
        }
    }
}

/// Keys between two bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// Where it begins.
    pub low: Bound<Name>,
    /// Where it ends.
    pub high: Bound<Name>,
}

impl KeyRange {
    /// From `low` on, up to `high`, which isn't part of it.
    pub fn half_open(low: impl Into<Name>, high: impl Into<Name>) -> KeyRange {
        KeyRange { low: Bound::Included(low.into()), high: Bound::Excluded(high.into()) }
    }

    /// From `low` to `high`, both included.
    pub fn closed(low: impl Into<Name>, high: impl Into<Name>) -> KeyRange {
        KeyRange { low: Bound::Included(low.into()), high: Bound::Included(high.into()) }
    }

    /// All keys.
    pub const ALL: KeyRange = KeyRange { low: Bound::Unbounded, high: Bound::Unbounded };
}

impl fmt::Display for KeyRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.low {
            Bound::Included(low) => write!(formatter, "[{low}, ")?,
            Bound::Excluded(low) => write!(formatter, "({low}, ")?,
            Bound::Unbounded => formatter.write_str("(.., ")?,
        }
        match &self.high {
            Bound::Included(high) => write!(formatter, "{high}]"),
            Bound::Excluded(high) => write!(formatter, "{high})"),
            Bound::Unbounded => formatter.write_str("..)"),
        }
    }
}

/// One step of a transaction, and what it was answered.
///
/// A key is used in one way throughout a history: with versions, as a list, or as a register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reads a key, which has this version. White-box.
    Get {
        /// The key.
        key: Key,
        /// What was seen: a value, a tombstone, or [`Version::UNBORN`]. A key that was deleted isn't unborn, even if
        /// its tombstone was collected as garbage; who records a read of it must know which one it was.
        version: Version,
    },
    /// Writes a key, which makes this version. White-box.
    Put {
        /// The key.
        key: Key,
        /// What it made.
        version: Version,
    },
    /// Deletes a key, which makes this version, a tombstone. White-box.
    Delete {
        /// The key.
        key: Key,
        /// What it made.
        version: Version,
    },
    /// Reads all keys in a range: a predicate read. White-box.
    ///
    /// What was not found was seen, too: as absent. Where several states of a key are absences (before it was
    /// written, after it was deleted), the checker can't tell which one was seen and uses only what holds for
    /// each, unless the tombstone is in `found` as well. A scan that stopped early has the range that it has seen.
    Scan {
        /// The range.
        range: Box<KeyRange>,
        /// What was found there.
        found: Box<[(Key, Version)]>,
    },
    /// Appends an element to a list; no element is appended twice to the same list. Black-box.
    Append {
        /// The list.
        key: Key,
        /// The element.
        element: Value,
    },
    /// Reads a list. Black-box.
    ReadList {
        /// The list.
        key: Key,
        /// All its elements.
        elements: Box<[Value]>,
    },
    /// Writes a register; no value is written twice to the same register. Black-box.
    Write {
        /// The register.
        key: Key,
        /// The value.
        value: Value,
    },
    /// Reads a register. Black-box.
    Read {
        /// The register.
        key: Key,
        /// What was seen; nothing if it was never written.
        value: Option<Value>,
    },
}

/// In which way a key is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Versions,
    List,
    Register,
}

impl Operation {
    /// The way in which this uses its keys.
    pub(crate) fn way(&self) -> Way {
        match self {
            Operation::Get { .. }
            | Operation::Put { .. }
            | Operation::Delete { .. }
            | Operation::Scan { .. } => Way::Versions,
            Operation::Append { .. } | Operation::ReadList { .. } => Way::List,
            Operation::Write { .. } | Operation::Read { .. } => Way::Register,
        }
    }

    /// The key; none for a scan.
    pub(crate) fn key(&self) -> Option<Key> {
        match *self {
            Operation::Get { key, .. }
            | Operation::Put { key, .. }
            | Operation::Delete { key, .. }
            | Operation::Append { key, .. }
            | Operation::ReadList { key, .. }
            | Operation::Write { key, .. }
            | Operation::Read { key, .. } => Some(key),
            Operation::Scan { .. } => None,
        }
    }

    /// The key, or those that a scan found.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> {
        let found = match self {
            Operation::Scan { found, .. } => &found[..],
            _ => &[],
        };
        self.key().into_iter().chain(found.iter().map(|(key, _)| *key))
    }

    /// Whether it changes its key.
    pub(crate) fn writes(&self) -> bool {
        matches!(
            self,
            Operation::Put { .. }
                | Operation::Delete { .. }
                | Operation::Append { .. }
                | Operation::Write { .. }
        )
    }
}
