//! A device that is crashed at each of its operations while the work on it goes on.
//!
//! The obvious campaign runs the workload once for each operation, and lets the power fail there. That takes
//! time that grows with the square of the operations, and threads in the background make each run a little
//! different. Here there is one run: before a sync, and after any other change, the device is crashed in each
//! way *as a copy*, and the run goes on as if nothing had been.
//!
//! ```text
//! work     ── write ─┬─ write ─┬─┬─ sync ── create ─┬─ rename ─┬─┬─ sync directory ──►
//!                    ▼         ▼ ▼                  ▼          ▼ ▼
//! images            P1        P2 P3                P4         P5 P6    × nothing, everything, random …
//! ```
//!
//! The operation at whose image we look is made and not synced (or a sync that has done nothing yet). What a
//! sync achieves shows in the next image, or in the one at the end.
//!
//! The moment of the record is taken before the copy and after it. What was acknowledged before it must be
//! there, whatever was begun before the later one may be.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use synod::device::{DatabaseLock, Device, DeviceFile, MemoryDevice, Survival};
use synod::errors::StorageError;

use super::record::Recorder;

type Result<T> = std::result::Result<T, StorageError>;

/// A device as it is found after a crash, and when that was.
#[derive(Clone, Debug)]
pub struct Image {
    /// The number of the operation, from 1 on.
    pub point: u64,
    /// What the operation was.
    pub operation: String,
    /// What the crash left of the unsynced changes.
    pub survival: Survival,
    /// The device.
    pub device: MemoryDevice,
    /// The moment before the crash.
    pub before: usize,
    /// The moment after it.
    pub after: usize,
}

/// Decides what is looked at.
pub trait Plan: Send + Sync + std::fmt::Debug {
    /// The ways in which a point is crashed; none if it isn't looked at.
    fn survivals(&self, point: u64) -> Vec<Survival>;
}

#[derive(Debug)]
struct Observer {
    recorder: Arc<Recorder>,
    plan: Arc<dyn Plan>,
    found: Mutex<Found>,
    has_ended: AtomicBool,
}

#[derive(Debug, Default)]
struct Found {
    points: u64,
    images: Vec<Image>,
}

/// A memory device, and who looks at it. Clones share both.
#[derive(Clone, Debug)]
pub struct ObservedDevice {
    memory: MemoryDevice,
    observer: Arc<Observer>,
}

impl ObservedDevice {
    /// Looks at `memory` from now on.
    pub fn new(memory: MemoryDevice, recorder: Arc<Recorder>, plan: Arc<dyn Plan>) -> Self {
        let has_ended = AtomicBool::new(false);
        let observer = Observer { recorder, plan, found: Mutex::default(), has_ended };
        ObservedDevice { memory, observer: Arc::new(observer) }
    }

    /// Looks once more, at the end, and then no more. Returns the number of points, and all images.
    pub fn end(&self) -> (u64, Vec<Image>) {
        self.look("the end", Path::new(""));
        // Relaxed: a look that overlaps is one that could as well have come before.
        self.observer.has_ended.store(true, Ordering::Relaxed);
        let found = std::mem::take(&mut *self.observer.found.lock());
        (found.points, found.images)
    }

    /// The device itself.
    pub fn memory(&self) -> &MemoryDevice {
        &self.memory
    }

    fn look(&self, what: &str, path: &Path) {
        let observer = &self.observer;
        if observer.has_ended.load(Ordering::Relaxed) {
            return;
        }
        let mut found = observer.found.lock();
        found.points += 1;
        let point = found.points;
        let before = observer.recorder.moment();
        for survival in observer.plan.survivals(point) {
            let device = self.memory.crash(survival);
            let operation = format!("{what} {}", path.display());
            let after = observer.recorder.moment();
            found.images.push(Image { point, operation, survival, device, before, after });
        }
    }

    /// Carries out a sync, with a look before it.
    fn sync(&self, what: &str, path: &Path, sync: impl FnOnce() -> Result<()>) -> Result<()> {
        self.look(what, path);
        sync()
    }

    /// Carries out a change, with a look after it.
    fn change<T>(&self, what: &str, path: &Path, change: impl FnOnce() -> Result<T>) -> Result<T> {
        let outcome = change();
        self.look(what, path);
        outcome
    }

    fn wrap(&self, file: Box<dyn DeviceFile>, path: &Path) -> Box<dyn DeviceFile> {
        Box::new(ObservedFile { file, path: path.to_path_buf(), device: self.clone() })
    }
}

impl Device for ObservedDevice {
    fn create_directory(&self, path: &Path) -> Result<()> {
        self.change("create the directory", path, || self.memory.create_directory(path))
    }

    fn list(&self, directory: &Path) -> Result<Vec<PathBuf>> {
        self.memory.list(directory)
    }

    fn create(&self, path: &Path) -> Result<Box<dyn DeviceFile>> {
        let file = self.change("create", path, || self.memory.create(path))?;
        Ok(self.wrap(file, path))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn DeviceFile>> {
        Ok(self.wrap(self.memory.open(path)?, path))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.change("remove", path, || self.memory.remove(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.change("rename", from, || self.memory.rename(from, to))
    }

    fn sync_directory(&self, directory: &Path) -> Result<()> {
        self.sync("sync the directory", directory, || self.memory.sync_directory(directory))
    }

    fn lock(&self, directory: &Path) -> Result<DatabaseLock> {
        self.memory.lock(directory)
    }
}

#[derive(Debug)]
struct ObservedFile {
    file: Box<dyn DeviceFile>,
    path: PathBuf,
    device: ObservedDevice,
}

impl DeviceFile for ObservedFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.file.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.device.change("write", &self.path, || self.file.write_at(offset, bytes))
    }

    fn sync_data(&self) -> Result<()> {
        self.device.sync("sync", &self.path, || self.file.sync_data())
    }

    fn size(&self) -> Result<u64> {
        self.file.size()
    }

    fn set_size(&self, bytes: u64) -> Result<()> {
        self.device.change("set the size of", &self.path, || self.file.set_size(bytes))
    }
}
