//! Checkpoints: all tables as of one timestamp, in one file.
//!
//! **The problem.** The log holds everything, and grows for ever; opening a database would take as long as all
//! its history. A checkpoint is the state that the log leads to, so what comes before it can go. It is *fuzzy*
//! in no way: it holds what a snapshot at one timestamp sees, which a multi-version store gives away (so there
//! is nothing of the dirty-page bookkeeping of ARIES, or of the sweeps of Salem and Garcia-Molina, "Checkpointing
//! memory-resident databases", ICDE 1989).
//!
//! ```text
//!  0        4096                                                                           end
//!  ├ header ┼ block │ block │ block │ … │ block ┼ index ┼ trailer ┤
//!             └────── unit ─────────┘                  ▲ where the index is, counts, length
//! ```
//!
//! A **block** ([`block`](mod@self)) holds records of one table in key order, about 64 KiB before compression,
//! with a checksum of its own. The **index** says how long each block is, and what is in it; so blocks can be
//! read in any order, and by many threads at once: in **units** of about 1 MiB. A record with many versions may
//! go on in the next block; it never goes on in the next unit.
//!
//! **Nothing is half there.** A checkpoint is written under another name, synced, and then renamed. Every byte
//! is covered by some checksum, the trailer knows the file's length, and each part is known by its checksum to
//! the part that points to it: a damaged or mixed-up file is noticed, at once or when the damaged unit is read.
//!
//! **Left out.** Incremental checkpoints: each is whole. Encryption.

mod block;
mod entry;
mod header;
mod index;
mod reader;
mod writer;

use std::path::{Path, PathBuf};

use crate::device::Device;
use crate::wal::LogStart;
use crate::{Home, Result, TableId, Timestamp};

pub use self::entry::Versions;
pub use self::reader::{CheckpointReader, Unit, UnitBuffer};
pub use self::writer::CheckpointWriter;
pub use crate::home::CHECKPOINT_DIRECTORY;

const EXTENSION: &str = "checkpoint";
const UNFINISHED_EXTENSION: &str = "tmp";
const DAMAGED_EXTENSION: &str = "damaged";
const NAME_DIGITS: usize = 16;

/// What a checkpoint says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointHeader {
    /// It holds all commits up to here, and none after.
    pub timestamp: Timestamp,
    /// The oldest timestamp as of which it can be read.
    pub horizon: Timestamp,
    /// Where the log goes on.
    pub log: LogStart,
    /// The first number that no table has had.
    pub next_table: TableId,
    /// The newest epoch of sequenced transactions that is in it, and is in it whole; 0 if there was none.
    pub epoch: u64,
}

/// How blocks are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// LZ4: a few hundred MB a second and core when writing, some GB when reading.
    Lz4,
}

/// How checkpoints are written. They can be read whatever the options were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckpointOptions {
    /// How blocks are compressed. One that doesn't get smaller is stored as it is.
    pub compression: Compression,
}

/// What there is of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointInfo {
    /// The file.
    pub path: PathBuf,
    /// It holds all commits up to here.
    pub timestamp: Timestamp,
    /// The file's length.
    pub bytes: u64,
    /// The tables in it.
    pub tables: u64,
    /// The records in it.
    pub records: u64,
    /// The versions of these records: more than one for each only if some are kept for time travel.
    pub versions: u64,
}

/// The path of the checkpoint at `timestamp`.
fn path(directory: &Path, timestamp: Timestamp) -> PathBuf {
    directory.join(format!("{:016x}.{EXTENSION}", timestamp.0))
}

/// The timestamp in a checkpoint's name; `None` for any other file.
fn timestamp_of(path: &Path) -> Option<Timestamp> {
    let digits = path.file_name()?.to_str()?.strip_suffix(EXTENSION)?.strip_suffix('.')?;
    let is_number = digits.len() == NAME_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_number { u64::from_str_radix(digits, 16).ok().map(Timestamp) } else { None }
}

/// The checkpoints of the database in `directory`, the newest first. Other files are passed over.
pub fn list_checkpoints(device: &dyn Device, directory: &Path) -> Result<Vec<(Timestamp, PathBuf)>> {
    let files = device.list(&directory.join(CHECKPOINT_DIRECTORY))?;
    let mut checkpoints: Vec<_> =
        files.into_iter().filter_map(|path| Some((timestamp_of(&path)?, path))).collect();
    checkpoints.sort_by(|a, b| b.cmp(a));
    Ok(checkpoints)
}

/// Removes a checkpoint, durably.
pub fn remove_checkpoint(home: &Home, timestamp: Timestamp) -> Result<()> {
    let directory = home.directory().join(CHECKPOINT_DIRECTORY);
    home.device().remove(&path(&directory, timestamp))?;
    home.device().sync_directory(&directory)
}

/// Gives a damaged checkpoint a name under which nothing looks for it, durably.
pub fn set_aside(home: &Home, path: &Path) -> Result<()> {
    home.device().rename(path, &path.with_extension(DAMAGED_EXTENSION))?;
    home.device().sync_directory(&home.directory().join(CHECKPOINT_DIRECTORY))
}
