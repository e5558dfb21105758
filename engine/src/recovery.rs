//! Opening a database: the replay of the log.

use std::path::Path;
use std::sync::Arc;

use crossbeam_epoch::Guard;
use synod_storage::index::Insertion;
use synod_storage::wal::{Entry, Wal};
use synod_storage::{Catalog, Record, Result, Table, TableId, Timestamp, Version, VersionState};

use crate::Options;

/// A database as it was found.
pub(crate) struct Recovered {
    pub(crate) catalog: Catalog,
    /// The newest commit in the log.
    pub(crate) newest: Timestamp,
    pub(crate) wal: Option<Wal>,
}

/// Replays the log in the directory into tables.
pub(crate) fn recover(path: &Path, options: &Options) -> Result<Recovered> {
    let catalog = Catalog::new();
    let mut replay = Replay { catalog: &catalog, table: None };
    let (wal, recovery) =
        Wal::open(options.device.clone(), path, options.wal.clone(), &mut |entry| replay.apply(entry))?;
    tracing::info!(?recovery, path = %path.display(), "recovered");
    Ok(Recovered { catalog, newest: recovery.last_timestamp, wal: Some(wal) })
}

struct Replay<'a> {
    catalog: &'a Catalog,
    /// The table of the last write: the next one is usually to the same.
    table: Option<Arc<Table>>,
}

impl Replay<'_> {
    fn apply(&mut self, entry: Entry<'_>) -> Result<()> {
        match entry {
            Entry::Commit { timestamp, writes } => {
                let guard = crossbeam_epoch::pin();
                for (id, key, value) in writes {
                    if let Some(table) = self.table(id) {
                        restore(table, key, value, timestamp, &guard);
                    }
                }
            }
            Entry::CreateTable { table: id, name, .. } => {
                self.catalog.create(id, name);
            }
            Entry::DropTable { table: id, .. } => {
                self.table = None;
                self.catalog.remove(id);
            }
        }
        Ok(())
    }

    /// The table of this number; `None` if it was dropped: a transaction that ran beside the drop may have
    /// committed after it.
    fn table(&mut self, id: TableId) -> Option<&Table> {
        if self.table.as_ref().is_none_or(|table| table.id() != id) {
            self.table = self.catalog.by_id(id);
        }
        self.table.as_deref()
    }
}

/// Replaces what a key has by one committed version. Nobody else works on the table yet, so the old version
/// and deleted records can be freed at once.
fn restore(table: &Table, key: &[u8], value: Option<&[u8]>, timestamp: Timestamp, guard: &Guard) {
    let found = table.index().get(key, guard);
    let Some(bytes) = value else {
        if let Some(record) = found {
            record.word().store(Record::DEAD, std::sync::atomic::Ordering::Relaxed);
            table.index().remove(record, guard);
        }
        return;
    };
    let record = found.unwrap_or_else(|| {
        match table.index().insert(key, || Record::allocate(key, 0), |_| true, guard) {
            Insertion::Inserted(record) | Insertion::Present(record) => record,
            Insertion::Refused(_) => unreachable!("every insertion is admitted during replay"),
        }
    });
    let old = record.head();
    record.set_head(Some(Version::allocate(Some(bytes), VersionState::Committed(timestamp))));
    if let Some(old) = old {
        // SAFETY: it is unlinked, and this thread is the only one.
        unsafe { old.free() };
    }
}
