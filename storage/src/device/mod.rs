//! Files, as the engine sees them: every byte that outlives the process goes through [`Device`].
//!
//! The seam exists because a crash cannot be tested on a real disk: [`MemoryDevice`] keeps what was
//! *written* and what was *synced* apart, and can show any state that a power cut may leave behind.
//!
//! What a device promises, and what the layers above may build on:
//!
//! ```text
//! write_at ──────► seen by readers at once; survives a crash wholly, in part, or not at all
//! sync_data ─────► all earlier writes to this file survive, and so does the file's length
//! create, remove, rename ──► seen at once; may be undone by a crash
//! sync_directory ► all earlier changes to the names in this directory survive
//! ```
//!
//! A write is cut by a crash only at multiples of [`SECTOR_BYTES`]: a sector holds either its old
//! bytes or its new ones. That is what disks promise for their sectors, and what SQLite calls
//! "powersafe overwrite". A device that scrambles a sector it was writing is not covered.
//!
//! A failed sync says nothing about which writes were lost, and a later sync that succeeds does not
//! bring them back (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020).
//! Callers must not retry it.

mod memory;
mod real;

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::Result;

pub use memory::{Fault, MemoryDevice, Operations, Survival};
pub use real::RealDevice;

/// The unit in which a crash tears a write.
pub const SECTOR_BYTES: usize = 512;

/// The name of the lock file in a database directory.
pub const LOCK_FILE: &str = "LOCK";

/// A place for files. All paths are taken as they are: nothing is resolved or made absolute.
///
/// Every method may return [`Error::Io`](crate::Error::Io), with the path and what was attempted.
pub trait Device: Send + Sync + fmt::Debug {
    /// Creates a directory with all its missing parents, durably. Nothing happens if it exists.
    fn create_directory(&self, path: &Path) -> Result<()>;

    /// The paths of the files (not the directories) directly in a directory, in no particular order.
    fn list(&self, directory: &Path) -> Result<Vec<PathBuf>>;

    /// Creates an empty file, which must not exist yet, in a directory that does. The name survives a
    /// crash only after [`Device::sync_directory`].
    fn create(&self, path: &Path) -> Result<Box<dyn DeviceFile>>;

    /// Opens an existing file for reading and writing.
    fn open(&self, path: &Path) -> Result<Box<dyn DeviceFile>>;

    /// Removes a file. Those who have it open keep it. Survives a crash only after
    /// [`Device::sync_directory`].
    fn remove(&self, path: &Path) -> Result<()>;

    /// Gives a file another name in the same directory, atomically, in place of any file that had it.
    /// Survives a crash only after [`Device::sync_directory`].
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// Makes all changes to the names in a directory durable.
    fn sync_directory(&self, directory: &Path) -> Result<()>;

    /// Takes the lock of the database in `directory` (the file [`LOCK_FILE`], created if missing): as
    /// long as the answer lives, every other attempt, in this process or another, fails with
    /// [`Error::Locked`](crate::Error::Locked). Never waits. The lock ends with the process, however
    /// that ends.
    fn lock(&self, directory: &Path) -> Result<DatabaseLock>;
}

/// An open file. Any number of threads may use it at once; writes to overlapping ranges must be kept
/// apart by the caller.
pub trait DeviceFile: Send + Sync + fmt::Debug {
    /// Reads into `buffer` from `offset` on, and returns how much was read: less than the buffer holds
    /// only at the file's end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize>;

    /// Writes all of `bytes` at `offset`, beyond the end too (what lies between then reads as zeros).
    /// After an error any part of it may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()>;

    /// Makes all earlier writes to this file durable, with the file's length. Costs about 0.1 ms on a
    /// server's disk if the blocks were written before, and half as much again if the file grows.
    fn sync_data(&self) -> Result<()>;

    /// The file's length in bytes.
    fn size(&self) -> Result<u64>;

    /// Cuts the file to `bytes`, or extends it with zeros. Durable after [`DeviceFile::sync_data`].
    fn set_size(&self, bytes: u64) -> Result<()>;

    /// A hint: begin to write this range to the disk, and don't wait for it, so that a later sync has
    /// less to wait for. Promises nothing, and hides no error from that sync.
    fn start_write_back(&self, range: Range<u64>) {
        let _ = range;
    }

    /// A hint: nobody will read this file soon. What is on the disk needn't be kept in memory too.
    fn forget(&self) {}
}

/// Holds a database's lock; dropping it lets go.
pub struct DatabaseLock {
    _held: Box<dyn Any + Send + Sync>,
}

impl DatabaseLock {
    /// A lock that lasts as long as `held` lives.
    pub fn new(held: impl Any + Send + Sync) -> Self {
        DatabaseLock { _held: Box::new(held) }
    }
}

impl fmt::Debug for DatabaseLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseLock").finish_non_exhaustive()
    }
}
