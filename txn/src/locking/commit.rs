//! Committing: timestamp, log, stamps, and only then the locks.

use crossbeam_epoch::{Guard, pin};
use synod_storage::{RecordPtr, Timestamp, Version};

use super::writer::{Write, Writer};
use crate::protocol::CommitReceipt;
use crate::{Abort, Durability, Error, Result, Store};

/// How many queued records with garbage a committer looks at for each record that it wrote.
pub(crate) const COLLECTED_PER_WRITE: usize = 2;

/// A transaction that has its commit timestamp, and nothing else yet.
pub(crate) struct Committing<'w> {
    pub(crate) store: &'w Store,
    pub(crate) slot: u16,
    pub(crate) at: Timestamp,
    writes: &'w [Write],
}

impl Committing<'_> {
    /// The records that it has written, some perhaps more than once.
    pub(crate) fn written(&self) -> impl Iterator<Item = RecordPtr> {
        self.writes.iter().map(|write| write.record)
    }
}

impl Writer {
    /// Whether there is anything to commit.
    pub(crate) fn has_written(&self) -> bool {
        !self.buffers.writes.is_empty()
    }

    /// Commits. Once the timestamp is taken, `admit` has the last word; if it finds a reason to abort, nothing
    /// has happened.
    pub(crate) fn commit(
        &mut self,
        durability: Durability,
        admit: impl FnOnce(&Committing<'_>) -> std::result::Result<(), Abort>,
    ) -> Result<CommitReceipt> {
        self.check_alive()?;
        if self.buffers.writes.is_empty() {
            self.release_locks();
            self.registered().counts.commit(self.isolation);
            self.finish();
            let timestamp = self.newest_read.max(self.store().newest_forgotten());
            return Ok(CommitReceipt { timestamp, wrote: false });
        }
        if let Some(dropped) = self.buffers.tables.iter().find(|table| table.is_dropped()) {
            return Err(Error::TableDropped { table: dropped.name().to_owned() });
        }
        let is_logged = self.store().log().is_some() && durability != Durability::None;
        if is_logged {
            self.encode()?;
        }
        let guard = pin();
        let timestamp = match self.install(is_logged, admit, &guard) {
            Err(Error::Aborted(abort)) => return Err(self.abort_because(abort)),
            installed => installed?,
        };
        self.discard_replaced(timestamp, &guard);
        let budget = self.buffers.writes.len() * COLLECTED_PER_WRITE;
        self.buffers.writes.clear();
        self.release_locks();
        self.registered().counts.commit(self.isolation);
        self.store().help_collect(self.slot(), budget, &guard);
        drop(guard);
        self.finish();
        Ok(CommitReceipt { timestamp, wrote: true })
    }

    /// Encodes the surviving writes as a log frame.
    fn encode(&mut self) -> Result<()> {
        self.buffers.frame.begin();
        for write in &self.buffers.writes {
            let Some(version) = newest(write) else { continue };
            // SAFETY: the record is locked by this transaction.
            let key = unsafe { write.record.get() }.key();
            match version.value() {
                Some(value) => self.buffers.frame.put(write.table, key, value)?,
                None => self.buffers.frame.delete(write.table, key)?,
            }
        }
        Ok(())
    }

    /// The commit itself. If the log refuses it, nothing has happened.
    fn install(
        &mut self,
        is_logged: bool,
        admit: impl FnOnce(&Committing<'_>) -> std::result::Result<(), Abort>,
        guard: &Guard,
    ) -> Result<Timestamp> {
        let slot = self.slot();
        let writes = &self.buffers.writes;
        let frame = is_logged.then_some(&mut self.buffers.frame);
        let store = &*self.locking.store;
        let admit = |at| admit(&Committing { store, slot, at, writes });
        store.commit(slot, frame, admit, |timestamp| {
            for write in writes {
                match newest(write) {
                    Some(version) => version.commit(timestamp),
                    // SAFETY: a later write of this transaction has unlinked it, and no savepoint is
                    // left that could bring it back.
                    None => unsafe { write.version.get().retire(guard) },
                }
            }
        })
    }

    /// Sees to the versions that this commit has replaced.
    fn discard_replaced(&self, timestamp: Timestamp, guard: &Guard) {
        let store = self.store();
        let readers = store.readers();
        for write in &self.buffers.writes {
            if let Some(version) = newest(write) {
                // SAFETY: the record is locked by this transaction.
                let record = unsafe { write.record.get() };
                let replacement = (write.table, record, version);
                store.discard_replaced(self.slot(), replacement, timestamp, &readers, guard);
            }
        }
    }
}

/// The write's version, unless this transaction has replaced it itself.
fn newest(write: &Write) -> Option<Version<'static>> {
    // SAFETY: the record is locked by its writer, and the pending version is the writer's own. The caller
    // doesn't keep the version longer than the lock.
    unsafe {
        let version = write.version.get();
        (write.record.get().head() == Some(version)).then_some(version)
    }
}
