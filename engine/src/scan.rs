//! Reading and deleting ranges.

use std::iter::FusedIterator;
use std::sync::Arc;

use bytes::Bytes;
use synod_txn::{Cursor, Direction, Expect, Intent};

use crate::range::cursor;
use crate::{Error, KeyRange, Result, Snapshot, Table, Transaction};

impl Transaction {
    /// The records of a range in ascending order of their keys. It sees this transaction's own writes, also
    /// those made while it goes on, where it has not passed yet.
    ///
    /// ```
    /// # use synod::{Engine, Options};
    /// # let engine = Engine::in_memory(Options::new())?;
    /// # let table = engine.table("t")?;
    /// engine.transact(|txn| {
    ///     for key in ["a", "b", "c"] {
    ///         txn.put(&table, key, "")?;
    ///     }
    ///     for record in txn.scan(&table, "a".."c") {
    ///         let (key, _) = record?;
    ///         txn.put(&table, key, "seen")?;
    ///     }
    ///     Ok::<_, synod::Error>(())
    /// })?;
    /// # Ok::<(), synod::Error>(())
    /// ```
    pub fn scan(&self, table: &Table, range: impl KeyRange) -> Scan<'_> {
        Scan::new(self, table, cursor(range, Direction::Forward))
    }

    /// As [`Transaction::scan`], in descending order.
    pub fn scan_rev(&self, table: &Table, range: impl KeyRange) -> Scan<'_> {
        Scan::new(self, table, cursor(range, Direction::Backward))
    }

    /// The records whose keys begin with `prefix`, in ascending order.
    pub fn prefix(&self, table: &Table, prefix: impl AsRef<[u8]>) -> Scan<'_> {
        Scan::new(self, table, Cursor::over_prefix(prefix.as_ref()))
    }

    /// Deletes all keys in a range; returns how many had a value.
    ///
    /// ```
    /// # use synod::{Engine, Options};
    /// # let engine = Engine::in_memory(Options::new())?;
    /// # let log = engine.table("log")?;
    /// engine.transact(|txn| {
    ///     for day in ["2026-01-30", "2026-01-31", "2026-02-01"] {
    ///         txn.put(&log, day, "…")?;
    ///     }
    ///     assert_eq!(txn.delete_range(&log, "2026-01".."2026-02")?, 2);
    ///     Ok::<_, synod::Error>(())
    /// })?;
    /// # Ok::<(), synod::Error>(())
    /// ```
    pub fn delete_range(&self, table: &Table, range: impl KeyRange) -> Result<u64> {
        let mut cursor = cursor(range, Direction::Forward);
        let mut deleted = 0;
        let mut keys: Vec<Vec<u8>> = Vec::new();
        drop(self.writable(table)?);
        while !cursor.is_done() {
            keys.clear();
            self.scan_some(&table.inner, &mut cursor, Intent::Write, &mut |key, _| keys.push(key.to_vec()))?;
            for key in &keys {
                deleted += u64::from(self.write(table, key, None, Expect::Told)?);
            }
        }
        Ok(deleted)
    }
}

/// The next few records of a scan, copied out one behind the other, so that nothing is held while the user
/// looks at them. The memory is used again for the records after them, unless the user still holds a part.
#[derive(Default)]
struct Batch {
    bytes: Bytes,
    /// For each record, where its key and its value end.
    ends: Vec<(usize, usize)>,
    /// How many of them were delivered.
    delivered: usize,
}

/// Where a record lies in a batch.
struct Place {
    start: usize,
    key_end: usize,
    value_end: usize,
}

/// How many records are expected in a batch: about a leaf of the index.
const EXPECTED_RECORDS: usize = 64;

/// No more memory than this is taken on expectation.
const EXPECTED_BYTES_MAX: usize = 16 * 1024;

impl Batch {
    /// Fills the batch through a function that visits records.
    fn fill(&mut self, visit_all: impl FnOnce(&mut dyn FnMut(&[u8], &[u8])) -> Result<()>) -> Result<()> {
        self.forget();
        let mut bytes = std::mem::take(&mut self.bytes).try_into_mut().unwrap_or_default();
        bytes.clear();
        let ends = &mut self.ends;
        visit_all(&mut |key, value| {
            if bytes.capacity() == 0 {
                bytes.reserve(((key.len() + value.len()) * EXPECTED_RECORDS).min(EXPECTED_BYTES_MAX));
            }
            bytes.extend_from_slice(key);
            let key_end = bytes.len();
            bytes.extend_from_slice(value);
            ends.push((key_end, bytes.len()));
        })?;
        self.bytes = bytes.freeze();
        Ok(())
    }

