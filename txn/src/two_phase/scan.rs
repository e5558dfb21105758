//! Scanning a range, one leaf of the index at a time.
//!
//! A step reads a leaf, locks the records of it that lie in the range (and, when serializable, the gaps in
//! front of them), and only then makes sure that the leaf still has the keys that were read. Whatever is
//! wrong (a record that had to be waited for, one that has left the index, a new key) repeats the step; the
//! locks already taken stay, and are found held the next time. A record that is marked dead can't be passed
//! over: until it has left the index, it may come back to life (see `garbage`).
//!
//! ```text
//! forward     ──[a]──[c]──[e]──(g)      locks: a c e with their gaps, and the gap of g, the first
//! range a..f   └──── range ──┘           record behind the range (or of the table's end)
//!
//! backward    first the gap of g; then e, c, a with their gaps
//! ```

use std::ops::Bound;
use std::sync::Arc;

use crossbeam_epoch::{Guard, pin};
use synod_storage::index::{Batch, Witness};
use synod_storage::sync::spin;
use synod_storage::{RecordPtr, Table};

use super::transaction::Transaction;
use crate::cursor::{Cursor, Direction};
use crate::locking::word::Modes;
use crate::protocol::{Intent, Isolation};
use crate::store::PREFETCH_DISTANCE;
use crate::{Result, Visit};

/// What a step has found.
#[derive(Default)]
struct Step {
    /// The records in the range, in the order of the scan.
    records: Vec<RecordPtr>,
    /// Forward only: the first record behind the range, or the table's end.
    boundary: Option<RecordPtr>,
    /// The leaves that were read.
    witnesses: Vec<Witness>,
    /// Whether the range ends with these records.
    is_last: bool,
}

impl Transaction {
    pub(super) fn scan_leaf(
        &mut self,
        table: &Arc<Table>,
        cursor: &mut Cursor,
        intent: Intent,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        let mut guard = pin();
        let locks_gaps = self.isolation == Isolation::Serializable;
        if locks_gaps && cursor.fresh && cursor.direction == Direction::Backward {
            self.lock_gap_above(table, cursor, &mut guard)?;
        }
        for round in 0.. {
            let step = find(table, cursor, &guard);
            if self.lock_step(table, &step, intent, locks_gaps, &mut guard)? {
                self.deliver(&step, cursor, visit, &guard);
                return Ok(());
            }
            spin(round);
        }
        unreachable!("the loop ends by returning")
    }

    /// A backward scan's first step: nothing may come in between the range's end and its successor.
    fn lock_gap_above(&mut self, table: &Arc<Table>, cursor: &Cursor, guard: &mut Guard) -> Result<()> {
        let behind = match cursor.upper() {
            Bound::Included(upper) => Bound::Excluded(upper),
            Bound::Excluded(upper) => Bound::Included(upper),
            Bound::Unbounded => {
                // The end mark always exists, and never moves.
                return self.writer.lock(table, table.end(), Modes::GAP, guard).map(|_| ());
            }
        };
        self.lock_gap_from(table, behind, guard)
    }

    /// Locks what a step has found: false if it has to be repeated.
    fn lock_step(
        &mut self,
        table: &Arc<Table>,
        step: &Step,
        intent: Intent,
        locks_gaps: bool,
        guard: &mut Guard,
    ) -> Result<bool> {
        self.writer.has_waited = false;
        let gap = if locks_gaps { Modes::GAP } else { Modes::default() };
        for (position, &record) in step.records.iter().enumerate() {
            if let Some(soon) = step.records.get(position + PREFETCH_DISTANCE) {
                // SAFETY: it was found under this guard.
                unsafe { soon.get() }.prefetch_head();
            }
            // After a wait the guard is a new one, and the other records may be gone.
            if !self.lock_to_read(table, record, intent, gap, guard)? || self.writer.has_waited {
                return Ok(false);
            }
        }
        if !locks_gaps {
            return Ok(true);
        }
        if let Some(boundary) = step.boundary
            && (!self.writer.lock(table, boundary, Modes::GAP, guard)? || self.writer.has_waited)
        {
            return Ok(false);
        }
        // The locks first, this look afterwards: an inserter that missed a lock has changed its leaf.
        Ok(step.witnesses.iter().all(|witness| table.index().is_current(witness)))
    }

    fn deliver(&mut self, step: &Step, cursor: &mut Cursor, visit: &mut Visit<'_>, guard: &Guard) {
        for &record in &step.records {
            if let Some(version) = self.version_of(record, guard) {
                // SAFETY: the record is locked, or was found under this guard.
                visit(unsafe { record.get() }.key(), version);
            }
        }
        if let Some(last) = step.records.last() {
            // SAFETY: as above.
            cursor.move_past(unsafe { last.get() }.key());
        }
        cursor.done = step.is_last;
    }
}

/// Reads on from the cursor until there's a record, or the range's end.
fn find(table: &Table, cursor: &Cursor, guard: &Guard) -> Step {
    let mut step = Step::default();
    let mut batch = Batch::new();
    let mut fence: Option<&[u8]> = None;
    loop {
        let reached_end = match cursor.direction {
            Direction::Forward => {
                let start = fence.map_or(cursor.lower(), Bound::Included);
                table.index().leaf_from(start, &mut batch, guard);
                step.take_forward(&batch, cursor)
            }
            Direction::Backward => {
                let end = fence.map_or(cursor.upper(), Bound::Excluded);
                table.index().leaf_to(end, &mut batch, guard);
                step.take_backward(&batch, cursor)
            }
        };
        step.witnesses.push(batch.witness());
        fence = batch.fence();
        if step.shorten_to(cursor.step_records()) {
            return step;
        }
        if reached_end {
            step.is_last = true;
            return step;
        }
        if fence.is_none() {
            step.boundary = (cursor.direction == Direction::Forward).then_some(table.end());
            step.is_last = true;
            return step;
        }
        if !step.records.is_empty() {
            return step;
        }
    }
}

impl Step {
    /// Takes a leaf's records; returns whether the range ends among them.
    fn take_forward(&mut self, batch: &Batch<'_>, cursor: &Cursor) -> bool {
        let records = batch.records();
        // Most leaves lie within the range: then one comparison of keys is enough.
        let within = match records.last() {
            Some(last) if cursor.is_above(last.key()) => {
                records.partition_point(|record| !cursor.is_above(record.key()))
            }
            _ => records.len(),
        };
        let (inside, behind) = records.split_at(within);
        self.records.extend(inside.iter().map(|record| record.ptr()));
        self.boundary = behind.first().map(|record| record.ptr());
        self.boundary.is_some()
    }

    /// Keeps only the first `limit` records; returns whether there were more.
    fn shorten_to(&mut self, limit: usize) -> bool {
        let is_longer = self.records.len() > limit;
        if is_longer {
            self.records.truncate(limit);
            self.boundary = None;
        }
        is_longer
    }

    /// As [`Step::take_forward`], in descending order.
    fn take_backward(&mut self, batch: &Batch<'_>, cursor: &Cursor) -> bool {
        for &record in batch.records().iter().rev() {
            if cursor.is_below(record.key()) {
                return true;
            }
            self.records.push(record.ptr());
        }
        false
    }
}
