//! Rows collected into transactions of bounded size.

use crate::error::Result;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use synod::{Durability, Engine, Table, TransactOptions, TransactionOptions};

/// The most rows of one transaction.
const ROWS_MAX: usize = 1_000;
/// The most bytes of keys and rows in one transaction, but for the last row.
const BYTES_MAX: usize = 256 * 1024;

/// Rows that wait to be written. They lie in one buffer, and stay there until the commit has succeeded, so an
/// aborted transaction can be tried again.
pub(super) struct Batch<'a> {
    engine: &'a Engine,
    options: TransactOptions,
    written: &'a AtomicU64,
    bytes: Vec<u8>,
    rows: Vec<(&'a Table, Range<usize>, Range<usize>)>,
}

impl<'a> Batch<'a> {
    /// An empty batch, whose transactions commit at `level`; `written` counts their rows.
    pub(super) fn new(engine: &'a Engine, level: Durability, written: &'a AtomicU64) -> Batch<'a> {
        let options = TransactOptions {
            transaction: TransactionOptions::new().durability(level),
            ..TransactOptions::default()
        };
        Batch { engine, options, written, bytes: Vec::with_capacity(BYTES_MAX), rows: Vec::new() }
    }

    /// Adds a row, and writes the batch if it is full.
    pub(super) fn put(&mut self, table: &'a Table, key: &[u8], row: &[u8]) -> Result<()> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(row);
        self.rows.push((table, start..middle, middle..self.bytes.len()));
        if self.rows.len() >= ROWS_MAX || self.bytes.len() >= BYTES_MAX { self.flush() } else { Ok(()) }
    }

    /// Writes what there is, in one transaction.
    pub(super) fn flush(&mut self) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let (rows, bytes) = (&self.rows, &self.bytes);
        let committed = self.engine.transact_with(&self.options, |txn| {
            rows.iter()
                .try_for_each(|(table, key, row)| txn.put(table, &bytes[key.clone()], &bytes[row.clone()]))
        })?;
        committed.handle.wait()?;
        // Relaxed: only shown as progress.
        self.written.fetch_add(self.rows.len() as u64, Ordering::Relaxed);
        self.rows.clear();
        self.bytes.clear();
        Ok(())
    }
}
