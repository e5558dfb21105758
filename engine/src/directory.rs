//! The tables of an engine, by name: created, found and dropped.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustc_hash::FxHashMap;
use synod_txn::Durability;

use crate::deterministic::Quiet;
use crate::{Engine, Error, Result, Table};

/// The longest table name, in bytes.
pub const TABLE_NAME_BYTES_MAX: usize = 1024;

/// The tables, by name, as of some moment.
#[derive(Default)]
pub(crate) struct Directory {
    tables: FxHashMap<String, Table>,
    /// One higher whenever a table has been created or dropped.
    pub(crate) version: u64,
}

impl Directory {
    pub(crate) fn new(version: u64, tables: impl Iterator<Item = Table>) -> Self {
        Directory { tables: tables.map(|table| (table.name().to_owned(), table)).collect(), version }
    }

    pub(crate) fn table(&self, name: &str) -> Result<&Table> {
        self.tables.get(name).ok_or_else(|| Error::NoSuchTable { table: name.to_owned() })
    }
}

impl Engine {
    /// The table of this name, created if there is none. A new table is durable when this returns.
    pub fn table(&self, name: &str) -> Result<Table> {
        self.check_open()?;
        let catalog = self.inner.store.catalog();
        let inner = match catalog.by_name(name) {
            Some(table) => table,
            None => self.create_table(name)?,
        };
        Ok(self.handle(inner))
    }

    fn create_table(&self, name: &str) -> Result<Arc<synod_storage::Table>> {
        if name.is_empty() || name.len() > TABLE_NAME_BYTES_MAX {
            return Err(Error::TableName { bytes: name.len() });
        }
        let mut frame = self.inner.catalog_changes.lock();
        let store = &self.inner.store;
        if let Some(table) = store.catalog().by_name(name) {
            return Ok(table);
        }
        let id = store.catalog().next_id();
        frame.begin();
        frame.create_table(id, name)?;
        // A procedure comes before or after the change, here as in the log.
        let quiet = self.quiesce();
        let timestamp = store.change_catalog(&mut frame)?;
        store.wait_durable(timestamp, Durability::Sync)?;
        let table = store.catalog().create(id, name);
        self.refresh_directory();
        Quiet::end_at(quiet, timestamp);
        Ok(table)
    }

    /// The names of all tables, sorted.
    pub fn tables(&self) -> Vec<String> {
        self.inner.store.catalog().tables().iter().map(|table| table.name().to_owned()).collect()
    }

    /// Drops a table with all its records; false if there's no such table. It is gone for good when this
    /// returns. Transactions that work on it get an error at their next operation or at commit; snapshots
    /// that were opened before can go on reading it through their handles.
    pub fn drop_table(&self, name: &str) -> Result<bool> {
        self.check_open()?;
        let mut frame = self.inner.catalog_changes.lock();
        let store = &self.inner.store;
        let Some(table) = store.catalog().by_name(name) else { return Ok(false) };
        frame.begin();
        frame.drop_table(table.id());
        let quiet = self.quiesce();
        let timestamp = store.change_catalog(&mut frame)?;
        store.remove_table(table.id(), timestamp);
        self.refresh_directory();
        Quiet::end_at(quiet, timestamp);
        store.wait_durable(timestamp, Durability::Sync)?;
        Ok(true)
    }

    /// The tables, as they are now.
    pub(crate) fn directory(&self) -> Arc<Directory> {
        self.inner.directory.read().clone()
    }

    /// Whether no table was created or dropped since.
    #[inline]
    pub(crate) fn is_current(&self, directory_version: u64) -> bool {
        // Acquire: pairs with the release in `refresh_directory`.
        self.inner.directory_version.load(Ordering::Acquire) == directory_version
    }

    pub(crate) fn refresh_directory(&self) {
        let tables = self.inner.store.catalog().tables();
        let mut directory = self.inner.directory.write();
        let version = directory.version + 1;
        *directory = Arc::new(Directory::new(version, tables.into_iter().map(|table| self.handle(table))));
        self.inner.directory_version.store(version, Ordering::Release);
    }

    fn handle(&self, inner: Arc<synod_storage::Table>) -> Table {
        let merge = self.inner.merges.get(inner.name()).cloned();
        Table { engine: self.inner.id, inner, merge }
    }
}
