//! A view of the whole database at one timestamp: what checkpoints and backups write.

use std::sync::Arc;

use parking_lot::Mutex;
use synod_storage::checkpoint::{CheckpointHeader, CheckpointWriter};
use synod_storage::wal::{FrameBuilder, LogStart};
use synod_storage::{DroppedTable, Table, TableId, Timestamp};
use synod_txn::{Cursor, Direction, Snapshot, Store};

use crate::Result;
use crate::deterministic::Executor;

/// Sleeps a little, or not, or ends the work.
pub(crate) type Pace<'a> = dyn Fn() -> Result<()> + 'a;

/// Held while a table is created or dropped.
pub(crate) type CatalogChanges = Mutex<FrameBuilder>;

/// What views are made of.
#[derive(Clone)]
pub(crate) struct ViewSource {
    pub(crate) store: Arc<Store>,
    catalog_changes: Arc<CatalogChanges>,
    /// `None` unless the mode is the deterministic one.
    executor: Option<Arc<Executor>>,
}

impl ViewSource {
    pub(crate) fn new(
        store: &Arc<Store>,
        catalog_changes: &Arc<CatalogChanges>,
        executor: Option<&Arc<Executor>>,
    ) -> Self {
        let (store, catalog_changes) = (store.clone(), catalog_changes.clone());
        ViewSource { store, catalog_changes, executor: executor.cloned() }
    }

    /// A snapshot of the newest state, in the deterministic mode of one between two epochs, and the number of the newest
    /// epoch in it.
    fn snapshot(&self) -> Result<(Snapshot, u64)> {
        let newest = || Ok((Snapshot::newest(&self.store)?, self.store.epoch()));
        match &self.executor {
            Some(executor) => executor.between_epochs(&self.store, newest),
            None => newest(),
        }
    }
}

/// Everything as of one timestamp, and as far back as the retention goes. Holds back garbage until it is
/// dropped.
pub(crate) struct View {
    /// Keeps the versions from here on, if there's a retention.
    oldest: Snapshot,
    newest: Snapshot,
    tables: Vec<Arc<Table>>,
    dropped: Vec<DroppedTable>,
    next_table: TableId,
    epoch: u64,
}

impl View {
    /// A view of the newest state.
    pub(crate) fn open(source: &ViewSource) -> Result<View> {
        // No table may be between its line in the log and its place in the catalog.
        let _changes = source.catalog_changes.lock();
        let (newest, epoch) = source.snapshot()?;
        let store = &source.store;
        // Afterwards: without retention this is one at least as new, and what lies before `newest` may be gone.
        let oldest = Snapshot::oldest(store)?;
        let catalog = store.catalog();
        let mut tables = catalog.tables();
        tables.sort_by_key(|table| table.id());
        Ok(View { oldest, newest, tables, dropped: catalog.dropped(), next_table: catalog.next_id(), epoch })
    }

    /// All commits up to here are in the view, and none after.
    pub(crate) fn timestamp(&self) -> Timestamp {
        self.newest.timestamp()
    }

    /// The oldest timestamp as of which it can be read.
    fn horizon(&self) -> Timestamp {
        self.oldest.timestamp().min(self.newest.timestamp())
    }

    /// Makes sure that all that is in the view is durable.
    pub(crate) fn flush_log(&self) -> Result<()> {
        Ok(self.newest.store().flush(self.timestamp())?)
    }

    /// What a checkpoint of it says of itself, given where the log goes on.
    pub(crate) fn header(&self, log: LogStart) -> CheckpointHeader {
        CheckpointHeader {
            timestamp: self.timestamp(),
            horizon: self.horizon(),
            log,
            next_table: self.next_table,
            epoch: self.epoch,
        }
    }

    /// Writes all tables into a checkpoint. `pace` is called every few dozen records, while nothing is locked.
    ///
    /// # Errors
    /// What `pace` and the writer say.
    pub(crate) fn write(&self, writer: &mut CheckpointWriter, pace: &Pace<'_>) -> Result<()> {
        for table in &self.dropped {
            writer.add_dropped_table(table.clone());
        }
        for table in &self.tables {
            writer.begin_table(table.id(), table.name())?;
            let mut cursor =
                Cursor::new(std::ops::Bound::Unbounded, std::ops::Bound::Unbounded, Direction::Forward);
            while !cursor.is_done() {
                pace()?;
                self.write_leaf(table, &mut cursor, writer)?;
            }
        }
        Ok(())
    }

    fn write_leaf(&self, table: &Table, cursor: &mut Cursor, writer: &mut CheckpointWriter) -> Result<()> {
        let mut outcome = Ok(());
        let store = self.newest.store();
        store.scan_versions(&self.newest, self.horizon(), table, cursor, &mut |key, versions| {
            outcome = writer.add(key, versions.iter().copied());
            outcome.is_ok()
        });
        Ok(outcome?)
    }
}
