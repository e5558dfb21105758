//! Many threads append while one flushes: the file is in order, and nothing is missing.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, RwLock};
use std::thread;

use synod_storage::Timestamp;
use synod_storage::device::{Device, MemoryDevice, RealDevice};
use synod_storage::wal::Wal;

use crate::support::{HOME, append, commit, commits, open_on};

const THREADS: usize = 4;
const COMMITS_PER_THREAD: u64 = 3000;

/// Draws timestamps. A thread holds the lock shared from drawing one to having appended it, so that
/// whoever holds it alone knows that all timestamps drawn so far have been appended.
#[derive(Default)]
struct Oracle {
    last: AtomicU64,
    appending: RwLock<()>,
}

impl Oracle {
    fn commit(&self, wal: &Wal, shard: usize) {
        let _appending = self.appending.read().unwrap();
        let timestamp = self.last.fetch_add(1, Ordering::SeqCst) + 1;
        append(wal, shard, &commit(timestamp, timestamp as usize % 200)).unwrap();
    }

    fn bound(&self) -> Timestamp {
        let _alone = self.appending.write().unwrap();
        Timestamp(self.last.load(Ordering::SeqCst))
    }
}

fn append_and_flush_at_once(device: Arc<dyn Device>, home: &Path) {
    let (wal, ..) = open_on(Arc::clone(&device), home, 200_000).unwrap();
    let oracle = Oracle::default();
    let running = AtomicBool::new(true);
    thread::scope(|scope| {
        for flusher in 0..2 {
            let (oracle, wal, running) = (&oracle, &wal, &running);
            scope.spawn(move || {
                let mut round = flusher;
                while running.load(Ordering::SeqCst) {
                    let bound = oracle.bound();
                    let flushed = wal.flush(bound, round % 4 == 0).unwrap();
                    assert!(flushed.written >= bound && flushed.durable <= flushed.written);
                    round += 1;
                }
            });
        }
        let workers: Vec<_> = (0..THREADS)
            .map(|number| {
                let (oracle, wal) = (&oracle, &wal);
                // Two threads share each shard, so that shards hold no ascending runs.
                scope.spawn(move || (0..COMMITS_PER_THREAD).for_each(|_| oracle.commit(wal, number / 2)))
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        running.store(false, Ordering::SeqCst);
    });
    let last = oracle.bound();
    let flushed = wal.flush(last, true).unwrap();
    assert_eq!((flushed.written, flushed.durable), (last, last));
    let stats = wal.stats();
    assert_eq!((stats.buffered_bytes, stats.frames), (0, THREADS as u64 * COMMITS_PER_THREAD));
    drop(wal);
    let (.., found) = open_on(device, home, 200_000).unwrap();
    let expected: Vec<_> =
        (1..=last.0).map(|timestamp| commit(timestamp, timestamp as usize % 200)).collect();
    assert!(found == expected, "{} commits found", found.len());
}

#[test]
fn concurrent_appends_and_flushes_make_an_ordered_log() {
    append_and_flush_at_once(Arc::new(MemoryDevice::new()), Path::new(HOME));
}

#[test]
fn concurrent_appends_and_flushes_make_an_ordered_log_on_a_real_disk() {
    let home = tempfile::tempdir().unwrap();
    append_and_flush_at_once(Arc::new(RealDevice), home.path());
}

#[test]
fn appending_does_not_wait_for_a_flush_in_progress() {
    let device = Arc::new(SlowSync::default());
    let (wal, ..) = open_on(device.clone(), Path::new(HOME), 1 << 20).unwrap();
    append(&wal, 0, &commit(1, 10)).unwrap();
    device.slow.store(true, Ordering::SeqCst);
    thread::scope(|scope| {
        let flusher = scope.spawn(|| wal.flush(Timestamp(1), true).unwrap());
        // The flusher is inside the sync, and stays there until the second wait.
        device.gate.wait();
        for timestamp in 2..=100 {
            append(&wal, timestamp as usize, &commit(timestamp, 10)).unwrap();
        }
        assert!(!flusher.is_finished());
        device.gate.wait();
        assert_eq!(flusher.join().unwrap().durable, Timestamp(1));
    });
    device.slow.store(false, Ordering::SeqCst);
    wal.flush(Timestamp(100), true).unwrap();
    drop(wal);
    let (.., found) = open_on(device, Path::new(HOME), 1 << 20).unwrap();
    assert_eq!(found, commits(1..=100, 10));
}

/// A memory device whose syncs stop at a gate, twice, while `slow` is set.
#[derive(Debug)]
struct SlowSync {
    inner: MemoryDevice,
    slow: Arc<AtomicBool>,
    gate: Arc<Barrier>,
}

impl Default for SlowSync {
    fn default() -> Self {
        SlowSync { inner: MemoryDevice::new(), slow: Arc::default(), gate: Arc::new(Barrier::new(2)) }
    }
}

mod slow_sync {
    use std::path::PathBuf;

    use synod_storage::Result;
    use synod_storage::device::{DatabaseLock, DeviceFile};

    use super::*;

    impl SlowSync {
        fn wrap(&self, inner: Box<dyn DeviceFile>) -> Box<dyn DeviceFile> {
            Box::new(SlowFile { inner, slow: Arc::clone(&self.slow), gate: Arc::clone(&self.gate) })
        }
    }

    impl Device for SlowSync {
        fn create_directory(&self, path: &Path) -> Result<()> {
            self.inner.create_directory(path)
        }
        fn list(&self, directory: &Path) -> Result<Vec<PathBuf>> {
            self.inner.list(directory)
        }
        fn create(&self, path: &Path) -> Result<Box<dyn DeviceFile>> {
            Ok(self.wrap(self.inner.create(path)?))
        }
        fn open(&self, path: &Path) -> Result<Box<dyn DeviceFile>> {
            Ok(self.wrap(self.inner.open(path)?))
        }
        fn remove(&self, path: &Path) -> Result<()> {
            self.inner.remove(path)
        }
        fn rename(&self, from: &Path, to: &Path) -> Result<()> {
            self.inner.rename(from, to)
        }
        fn sync_directory(&self, directory: &Path) -> Result<()> {
            self.inner.sync_directory(directory)
        }
        fn lock(&self, directory: &Path) -> Result<DatabaseLock> {
            self.inner.lock(directory)
        }
    }

    #[derive(Debug)]
    struct SlowFile {
        inner: Box<dyn DeviceFile>,
        slow: Arc<AtomicBool>,
        gate: Arc<Barrier>,
    }

    impl DeviceFile for SlowFile {
        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
            self.inner.read_at(offset, buffer)
        }
        fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
            self.inner.write_at(offset, bytes)
        }
        fn sync_data(&self) -> Result<()> {
            if self.slow.load(Ordering::SeqCst) {
                self.gate.wait();
                self.gate.wait();
            }
            self.inner.sync_data()
        }
        fn size(&self) -> Result<u64> {
            self.inner.size()
        }
        fn set_size(&self, bytes: u64) -> Result<()> {
            self.inner.set_size(bytes)
        }
    }
}
