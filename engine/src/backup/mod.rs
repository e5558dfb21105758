//! Backups: a copy of a database elsewhere, made while it is in use, and brought up to date later.
//!
//! A backup is a database directory with a [marker](marker) in it. The first time it gets a checkpoint; after
//! that, what is missing is taken from the log, as long as that reaches back far enough, else another
//! checkpoint is made:
//!
//! ```text
//! database   log  ├ 10 ─ 20 ─ 30 ─ 40 ─ 50 ─ 60 ┤
//! backup     checkpoint 20 │ log 30 40 50       │ at 50
//!            again: the log from 60 on          │ at 60
//! ```
//!
//! At any moment the backup is a whole database, as of its last complete step: a step that is interrupted
//! leaves what was there before, and perhaps a prefix of what is new.

mod marker;
mod restore;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use synod_storage::checkpoint::{CheckpointReader, CheckpointWriter, list_checkpoints, remove_checkpoint};
use synod_storage::device::Device;
use synod_storage::wal::{FrameBuilder, LogStart, Piece, Wal, WalOptions};
use synod_storage::{Damage, Error as StorageError, Home, Timestamp};

use self::marker::Marker;
use crate::view::View;
use crate::{Engine, Error, Result};

pub use self::restore::{Restored, restore};

/// So much of the log is copied to a backup between two flushes.
const FLUSH_BYTES: usize = 4 << 20;

/// How a backup's log is written: nothing is prepared in it, which would only take room.
const WRITING: WalOptions = WalOptions { segment_bytes: 64 << 20, prepared_bytes: 0 };

/// What the directory of a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum BackupState {
    /// A whole database, with all commits up to this one.
    Complete(Timestamp),
    /// Nothing to rely on: making the backup, or restoring a database to here from another one, was interrupted.
    /// It doesn't open.
    Unfinished,
}

/// A backup that was made or brought up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// It holds all commits up to here.
    pub timestamp: Timestamp,
    /// The bytes written for that.
    pub bytes: u64,
    /// Whether an earlier backup was brought up to date from the log.
    pub is_incremental: bool,
}

impl Engine {
    /// Makes a backup of the whole database, as of now, while others go on; or brings an earlier backup of it
    /// up to date, if there is one in that directory. A missing directory is created. It is durable when this
    /// returns.
    ///
    /// The first time, and when the log doesn't reach back to the earlier backup any more, everything is
    /// written; else only what was committed since. Commits at [`Durability::None`] are in a backup only if it
    /// was written whole after them.
    ///
    /// A backup can be opened like any database. It is one from then on, and no longer a backup: to look at
    /// it, or to go back to it, make a copy with [`restore`].
    ///
    /// ```
    /// use synod::{Engine, Options};
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let (path, elsewhere) = (directory.path().join("a"), directory.path().join("b"));
    /// let engine = Engine::open(path, Options::new())?;
    /// let table = engine.table("t")?;
    /// engine.backup_to(&elsewhere)?;
    /// engine.transact(|txn| txn.put(&table, "key", "value"))?;
    /// let backup = engine.backup_to(&elsewhere)?;
    /// assert!(backup.is_incremental);
    /// # Ok::<(), synod::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotABackup`] if the directory holds anything else, or the backup of another database;
    /// [`Error::NoLog`] for an engine in memory; whatever the disk says.
    ///
    /// [`Durability::None`]: crate::Durability::None
    pub fn backup_to(&self, path: impl AsRef<Path>) -> Result<Backup> {
        self.check_open()?;
        let path = path.as_ref();
        let checkpointer = self.inner.checkpointer.as_ref().ok_or(Error::NoLog)?;
        let source = checkpointer.home();
        let device = source.device();
        let mut marker = match marker::read(&**device, path)? {
            Some(marker) if marker.source == source.identity() => marker,
            Some(_) => return Err(Error::not_a_backup(path, "it is the backup of another database")),
            None if is_empty(&**device, path)? => Marker { source: source.identity(), timestamp: None },
            None => return Err(Error::not_a_backup(path, "it holds something else")),
        };
        if marker.timestamp.is_none() {
            // First of all: without a note that it isn't complete, it would open as an empty database.
            device.create_directory(path)?;
            marker::write(&**device, path, marker)?;
        }
        let target = Home::open(device.clone(), path)?;
        let newest = list_checkpoints(&**device, path)?.into_iter().next();
        let start = match &newest {
            Some((_, path)) => CheckpointReader::open(device, path, Some(target.identity()))?.header().log,
            None => LogStart::default(),
        };
        let (wal, found) = Wal::open(&target, WRITING, start, &mut |_| Ok(()))?;
        let copy = Copying { engine: self, target, wal };
        let reached =
            marker.timestamp.map(|_| newest.map_or(Timestamp::MIN, |(at, _)| at).max(found.last_timestamp));
        let incremental = match reached {
            Some(reached) => copy.log_after(reached)?,
            None => None,
        };
        let backup = match incremental {
            Some(backup) => backup,
            None => copy.everything()?,
        };
        marker.timestamp = Some(backup.timestamp);
        marker::write(&**device, path, marker)?;
        tracing::info!(path = %path.display(), ?backup, "made a backup");
        Ok(backup)
    }
}

