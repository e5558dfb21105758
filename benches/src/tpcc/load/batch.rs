//! Rows collected into transactions of bounded size.

use crate::error::Result;
use crate::put_rows::Rows;
use std::sync::atomic::{AtomicU64, Ordering};
use synod::{Durability, Engine, Table};

/// The most rows of one transaction.
const ROWS_MAX: usize = 1_000;
/// The most bytes of keys and rows in one transaction, but for the last row.
const BYTES_MAX: usize = 256 * 1024;

/// Rows that wait to be written.
pub(super) struct Batch<'a> {
    engine: &'a Engine,
    level: Durability,
    written: &'a AtomicU64,
    rows: Rows<'a>,
}

impl<'a> Batch<'a> {
    /// An empty batch, whose transactions commit at `level`; `written` counts their rows.
    pub(super) fn new(engine: &'a Engine, level: Durability, written: &'a AtomicU64) -> Batch<'a> {
        Batch { engine, level, written, rows: Rows::default() }
    }

    /// Adds a row, and writes the batch if it is full.
    pub(super) fn put(&mut self, table: &'a Table, key: &[u8], row: &[u8]) -> Result<()> {
        self.rows.push(table, key, row);
        if self.rows.len() >= ROWS_MAX || self.rows.bytes() >= BYTES_MAX { self.flush() } else { Ok(()) }
    }

    /// Writes what there is, in one transaction.
    pub(super) fn flush(&mut self) -> Result<()> {
        let rows = self.rows.len() as u64;
        if rows > 0 {
            self.rows.write(self.engine, self.level)?;
        }
        // Relaxed: only shown as progress.
        self.written.fetch_add(rows, Ordering::Relaxed);
        Ok(())
    }
}
