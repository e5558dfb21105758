//! The file system of the machine.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{DatabaseLock, Device, DeviceFile, LOCK_FILE};
use crate::{Error, Result};

/// Files of the machine's file system, through the page cache.
///
/// The lock is `flock`'s: it belongs to the open file, so a second engine in the same process is kept
/// out like any other. A process that this one starts has no part in it. It is advisory, and worth as much on a network
/// file system as that makes of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDevice;

#[derive(Debug)]
struct RealFile {
    file: File,
    path: PathBuf,
}

/// A file that is locked.
struct LockedFile(File);

impl Drop for LockedFile {
    fn drop(&mut self) {
        // Closing it isn't enough: a process that is being started has a copy of every open file until it becomes the other
        // program, and the lock belongs to all copies.
        let _ = self.0.unlock();
    }
}

impl RealDevice {
    fn open_with(
        &self,
        path: &Path,
        options: &OpenOptions,
        action: &'static str,
    ) -> Result<Box<dyn DeviceFile>> {
        let file = options.open(path).map_err(|e| Error::io(action, path, e))?;
        Ok(Box::new(RealFile { file, path: path.to_path_buf() }))
    }
}

impl Device for RealDevice {
    fn create_directory(&self, path: &Path) -> Result<()> {
        let mut missing = Vec::new();
        let mut ancestor = Some(path);
        while let Some(directory) = ancestor.filter(|d| !d.as_os_str().is_empty() && !d.is_dir()) {
            missing.push(directory);
            ancestor = directory.parent();
        }
        for directory in missing.into_iter().rev() {
            match fs::create_dir(directory) {
                // Somebody else may have been faster.
                Err(e) if e.kind() == ErrorKind::AlreadyExists && directory.is_dir() => {}
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                    let reason = "there is a file of that name already, and it is not a directory";
                    let e = io::Error::new(ErrorKind::NotADirectory, reason);
                    return Err(Error::io("create the directory", directory, e));
                }
                created => created.map_err(|e| Error::io("create the directory", directory, e))?,
            }
            self.sync_directory(parent_of(directory))?;
        }
        Ok(())
    }

    fn list(&self, directory: &Path) -> Result<Vec<PathBuf>> {
        let wrap = |e| Error::io("list the directory", directory, e);
        let mut files = Vec::new();
        for entry in fs::read_dir(directory).map_err(wrap)? {
            let entry = entry.map_err(wrap)?;
            if !entry.file_type().map_err(wrap)?.is_dir() {
                files.push(entry.path());
            }
        }
        Ok(files)
    }

    fn create(&self, path: &Path) -> Result<Box<dyn DeviceFile>> {
        self.open_with(path, File::options().read(true).write(true).create_new(true), "create")
    }

    fn open(&self, path: &Path) -> Result<Box<dyn DeviceFile>> {
        self.open_with(path, File::options().read(true).write(true), "open")
    }

    fn remove(&self, path: &Path) -> Result<()> {
        fs::remove_file(path).map_err(|e| Error::io("remove", path, e))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        fs::rename(from, to).map_err(|e| Error::io("rename", from, e))
    }

    fn sync_directory(&self, directory: &Path) -> Result<()> {
        File::open(directory)
            .and_then(|file| file.sync_all())
            .map_err(|e| Error::io("sync the directory", directory, e))
    }

    fn lock(&self, directory: &Path) -> Result<DatabaseLock> {
        lock(directory).map(DatabaseLock::new)
    }
}

fn lock(directory: &Path) -> Result<LockedFile> {
    let path = directory.join(LOCK_FILE);
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|e| Error::io("open the lock file", &path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(LockedFile(file)),
        Err(TryLockError::WouldBlock) => Err(Error::Locked { path: directory.to_path_buf() }),
        Err(TryLockError::Error(e)) => Err(Error::io("lock", path, e)),
    }
}

/// The directory that holds `path`'s entry.
fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

impl RealFile {
    fn wrap(&self, action: &'static str) -> impl Fn(io::Error) -> Error + '_ {
        move |e| Error::io(action, &self.path, e)
    }
}

impl DeviceFile for RealFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(bytes) => filled += bytes,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(self.wrap("read")(e)),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_all_at(bytes, offset).map_err(self.wrap("write"))
    }

    fn sync_data(&self) -> Result<()> {
        self.file.sync_data().map_err(self.wrap("sync"))
    }

    fn size(&self) -> Result<u64> {
        self.file.metadata().map(|m| m.len()).map_err(self.wrap("measure"))
    }

    fn set_size(&self, bytes: u64) -> Result<()> {
        self.file.set_len(bytes).map_err(self.wrap("set the size of"))
    }

    #[cfg(target_os = "linux")]
    fn start_write_back(&self, range: Range<u64>) {
        let (offset, bytes) = (range.start as i64, (range.end - range.start) as i64);
        // An answer isn't needed: whatever fails here, the next sync reports. This flag alone neither
        // waits nor takes an error away from that sync.
        // SAFETY: the descriptor is open as long as `self.file` lives, and no memory is passed.
        unsafe { libc::sync_file_range(self.file.as_raw_fd(), offset, bytes, libc::SYNC_FILE_RANGE_WRITE) };
    }

    #[cfg(target_os = "linux")]
    fn forget(&self) {
        // SAFETY: as above; length 0 means the whole file.
        unsafe { libc::posix_fadvise(self.file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_dropped() {
        let home = tempfile::tempdir().unwrap();
        let first = RealDevice.lock(home.path()).unwrap();
        assert!(matches!(RealDevice.lock(home.path()), Err(Error::Locked { .. })));
        drop(first);
        RealDevice.lock(home.path()).unwrap();
    }

    #[test]
    fn a_lock_ends_although_a_process_that_is_being_started_has_a_copy_of_the_file() {
        let home = tempfile::tempdir().unwrap();
        let first = lock(home.path()).unwrap();
        let _copy = first.0.try_clone().unwrap();
        drop(first);
        RealDevice.lock(home.path()).unwrap();
    }

    #[test]
    fn files_are_created_once_written_read_and_listed() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("a/b");
        RealDevice.create_directory(&directory).unwrap();
        RealDevice.create_directory(&directory).unwrap();
        let path = directory.join("file");
        let file = RealDevice.create(&path).unwrap();
        assert!(matches!(RealDevice.create(&path), Err(Error::Io { .. })));
        file.write_at(3, b"abc").unwrap();
        file.sync_data().unwrap();
        let mut buffer = [9; 8];
        assert_eq!(file.read_at(0, &mut buffer).unwrap(), 6);
        assert_eq!(&buffer[..6], b"\0\0\0abc");
        file.set_size(4).unwrap();
        assert_eq!(file.size().unwrap(), 4);
        let renamed = directory.join("renamed");
        RealDevice.rename(&path, &renamed).unwrap();
        assert_eq!(RealDevice.list(&directory).unwrap(), vec![renamed.clone()]);
        RealDevice.remove(&renamed).unwrap();
        assert!(matches!(RealDevice.open(&renamed), Err(Error::Io { action: "open", .. })));
    }
}
