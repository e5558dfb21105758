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
//! Left out: directories are durable once created; removed files keep their memory until the device
//! is dropped; reads never fail while the power is on.

mod contents;
mod faults;
mod names;
mod survival;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use self::contents::Contents;
use self::faults::{Faults, Request, Verdict, injected};
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
    files: Vec<Contents>,
    locked: BTreeSet<PathBuf>,
    faults: Faults,
}

#[derive(Debug)]
struct MemoryFile {
    device: MemoryDevice,
    number: FileNumber,
    path: PathBuf,
    /// The failed syncs that this handle has reported, or that came before it.
    reported_failures: Mutex<u64>,
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
    /// An empty device.
    pub fn new() -> Self {
        Self::default()
    }

    /// The device as it is found after a crash at this moment. Locks and ordered faults are gone,
    /// counts start at zero. This device is left as it is, so that one history can be crashed in many
    /// ways. Copies all files.
    pub fn crash(&self, survival: Survival) -> MemoryDevice {
        let state = self.state.lock();
        let mut choice = Choice::new(survival);
        let names = state.names.after_crash(&mut choice);
        let files = state.files.iter().map(|file| file.after_crash(&mut choice)).collect();
        MemoryDevice { state: Arc::new(Mutex::new(State { names, files, ..State::default() })) }
    }

    /// Orders a failure. Several can be pending at once.
    pub fn inject(&self, fault: Fault) {
        self.state.lock().faults.inject(fault);
    }

    /// What was asked of this device so far.
    pub fn operations(&self) -> Operations {
        self.state.lock().faults.operations
    }

    /// Carries out a change unless it is to fail: `succeed` is called with the state if it goes well,
    /// or if the power goes out in its middle; `fail` if it alone fails.
    fn change(
        &self,
        request: Request,
        succeed: impl FnOnce(&mut State),
        fail: impl FnOnce(&mut State),
    ) -> io::Result<()> {
        let state = &mut *self.state.lock();
        match state.faults.decide(request) {
            Verdict::Succeeds => {
                succeed(state);
                Ok(())
            }
            Verdict::Fails => {
                fail(state);
                Err(injected())
            }
            // A sync in whose middle the power goes out has made nothing durable for certain.
            Verdict::IsInterrupted if matches!(request, Request::Sync | Request::DirectorySync) => {
                Err(injected())
            }
            Verdict::IsInterrupted => {
                succeed(state);
                Err(injected())
            }
            Verdict::NeverStarts => Err(injected()),
        }
    }

    /// Carries out a change of directory entries.
    fn change_names(&self, assignments: Vec<(PathBuf, Option<FileNumber>)>) -> io::Result<()> {
        self.change(Request::Other, |state| state.names.change(assignments), |_| {})
    }

    fn number_of(&self, path: &Path) -> io::Result<FileNumber> {
        self.state.lock().names.get(path).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn check_directory(&self, path: &Path) -> io::Result<()> {
        if !self.state.lock().names.has_directory(path) {
            return Err(ErrorKind::NotFound.into());
        }
        Ok(())
    }

    fn create_file(&self, path: &Path) -> io::Result<FileNumber> {
        self.check_directory(path.parent().unwrap_or(Path::new("")))?;
        let number = {
            let mut state = self.state.lock();
            if state.names.get(path).is_some() {
                return Err(ErrorKind::AlreadyExists.into());
            }
            state.files.push(Contents::default());
            state.files.len() - 1
        };
        self.change_names(vec![(path.to_path_buf(), Some(number))])?;
        Ok(number)
    }

    fn handle(&self, number: FileNumber, path: &Path) -> Box<dyn DeviceFile> {
        let reported_failures = Mutex::new(self.state.lock().files[number].failed_syncs);
        Box::new(MemoryFile { device: self.clone(), number, path: path.to_path_buf(), reported_failures })
    }
}

impl Device for MemoryDevice {
    fn create_directory(&self, path: &Path) -> Result<()> {
        self.change(Request::Other, |state| state.names.create_directory(path), |_| {})
            .map_err(|e| Error::io("create the directory", path, e))
    }

    fn list(&self, directory: &Path) -> Result<Vec<PathBuf>> {
        self.check_directory(directory).map_err(|e| Error::io("list the directory", directory, e))?;
        Ok(self.state.lock().names.list(directory))
    }

    fn create(&self, path: &Path) -> Result<Box<dyn DeviceFile>> {
        let number = self.create_file(path).map_err(|e| Error::io("create", path, e))?;
        Ok(self.handle(number, path))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn DeviceFile>> {
        let number = self.number_of(path).map_err(|e| Error::io("open", path, e))?;
        Ok(self.handle(number, path))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.number_of(path)
            .and_then(|_| self.change_names(vec![(path.to_path_buf(), None)]))
            .map_err(|e| Error::io("remove", path, e))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        assert_eq!(from.parent(), to.parent(), "a rename stays in its directory");
        self.number_of(from)
            .and_then(|number| {
                self.change_names(vec![(from.to_path_buf(), None), (to.to_path_buf(), Some(number))])
            })
            .map_err(|e| Error::io("rename", from, e))
    }

    fn sync_directory(&self, directory: &Path) -> Result<()> {
        self.check_directory(directory)
            .and_then(|()| self.change(Request::DirectorySync, |state| state.names.sync(directory), |_| {}))
            .map_err(|e| Error::io("sync the directory", directory, e))
    }

    fn lock(&self, directory: &Path) -> Result<DatabaseLock> {
        if !self.state.lock().locked.insert(directory.to_path_buf()) {
            return Err(Error::Locked { path: directory.to_path_buf() });
        }
        Ok(DatabaseLock::new(Held { device: self.clone(), directory: directory.to_path_buf() }))
    }
}

impl MemoryFile {
    fn change(
        &self,
        action: &'static str,
        request: Request,
        succeed: impl FnOnce(&mut Contents),
        fail: impl FnOnce(&mut Contents),
    ) -> Result<()> {
        self.device
            .change(
                request,
                |state| succeed(&mut state.files[self.number]),
                |state| fail(&mut state.files[self.number]),
            )
            .map_err(|e| Error::io(action, &self.path, e))
    }
}

impl DeviceFile for MemoryFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let mut state = self.device.state.lock();
        if state.faults.decide_read() == Verdict::NeverStarts {
            return Err(Error::io("read", &self.path, injected()));
        }
        Ok(state.files[self.number].read(offset as usize, buffer))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.change(
            "write",
            Request::Write { bytes: bytes.len() },
            |contents| contents.write(offset as usize, bytes),
            |contents| contents.write(offset as usize, &bytes[..bytes.len() / 2]),
        )
    }

    fn sync_data(&self) -> Result<()> {
        let outcome = self.change("sync", Request::Sync, Contents::sync, Contents::fail_sync);
        let failures = self.device.state.lock().files[self.number].failed_syncs;
        let reported = std::mem::replace(&mut *self.reported_failures.lock(), failures);
        if outcome.is_ok() && reported < failures {
            // Another handle's sync failed; this one learns of it only now.
            return Err(Error::io("sync", &self.path, injected()));
        }
        outcome
    }

    fn size(&self) -> Result<u64> {
        Ok(self.device.state.lock().files[self.number].size() as u64)
    }

    fn set_size(&self, bytes: u64) -> Result<()> {
        self.change("set the size of", Request::Other, |contents| contents.set_size(bytes as usize), |_| {})
    }
}
