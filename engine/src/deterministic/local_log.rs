//! The sequencer's log on one node: the engine's write-ahead log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use synod_sequencer::{Batches, Error, Log, LoggedBatch, Result};
use synod_storage::Timestamp;
use synod_storage::wal::{LogReader, Piece};
use synod_txn::{CommitLog, Durability, Store};

/// Batches are frames among the others of the log, and are flushed like them: one sync for all that wait.
pub(super) struct LocalLog {
    store: Arc<Store>,
    /// So much is in memory that somebody should write it.
    is_long: AtomicBool,
}

impl LocalLog {
    /// The log of a store, which has one.
    pub(super) fn new(store: Arc<Store>) -> Self {
        LocalLog { store, is_long: AtomicBool::new(false) }
    }

    /// Whether somebody should write what is in memory; true once.
    pub(super) fn take_is_long(&self) -> bool {
        // Relaxed: nothing is read because of it.
        self.is_long.load(Ordering::Relaxed) && self.is_long.swap(false, Ordering::Relaxed)
    }

    /// Whether a batch is to come behind what was appended, unless the log has failed.
    pub(super) fn has_open_batch(&self) -> bool {
        self.store.has_open_batch() && self.store.check_log().is_ok()
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    fn log(&self) -> &CommitLog {
        self.store.log().expect("it was made for a store with a log")
    }
}

impl Log for LocalLog {
    fn append(&self, last: Timestamp, batch: &[u8]) -> Result<()> {
        if self.store.append_batch(last, batch).map_err(storage_error)? {
            self.is_long.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn read_after(&self, after: Timestamp) -> Result<Batches<'_>> {
        let reader = self.log().wal().read_after(after)?;
        Ok(Box::new(LocalBatches { log: self, reader }))
    }

    fn durable(&self) -> Timestamp {
        self.log().durable()
    }

    fn wait_durable(&self, timestamp: Timestamp) -> Result<()> {
        self.store.wait_durable(timestamp, Durability::Sync).map_err(storage_error)
    }

    fn truncate(&self, before: Timestamp) -> Result<()> {
        let start = self.log().wal().start_after(Timestamp(before.0.saturating_sub(1)));
        self.log().wal().remove_before(start.segment)?;
        Ok(())
    }
}

/// The batches among the frames.
struct LocalBatches<'l> {
    log: &'l LocalLog,
    reader: LogReader,
}

impl Iterator for LocalBatches<'_> {
    type Item = Result<LoggedBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.reader.next(self.log.log().wal()) {
                Ok(Some(Piece::Batch(batch))) => {
                    return Some(Ok(LoggedBatch { last: batch.timestamp, body: batch.body }));
                }
                // What was committed in another mode, and changes of the catalog.
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => return Some(Err(error.into())),
            }
        }
    }
}

/// Appending and flushing fail only where storage does.
fn storage_error(error: synod_txn::Error) -> Error {
    match error {
        synod_txn::Error::Storage(error) => Error::Storage(error),
        other => unreachable!("appending to a log fails only with errors of storage: {other}"),
    }
}
