//! Making a database of a backup, and leaving the backup as it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use synod_storage::checkpoint::CHECKPOINT_DIRECTORY;
use synod_storage::device::{Device, LOCK_FILE};
use synod_storage::wal::WAL_DIRECTORY;
use synod_storage::{Error as StorageError, Home, Timestamp};

use super::is_empty;
use super::marker::{self, Marker};
use crate::verify::verify_home;
use crate::{Error, Options, Result};

/// Files are copied in pieces of this length.
const COPY_BYTES: usize = 1 << 20;

/// Where the files of a database are: in its directory, and in these folders of it.
const FOLDERS: [Option<&str>; 3] = [None, Some(CHECKPOINT_DIRECTORY), Some(WAL_DIRECTORY)];

/// A database that was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// It holds all commits up to here.
    pub timestamp: Timestamp,
    /// The bytes copied.
    pub bytes: u64,
}

/// Copies a backup, which stays one, to a new directory, and checks every byte of the copy. The copy is a
/// database, as of the time of the backup. Of the options only the device matters.
///
/// # Errors
/// [`Error::NotABackup`] if there is none, or it was never completed, or the directory isn't empty;
/// `Corrupt` if the backup is damaged; whatever the disk says, for instance that it is full. What was copied is
/// removed then, so that the same can be tried again; at the least, the new directory doesn't open as a database.
pub fn restore(backup: impl AsRef<Path>, directory: impl AsRef<Path>, options: &Options) -> Result<Restored> {
    let (backup, directory) = (backup.as_ref(), directory.as_ref());
    let device = &options.device;
    let found = if is_empty(&**device, backup)? { None } else { marker::read(&**device, backup)? };
    let timestamp = match found {
        Some(Marker { timestamp: Some(timestamp), .. }) => timestamp,
        Some(_) => return Err(Error::not_a_backup(backup, "it was never completed")),
        None => return Err(Error::not_a_backup(backup, "it has no file that says so")),
    };
    if !is_empty(&**device, directory)? {
        return Err(Error::NotEmpty { path: directory.to_owned() });
    }
    let source = Home::open(device.clone(), backup)?;
    device.create_directory(directory)?;
    marker::write(&**device, directory, Marker { source: source.identity(), timestamp: None })?;
    let copied = copy(device, backup, directory);
    if copied.is_err() {
        // The failure itself is what counts.
        let _ = remove_copy(&**device, directory);
    }
    Ok(Restored { timestamp, bytes: copied? })
}

/// Copies everything, checks it, and removes the marker. Returns how much there was.
fn copy(device: &Arc<dyn Device>, backup: &Path, directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for folder in FOLDERS {
        bytes += copy_files(&**device, &inside(backup, folder), &inside(directory, folder))?;
    }
    let restored = Home::open(device.clone(), directory)?;
    if let Some(damage) = verify_home(&restored)?.damage.into_iter().next() {
        return Err(StorageError::Corrupt {
            path: damage.path,
            offset: damage.offset,
            reason: damage.reason,
        }
        .into());
    }
    marker::remove(&**device, directory)?;
    Ok(bytes)
}

/// Removes what was copied, the marker last: at no moment does the rest look like a database.
fn remove_copy(device: &dyn Device, directory: &Path) -> Result<()> {
    for folder in FOLDERS.into_iter().rev() {
        let folder = inside(directory, folder);
        if is_empty(device, &folder)? {
            continue;
        }
        for path in device.list(&folder)?.iter().filter(|path| **path != marker::path(directory)) {
            device.remove(path)?;
        }
        device.sync_directory(&folder)?;
    }
    Ok(marker::remove(device, directory)?)
}

/// A folder of a database; the directory itself if it is none.
fn inside(directory: &Path, folder: Option<&str>) -> PathBuf {
    folder.map_or_else(|| directory.to_owned(), |folder| directory.join(folder))
}

/// Copies the files of one directory, durably; returns their length.
fn copy_files(device: &dyn Device, from: &Path, to: &Path) -> Result<u64> {
    device.create_directory(to)?;
    let is_own = |path: &&PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name == LOCK_FILE || name.starts_with(marker::FILE)
    };
    let mut bytes = 0;
    for path in device.list(from)?.iter().filter(|path| !is_own(path)) {
        bytes += copy_file(device, path, &to.join(path.file_name().unwrap_or_default()))?;
    }
    device.sync_directory(to)?;
    Ok(bytes)
}

fn copy_file(device: &dyn Device, from: &Path, to: &Path) -> Result<u64> {
    let (source, target) = (device.open(from)?, device.create(to)?);
    let mut piece = vec![0; COPY_BYTES];
    let mut position = 0;
    loop {
        let read = source.read_at(position, &mut piece)?;
        if read == 0 {
            break;
        }
        target.write_at(position, &piece[..read])?;
        target.start_write_back(position..position + read as u64);
        position += read as u64;
    }
    target.sync_data()?;
    Ok(position)
}