/// A backup under way.
struct Copying<'e> {
    engine: &'e Engine,
    target: Arc<Home>,
    wal: Wal,
}

impl Copying<'_> {
    /// Adds the part of the log after `reached`; `None` if it isn't there any more.
    fn log_after(&self, reached: Timestamp) -> Result<Option<Backup>> {
        self.engine.flush()?;
        let store = &self.engine.inner.store;
        let Some(log) = store.log() else { return Err(Error::NoLog) };
        let mut reader = match log.wal().read_after(reached) {
            Ok(reader) => reader,
            Err(StorageError::Gone { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let end = log.wal().durable_end().timestamp;
        let mut timestamp = reached;
        while timestamp < end {
            let piece = match reader.next(log.wal()) {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                // Overtaken: what was copied is a prefix, and stays one.
                Err(StorageError::Gone { .. }) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            self.append(piece, &mut timestamp)?;
        }
        self.wal.close()?;
        Ok(Some(Backup { timestamp, bytes: self.wal.stats().appended_bytes, is_incremental: true }))
    }

    /// Appends what the source's log says to the backup's, which then goes up to `reached`.
    fn append(&self, piece: Piece, reached: &mut Timestamp) -> Result<()> {
        let mut frame = FrameBuilder::new();
        let mut add = |timestamp, frame: &mut FrameBuilder| {
            *reached = timestamp;
            self.flush_if_long(timestamp, self.wal.append(0, timestamp, frame.finish(timestamp))?)
        };
        match piece {
            Piece::Commits(commits) => {
                for (timestamp, writes) in commits.iter() {
                    frame.begin();
                    for (table, key, value) in writes {
                        match value {
                            Some(value) => frame.put(table, key, value)?,
                            None => frame.delete(table, key)?,
                        }
                    }
                    add(timestamp, &mut frame)?;
                }
            }
            Piece::CreateTable { timestamp, table, name } => {
                frame.create_table(table, &name)?;
                add(timestamp, &mut frame)?;
            }
            Piece::DropTable { timestamp, table } => {
                frame.drop_table(table);
                add(timestamp, &mut frame)?;
            }
            Piece::Batch(batch) => {
                *reached = batch.timestamp;
                self.flush_if_long(*reached, self.wal.append_batch(0, *reached, &batch.body)?)?;
            }
        }
        Ok(())
    }

    /// Flushes the backup's log, which goes up to `timestamp`, if so much of it is in memory.
    fn flush_if_long(&self, timestamp: Timestamp, buffered: usize) -> Result<()> {
        if buffered > FLUSH_BYTES {
            self.wal.flush(timestamp, true)?;
        }
        Ok(())
    }

    /// Writes a checkpoint, and removes what it replaces.
    fn everything(&self) -> Result<Backup> {
        let inner = &self.engine.inner;
        let checkpointer = inner.checkpointer.as_ref().ok_or(Error::NoLog)?;
        let view = View::open(checkpointer.source())?;
        // Otherwise a crash could take back what the backup has.
        view.flush_log()?;
        let log = self.wal.start_after(view.timestamp());
        let mut writer = CheckpointWriter::create(&self.target, view.header(log), checkpointer.writing())?;
        view.write(&mut writer, &|| self.engine.check_open())?;
        let info = writer.finish()?;
        self.wal.close()?;
        for (timestamp, _) in list_checkpoints(&**self.target.device(), self.target.directory())? {
            if timestamp < info.timestamp {
                remove_checkpoint(&self.target, timestamp)?;
            }
        }
        self.wal.remove_before(log.segment)?;
        Ok(Backup { timestamp: info.timestamp, bytes: info.bytes, is_incremental: false })
    }
}

/// Whether there is nothing in a directory, or no directory. A marker that was begun is nothing yet.
fn is_empty(device: &dyn Device, path: &Path) -> Result<bool> {
    match device.list(path) {
        Ok(files) => Ok(files.iter().all(|file| *file == marker::unfinished(path))),
        Err(StorageError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Whether a directory is a backup; `None` for a database, and for anything else.
///
/// # Errors
/// [`StorageError::Corrupt`] if the note that says so is damaged.
pub(crate) fn state(device: &dyn Device, directory: &Path) -> synod_storage::Result<Option<BackupState>> {
    let marker = marker::read(device, directory)?;
    Ok(marker.map(|marker| marker.timestamp.map_or(BackupState::Unfinished, BackupState::Complete)))
}

/// What is wrong with an unfinished backup.
pub(crate) fn never_completed(directory: &Path) -> Damage {
    let reason = "this backup, or this copy of one, was never completed; make it again".to_owned();
    Damage { path: marker::path(directory), offset: 0, reason }
}

/// Makes a database of its own of a backup that is opened.
///
/// # Errors
/// [`StorageError::Corrupt`] if the backup was never completed.
pub(crate) fn adopt(home: &Home) -> synod_storage::Result<()> {
    let device = &**home.device();
    match state(device, home.directory())? {
        None => Ok(()),
        Some(BackupState::Complete(_)) => {
            tracing::info!(path = %home.directory().display(), "this backup becomes a database of its own");
            marker::remove(device, home.directory())
        }
        Some(BackupState::Unfinished) => {
            let Damage { path, offset, reason } = never_completed(home.directory());
            Err(StorageError::Corrupt { path, offset, reason })
        }
    }
}
