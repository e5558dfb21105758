//! Reading, and scanning.

use std::sync::Arc;

use crossbeam_epoch::pin;
use synod_storage::sync::spin;
use synod_storage::{Record, Table, Version, VersionState};

use super::transaction::Transaction;
use crate::locking::word::Modes;
use crate::locking::writer::in_locking_order;
use crate::protocol::Intent;
use crate::protocol::VisitNth;
use crate::store::scan_step;
use crate::together;
use crate::visibility::{latest_committed, visible_at};
use crate::{Cursor, Result, Visit, VisitKey};

impl Transaction {
    pub(super) fn read_key(&mut self, table: &Arc<Table>, key: &[u8], visit: &mut VisitKey<'_>) {
        let guard = pin();
        let record = self.writer.find(table, key, &guard);
        // SAFETY: found under this guard, or locked.
        let record = record.map(|record| unsafe { record.get() });
        let has_value = self.read_record(table, key, record, visit);
        if let Some(record) = record
            && has_value
            && self.snapshot.is_some()
        {
            // SAFETY: it has a value in the snapshot.
            unsafe { self.writer.recent.note(table, record.ptr()) };
        }
    }

    /// Reads several keys.
    pub(super) fn read_keys(&mut self, table: &Arc<Table>, keys: &[&[u8]], visit: &mut VisitNth<'_>) {
        self.writer.recent.forget();
        together::for_each(table, keys, &pin(), |nth, key, record| {
            let has_value = self.read_record(table, key, record, &mut |version| visit(nth, version));
            if let Some(record) = record
                && has_value
                && self.snapshot.is_some()
            {
                // SAFETY: it has a value in the snapshot.
                unsafe { self.writer.recent.note_another(table, record.ptr()) };
            }
        });
    }

    /// Reads several keys that will be written.
    pub(super) fn read_keys_to_write(
        &mut self,
        table: &Arc<Table>,
        keys: &[&[u8]],
        intent: Intent,
        visit: &mut VisitNth<'_>,
    ) -> Result<()> {
        let locked = self.writer.lock_together(table, keys, modes_of(intent));
        for (nth, (key, record)) in keys.iter().zip(&locked).enumerate() {
            self.check_first(table, *record)?;
            // SAFETY: it is locked.
            let record = unsafe { record.get() };
            self.read_record(table, key, Some(record), &mut |version| visit(nth, version));
        }
        if !locked.is_empty() {
            return Ok(());
        }
        for key in in_locking_order(keys) {
            self.lock_to_write(table, key, intent)?;
        }
        for (nth, key) in keys.iter().enumerate() {
            self.read_key(table, key, &mut |version| visit(nth, version));
        }
        Ok(())
    }

    /// Reads what a key's record has, and says whether that is a value.
    #[inline]
    fn read_record(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        record: Option<Record<'_>>,
        visit: &mut VisitKey<'_>,
    ) -> bool {
        let version = record.and_then(|record| self.see(record));
        if let Some(tracking) = &mut self.tracking {
            match record {
                Some(record) if has_value(version) => tracking.reads.note_record(table, record.ptr()),
                _ => tracking.reads.note_absent(table, key),
            }
        }
        visit(version);
        has_value(version)
    }

    /// Reads a key that will be written.
    pub(super) fn read_to_write(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        intent: Intent,
        visit: &mut VisitKey<'_>,
    ) -> Result<()> {
        self.lock_to_write(table, key, intent)?;
        self.read_key(table, key, visit);
        Ok(())
    }

    /// Locks a key's record, if there is one, so that nobody else is first to write it.
    fn lock_to_write(&mut self, table: &Arc<Table>, key: &[u8], intent: Intent) -> Result<()> {
        let modes = modes_of(intent);
        let mut guard = pin();
        for round in 0.. {
            let Some(record) = self.writer.find(table, key, &guard) else { break };
            if self.writer.lock(table, record, modes, &mut guard)? {
                // SAFETY: it is locked.
                unsafe { self.writer.recent.note(table, record) };
                self.check_first(table, record)?;
                break;
            }
            // The record is about to leave the index.
            spin(round);
        }
        Ok(())
    }

    /// What this transaction sees in a record.
    #[inline]
    pub(super) fn see<'g>(&mut self, record: Record<'g>) -> Option<Version<'g>> {
        let version = self.version_of(record)?;
        if let VersionState::Committed(timestamp) = version.state() {
            self.writer.newest_read = self.writer.newest_read.max(timestamp);
        }
        Some(version)
    }

    #[inline]
    fn version_of<'g>(&self, record: Record<'g>) -> Option<Version<'g>> {
        if let Some(head) = record.head()
            && matches!(head.state(), VersionState::Pending { slot, .. } if slot == self.writer.slot())
        {
            return Some(head);
        }
        match &self.snapshot {
            Some(snapshot) => visible_at(record, snapshot.timestamp(), self.writer.store().registry()),
            None => latest_committed(record),
        }
    }

    pub(super) fn scan_leaf(&mut self, table: &Arc<Table>, cursor: &mut Cursor, visit: &mut Visit<'_>) {
        let guard = pin();
        let mut tracking = self.tracking.take();
        let mut step = |cursor: &mut Cursor| {
            scan_step(table, cursor, &guard, |record| {
                if let Some(version) = self.see(record) {
                    visit(record.key(), version);
                }
            });
        };
        match &mut tracking {
            Some(tracking) => tracking.reads.note_step(table, cursor, step),
            None => step(cursor),
        }
        self.tracking = tracking;
    }
}

fn modes_of(intent: Intent) -> Modes {
    if intent == Intent::Update { Modes::UPDATE } else { Modes::EXCLUSIVE }
}

/// Whether there is a value to be seen.
#[inline]
pub(super) fn has_value(version: Option<Version<'_>>) -> bool {
    version.is_some_and(|version| version.value().is_some())
}
