//! A device in memory, for tests: it forgets what wasn't synced, and fails when told to.
//!
//! For every file it keeps what was written apart from what was synced, and for every directory the
//! names that were changed apart from those that were synced. [`MemoryDevice::crash`] makes a new
//! device of what survives:
//!
//! ```text
//!                 write   sync   write   write   crash
//! live       ─────  A ────────────  B ──── C ─────┐
//! durable    ────────────── A ────────────────────┤
//!                                                 └─► A + any of {B, C}, torn at sectors
//! ```
//!
//! Unsynced changes survive independently of each other and of their order, which is more than most
//! file systems do to a program, and all that POSIX allows. A failed sync behaves as on Linux: the
//! bytes can still be read, but they will never be durable; every file handle that was open reports
//! the failure once, and later syncs succeed. (A failed sync of a directory just leaves its names
//! unsynced.)
//!
//! A device may be given a capacity. A file counts with its length until nobody can come to it any more,
//! not even after a crash: a removed file's room is free again once its directory is synced and the last
//! handle closed. (Real file systems may give it back earlier, but don't promise to.)
//!
//! | file | what it is for |
//! | --- | --- |
//! | `pages` | bytes that copies share |
//! | `contents` | one file: live, durable, and the changes in between |
//! | `names` | which path names which file, live, durable, and the changes in between |
//! | `survival` | draws what a crash leaves |
//! | `faults` | failures on order |
//! | `file` | open files |
//!
//! Left out: directories are durable once created, and take no room.

mod contents;
mod faults;
mod file;
mod names;
mod pages;
mod survival;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use self::contents::Contents;
use self::faults::{Faults, Request, Verdict, injected};
use self::file::MemoryFile;
use self::names::{FileNumber, Names};
use self::survival::Choice;
use super::{DatabaseLock, Device, DeviceFile};
use crate::{Error, Result};

pub use self::faults::{Fault, Operations};
pub use self::survival::Survival;

/// A device in memory. Clones are handles to the same device.
#[derive(Clone, Debug, Default)]
pub struct MemoryDevice {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    names: Names,
    files: BTreeMap<FileNumber, Contents>,
    next_file: FileNumber,
    locked: BTreeSet<PathBuf>,
    faults: Faults,
    /// The most bytes that all files may have together.
    capacity: Option<u64>,
}

impl State {
    /// A file that is open or has a name.
    fn file(&mut self, number: FileNumber) -> &mut Contents {
        self.files.get_mut(&number).expect("a file that can be reached is kept")
    }

    fn used_bytes(&self) -> u64 {
        self.files.values().map(|file| file.size() as u64).sum()
    }

    /// How long a file may become.
    fn size_limit(&mut self, number: FileNumber) -> usize {
        let Some(capacity) = self.capacity else { return usize::MAX };
        self.file(number).size() + capacity.saturating_sub(self.used_bytes()) as usize
    }

    fn free_unreachable(&mut self) {
        let reachable = self.names.reachable();
        self.files.retain(|number, file| file.handles > 0 || reachable.contains(number));
    }
}

/// Unlocks the directory when dropped.
#[derive(Debug)]
struct Held {
    device: MemoryDevice,
    directory: PathBuf,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.device.state.lock().locked.remove(&self.directory);
    }
}

impl MemoryDevice {
    /// An empty device without bounds.
    pub fn new() -> Self {
        Self::default()
    }

    /// The device as it is found after a crash at this moment. Locks, ordered faults and the bound of its
    /// capacity are gone, counts start at zero. This device is left as it is, so that one history can be
    /// crashed in many ways.
    ///
    /// Cost: for each page of 4 KiB of the files that have a name one atomic addition; their bytes are
    /// shared with this device until one of the two writes to them.
    pub fn crash(&self, survival: Survival) -> MemoryDevice {
        let state = self.state.lock();
        let mut choice = Choice::new(survival);
        let names = state.names.after_crash(&mut choice);
        let reachable = names.reachable();
        let files = state.files.iter().filter(|(number, _)| reachable.contains(number));
        let files = files.map(|(number, file)| (*number, file.after_crash(&mut choice))).collect();
        let state = State { names, files, next_file: state.next_file, ..State::default() };
        MemoryDevice { state: Arc::new(Mutex::new(state)) }
    }

    /// Orders a failure. Several can be pending at once.
    pub fn inject(&self, fault: Fault) {
        self.state.lock().faults.inject(fault);
    }

    /// What was asked of this device so far.
    pub fn operations(&self) -> Operations {
        self.state.lock().faults.operations
    }

