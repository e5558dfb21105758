//! The note that makes a directory a backup, and no database.

use std::path::{Path, PathBuf};

use synod_storage::device::Device;
use synod_storage::{Identity, NoteFormat, Result, Timestamp};

/// The note's name in the backup's directory.
pub(super) const FILE: &str = "BACKUP";

const FORMAT: NoteFormat = NoteFormat { magic: b"SYNODBAK", version: 1 };

/// What the note says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    /// The database that it is a backup of.
    pub(super) source: Identity,
    /// Up to where it goes; `None` as long as there is nothing whole in it.
    pub(super) timestamp: Option<Timestamp>,
}

pub(super) fn path(directory: &Path) -> PathBuf {
    directory.join(FILE)
}

/// What an interrupted [`write`] has left, perhaps.
pub(super) fn unfinished(directory: &Path) -> PathBuf {
    NoteFormat::unfinished(&path(directory))
}

/// Reads the note; `None` if there is none.
pub(super) fn read(device: &dyn Device, directory: &Path) -> Result<Option<Marker>> {
    let numbers = FORMAT.read(device, &path(directory))?;
    Ok(numbers.map(|[source, is_complete, timestamp, _]| Marker {
        source: Identity(source),
        timestamp: (is_complete != 0).then_some(Timestamp(timestamp)),
    }))
}

/// Writes the note, atomically and durably.
pub(super) fn write(device: &dyn Device, directory: &Path, marker: Marker) -> Result<()> {
    let timestamp = marker.timestamp.unwrap_or(Timestamp::MIN).0;
    let numbers = [marker.source.0, u64::from(marker.timestamp.is_some()), timestamp, 0];
    FORMAT.replace(device, &path(directory), numbers)
}

/// Removes the note, durably: from then on the directory is a database.
pub(super) fn remove(device: &dyn Device, directory: &Path) -> Result<()> {
    device.remove(&path(directory))?;
    device.sync_directory(directory)
}
