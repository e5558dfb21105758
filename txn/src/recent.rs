//! Records that a transaction has found lately: what was read is often written next, in the same order.

use smallvec::SmallVec;
use synod_storage::{Record, RecordPtr, Table, TableId};

use crate::together::TOGETHER_MAX;

/// The record that was found last, or all those that were read together.
#[derive(Default)]
pub(crate) struct Recent {
    records: SmallVec<[(TableId, RecordPtr); TOGETHER_MAX]>,
    /// The one that was found last. The next one that is wanted is mostly this again, or the one behind it.
    current: usize,
}

impl Recent {
    /// Takes note of a record that was found.
    ///
    /// # Safety
    /// It stays in the index as long as this does, or until [`Recent::forget`].
    #[inline]
    pub(crate) unsafe fn note(&mut self, table: &Table, record: RecordPtr) {
        if self.records.get(self.current) != Some(&(table.id(), record)) {
            self.forget();
            self.records.push((table.id(), record));
        }
    }

    /// Takes note of one of several records that are found together, after [`Recent::forget`].
    ///
    /// # Safety
    /// As for [`Recent::note`].
    #[inline]
    pub(crate) unsafe fn note_another(&mut self, table: &Table, record: RecordPtr) {
        if self.records.len() < TOGETHER_MAX {
            self.records.push((table.id(), record));
        }
    }

    /// Forgets all of them.
    #[inline]
    pub(crate) fn forget(&mut self) {
        self.records.clear();
        self.current = 0;
    }

    /// The record of a key, if it is among them.
    #[inline]
    pub(crate) fn find<'g>(&mut self, table: &'g Table, key: &[u8]) -> Option<Record<'g>> {
        let (before, rest) = self.records.split_at(self.current);
        let steps = rest.iter().chain(before).enumerate();
        for (step, (of_table, record)) in steps {
            // SAFETY: it stays, as whoever noted it has promised, and the table is alive.
            let record = unsafe { record.get() };
            if *of_table == table.id() && record.key() == key {
                self.current = (self.current + step) % self.records.len();
                return Some(record);
            }
        }
        None
    }
}
