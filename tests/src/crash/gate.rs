//! A device whose syncs of files can be held up, so that a test can look at what others do meanwhile.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use synod::device::{DatabaseLock, Device, DeviceFile, MemoryDevice};
use synod::errors::StorageError;

type Result<T> = std::result::Result<T, StorageError>;

/// A memory device behind a gate. Clones share device and gate.
#[derive(Clone, Debug, Default)]
pub struct GatedDevice {
    /// The device itself.
    pub memory: MemoryDevice,
    gate: Arc<Gate>,
}

/// A gate that is closed. Opened also where a test fails, so that nobody waits behind it for ever.
#[derive(Debug)]
#[must_use = "the gate opens when this is dropped"]
pub struct Closed {
    gate: Arc<Gate>,
}

impl Drop for Closed {
    fn drop(&mut self) {
        self.gate.state.lock().is_closed = false;
        self.gate.changed.notify_all();
    }
}

#[derive(Debug, Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_closed: bool,
    held: usize,
}

impl GatedDevice {
    /// A device with its gate open.
    pub fn new() -> Self {
        Self::default()
    }

    /// Holds up every sync of a file from now on, until the answer is dropped.
    pub fn close_gate(&self) -> Closed {
        self.gate.state.lock().is_closed = true;
        Closed { gate: self.gate.clone() }
    }

    /// How many syncs are held up.
    pub fn held(&self) -> usize {
        self.gate.state.lock().held
    }

    fn wrap(&self, file: Box<dyn DeviceFile>) -> Box<dyn DeviceFile> {
        Box::new(GatedFile { file, gate: self.gate.clone() })
    }
}

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock();
        state.held += 1;
        while state.is_closed {
            self.changed.wait(&mut state);
        }
        state.held -= 1;
    }
}

impl Device for GatedDevice {
    fn create_directory(&self, path: &Path) -> Result<()> {
        self.memory.create_directory(path)
    }

    fn list(&self, directory: &Path) -> Result<Vec<PathBuf>> {
        self.memory.list(directory)
    }

    fn create(&self, path: &Path) -> Result<Box<dyn DeviceFile>> {
        Ok(self.wrap(self.memory.create(path)?))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn DeviceFile>> {
        Ok(self.wrap(self.memory.open(path)?))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.memory.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.memory.rename(from, to)
    }

    fn sync_directory(&self, directory: &Path) -> Result<()> {
        self.memory.sync_directory(directory)
    }

    fn lock(&self, directory: &Path) -> Result<DatabaseLock> {
        self.memory.lock(directory)
    }
}

#[derive(Debug)]
struct GatedFile {
    file: Box<dyn DeviceFile>,
    gate: Arc<Gate>,
}

impl DeviceFile for GatedFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.file.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_at(offset, bytes)
    }

    fn sync_data(&self) -> Result<()> {
        self.gate.pass();
        self.file.sync_data()
    }

    fn size(&self) -> Result<u64> {
        self.file.size()
    }

    fn set_size(&self, bytes: u64) -> Result<()> {
        self.file.set_size(bytes)
    }
}
