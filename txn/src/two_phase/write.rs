//! Writing and deleting: pending versions, and how they're undone.

use std::cell::Cell;
use std::sync::Arc;

use crossbeam_epoch::{Guard, pin};
use synod_storage::index::Insertion;
use synod_storage::sync::{Ordering, spin};
use synod_storage::{Record, RecordPtr, Table, Timestamp, Version, VersionState, check_value};

use super::lock_table::{Gap, LockTable};
use super::transaction::{Transaction, Write};
use super::word::{Modes, Word};
use crate::protocol::{Expect, Isolation};
use crate::{Error, Result};

impl Transaction {
    /// Writes or deletes one key; returns whether it had a value.
    pub(super) fn write_key(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        value: Option<&[u8]>,
        expect: Expect,
    ) -> Result<bool> {
        check_value(value.unwrap_or_default())?;
        let mut guard = pin();
        for round in 0.. {
            let found = self.find(table, key, &guard);
            let locked = match (found, value) {
                (Some(record), _) => {
                    self.lock(table, record, Modes::EXCLUSIVE, &mut guard)?.then_some(record)
                }
                (None, Some(_)) => self.insert_record(table, key, &mut guard)?,
                (None, None) => {
                    let is_repeatable = self.isolation >= Isolation::RepeatableRead;
                    if !is_repeatable || self.lock_gap_of(table, key, &mut guard)? {
                        return Ok(false);
                    }
                    None
                }
            };
            if let Some(record) = locked {
                self.last_locked = Some((table.id(), record));
                return self.write_record(table, record, value, expect, &guard);
            }
            spin(round);
        }
        unreachable!("the loop ends by returning")
    }

    /// Puts an empty record under `key`, locked by this transaction. `None` if that has to be tried again:
    /// somebody else was faster, or had to be waited for.
    fn insert_record(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        guard: &mut Guard,
    ) -> Result<Option<RecordPtr>> {
        let slot = self.slot;
        let lock_table = &self.protocol.lock_table;
        let or_end = |successor: Option<Record<'_>>| successor.map_or(table.end(), Record::ptr);
        let splits_own_gap = Cell::new(false);
        let admit = |successor| {
            let verdict = gap_in_front_of(or_end(successor), slot, lock_table);
            splits_own_gap.set(verdict == Gap::Own);
            verdict != Gap::Others
        };
        let make = || {
            let record = Record::allocate(key, Word::owned_by(slot).0);
            if splits_own_gap.get() {
                // The gap lock must go on covering both parts of the gap.
                match Word::owned_by(slot).grant(slot, Modes::GAP) {
                    Some(word) => record.word().store(word.0, Ordering::Relaxed),
                    None => lock_table.install(slot, record, Modes::EXCLUSIVE.with(Modes::GAP)),
                }
            }
            record
        };
        let refused = match table.index().insert(key, make, admit, guard) {
            Insertion::Inserted(record) => {
                self.buffers.locks.push(record.ptr());
                return Ok(Some(record.ptr()));
            }
            Insertion::Present(_) => return Ok(None),
            Insertion::Refused(successor) => or_end(successor),
        };
        self.lock(table, refused, Modes::INSERT, guard)?;
        Ok(None)
    }

    /// Links a pending version in front of a record that this transaction has locked for itself.
    fn write_record(
        &mut self,
        table: &Arc<Table>,
        record: RecordPtr,
        value: Option<&[u8]>,
        expect: Expect,
        guard: &Guard,
    ) -> Result<bool> {
        let had_value = self.value_of(record, guard).is_some();
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
        let version = Version::allocate(value, VersionState::Pending { slot: self.slot, index });
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

/// Looks at the gap lock on `successor`. Runs under the latch of the leaf that the new key belongs to.
fn gap_in_front_of(successor: RecordPtr, slot: u16, lock_table: &LockTable) -> Gap {
    loop {
        // SAFETY: the caller is pinned and found the record in the index.
        // SeqCst: after the leaf's latch (see the module).
        let word = Word(unsafe { successor.get() }.word().load(Ordering::SeqCst));
        if !word.is_inflated() {
            return match word.grant(slot, Modes::INSERT) {
                Some(_) if word.modes_of(slot).has(Modes::GAP) => Gap::Own,
                Some(_) => Gap::Nobody,
                None => Gap::Others,
            };
        }
        // `None`: it was deflated meanwhile.
        if let Some(gap) = lock_table.gap_of(slot, successor) {
            return gap;
        }
    }
}
