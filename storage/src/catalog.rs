//! The catalog: which tables there are, by name and by number.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::{Table, TableId, Timestamp};

/// The tables of one database. Looked up when a table is opened, never on the way of a read or write.
#[derive(Debug, Default)]
pub struct Catalog {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_name: HashMap<Box<str>, Arc<Table>>,
    by_id: HashMap<TableId, Arc<Table>>,
    /// The first number that no table has had.
    next: u32,
    /// Tables whose names the log may still be asked for.
    dropped: Vec<DroppedTable>,
}

/// The name of a table that is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedTable {
    /// The number that it had.
    pub id: TableId,
    /// The name that it had.
    pub name: Box<str>,
    /// When it was dropped.
    pub at: Timestamp,
}

impl Catalog {
    /// An empty catalog.
    pub fn new() -> Self {
        Self::default()
    }

    /// The table of this name.
    pub fn by_name(&self, name: &str) -> Option<Arc<Table>> {
        self.inner.read().by_name.get(name).cloned()
    }

    /// The table of this number; `None` if it was dropped.
    pub fn by_id(&self, id: TableId) -> Option<Arc<Table>> {
        self.inner.read().by_id.get(&id).cloned()
    }

    /// The first number that no table has had yet.
    pub fn next_id(&self) -> TableId {
        TableId(self.inner.read().next)
    }

    /// Whether a table, living or dropped, has had this number.
    pub fn knows(&self, id: TableId) -> bool {
        id.0 < self.inner.read().next
    }

    /// All tables, in the order of their names.
    pub fn tables(&self) -> Vec<Arc<Table>> {
        let mut tables: Vec<_> = self.inner.read().by_name.values().cloned().collect();
        tables.sort_by(|a, b| a.name().cmp(b.name()));
        tables
    }

    /// Adds a new, empty table.
    pub fn create(&self, id: TableId, name: &str) -> Arc<Table> {
        let table = Arc::new(Table::new(id, name));
        let mut inner = self.inner.write();
        inner.next = inner.next.max(id.0.saturating_add(1));
        inner.by_id.insert(id, table.clone());
        inner.by_name.insert(name.into(), table.clone());
        table
    }

    /// Sees to it that no number below `next` is given out any more.
    pub fn reserve_ids(&self, next: TableId) {
        let mut inner = self.inner.write();
        inner.next = inner.next.max(next.0);
    }

    /// The tables that were dropped and not yet forgotten, in the order of their end.
    pub fn dropped(&self) -> Vec<DroppedTable> {
        self.inner.read().dropped.clone()
    }

    /// Takes note of a table that was dropped in the past.
    pub fn note_dropped(&self, table: DroppedTable) {
        self.inner.write().dropped.push(table);
    }

    /// Forgets the names of the tables that were dropped at `until` or before.
    pub fn forget_dropped(&self, until: Timestamp) {
        self.inner.write().dropped.retain(|table| table.at > until);
    }

    /// The name of the table with this number, even if it was dropped, as long as it isn't forgotten.
    pub fn name_of(&self, id: TableId) -> Option<Box<str>> {
        let inner = self.inner.read();
        match inner.by_id.get(&id) {
            Some(table) => Some(table.name().into()),
            None => inner.dropped.iter().find(|table| table.id == id).map(|table| table.name.clone()),
        }
    }

    /// Removes a table and marks it as dropped. Its records go when the last handle to it goes; its name is
    /// remembered until [`Catalog::forget_dropped`].
    pub fn remove(&self, id: TableId, at: Timestamp) -> Option<Arc<Table>> {
        let mut inner = self.inner.write();
        let table = inner.by_id.remove(&id)?;
        inner.by_name.remove(table.name());
        inner.dropped.push(DroppedTable { id, name: table.name().into(), at });
        table.mark_dropped();
        Some(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_tables_number_is_never_given_out_again() {
        let catalog = Catalog::new();
        let first = catalog.create(catalog.next_id(), "a");
        assert_eq!(first.id(), TableId(0));
        assert!(catalog.by_name("a").is_some());
        assert!(catalog.remove(first.id(), Timestamp(7)).is_some());
        assert!(first.is_dropped());
        assert!(catalog.by_name("a").is_none() && catalog.by_id(first.id()).is_none());
        assert!(catalog.knows(first.id()) && catalog.remove(first.id(), Timestamp(8)).is_none());
        assert_eq!(catalog.create(catalog.next_id(), "a").id(), TableId(1));
    }

    #[test]
    fn a_dropped_tables_name_is_known_until_it_is_forgotten() {
        let catalog = Catalog::new();
        for (id, name) in [(0, "a"), (1, "b")] {
            catalog.create(TableId(id), name);
            catalog.remove(TableId(id), Timestamp(10 + u64::from(id)));
        }
        catalog.forget_dropped(Timestamp(10));
        assert_eq!(catalog.name_of(TableId(0)), None);
        assert_eq!(catalog.name_of(TableId(1)).as_deref(), Some("b"));
        assert_eq!(catalog.dropped().len(), 1);
    }

    #[test]
    fn reserved_numbers_are_not_given_out() {
        let catalog = Catalog::new();
        catalog.reserve_ids(TableId(5));
        assert_eq!(catalog.next_id(), TableId(5));
        assert!(catalog.knows(TableId(4)) && catalog.by_id(TableId(4)).is_none());
    }

    #[test]
    fn tables_are_listed_by_name() {
        let catalog = Catalog::new();
        for name in ["b", "c", "a"] {
            catalog.create(catalog.next_id(), name);
        }
        let names: Vec<_> = catalog.tables().iter().map(|table| table.name().to_owned()).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }
}
