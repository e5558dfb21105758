//! Places in the log.

use std::fmt;

use super::segment::FIRST_NUMBER;
use crate::Timestamp;

/// A place in the log. Places are ordered as the log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition {
    /// The segment's number, from 1 on.
    pub segment: u64,
    /// Bytes from the start of its file.
    pub offset: u64,
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {} of segment {}", self.offset, self.segment)
    }
}

/// Where replay begins, and what must be there. The default is the beginning of a log of which nothing
/// is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogStart {
    /// The first segment that is needed. Earlier ones may be missing.
    pub segment: u64,
    /// Frames up to here are skipped: a checkpoint has them.
    pub after: Timestamp,
    /// The log was durable at least up to here. One that ends earlier is damaged.
    pub reaches: LogPosition,
}

impl LogStart {
    /// The same, of a log that was durable up to `end`, too.
    pub(crate) fn and_reaches(self, end: LogPosition) -> Self {
        LogStart { reaches: self.reaches.max(end), ..self }
    }
}

impl Default for LogStart {
    fn default() -> Self {
        LogStart { segment: FIRST_NUMBER, after: Timestamp::MIN, reaches: LogPosition::default() }
    }
}
