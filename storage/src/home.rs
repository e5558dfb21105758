//! A database's directory: who may use it, which database it is, and how far its log ever came.
//!
//! Log and checkpoints are separate files, and files get copied, restored and mixed up. Three things
//! keep them together:
//!
//! ```text
//! db/LOCK           held while the database is open
//! db/DATABASE       identity, how far the log came        one sector, see below
//! db/wal/           segments, each with the identity in its header
//! db/checkpoints/   checkpoints, likewise
//! ```
//!
//! The *identity* is drawn when the database is created, so that a file of another database is told from
//! one's own. *How far the log came* is noted whenever it begins a segment, and when it is closed: each
//! segment says how the one before it ended, but nothing in the log could tell that its end is gone.
//!
//! The file is a [note](NoteFormat), made before any other file of the database. Later it is overwritten in
//! place: it is one sector, which a crash leaves as it was or as it should be.
//!
//! Left out: a copy of a whole database has the identity of the original, so files that are swapped
//! between the two are not told apart by it.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::device::{DatabaseLock, Device, DeviceFile};
use crate::note::NoteFormat;
use crate::sync::Mutex;
use crate::wal::LogPosition;
use crate::{Error, Result};

/// The directory of the log's segments, within the database's.
pub const WAL_DIRECTORY: &str = "wal";

/// The directory of the checkpoints, within the database's.
pub const CHECKPOINT_DIRECTORY: &str = "checkpoints";

/// The name of the file that says which database a directory holds.
pub const DATABASE_FILE: &str = "DATABASE";

const FORMAT: NoteFormat = NoteFormat { magic: b"SYNOD-DB", version: 1 };

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
    log_end: LogPosition,
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
        let (identity, log_end) = match FORMAT.read(&*device, &path)? {
            Some([identity, segment, offset, _]) => (Identity(identity), LogPosition { segment, offset }),
            None => {
                check_is_new(&*device, directory, &path)?;
                let identity = Identity::random();
                let nowhere = LogPosition::default();
                FORMAT.replace(&*device, &path, numbers(identity, nowhere))?;
                (identity, nowhere)
            }
        };
        if log_end == LogPosition::default() {
            // Whoever created it may have died before its name was durable, and the log comes next.
            device.sync_directory(directory)?;
        }
        let database = DatabaseFile { file: device.open(&path)?, log_end };
        let directory = directory.to_path_buf();
        Ok(Arc::new(Home { device, directory, identity, database: Mutex::new(database), _lock: lock }))
    }

    /// Opens the database in `directory` to look at it: takes the lock, and creates nothing but the lock's file.
    ///
    /// # Errors
    /// As [`Home::open`]; a directory that is no database is [`Error::Corrupt`], one that doesn't exist
    /// [`Error::Io`].
    pub fn open_existing(device: Arc<dyn Device>, directory: &Path) -> Result<Arc<Home>> {
        let path = directory.join(DATABASE_FILE);
        let missing = || {
            let reason = "the file is missing; this is no database, or it has lost a file".to_string();
            Error::Corrupt { path: path.clone(), offset: 0, reason }
        };
        if !device.list(directory)?.contains(&path) {
            return Err(missing());
        }
        let lock = device.lock(directory)?;
        let [identity, segment, offset, _] = FORMAT.read(&*device, &path)?.ok_or_else(missing)?;
        let log_end = LogPosition { segment, offset };
        let database = Mutex::new(DatabaseFile { file: device.open(&path)?, log_end });
        let (identity, directory) = (Identity(identity), directory.to_path_buf());
        Ok(Arc::new(Home { device, directory, identity, database, _lock: lock }))
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

    /// The log is known to have been durable up to here, at least; segment 0 if there was none yet.
    pub(crate) fn log_end(&self) -> LogPosition {
        self.database.lock().log_end
    }

    /// Notes, durably, that the log is durable up to `end`, and so are the names of its segments. Costs one
    /// sync.
    ///
    /// # Errors
    /// [`Error::Io`]; what the note says on the disk is then not known.
    pub(crate) fn note_log_end(&self, end: LogPosition) -> Result<()> {
        let mut database = self.database.lock();
        FORMAT.write(&*database.file, numbers(self.identity, end))?;
        database.log_end = end;
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

/// What the file says, in its order.
fn numbers(identity: Identity, log_end: LogPosition) -> [u64; 4] {
    [identity.0, log_end.segment, log_end.offset, 0]
}