    /// Bounds the bytes of all files together, or ends the bound. From then on a write or a change of size
    /// that needs more fails with [`ErrorKind::StorageFull`]; of a write, as much as fits is written. The
    /// bound may lie below what is used already: then nothing can grow.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state.lock().capacity = bytes;
    }

    /// The bytes of all files that can be reached, or could be after a crash.
    pub fn used_bytes(&self) -> u64 {
        self.state.lock().used_bytes()
    }

    /// Damages a file at rest: flips a bit, numbered from the file's start (bit 8 is the lowest one of the
    /// second byte), of what is read and of what is durable. Counts as no operation.
    ///
    /// # Errors
    /// If there is no such file, or it ends before that bit.
    pub fn flip_bit(&self, path: &Path, bit: u64) -> Result<()> {
        let wrap = |kind: ErrorKind| Error::io("flip a bit of", path, kind.into());
        let mut state = self.state.lock();
        let number = state.names.get(path).ok_or_else(|| wrap(ErrorKind::NotFound))?;
        if state.file(number).flip(bit) { Ok(()) } else { Err(wrap(ErrorKind::UnexpectedEof)) }
    }

    /// Carries out a change unless it is to fail: `succeed` is called with the state if it goes well,
    /// or if the power goes out in its middle; `fail` if it alone fails.
    fn change(
        &self,
        request: Request,
        succeed: impl FnOnce(&mut State) -> io::Result<()>,
        fail: impl FnOnce(&mut State),
    ) -> io::Result<()> {
        let mut state = self.state.lock();
        let mut verdict = state.faults.decide(request);
        if let Verdict::IsDelayed(duration) = verdict {
            drop(state);
            std::thread::sleep(duration);
            state = self.state.lock();
            verdict = state.faults.decide_after_delay();
        }
        match verdict {
            Verdict::Succeeds | Verdict::IsDelayed(_) => succeed(&mut state),
            Verdict::Fails => {
                fail(&mut state);
                Err(injected())
            }
            Verdict::IsInterrupted => {
                // A sync in whose middle the power goes out has made nothing durable for certain.
                if !matches!(request, Request::Sync | Request::DirectorySync) {
                    succeed(&mut state)?;
                }
                Err(injected())
            }
            Verdict::NeverStarts => Err(injected()),
        }
    }

    fn check_directory(&self, path: &Path) -> io::Result<()> {
        if !self.state.lock().names.has_directory(path) {
            return Err(ErrorKind::NotFound.into());
        }
        Ok(())
    }

    fn create_file(&self, path: &Path) -> io::Result<Box<dyn DeviceFile>> {
        self.check_directory(path.parent().unwrap_or(Path::new("")))?;
        let create = |state: &mut State| {
            if state.names.get(path).is_some() {
                return Err(ErrorKind::AlreadyExists.into());
            }
            let number = state.next_file;
            state.next_file += 1;
            state.files.insert(number, Contents::default());
            state.names.change(vec![(path.to_path_buf(), Some(number))]);
            Ok(())
        };
        self.change(Request::Create, create, |_| {})?;
        Ok(Box::new(MemoryFile::open(self, path)?))
    }
}

impl Device for MemoryDevice {
    fn create_directory(&self, path: &Path) -> Result<()> {
        let create = |state: &mut State| {
            state.names.create_directory(path);
            Ok(())
        };
        self.change(Request::CreateDirectory, create, |_| {})
            .map_err(|e| Error::io("create the directory", path, e))
    }

    fn list(&self, directory: &Path) -> Result<Vec<PathBuf>> {
        self.check_directory(directory).map_err(|e| Error::io("list the directory", directory, e))?;
        Ok(self.state.lock().names.list(directory))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn DeviceFile>> {
        self.create_file(path).map_err(|e| Error::io("create", path, e))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn DeviceFile>> {
        let file = MemoryFile::open(self, path).map_err(|e| Error::io("open", path, e))?;
        Ok(Box::new(file))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        let remove = |state: &mut State| {
            state.names.get(path).ok_or(ErrorKind::NotFound)?;
            state.names.change(vec![(path.to_path_buf(), None)]);
            Ok(())
        };
        self.change(Request::Remove, remove, |_| {}).map_err(|e| Error::io("remove", path, e))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        assert_eq!(from.parent(), to.parent(), "a rename stays in its directory");
        let rename = |state: &mut State| {
            let number = state.names.get(from).ok_or(ErrorKind::NotFound)?;
            state.names.change(vec![(from.to_path_buf(), None), (to.to_path_buf(), Some(number))]);
            Ok(())
        };
        self.change(Request::Rename, rename, |_| {}).map_err(|e| Error::io("rename", from, e))
    }

    fn sync_directory(&self, directory: &Path) -> Result<()> {
        let sync = |state: &mut State| {
            state.names.sync(directory);
            state.free_unreachable();
            Ok(())
        };
        self.check_directory(directory)
            .and_then(|()| self.change(Request::DirectorySync, sync, |_| {}))
            .map_err(|e| Error::io("sync the directory", directory, e))
    }

    fn lock(&self, directory: &Path) -> Result<DatabaseLock> {
        if !self.state.lock().locked.insert(directory.to_path_buf()) {
            return Err(Error::Locked { path: directory.to_path_buf() });
        }
        Ok(DatabaseLock::new(Held { device: self.clone(), directory: directory.to_path_buf() }))
    }
}
