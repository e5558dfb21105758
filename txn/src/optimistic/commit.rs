//! Committing: lock, link, timestamp, validation, stamps. See the module's page for why this order.

use crossbeam_epoch::{Guard, pin};
use synod_storage::index::Insertion;
use synod_storage::sync::{Ordering, spin};
use synod_storage::{Record, RecordPtr, Timestamp};

use super::transaction::{Buffers, Transaction};
use super::write_set::Write;
use crate::locking::commit::COLLECTED_PER_WRITE;
use crate::locking::word::Word;
use crate::protocol::CommitReceipt;
use crate::{Abort, Durability, Error, Result};

impl Transaction {
    pub(super) fn commit_now(&mut self, durability: Durability) -> Result<CommitReceipt> {
        self.check_alive()?;
        if self.buffers.writes.is_empty() {
            return Ok(self.commit_reads());
        }
        if let Some(dropped) = self.buffers.writes.tables().find(|table| table.is_dropped()) {
            return Err(Error::TableDropped { table: dropped.name().to_owned() });
        }
        let mut order = std::mem::take(&mut self.buffers.order);
        self.buffers.writes.sort_into(&mut order);
        let outcome = self.commit_writes(&order, durability);
        self.buffers.order = order;
        let timestamp = outcome?;
        self.finish();
        Ok(CommitReceipt { timestamp, wrote: true })
    }

    /// What was read is of one moment, no earlier than the beginning: there is nothing to look at again.
    fn commit_reads(&mut self) -> CommitReceipt {
        self.registered().counts.commit(self.isolation);
        self.finish();
        CommitReceipt { timestamp: self.newest_read.max(self.store.newest_forgotten()), wrote: false }
    }

    fn commit_writes(&mut self, order: &[u32], durability: Durability) -> Result<Timestamp> {
        let is_logged = self.store.log().is_some() && durability != Durability::None;
        if is_logged {
            self.encode(order)?;
        }
        let guard = pin();
        for &entry in order {
            self.lock_and_link(entry, &guard);
        }
        let timestamp = match self.install(order, is_logged, &guard) {
            Ok(timestamp) => timestamp,
            Err(error) => {
                self.unlink(order, &guard);
                return Err(match error {
                    Error::Aborted(abort) => self.abort_because(abort),
                    error => error,
                });
            }
        };
        self.registered().end_reading();
        self.discard_replaced(order, timestamp, &guard);
        self.registered().counts.commit(self.isolation);
        self.store.help_collect(self.slot, order.len() * COLLECTED_PER_WRITE, &guard);
        Ok(timestamp)
    }

    /// Encodes the writes as a log frame. Before anything is locked: it takes its time.
    fn encode(&mut self, order: &[u32]) -> Result<()> {
        let buffers = &mut *self.buffers;
        buffers.frame.begin();
        for write in order.iter().map(|&entry| buffers.writes.write(entry)) {
            match write.version.value() {
                Some(value) => buffers.frame.put(write.table.id(), write.key, value)?,
                None => buffers.frame.delete(write.table.id(), write.key)?,
            }
        }
        Ok(())
    }

    /// Locks the record of a write, which is inserted if there is none, and puts the pending version in front.
    fn lock_and_link(&mut self, entry: u32, guard: &Guard) {
        let write = self.buffers.writes.write(entry);
        let record = lock(&write, self.slot, guard);
        // SAFETY: this transaction has just locked the record.
        let version = match unsafe { record.embed(write.version.value(), write.version.state()) } {
            Some(embedded) => {
                // SAFETY: nobody else has seen it, and its entry gets the embedded one.
                unsafe { write.version.free() };
                embedded
            }
            None => write.version,
        };
        version.set_next(record.head());
        record.set_head(Some(version));
        let (record, version) = (record.ptr(), version.ptr());
        self.buffers.writes.note_linked(entry, record, version);
    }

    /// The commit itself: takes the timestamp, looks again at all that was read, stamps. If it fails, nothing has
    /// happened.
    fn install(&mut self, order: &[u32], is_logged: bool, guard: &Guard) -> Result<Timestamp> {
        let Buffers { reads, writes, frame, .. } = &mut *self.buffers;
        let (store, slot, moment) = (&self.store, self.slot, self.moment);
        let admit = |timestamp| match reads.find_change((moment, timestamp), slot, store.registry(), guard) {
            Some(change) => Err(Abort::ReadChanged { change }),
            None => Ok(()),
        };
        store.commit(slot, is_logged.then_some(frame), admit, |timestamp| {
            order.iter().for_each(|&entry| writes.write(entry).version.commit(timestamp));
        })
    }

    /// Sees to the versions that this commit has replaced, and unlocks.
    fn discard_replaced(&self, order: &[u32], timestamp: Timestamp, guard: &Guard) {
        let readers = self.store.readers();
        for write in order.iter().map(|&entry| self.buffers.writes.write(entry)) {
            let Some(record) = locked(write.record) else { continue };
            let replacement = (write.table.id(), record, write.version);
            self.store.discard_replaced(self.slot, replacement, timestamp, &readers, guard);
            unlock(record);
        }
    }

    /// Takes the pending versions out again, and unlocks.
    fn unlink(&mut self, order: &[u32], guard: &Guard) {
        for write in order.iter().map(|&entry| self.buffers.writes.write(entry)) {
            let Some(record) = locked(write.record) else { continue };
            let below = write.version.next();
            record.set_head(below);
            // SAFETY: it has just been unlinked, and its entry counts it as gone.
            unsafe { write.version.retire(guard) };
            if below.is_none() {
                self.store.garbage().push(self.slot, Timestamp::MIN, write.table.id(), record);
            }
            unlock(record);
        }
    }
}

/// Locks the record of a key. Whoever holds the lock is in the middle of a commit, and all lock in the same order.
fn lock<'g>(write: &Write<'g>, slot: u16, guard: &'g Guard) -> Record<'g> {
    let own = Word::owned_by(slot).0;
    let index = write.table.index();
    // SAFETY: a record that is known was noted, so it stays.
    let mut found = write.record.map(|record| unsafe { record.get() });
    for round in 0.. {
        let make = || Record::allocate(write.key, own, write.version.value().map_or(0, <[u8]>::len));
        // To insert what is there costs no more than to look for it.
        let record = match found {
            Some(record) => record,
            None => match index.insert(write.key, make, |_| true, guard) {
                Insertion::Inserted(record) => return record,
                Insertion::Present(record) => record,
                Insertion::Refused(_) => unreachable!("every gap is free here"),
            },
        };
        let word = record.word();
        // Acquires what the last holder wrote.
        let is_free = word.load(Ordering::Relaxed) == 0;
        if is_free && word.compare_exchange(0, own, Ordering::Acquire, Ordering::Relaxed).is_ok() {
            return record;
        }
        // A record that is marked dead is about to leave the index, or will be free again.
        found = (word.load(Ordering::Relaxed) & Record::DEAD == 0).then_some(record);
        spin(round);
    }
    unreachable!("the loop ends by returning")
}

/// A record that this transaction has locked.
fn locked<'g>(record: Option<RecordPtr>) -> Option<Record<'g>> {
    // SAFETY: it is locked: its word isn't zero. The caller doesn't keep it longer.
    record.map(|record| unsafe { record.get() })
}

fn unlock(record: Record<'_>) {
    // Release: whoever locks it next sees the chain.
    record.word().store(0, Ordering::Release);
}
