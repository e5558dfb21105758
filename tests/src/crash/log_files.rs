//! The files of a log, as they are found after a crash, and cut somewhere.

use std::path::{Path, PathBuf};

use synod::device::{Device, MemoryDevice, Survival};

/// Behind the last byte that isn't zero.
pub fn end_of(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// The files of the log in order, with their bytes.
pub fn segments(device: &MemoryDevice, home: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut paths = device.list(&Path::new(home).join("wal")).unwrap();
    paths.sort();
    let read = |path: PathBuf| {
        let file = device.open(&path).unwrap();
        let mut bytes = vec![0; file.size().unwrap() as usize];
        file.read_at(0, &mut bytes).unwrap();
        (path, bytes)
    };
    paths.into_iter().map(read).collect()
}

/// A copy of the device on which the last file of the log has only its first `bytes`.
pub fn cut_at(device: &MemoryDevice, last: &Path, bytes: usize) -> MemoryDevice {
    let copy = device.crash(Survival::Everything);
    let file = copy.open(last).unwrap();
    file.set_size(bytes as u64).unwrap();
    file.sync_data().unwrap();
    copy
}
