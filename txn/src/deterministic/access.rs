//! What a transaction that runs in its place does to records.

use std::sync::Arc;

use crossbeam_epoch::{Guard, pin};
use synod_storage::sync::{Ordering, spin};
use synod_storage::{Record, Table, Timestamp, Version, VersionState, check_key, check_value};

use super::execution::{Execution, Write};
use crate::cursor::Cursor;
use crate::protocol::{Expect, Intent, Visit, VisitKey};
use crate::store::scan_step;
use crate::{Error, Result};

/// Where a key stands in a transaction's footprint.
#[derive(Clone, Copy)]
enum Place {
    /// It is one of the keys.
    Key(usize),
    /// It lies in a range.
    InRange,
}

/// In the control word of a record: somebody writes a first value, so the collector has to leave it where it is.
const KEPT: u64 = 1;

impl Execution {
    pub(super) fn read_key(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        intent: Intent,
        visit: &mut VisitKey<'_>,
    ) -> Result<()> {
        check_key(key)?;
        let place = self.place(table, key, intent != Intent::Read)?;
        visit(self.record(place, table, key).and_then(|record| self.seen(record)));
        Ok(())
    }

    pub(super) fn write_key(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        value: Option<&[u8]>,
        expect: Expect,
    ) -> Result<bool> {
        check_key(key)?;
        check_value(value.unwrap_or_default())?;
        let place = self.place(table, key, true)?;
        // What is to be inserted is mostly absent: then a look at what is there would be wasted.
        let found = match (place, expect) {
            (Place::InRange, Expect::Absent) => None,
            _ => self.record(place, table, key).filter(|record| has_value(*record)),
        };
        let mut had_value = found.is_some();
        match (found, value) {
            (Some(_), _) if expect == Expect::Absent => return Err(key_exists(table, key)),
            (Some(record), _) => self.link(table, record, value),
            (None, Some(value)) => {
                let guard = pin();
                let record = keep_or_insert(table, key, value.len(), &guard);
                had_value = has_value(record);
                if !had_value {
                    self.link(table, record, Some(value));
                }
                // Release: the collector that finds it free sees the value.
                record.word().store(0, Ordering::Release);
                if had_value {
                    return Err(key_exists(table, key));
                }
                if let Place::Key(index) = place {
                    self.records[index] = Some(record.ptr());
                }
            }
            (None, None) => {}
        }
        Ok(had_value)
    }

    /// Delivers the next records of a range, as far as one range of the footprint reaches.
    pub(super) fn scan_on(
        &mut self,
        table: &Arc<Table>,
        cursor: &mut Cursor,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        let Some(mut part) = self.footprint.clip(table.id(), cursor) else {
            return Err(self.stray(table, None, false));
        };
        let guard = pin();
        if !part.is_done() {
            scan_step(table, &mut part, &guard, |record| {
                if let Some(version) = self.seen(record) {
                    visit(record.key(), version);
                }
            });
        }
        cursor.follow(part);
        Ok(())
    }