    /// Drops the records that were not delivered.
    fn forget(&mut self) {
        self.ends.clear();
        self.delivered = 0;
    }

    fn advance(&mut self) -> Option<Place> {
        let place = self.place(self.delivered)?;
        self.delivered += 1;
        Some(place)
    }

    fn place(&self, record: usize) -> Option<Place> {
        let &(key_end, value_end) = self.ends.get(record)?;
        let start = record.checked_sub(1).map_or(0, |previous| self.ends[previous].1);
        Some(Place { start, key_end, value_end })
    }

    fn shared(&self, place: &Place) -> (Bytes, Bytes) {
        let Place { start, key_end, value_end } = *place;
        (self.bytes.slice(start..key_end), self.bytes.slice(key_end..value_end))
    }

    fn borrowed(&self, place: &Place) -> (&[u8], &[u8]) {
        (&self.bytes[place.start..place.key_end], &self.bytes[place.key_end..place.value_end])
    }

    /// The key that was delivered last.
    fn last_key(&self) -> Option<&[u8]> {
        let place = self.place(self.delivered.checked_sub(1)?)?;
        Some(&self.bytes[place.start..place.key_end])
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
    /// The end was reported.
    is_over: bool,
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
            is_over: false,
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
            self.batch.forget();
        }
    }

    /// As [`Iterator::next`], but lends the record instead of sharing it: no reference is counted, and the
    /// memory is used again for the records after it.
    ///
    /// ```
    /// # use synod::{Engine, Options};
    /// # let engine = Engine::in_memory(Options::new())?;
    /// # let table = engine.table("t")?;
    /// # engine.transact(|txn| txn.put(&table, "key", "value"))?;
    /// let bytes = engine.transact(|txn| {
    ///     let mut scan = txn.scan(&table, ..);
    ///     let mut bytes = 0;
    ///     while let Some((key, value)) = scan.next_ref()? {
    ///         bytes += key.len() + value.len();
    ///     }
    ///     Ok::<_, synod::Error>(bytes)
    /// })?;
    /// assert_eq!(bytes, 8);
    /// # Ok::<(), synod::Error>(())
    /// ```
    pub fn next_ref(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        Ok(self.advance()?.map(|place| self.batch.borrowed(&place)))
    }

    fn advance(&mut self) -> Result<Option<Place>> {
        if let Some(failure) = self.failure.take() {
            self.cursor.finish();
            self.is_over = true;
            return Err(failure);
        }
        if self.is_over {
            // Also if the transaction has written since: a scan that has ended doesn't begin again.
            return Ok(None);
        }
        self.refresh();
        loop {
            if let Some(place) = self.batch.advance() {
                return Ok(Some(place));
            }
            if self.cursor.is_done() {
                self.is_over = true;
                return Ok(None);
            }
            if let Err(error) = self.read_on() {
                self.batch.forget();
                self.cursor.finish();
                self.is_over = true;
                return Err(error);
            }
        }
    }

    fn read_on(&mut self) -> Result<()> {
        self.read_at = self.transaction.write_count();
        self.batch
            .fill(|visit| self.transaction.scan_some(&self.table, &mut self.cursor, Intent::Read, visit))
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<(Bytes, Bytes)>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.advance().transpose()?.map(|place| self.batch.shared(&place)))
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

    /// As [`Iterator::next`], but lends the record instead of sharing it, like [`Scan::next_ref`].
    pub fn next_ref(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        Ok(self.advance()?.map(|place| self.batch.borrowed(&place)))
    }

    fn advance(&mut self) -> Result<Option<Place>> {
        if let Some(failure) = self.failure.take() {
            self.cursor.finish();
            return Err(failure);
        }
        loop {
            if let Some(place) = self.batch.advance() {
                return Ok(Some(place));
            }
            if self.cursor.is_done() {
                return Ok(None);
            }
            let (snapshot, table, cursor) = (self.snapshot, &self.table, &mut self.cursor);
            self.batch.fill(|visit| {
                snapshot.scan_some(table, cursor, visit);
                Ok(())
            })?;
        }
    }
}

impl Iterator for SnapshotScan<'_> {
    type Item = Result<(Bytes, Bytes)>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.advance().transpose()?.map(|place| self.batch.shared(&place)))
    }
}

impl FusedIterator for SnapshotScan<'_> {}
