//! Checking the files of a database that nobody has open.

use std::io::ErrorKind;
use std::path::Path;

use synod_storage::checkpoint::{CHECKPOINT_DIRECTORY, CheckpointInfo, CheckpointReader, list_checkpoints};
use synod_storage::wal::{LogStart, LogSummary, WAL_DIRECTORY, verify_log};
use synod_storage::{Damage, Error as StorageError, Home};

use crate::backup::{self, BackupState};
use crate::{Options, Result};

/// What there is of a database, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Everything that is wrong, file by file. Empty if the database is whole.
    pub damage: Vec<Damage>,
    /// Of a backup, what it says of itself. One that was never completed counts as damage, and nothing else of it is
    /// checked: nothing was promised.
    pub backup: Option<BackupState>,
    /// The checkpoints whose ends and index are whole, the newest first.
    pub checkpoints: Vec<CheckpointInfo>,
    /// The log.
    pub log: LogSummary,
}

/// Reads every byte of the database or backup in a directory: its checkpoints and its log, every checksum, the order of
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
    let (device, directory) = (&options.device, path.as_ref());
    let opened = Home::open_existing(device.clone(), directory);
    let mut found = Verification::default();
    // Not while another program has it open, which may be about to complete it.
    if matches!(opened, Ok(_) | Err(StorageError::Corrupt { .. })) {
        match backup::state(&**device, directory) {
            Ok(backup) => found.backup = backup,
            Err(error) => found.damage.push(damage_of(error)?),
        }
    }
    if found.backup == Some(BackupState::Unfinished) {
        found.damage.push(backup::never_completed(directory));
        return Ok(found);
    }
    match opened {
        Ok(home) => verify_files(&home, &mut found)?,
        // The one file without which nothing can be said of the others.
        Err(StorageError::Corrupt { path, offset, reason }) if device.open(&path).is_ok() => {
            found.damage.push(Damage { path, offset, reason });
        }
        Err(error) => return Err(error.into()),
    }
    Ok(found)
}

/// The damage that an error tells of; any other error is one still.
fn damage_of(error: StorageError) -> Result<Damage> {
    match error {
        StorageError::Corrupt { path, offset, reason } => Ok(Damage { path, offset, reason }),
        error => Err(error.into()),
    }
}

/// Checks the checkpoints and the log of a database whose lock is held.
pub(crate) fn verify_home(home: &Home) -> Result<Verification> {
    let mut found = Verification::default();
    verify_files(home, &mut found)?;
    Ok(found)
}

/// The same, beside what else was found.
fn verify_files(home: &Home, found: &mut Verification) -> Result<()> {
    let missing = missing_directories(home)?;
    if !missing.is_empty() {
        found.damage.extend(missing);
        return Ok(());
    }
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
            Err(error) => found.damage.push(damage_of(error)?),
        }
    }
    found.log = verify_log(home, start.unwrap_or_default(), &mut |damage| found.damage.push(damage))?;
    Ok(())
}

/// The directories of the database that aren't there.
fn missing_directories(home: &Home) -> Result<Vec<Damage>> {
    let mut missing = Vec::new();
    for name in [CHECKPOINT_DIRECTORY, WAL_DIRECTORY] {
        let path = home.directory().join(name);
        match home.device().list(&path) {
            Ok(_) => {}
            Err(StorageError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                let reason =
                    "this directory is missing; restore it with the rest of the database".to_string();
                missing.push(Damage { path, offset: 0, reason });
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(missing)
}
