//! Scanning a range: committed records, a leaf of the index at a time, and among them the transaction's own writes.
//!
//! ```text
//! committed    a    c    d    f │ …          a step has covered the keys up to f
//! own             b    ✗d   e   │    g       g has to wait for its step
//! delivered    a b c    e  f
//! ```

use std::sync::Arc;

use crossbeam_epoch::{Guard, pin};
use synod_storage::{Record, Table, Version};

use super::transaction::Transaction;
use crate::cursor::{Cursor, Direction};
use crate::protocol::Intent;
use crate::store::scan_step;
use crate::visibility::{Younger, latest_committed, newest_until};
use crate::{Result, Visit};

/// Records of a step, each with the version that is seen.
type Found<'g> = Vec<(Record<'g>, Version<'g>)>;

impl Transaction {
    pub(super) fn scan_some(
        &mut self,
        table: &Arc<Table>,
        cursor: &mut Cursor,
        intent: Intent,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        let guard = pin();
        let is_noted = self.notes(intent);
        let (reached, found) = self.step(table, cursor, is_noted, &guard)?;
        let (lower, upper) = cursor.covered_until(&reached);
        let own = self.buffers.writes.range(table, lower, upper);
        self.deliver(&found, own, cursor.direction, visit);
        if is_noted {
            self.buffers.reads.note_step(table, cursor, |cursor| *cursor = reached);
        } else {
            *cursor = reached;
        }
        Ok(())
    }

    /// The committed part of a step, and the cursor behind it. If it meets something younger than this
    /// transaction's moment, the moment moves on, and the step is repeated.
    fn step<'g>(
        &mut self,
        table: &'g Arc<Table>,
        cursor: &Cursor,
        is_noted: bool,
        guard: &'g Guard,
    ) -> Result<(Cursor, Found<'g>)> {
        let mut found = Found::new();
        loop {
            let mut reached = cursor.clone();
            let mut is_younger = false;
            let registry = self.store.registry();
            scan_step(table, &mut reached, guard, |record| {
                let seen = if is_noted {
                    newest_until(record, self.moment, registry)
                } else {
                    Ok(latest_committed(record))
                };
                match seen {
                    Ok(version) => found.extend(version.map(|version| (record, version))),
                    Err(Younger) => is_younger = true,
                }
            });
            if !is_younger {
                return Ok((reached, found));
            }
            found.clear();
            self.extend(guard)?;
        }
    }

    /// Delivers what a step has found together with the own writes among it, which hide it.
    fn deliver(&mut self, found: &Found<'_>, mut own: Vec<u32>, direction: Direction, visit: &mut Visit<'_>) {
        for (_, version) in found {
            self.note_timestamp(Some(*version));
        }
        if direction == Direction::Backward {
            own.reverse();
        }
        let mut own = own.into_iter().map(|entry| self.buffers.writes.write(entry)).peekable();
        let comes_first = |own: &[u8], other: &[u8]| match direction {
            Direction::Forward => own < other,
            Direction::Backward => own > other,
        };
        for (record, version) in found {
            while let Some(write) = own.next_if(|write| comes_first(write.key, record.key())) {
                visit(write.key, write.version);
            }
            let own_version = own.next_if(|write| write.key == record.key()).map(|write| write.version);
            visit(record.key(), own_version.unwrap_or(*version));
        }
        own.for_each(|write| visit(write.key, write.version));
    }
}
