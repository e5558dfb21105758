//! Pending versions: how they come into a chain, and how they are undone.

use std::sync::Arc;

use crossbeam_epoch::{Guard, pin};
use synod_storage::{Record, RecordPtr, Table, Timestamp, Version, VersionState};

use super::writer::{Write, Writer};
use crate::protocol::Expect;
use crate::{Error, Result};

impl Writer {
    /// Notes that a record which has just been inserted was made with a lock of this transaction.
    pub(crate) fn note_inserted(&mut self, record: RecordPtr) {
        self.buffers.locks.push(record);
    }

    /// Links a pending version in front of a record that this transaction has locked for itself, unless there
    /// is nothing to delete. Returns `had_value`: whether there was a value for this transaction.
    pub(crate) fn write_record(
        &mut self,
        table: &Arc<Table>,
        record: RecordPtr,
        value: Option<&[u8]>,
        (had_value, expect): (bool, Expect),
        guard: &Guard,
    ) -> Result<bool> {
        // SAFETY: the record is locked by this transaction.
        let record = unsafe { record.get() };
        if had_value && expect == Expect::Absent {
            return Err(Error::KeyExists { table: table.name().to_owned(), key: record.key().to_vec() });
        }
        if value.is_none() && !had_value {
            return Ok(false);
        }
        self.write_count += 1;
        let head = record.head();
        let own = head.and_then(|head| Some((head, own_index(head)?)));
        match own {
            Some((head, index)) if index as usize >= self.writes_before_savepoint() => {
                let version = self.link(record, value, index, head.next());
                self.buffers.writes[index as usize].version = version.ptr();
                // SAFETY: it has just been unlinked, and its entry was replaced.
                unsafe { head.retire(guard) };
            }
            _ => {
                let index = self.buffers.writes.len() as u32;
                let below = own.map_or(head, |(head, _)| head.next());
                let version = self.link(record, value, index, below);
                self.buffers.writes.push(Write {
                    table: table.id(),
                    record: record.ptr(),
                    version: version.ptr(),
                    replaced: own.map(|(head, _)| head.ptr()),
                });
                self.remember_table(table);
            }
        }
        Ok(had_value)
    }

    fn link<'g>(
        &self,
        record: Record<'g>,
        value: Option<&[u8]>,
        index: u32,
        below: Option<Version<'g>>,
    ) -> Version<'g> {
        let state = VersionState::Pending { slot: self.slot, index };
        // SAFETY: the record is locked by this transaction.
        let version = unsafe { record.make_version(value, state) };
        version.set_next(below);
        record.set_head(Some(version));
        version
    }

    fn remember_table(&mut self, table: &Arc<Table>) {
        let tables = &mut self.buffers.tables;
        if !tables.iter().any(|known| Arc::ptr_eq(known, table)) {
            tables.push(table.clone());
        }
    }

    /// Undoes all writes but the first `keep`, newest first.
    pub(super) fn undo_writes(&mut self, keep: usize) {
        if self.buffers.writes.len() <= keep {
            return;
        }
        let guard = pin();
        while self.buffers.writes.len() > keep {
            let Some(write) = self.buffers.writes.pop() else { return };
            // SAFETY: the record is locked by this transaction, and the versions are its own.
            let (record, version) = unsafe { (write.record.get(), write.version.get()) };
            // SAFETY: as above.
            let below = write.replaced.map(|replaced| unsafe { replaced.get() }).or_else(|| version.next());
            record.set_head(below);
            // SAFETY: it has just been unlinked, and its entry is gone.
            unsafe { version.retire(&guard) };
            if below.is_none() {
                self.store().garbage().push(self.slot, Timestamp::MIN, write.table, record);
            }
        }
    }
}

/// The position in its transaction's list of a pending version. (Under an exclusive lock, a pending version
/// is one's own.)
fn own_index(version: Version<'_>) -> Option<u32> {
    match version.state() {
        VersionState::Pending { index, .. } => Some(index),
        VersionState::Committed(_) => None,
    }
}
