//! Iterators over ranges.

use std::iter::FusedIterator;
use std::sync::Arc;

use bytes::Bytes;
use synod_txn::Cursor;

use crate::{Error, Result, Snapshot, Table, Transaction};

/// The next few records of a scan, copied out so that nothing is held while the user looks at them: one
/// allocation for all of them.
#[derive(Default)]
struct Batch {
    bytes: Bytes,
    /// For each record, where its key and its value end.
    ends: Vec<(usize, usize)>,
    /// How many of them were delivered.
    delivered: usize,
}

impl Batch {
    /// Fills the batch through a function that visits records.
    fn fill(&mut self, visit_all: impl FnOnce(&mut synod_txn::Visit<'_>) -> Result<()>) -> Result<()> {
        self.ends.clear();
        self.delivered = 0;
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let ends = &mut self.ends;
        visit_all(&mut |key, value| {
            bytes.extend_from_slice(key);
            let key_end = bytes.len();
            bytes.extend_from_slice(value);
            ends.push((key_end, bytes.len()));
        })?;
        self.bytes = Bytes::from(bytes);
        Ok(())
    }

    fn next(&mut self) -> Option<(Bytes, Bytes)> {
        let &(key_end, value_end) = self.ends.get(self.delivered)?;
        let start = self.start_of(self.delivered);
        self.delivered += 1;
        Some((self.bytes.slice(start..key_end), self.bytes.slice(key_end..value_end)))
    }

    fn start_of(&self, record: usize) -> usize {
        record.checked_sub(1).map_or(0, |previous| self.ends[previous].1)
    }

    /// The key that was delivered last.
    fn last_key(&self) -> Option<&[u8]> {
        let last = self.delivered.checked_sub(1)?;
        Some(&self.bytes[self.start_of(last)..self.ends[last].0])
    }
}

/// The records of a range as a transaction sees them. Made by [`Transaction::scan`],
/// [`Transaction::scan_rev`] and [`Transaction::prefix`]. Ends after the first error.
pub struct Scan<'t> {
    transaction: &'t Transaction,
    table: Arc<synod_storage::Table>,
    cursor: Cursor,
    batch: Batch,
    /// The transaction's write count when the batch was read.
    read_at: u64,
    failure: Option<Error>,
}

impl<'t> Scan<'t> {
    pub(crate) fn new(transaction: &'t Transaction, table: &Table, cursor: Cursor) -> Self {
        Scan {
            transaction,
            table: table.inner.clone(),
            cursor,
            batch: Batch::default(),
            read_at: 0,
            failure: transaction.check_table(table).err(),
        }
    }

    /// Forgets what was read ahead, if the transaction has written since: it may look different now, and
    /// there may be something where the scan had found nothing more.
    fn refresh(&mut self) {
        if self.read_at != self.transaction.write_count()
            && let Some(key) = self.batch.last_key()
        {
            self.cursor.go_back_to(key);
            self.batch = Batch::default();
        }
    }

    fn read_on(&mut self) -> Result<()> {
        self.read_at = self.transaction.write_count();
        self.batch.fill(|visit| self.transaction.scan_some(&self.table, &mut self.cursor, visit))
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<(Bytes, Bytes)>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(failure) = self.failure.take() {
            self.cursor.finish();
            return Some(Err(failure));
        }
        self.refresh();
        loop {
            if let Some(record) = self.batch.next() {
                return Some(Ok(record));
            }
            if self.cursor.is_done() {
                // An ended scan doesn't begin again.
                self.batch = Batch::default();
                return None;
            }
            if let Err(error) = self.read_on() {
                self.batch = Batch::default();
                self.cursor.finish();
                return Some(Err(error));
            }
        }
    }
}

impl FusedIterator for Scan<'_> {}

/// The records of a range as a snapshot sees them. Made by [`Snapshot::scan`], [`Snapshot::scan_rev`] and
/// [`Snapshot::prefix`].
pub struct SnapshotScan<'s> {
    snapshot: &'s Snapshot,
    table: Arc<synod_storage::Table>,
    cursor: Cursor,
    batch: Batch,
    failure: Option<Error>,
}

impl<'s> SnapshotScan<'s> {
    pub(crate) fn new(snapshot: &'s Snapshot, table: &Table, cursor: Cursor) -> Self {
        let failure = snapshot.check_table(table).err();
        SnapshotScan { snapshot, table: table.inner.clone(), cursor, batch: Batch::default(), failure }
    }
}

impl Iterator for SnapshotScan<'_> {
    type Item = Result<(Bytes, Bytes)>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(failure) = self.failure.take() {
            self.cursor.finish();
            return Some(Err(failure));
        }
        loop {
            if let Some(record) = self.batch.next() {
                return Some(Ok(record));
            }
            if self.cursor.is_done() {
                return None;
            }
            let (snapshot, table, cursor) = (self.snapshot, &self.table, &mut self.cursor);
            let filled = self.batch.fill(|visit| {
                snapshot.scan_some(table, cursor, visit);
                Ok(())
            });
            if let Err(error) = filled {
                return Some(Err(error));
            }
        }
    }
}

impl FusedIterator for SnapshotScan<'_> {}
