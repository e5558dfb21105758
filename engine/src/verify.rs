//! Checking the files of a database that nobody has open.

use std::path::Path;

use synod_storage::checkpoint::{CheckpointInfo, CheckpointReader, list_checkpoints};
use synod_storage::wal::{LogStart, LogSummary, verify_log};
use synod_storage::{Damage, Error as StorageError, Home};

use crate::{Options, Result};

/// What there is of a database, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Everything that is wrong, file by file. Empty if the database is whole.
    pub damage: Vec<Damage>,
    /// The checkpoints whose ends and index are whole, the newest first.
    pub checkpoints: Vec<CheckpointInfo>,
    /// The log.
    pub log: LogSummary,
}

/// Reads every byte of the database in a directory: its checkpoints and its log, every checksum, the order of
/// keys and timestamps, and whether all files are there that should be. Changes nothing, and goes on after
/// each damage to find the others; only what stands behind damage in the same unit of a checkpoint, or the same
/// segment of the log, is hidden by it. Of the options only the device matters.
///
/// The remains of writes that a crash has interrupted are no damage: the next opening cuts them off, and
/// [`LogSummary::torn`] tells.
///
/// ```
/// use synod::{Engine, Options};
///
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path();
/// Engine::open(path, Options::new())?.close()?;
/// assert!(synod::verify(path, &Options::new())?.damage.is_empty());
/// # Ok::<(), synod::Error>(())
/// ```
///
/// # Errors
/// If there is no database, it is open, another version wrote it, or it can't be read.
pub fn verify(path: impl AsRef<Path>, options: &Options) -> Result<Verification> {
    match Home::open_existing(options.device.clone(), path.as_ref()) {
        Ok(home) => verify_home(&home),
        Err(StorageError::Corrupt { path: file, offset, reason }) if options.device.open(&file).is_ok() => {
            // The one file without which nothing can be said of the others.
            Ok(Verification {
                damage: vec![Damage { path: file, offset, reason }],
                ..Verification::default()
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// The same for a database whose lock is held already.
pub(crate) fn verify_home(home: &Home) -> Result<Verification> {
    let mut found = Verification::default();
    let mut start: Option<LogStart> = None;
    for (_, path) in list_checkpoints(&**home.device(), home.directory())? {
        match CheckpointReader::open(home.device(), &path, Some(home.identity())) {
            Ok(reader) => {
                // The newest one says how far the log goes, the oldest one where it must begin.
                let log = reader.header().log;
                start = Some(LogStart { reaches: start.map_or(log, |newer| newer).reaches, ..log });
                reader.verify(&mut |damage| found.damage.push(damage))?;
                found.checkpoints.push(reader.info());
            }
            Err(StorageError::Corrupt { path, offset, reason }) => {
                found.damage.push(Damage { path, offset, reason });
            }
            Err(error) => return Err(error.into()),
        }
    }
    found.log = verify_log(home, start.unwrap_or_default(), &mut |damage| found.damage.push(damage))?;
    Ok(found)
}