    /// The version of a record that this transaction sees: its own, or else the newest one of those who come before it,
    /// who have all finished. There may be newer ones already, of those who come after it and needn't wait for readers.
    #[inline]
    fn seen<'g>(&self, record: Record<'g>) -> Option<Version<'g>> {
        let mut version = record.head();
        while let Some(candidate) = version {
            // The link first: once a version is committed, what is older may be cut off.
            let older = candidate.next();
            let is_seen = match candidate.state() {
                VersionState::Committed(at) => at < self.at(),
                VersionState::Pending { slot, .. } => slot == self.slot,
            };
            if is_seen {
                break;
            }
            version = older;
        }
        version
    }

    /// Where a key stands in the footprint.
    #[inline]
    fn place(&mut self, table: &Table, key: &[u8], writes: bool) -> Result<Place> {
        // What is read is often written next.
        let index = self.footprint.find_after(self.last_found, table.id(), key);
        if let Some(index) = index {
            self.last_found = index;
            if !writes || self.footprint.is_write(index) {
                return Ok(Place::Key(index));
            }
        }
        self.place_in_range(table, key, writes, index)
    }

    /// As [`Execution::place`], for a key that may not be touched unless a range says so.
    #[inline(never)]
    fn place_in_range(
        &mut self,
        table: &Table,
        key: &[u8],
        writes: bool,
        index: Option<usize>,
    ) -> Result<Place> {
        let (footprint, id) = (&self.footprint, table.id());
        let may = if writes { footprint.covers_write(id, key) } else { footprint.covers_read(id, key) };
        match index {
            // One that is read by itself and written in a range: the next reading looks for its record here.
            Some(index) if may => Ok(Place::Key(index)),
            None if may => Ok(Place::InRange),
            _ => Err(self.stray(table, Some(key), writes)),
        }
    }

    #[cold]
    fn stray(&mut self, table: &Table, key: Option<&[u8]>, writes: bool) -> Error {
        self.has_strayed = true;
        Error::OutsideFootprint { table: table.name().to_owned(), key: key.map(<[u8]>::to_vec), writes }
    }

    /// The record of a key, for as long as the transaction runs.
    #[inline]
    fn record<'t>(&self, place: Place, table: &Table, key: &[u8]) -> Option<Record<'t>> {
        let record = match place {
            Place::Key(index) => self.records[index],
            Place::InRange => table.index().get(key, &pin()).map(Record::ptr),
        };
        // SAFETY: it was found, or inserted, while the thread has been pinned as it still is, by the caller of `begin`.
        record.map(|record| unsafe { record.get() })
    }

    /// Links a pending version in front of a record that stays in the index.
    fn link(&mut self, table: &Table, record: Record<'_>, value: Option<&[u8]>) {
        self.write_count += 1;
        let head = record.head();
        let own = head.and_then(|head| Some((head, own_index(head)?)));
        match own {
            Some((head, index)) if index as usize >= self.writes_before_savepoint() => {
                let version = self.make(record, value, index, head.next());
                self.writes[index as usize].version = version.ptr();
                // SAFETY: it has just been unlinked, and its entry was replaced.
                unsafe { head.retire(&pin()) };
            }
            _ => {
                self.pass_over_behind(head);
                let index = self.writes.len() as u32;
                let below = own.map_or(head, |(head, _)| head.next());
                let version = self.make(record, value, index, below);
                let replaced = own.map(|(head, _)| head.ptr());
                let (record, version) = (record.ptr(), version.ptr());
                self.writes.push(Write { table: table.id(), record, version, replaced });
            }
        }
    }

    /// Takes out of the chain what the transaction before has replaced there, if nobody needs it any more.
    #[inline]
    fn pass_over_behind(&mut self, head: Option<Version<'_>>) {
        let Some(head) = head.filter(|head| head.next().is_some()) else { return };
        if let VersionState::Committed(at) = head.state() {
            let readers = self.readers.get_or_insert_with(|| self.store.readers());
            // SAFETY: the record is this transaction's alone; in this mode the readers' time is that up to which all
            // transactions have run.
            unsafe { readers.pass_over_behind(head, at, &pin()) };
        }
    }

    fn make<'g>(
        &self,
        record: Record<'g>,
        value: Option<&[u8]>,
        index: u32,
        below: Option<Version<'g>>,
    ) -> Version<'g> {
        let state = VersionState::Pending { slot: self.slot, index };
        // SAFETY: nobody else writes what is in this transaction's footprint.
        let version = unsafe { record.make_version(value, state) };
        version.set_next(below);
        record.set_head(Some(version));
        version
    }

    /// Undoes all writes but the first `keep`, newest first.
    pub(super) fn undo_writes(&mut self, keep: usize) {
        if self.writes.len() <= keep {
            return;
        }
        let guard = pin();
        while self.writes.len() > keep {
            let Some(write) = self.writes.pop() else { return };
            // SAFETY: the record is this transaction's alone, and so are its versions.
            let (record, version) = unsafe { (write.record.get(), write.version.get()) };
            // SAFETY: as above.
            let below = write.replaced.map(|replaced| unsafe { replaced.get() }).or_else(|| version.next());
            record.set_head(below);
            // SAFETY: it has just been unlinked, and its entry is gone.
            unsafe { version.retire(&guard) };
            if below.is_none_or(|below| below.value().is_none()) {
                // The collector may have come by while there was a value, and gone again.
                self.store.garbage().push(self.slot, Timestamp::MIN, write.table, record);
            }
        }
    }
}

pub(super) fn has_value(record: Record<'_>) -> bool {
    record.head().is_some_and(|version| version.value().is_some())
}

#[cold]
fn key_exists(table: &Table, key: &[u8]) -> Error {
    Error::KeyExists { table: table.name().to_owned(), key: key.to_vec() }
}

/// The record of a key, taken, so that the collector leaves it where it is; inserted if there is none.
fn keep_or_insert<'g>(table: &'g Table, key: &[u8], value_bytes: usize, guard: &'g Guard) -> Record<'g> {
    for round in 0.. {
        let make = || Record::allocate(key, KEPT, value_bytes);
        let (record, is_new) = table.index().insert_unasked(key, make, guard);
        // Acquire: pairs with the release of who had it before.
        let take = || record.word().compare_exchange(0, KEPT, Ordering::Acquire, Ordering::Relaxed);
        if is_new || take().is_ok() {
            return record;
        }
        // The collector has it: it leaves the index at once, or stays.
        spin(round);
    }
    unreachable!("the loop ends by returning")
}

/// The position in its transaction's list of a pending version. (Those in a transaction's footprint are its own.)
fn own_index(version: Version<'_>) -> Option<u32> {
    match version.state() {
        VersionState::Pending { index, .. } => Some(index),
        VersionState::Committed(_) => None,
    }
}
