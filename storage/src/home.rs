//! A database's directory: who may use it, which database it is, and how far its log ever came.
//!
//! Log and checkpoints are separate files, and files get copied, restored and mixed up. Three things
//! keep them together:
//!
//! ```text
//! db/LOCK           held while the database is open
//! db/DATABASE       identity, newest log segment          one sector, see below
//! db/wal/           segments, each with the identity in its header
//! db/checkpoints/   checkpoints, likewise
//! ```
//!
//! The *identity* is drawn when the database is created, so that a file of another database is told from
//! one's own. The *newest segment* is noted whenever the log begins one: each segment says how the one
//! before it ended, but nothing in the log could tell that its last segment is gone.
//!
//! ```text
//!  0          8         12    16         24               32       512
//!  ├─ magic ──┼ version ┼ crc ┼ identity ┼ newest segment ┼─ zeros ─┤     numbers little-endian
//! ```
//!
//! The CRC-32C covers the whole block, with zeros in its own place. The file is created under another
//! name and renamed, before any other file of the database. Later it is overwritten in place: it is one
//! sector, which a crash leaves as it was or as it should be (see [`device`](crate::device)).
//!
//! Left out: a copy of a whole database has the identity of the original, so files that are swapped
//! between the two are not told apart by it.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::device::{DatabaseLock, Device, DeviceFile, SECTOR_BYTES};
use crate::sync::Mutex;
use crate::{Error, Result};

/// The directory of the log's segments, within the database's.
pub const WAL_DIRECTORY: &str = "wal";

/// The directory of the checkpoints, within the database's.
pub const CHECKPOINT_DIRECTORY: &str = "checkpoints";

/// The name of the file that says which database a directory holds.
pub const DATABASE_FILE: &str = "DATABASE";

/// What that file is called while it is being created.
const TEMPORARY_FILE: &str = "DATABASE.tmp";

const MAGIC: &[u8; 8] = b"SYNOD-DB";
const FORMAT_VERSION: u32 = 1;
const VERSION_OFFSET: usize = 8;
const CRC_OFFSET: usize = 12;
const IDENTITY_OFFSET: usize = 16;
const SEGMENT_OFFSET: usize = 24;
const END_OFFSET: usize = 32;

type Block = [u8; SECTOR_BYTES];

/// 64 random bits, drawn when a database is created; in the header of each of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity(pub u64);

