//! A table: an ordered index of records, and a mark for the end of its key space.

use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_epoch::Guard;
use serde::{Deserialize, Serialize};

use crate::index::Index;
use crate::record::{Record, RecordPtr};

/// A table's number. Never used again after the table is dropped, so that the log stays unambiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableId(pub u32);

/// A named, ordered set of records.
pub struct Table {
    id: TableId,
    name: Box<str>,
    index: Index,
    end: RecordPtr,
    dropped: AtomicBool,
}

impl Table {
    /// An empty table.
    pub fn new(id: TableId, name: &str) -> Self {
        Table {
            id,
            name: name.into(),
            index: Index::new(),
            end: Record::allocate(&[], 0, 0).ptr(),
            dropped: AtomicBool::new(false),
        }
    }

    /// The table's number.
    pub fn id(&self) -> TableId {
        self.id
    }

    /// The table's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The records in key order.
    #[inline]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// A record behind all keys, never in the index: its control word stands for the gap after the
    /// last key. It lives as long as the table.
    #[inline]
    pub fn end(&self) -> RecordPtr {
        self.end
    }

    /// Marks the table as dropped; it stays readable for those who still hold it.
    pub fn mark_dropped(&self) {
        // Whoever sees the mark sees what was decided before it. SeqCst: whoever begins to use the table
        // without seeing it has announced himself before, where the one who drops it looks afterwards.
        self.dropped.store(true, Ordering::SeqCst);
    }

    /// Whether the table was dropped.
    #[inline]
    pub fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::SeqCst)
    }

    /// Whether `record` is this table's end mark.
    #[inline]
    pub fn is_end(&self, record: RecordPtr) -> bool {
        record == self.end
    }

    /// Counts the index's entries, tombstones included. Walks the whole index.
    pub fn count_records(&self, guard: &Guard) -> usize {
        self.index.count(guard)
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: nobody can hold a record of a table that is being dropped.
        unsafe { self.end.get().free() };
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}
