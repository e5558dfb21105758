//! Commit timestamps.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A commit timestamp: nanoseconds since the Unix epoch, unique to one commit.
///
/// The two topmost bits are always zero, so that a version can hold either a timestamp or a mark of
/// its writer in one word; that leaves room until the year 2116.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Before every commit.
    pub const MIN: Timestamp = Timestamp(0);
    /// After every commit.
    pub const MAX: Timestamp = Timestamp((1 << 62) - 1);
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
