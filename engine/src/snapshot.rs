//! Snapshots as users see them.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use synod_storage::{Timestamp, Version};
use synod_txn::{Cursor, Direction};

use crate::multi_get::together;
use crate::range::cursor;
use crate::{Engine, KeyRange, Result, SnapshotScan, Table};

/// A consistent view of the whole database at one timestamp. It can be cloned and read from any number of
/// threads; reading never blocks a writer and is never blocked by one.
///
/// An open snapshot keeps the versions that it sees from being removed; the statistics show the age of the
/// oldest one. Drop snapshots that are no longer needed.
///
/// ```
/// use synod::{Engine, Options};
///
/// let engine = Engine::in_memory(Options::new())?;
/// let table = engine.table("t")?;
/// engine.transact(|txn| txn.put(&table, "key", "before"))?;
/// let snapshot = engine.snapshot()?;
/// engine.transact(|txn| txn.put(&table, "key", "after"))?;
/// assert_eq!(snapshot.get(&table, "key")?.as_deref(), Some(&b"before"[..]));
/// # Ok::<(), synod::Error>(())
/// ```
#[derive(Clone)]
pub struct Snapshot {
    inner: Arc<synod_txn::Snapshot>,
    engine: Engine,
}

impl Snapshot {
    pub(crate) fn new(engine: Engine, inner: synod_txn::Snapshot) -> Self {
        Snapshot { engine, inner: Arc::new(inner) }
    }

    /// The timestamp: commits up to and including it are seen.
    pub fn timestamp(&self) -> Timestamp {
        self.inner.timestamp()
    }

    /// The value of a key.
    pub fn get(&self, table: &Table, key: impl AsRef<[u8]>) -> Result<Option<Bytes>> {
        self.get_with(table, key, |value| value.map(Bytes::copy_from_slice))
    }

    /// The value of a key, looked at in place.
    pub fn get_with<T>(
        &self,
        table: &Table,
        key: impl AsRef<[u8]>,
        read: impl FnOnce(Option<&[u8]>) -> T,
    ) -> Result<T> {
        self.check_table(table)?;
        let mut read = Some(read);
        let mut result = None;
        let mut visit = |version: Option<Version<'_>>| {
            result = read.take().map(|read| read(version.and_then(Version::value)));
        };
        self.inner.store().read_at(&self.inner, &table.inner, key.as_ref(), &mut visit)?;
        Ok(result.expect("a successful read visits exactly once"))
    }

    /// Whether a key has a value.
    pub fn contains(&self, table: &Table, key: impl AsRef<[u8]>) -> Result<bool> {
        self.get_with(table, key, |value| value.is_some())
    }

    /// The records of a range in ascending order of their keys.
    pub fn scan(&self, table: &Table, range: impl KeyRange) -> SnapshotScan<'_> {
        SnapshotScan::new(self, table, cursor(range, Direction::Forward))
    }

    /// The records of a range in descending order of their keys.
    pub fn scan_rev(&self, table: &Table, range: impl KeyRange) -> SnapshotScan<'_> {
        SnapshotScan::new(self, table, cursor(range, Direction::Backward))
    }

    /// The records whose keys begin with `prefix`, in ascending order.
    pub fn prefix(&self, table: &Table, prefix: impl AsRef<[u8]>) -> SnapshotScan<'_> {
        SnapshotScan::new(self, table, Cursor::over_prefix(prefix.as_ref()))
    }

    /// Reads several keys, in parts that can be looked up together.
    pub(crate) fn read_together(
        &self,
        table: &Table,
        keys: &[impl AsRef<[u8]>],
        mut read: impl FnMut(usize, Option<&[u8]>),
    ) -> Result<()> {
        self.check_table(table)?;
        for (start, keys) in together(keys) {
            let mut visit = |nth: usize, version: Option<Version<'_>>| {
                read(start + nth, version.and_then(Version::value));
            };
            self.inner.store().read_together_at(&self.inner, &table.inner, &keys, &mut visit)?;
        }
        Ok(())
    }

    pub(crate) fn check_table(&self, table: &Table) -> Result<()> {
        table.check_engine(self.engine.inner.id)
    }

    pub(crate) fn scan_some(
        &self,
        table: &synod_storage::Table,
        cursor: &mut Cursor,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) {
        self.inner.store().scan_at(&self.inner, table, cursor, &mut |key, version| {
            if let Some(value) = version.value() {
                visit(key, value);
            }
        });
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("timestamp", &self.timestamp()).finish_non_exhaustive()
    }
}