impl Identity {
    /// Draws an identity. The bits come from the operating system, by way of the keys that it gives to
    /// the standard library's hash maps.
    pub fn random() -> Identity {
        Identity(RandomState::new().hash_one((SystemTime::now(), std::process::id())))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A database's directory: locked, known by its identity.
#[derive(Debug)]
pub struct Home {
    device: Arc<dyn Device>,
    directory: PathBuf,
    identity: Identity,
    database: Mutex<DatabaseFile>,
    _lock: DatabaseLock,
}

/// The file [`DATABASE_FILE`], and what it says.
#[derive(Debug)]
struct DatabaseFile {
    file: Box<dyn DeviceFile>,
    newest_segment: u64,
}

impl Home {
    /// Opens the database in `directory`, which is created if missing, with everything above it, and
    /// takes its lock for as long as the answer lives. An empty directory becomes a new database.
    ///
    /// # Errors
    /// - [`Error::Locked`] if the database is open already,
    /// - [`Error::Corrupt`] if the file [`DATABASE_FILE`] is damaged, or missing although there are
    ///   files of a log or checkpoints,
    /// - [`Error::UnknownFormat`] if another version wrote it,
    /// - [`Error::Io`], also if `directory` is a file.
    pub fn open(device: Arc<dyn Device>, directory: &Path) -> Result<Arc<Home>> {
        device.create_directory(directory)?;
        let lock = device.lock(directory)?;
        for name in [WAL_DIRECTORY, CHECKPOINT_DIRECTORY] {
            device.create_directory(&directory.join(name))?;
        }
        let path = directory.join(DATABASE_FILE);
        let (identity, database) = if device.list(directory)?.contains(&path) {
            open_file(&*device, directory, &path)?
        } else {
            check_is_new(&*device, directory, &path)?;
            create_file(&*device, directory, &path)?
        };
        let directory = directory.to_path_buf();
        Ok(Arc::new(Home { device, directory, identity, database: Mutex::new(database), _lock: lock }))
    }

    /// Where the database's files are kept.
    pub fn device(&self) -> &Arc<dyn Device> {
        &self.device
    }

    /// The database's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The database's identity.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// The newest segment that the log is known to have had; 0 if there was none yet.
    pub(crate) fn newest_segment(&self) -> u64 {
        self.database.lock().newest_segment
    }

    /// Notes, durably, that the log's newest segment is `number`. That segment must be durable, with its
    /// name. Costs one sync.
    ///
    /// # Errors
    /// [`Error::Io`]; what the note says on the disk is then not known.
    pub(crate) fn note_segment(&self, number: u64) -> Result<()> {
        let mut database = self.database.lock();
        database.file.write_at(0, &encode(self.identity, number))?;
        database.file.sync_data()?;
        database.newest_segment = number;
        Ok(())
    }
}

/// Checks that a directory without [`DATABASE_FILE`] has nothing else of a database.
fn check_is_new(device: &dyn Device, directory: &Path, path: &Path) -> Result<()> {
    for name in [WAL_DIRECTORY, CHECKPOINT_DIRECTORY] {
        if let Some(found) = device.list(&directory.join(name))?.first() {
            let reason = format!(
                "the file is missing, though {} is there; restore it with the rest of the database",
                found.display()
            );
            return Err(Error::Corrupt { path: path.to_path_buf(), offset: 0, reason });
        }
    }
    Ok(())
}

/// Creates the file, durably, or not at all.
fn create_file(device: &dyn Device, directory: &Path, path: &Path) -> Result<(Identity, DatabaseFile)> {
    let temporary = directory.join(TEMPORARY_FILE);
    if device.list(directory)?.contains(&temporary) {
        device.remove(&temporary)?;
    }
    let identity = Identity::random();
    let file = device.create(&temporary)?;
    file.write_at(0, &encode(identity, 0))?;
    file.sync_data()?;
    device.rename(&temporary, path)?;
    device.sync_directory(directory)?;
    // Opened by its own name, so that errors name that.
    Ok((identity, DatabaseFile { file: device.open(path)?, newest_segment: 0 }))
}

/// Opens the file and reads it.
fn open_file(device: &dyn Device, directory: &Path, path: &Path) -> Result<(Identity, DatabaseFile)> {
    let file = device.open(path)?;
    let (identity, newest_segment) = read(&*file, path)?;
    if newest_segment == 0 {
        // Whoever created it may have died before its name was durable, and the log comes next.
        device.sync_directory(directory)?;
    }
    Ok((identity, DatabaseFile { file, newest_segment }))
}

/// The block that the file consists of.
fn encode(identity: Identity, newest_segment: u64) -> Block {
    let mut block = [0; SECTOR_BYTES];
    block[..VERSION_OFFSET].copy_from_slice(MAGIC);
    block[VERSION_OFFSET..CRC_OFFSET].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    block[IDENTITY_OFFSET..SEGMENT_OFFSET].copy_from_slice(&identity.0.to_le_bytes());
    block[SEGMENT_OFFSET..END_OFFSET].copy_from_slice(&newest_segment.to_le_bytes());
    let crc = checksum(&block);
    block[CRC_OFFSET..IDENTITY_OFFSET].copy_from_slice(&crc.to_le_bytes());
    block
}

/// Reads what [`encode`] wrote.
fn read(file: &dyn DeviceFile, path: &Path) -> Result<(Identity, u64)> {
    let corrupt = |reason: String| Error::Corrupt { path: path.to_path_buf(), offset: 0, reason };
    let size = file.size()?;
    let mut block = [0; SECTOR_BYTES];
    let bytes = file.read_at(0, &mut block)?;
    if size != SECTOR_BYTES as u64 || bytes != SECTOR_BYTES {
        return Err(corrupt(format!("{bytes} bytes of {size} were read; the file has {SECTOR_BYTES}")));
    }
    let crc = u32::from_le_bytes(field(&block, CRC_OFFSET));
    if !block.starts_with(MAGIC) || crc != checksum(&block) {
        return Err(corrupt("its checksum is wrong; restore the file from a copy".to_string()));
    }
    let version = u32::from_le_bytes(field(&block, VERSION_OFFSET));
    if version != FORMAT_VERSION {
        return Err(Error::UnknownFormat { path: path.into(), found: version, known: FORMAT_VERSION });
    }
    let identity = Identity(u64::from_le_bytes(field(&block, IDENTITY_OFFSET)));
    Ok((identity, u64::from_le_bytes(field(&block, SEGMENT_OFFSET))))
}

/// The CRC of everything that stands around the CRC's own field.
fn checksum(block: &Block) -> u32 {
    let mut rest = *block;
    rest[CRC_OFFSET..IDENTITY_OFFSET].fill(0);
    // The algorithm's 32 bits come in the lower half of 64.
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &rest) as u32
}

fn field<const N: usize>(block: &Block, offset: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&block[offset..offset + N]);
    field
}
