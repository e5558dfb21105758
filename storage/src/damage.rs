//! Damage that a check of a database finds.

use std::fmt;
use std::path::PathBuf;

use crate::Error;

/// A place in a file that no crash explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file. It need not exist: that it is missing may be the damage.
    pub path: PathBuf,
    /// Where the damage begins, in bytes from the file's start.
    pub offset: u64,
    /// What was found there.
    pub reason: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is damaged at offset {}: {}", self.path.display(), self.offset, self.reason)
    }
}

impl From<Damage> for Error {
    fn from(damage: Damage) -> Error {
        Error::Corrupt { path: damage.path, offset: damage.offset, reason: damage.reason }
    }
}
