//! Opening a database: the replay of the log.
//!
//! One thread applies the commits in their order, each write in place of what the key had. Nobody else works on the
//! tables yet, so nothing needs a lock, and old versions are freed at once. What this costs is waiting for memory:
//! on updates of random keys an index leaf, a record and a version, each of them a cache miss. So the writes of a
//! commit are looked up together, a few at a time, and the misses on their versions overlap.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_epoch::Guard;
use synod_storage::index::Insertion;
use synod_storage::wal::{Entry, WAL_DIRECTORY, Wal, Writes};
use synod_storage::{Catalog, Error, Record, Result, Table, TableId, Timestamp, Version, VersionState};

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
    let mut replay = Replay { catalog: &catalog, tables: Vec::new(), path };
    let (wal, recovery) =
        Wal::open(options.device.clone(), path, options.wal.clone(), &mut |entry| replay.apply(entry))?;
    tracing::info!(?recovery, path = %path.display(), "recovered");
    Ok(Recovered { catalog, newest: recovery.last_timestamp, wal: Some(wal) })
}

/// How many writes are looked up before the first of them is restored.
const BATCH: usize = 16;

struct Replay<'a> {
    catalog: &'a Catalog,
    /// The tables by number; `None` for one that was dropped.
    tables: Vec<Option<Arc<Table>>>,
    /// The database directory.
    path: &'a Path,
}

/// A write, and the record that it goes to, if there is one already.
#[derive(Clone, Copy)]
struct Found<'a> {
    table: &'a Table,
    key: &'a [u8],
    value: Option<&'a [u8]>,
    record: Option<Record<'a>>,
}

impl Replay<'_> {
    fn apply(&mut self, entry: Entry<'_>) -> Result<()> {
        match entry {
            Entry::Commit { timestamp, writes } => self.restore_commit(writes, timestamp)?,
            Entry::CreateTable { table: id, name, .. } => {
                // Numbers are given out in their order, and never again.
                if id.0 as usize != self.tables.len() {
                    return Err(self.corrupt(format!("table {} ({name}) is created out of turn", id.0)));
                }
                self.tables.push(Some(self.catalog.create(id, name)));
            }
            Entry::DropTable { table: id, timestamp } => {
                self.catalog.remove(id, timestamp);
                if let Some(table) = self.tables.get_mut(id.0 as usize) {
                    *table = None;
                }
            }
        }
        Ok(())
    }

    fn restore_commit(&self, mut writes: Writes<'_>, timestamp: Timestamp) -> Result<()> {
        let guard = crossbeam_epoch::pin();
        let mut batch = [None; BATCH];
        loop {
            let mut taken = 0;
            for place in &mut batch {
                let Some((id, key, value)) = writes.next() else { break };
                *place = self.table(id, timestamp)?.map(|table| {
                    let record = table.index().get(key, &guard);
                    Found { table, key, value, record }
                });
                taken += 1;
            }
            let batch = &batch[..taken];
            fetch_versions(batch);
            batch.iter().flatten().for_each(|found| restore(found, timestamp, &guard));
            if taken < BATCH {
                return Ok(());
            }
        }
    }

    /// The table of this number; `None` if it was dropped: a transaction that ran beside the drop may have
    /// committed after it.
    fn table(&self, id: TableId, timestamp: Timestamp) -> Result<Option<&Table>> {
        match self.tables.get(id.0 as usize) {
            Some(table) => Ok(table.as_deref()),
            None => {
                let what = format!("the commit at {timestamp} writes to table {}", id.0);
                Err(self.corrupt(format!("{what}, which was never created")))
            }
        }
    }

    /// The log is whole, and still makes no sense.
    fn corrupt(&self, reason: String) -> Error {
        Error::Corrupt { path: self.path.join(WAL_DIRECTORY), offset: 0, reason }
    }
}

/// Gets the versions that are about to be replaced into the cache, all at the same time.
fn fetch_versions(batch: &[Option<Found<'_>>]) {
    let versions = batch.iter().flatten().filter_map(|found| found.record?.head());
    black_box(versions.map(|version| version.value().map_or(0, <[u8]>::len)).sum::<usize>());
}

/// Replaces what a key has by one committed version.
fn restore(found: &Found<'_>, timestamp: Timestamp, guard: &Guard) {
    let index = found.table.index();
    // A record that an earlier write of the same batch has removed doesn't count.
    let is_alive = |record: &Record<'_>| record.word().load(Ordering::Relaxed) != Record::DEAD;
    let record = found.record.filter(is_alive);
    let Some(bytes) = found.value else {
        if let Some(record) = record {
            record.word().store(Record::DEAD, Ordering::Relaxed);
            index.remove(record, guard);
        }
        return;
    };
    let record = record.unwrap_or_else(|| {
        match index.insert(found.key, || Record::allocate(found.key, 0), |_| true, guard) {
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
