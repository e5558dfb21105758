//! What the log's tests share: a database on some device, and its contents as a list.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use synod_storage::device::{Device, MemoryDevice};
use synod_storage::wal::{FrameBuilder, LogStart, Piece, Recovery, WAL_DIRECTORY, Wal, WalOptions};
use synod_storage::{DATABASE_FILE, Error, Home, NoteFormat, TableId, Timestamp};

/// A commit: its timestamp and its writes.
pub(crate) type Commit = (u64, Vec<(u32, Vec<u8>, Option<Vec<u8>>)>);

/// The database directory on memory devices.
pub(crate) const HOME: &str = "/db";

/// What opening a log answers: the log, what was found, and all commits.
pub(crate) type Opened = Result<(Wal, Recovery, Vec<Commit>), Error>;

/// Opens a log and collects its commits.
pub(crate) fn open_on(device: Arc<dyn Device>, home: &Path, segment_bytes: u64) -> Opened {
    open_home(&Home::open(device, home)?, LogStart::default(), segment_bytes)
}

/// Opens the log of a database from a start on, and collects its commits.
pub(crate) fn open_home(home: &Arc<Home>, start: LogStart, segment_bytes: u64) -> Opened {
    let mut commits = Vec::new();
    let (wal, recovery) =
        Wal::open(home, WalOptions { segment_bytes, ..WalOptions::default() }, start, &mut |piece| {
            commits.extend(commits_of(&piece));
            Ok(())
        })?;
    Ok((wal, recovery, commits))
}

/// The commits in a piece of the log.
pub(crate) fn commits_of(piece: &Piece) -> Vec<Commit> {
    let Piece::Commits(commits) = piece else { return Vec::new() };
    let own = |(table, key, value): (TableId, &[u8], Option<&[u8]>)| {
        (table.0, key.to_vec(), value.map(<[u8]>::to_vec))
    };
    commits.iter().map(|(timestamp, writes)| (timestamp.0, writes.map(own).collect())).collect()
}

/// Opens the log of [`HOME`] on a memory device.
pub(crate) fn open(device: &MemoryDevice, segment_bytes: u64) -> Opened {
    open_on(Arc::new(device.clone()), Path::new(HOME), segment_bytes)
}

/// Opens the log of [`HOME`] on a memory device from a start on.
pub(crate) fn open_from(device: &MemoryDevice, start: LogStart, segment_bytes: u64) -> Opened {
    open_home(&Home::open(Arc::new(device.clone()), Path::new(HOME))?, start, segment_bytes)
}

/// A commit whose contents follow from its timestamp: one value of `value_bytes`, and every third time
/// a tombstone.
pub(crate) fn commit(timestamp: u64, value_bytes: usize) -> Commit {
    let value = (0..value_bytes).map(|index| (timestamp as usize * 31 + index * 7) as u8 | 1).collect();
    let mut writes = vec![(timestamp as u32 % 5, timestamp.to_be_bytes().to_vec(), Some(value))];
    if timestamp.is_multiple_of(3) {
        writes.push((1, b"gone".to_vec(), None));
    }
    (timestamp, writes)
}

/// Appends a commit, not flushed.
pub(crate) fn append(wal: &Wal, shard: usize, commit: &Commit) -> Result<(), Error> {
    let mut frame = FrameBuilder::new();
    frame.begin();
    for (table, key, value) in &commit.1 {
        match value {
            Some(value) => frame.put(TableId(*table), key, value)?,
            None => frame.delete(TableId(*table), key)?,
        }
    }
    wal.append(shard, Timestamp(commit.0), frame.finish(Timestamp(commit.0))).map(drop)
}

/// Appends commits of consecutive timestamps, and flushes each by itself.
pub(crate) fn commit_each(
    wal: &Wal,
    timestamps: std::ops::RangeInclusive<u64>,
    value_bytes: usize,
    sync: bool,
) {
    for timestamp in timestamps {
        append(wal, timestamp as usize, &commit(timestamp, value_bytes)).unwrap();
        wal.flush(Timestamp(timestamp), sync).unwrap();
    }
}

/// The commits that [`commit_each`] makes.
pub(crate) fn commits(timestamps: std::ops::RangeInclusive<u64>, value_bytes: usize) -> Vec<Commit> {
    timestamps.map(|timestamp| commit(timestamp, value_bytes)).collect()
}

/// The path of a segment's file.
pub(crate) fn segment_path(number: u64) -> PathBuf {
    Path::new(HOME).join(WAL_DIRECTORY).join(format!("{number:016x}.log"))
}

/// A file's bytes.
pub(crate) fn read_file(device: &MemoryDevice, path: &Path) -> Vec<u8> {
    let file = device.open(path).unwrap();
    let mut bytes = vec![0; file.size().unwrap() as usize];
    file.read_at(0, &mut bytes).unwrap();
    bytes
}

/// Where a segment's header has the database's identity.
const IDENTITY_OFFSET: usize = 40;

/// A new device with the log segments given, numbered from 1. The database's note knows of none of them.
pub(crate) fn device_with_segments(segments: &[&[u8]]) -> MemoryDevice {
    let device = MemoryDevice::new();
    device.create_directory(&Path::new(HOME).join(WAL_DIRECTORY)).unwrap();
    for (number, bytes) in (1..).zip(segments) {
        let file = device.create(&segment_path(number)).unwrap();
        file.write_at(0, bytes).unwrap();
        file.sync_data().unwrap();
    }
    device.sync_directory(&Path::new(HOME).join(WAL_DIRECTORY)).unwrap();
    let identity = segments.iter().find_map(|bytes| bytes.get(IDENTITY_OFFSET..)?.first_chunk());
    let identity = u64::from_le_bytes(identity.copied().unwrap_or_default());
    let note = NoteFormat { magic: b"SYNOD-DB", version: 1 };
    note.replace(&device, &Path::new(HOME).join(DATABASE_FILE), [identity, 0, 0, 0]).unwrap();
    device
}
