//! Leaves: records in key order.

use std::ops::Range;
use std::ptr::null_mut;

use crossbeam_epoch::Guard;

use super::keys::{self, SharedKey};
use super::latch::{Attempt, LatchVersion, Restart};
use super::node::{Header, NODE_CAPACITY, Shape};
use super::search::{lower_bound, search};
use crate::prefetch::prefetch;
use crate::record::{self, Record, RecordPtr};
use crate::sync::{AtomicPtr, AtomicU64, Ordering};

/// A leaf. Methods that change it are for whoever holds its latch; those that return an [`Attempt`] may
/// be called without it, and mean nothing until the latch was validated.
#[repr(C, align(64))]
pub(super) struct Leaf {
    pub(super) header: Header,
    heads: [AtomicU64; NODE_CAPACITY],
    /// Null behind the last entry, so that no record can be reached that isn't here any more.
    records: [AtomicPtr<record::Header>; NODE_CAPACITY],
}

impl Leaf {
    /// An empty leaf outside the tree, without fences.
    pub(super) fn new() -> Leaf {
        Leaf {
            header: Header::new_leaf(),
            heads: std::array::from_fn(|_| AtomicU64::new(0)),
            records: std::array::from_fn(|_| AtomicPtr::new(null_mut())),
        }
    }

    #[inline]
    pub(super) fn count(&self) -> usize {
        self.header.shape().count
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.count() == NODE_CAPACITY
    }

    /// The record at `at`, or a restart where a writer is just taking it away.
    #[inline]
    pub(super) fn record<'g>(&self, at: usize, _guard: &'g Guard) -> Attempt<Record<'g>> {
        // Acquire: pairs with the release in `set_record`, which published the record's key.
        let record = RecordPtr::from_raw(self.records[at].load(Ordering::Acquire)).ok_or(Restart)?;
        // SAFETY: a record leaves all slots before it is retired, so one that a pinned thread finds in a
        // slot lives as long as the guard.
        Ok(unsafe { record.get() })
    }

    /// The record at `at`, for whoever holds the latch.
    fn held_record<'g>(&self, at: usize, guard: &'g Guard) -> Record<'g> {
        self.record(at, guard).expect("entries below the count are never null under the latch")
    }

    #[inline]
    fn set_record(&self, at: usize, record: *mut record::Header) {
        self.records[at].store(record, Ordering::Release);
    }

    /// Finds `key`: `Ok` with its position, or `Err` with the position where it belongs.
    #[inline]
    pub(super) fn find(&self, key: &[u8], guard: &Guard) -> Attempt<Result<usize, usize>> {
        let Shape { count, prefix } = self.header.shape();
        search(&self.heads, count, keys::head(key, prefix), |at| {
            let record = self.record(at, guard)?;
            // Its version, which is mostly wanted next, is mostly near.
            record.prefetch();
            Ok(record.key().cmp(key))
        })
    }

    /// The record with this key, if the leaf still is as it was in `version`.
    #[inline]
    pub(super) fn get<'g>(
        &self,
        key: &[u8],
        version: LatchVersion,
        guard: &'g Guard,
    ) -> Attempt<Option<Record<'g>>> {
        let record = match self.find(key, guard)? {
            Ok(at) => Some(self.record(at, guard)?),
            Err(_) => None,
        };
        self.header.latch.validate(version)?;
        Ok(record)
    }

    /// As [`Leaf::get`], for a key whose place was [guessed](Leaf::guess) since `version`.
    #[inline]
    pub(super) fn get_guessed<'g>(
        &self,
        guess: usize,
        key: &[u8],
        version: LatchVersion,
        guard: &'g Guard,
    ) -> Attempt<Option<Record<'g>>> {
        let Shape { count, prefix } = self.header.shape();
        let mut found = None;
        // Relaxed: the latch is validated afterwards.
        if guess < count && self.heads[guess].load(Ordering::Relaxed) == keys::head(key, prefix) {
            let record = self.record(guess, guard)?;
            match record.key().cmp(key) {
                std::cmp::Ordering::Equal => found = Some(record),
                std::cmp::Ordering::Greater => {}
                // Others with the same head come behind it.
                std::cmp::Ordering::Less => return self.get(key, version, guard),
            }
        }
        self.header.latch.validate(version)?;
        Ok(found)
    }

    /// Where `key` probably is, as far as the heads tell.
    #[inline]
    pub(super) fn guess(&self, key: &[u8]) -> usize {
        let Shape { count, prefix } = self.header.shape();
        lower_bound(&self.heads, count, keys::head(key, prefix)).min(NODE_CAPACITY - 1)
    }

    /// Asks for the address of the record at `at`.
    #[inline]
    pub(super) fn prefetch_address(&self, at: usize) {
        prefetch(&raw const self.records[at], size_of::<usize>());
    }

    /// Asks for the record at `at`, if there is one.
    #[inline]
    pub(super) fn prefetch_record(&self, at: usize, guard: &Guard) {
        if let Ok(record) = self.record(at, guard) {
            record.prefetch();
        }
    }

    /// Puts `record` at `at`. The leaf isn't full.
    pub(super) fn insert(&self, at: usize, record: Record<'_>) {
        let Shape { count, prefix } = self.header.shape();
        assert!(at <= count && count < NODE_CAPACITY, "no room: {at} of {count}");
        for from in (at..count).rev() {
            self.move_entry(from, from + 1);
        }
        self.heads[at].store(keys::head(record.key(), prefix), Ordering::Relaxed);
        self.set_record(at, record.ptr().as_raw());
        self.header.set_shape(Shape { count: count + 1, prefix });
    }

    /// Takes the entry at `at` away.
    pub(super) fn remove(&self, at: usize) {
        let Shape { count, prefix } = self.header.shape();
        assert!(at < count, "no entry: {at} of {count}");
        for from in at + 1..count {
            self.move_entry(from, from - 1);
        }
        self.set_record(count - 1, null_mut());
        self.header.set_shape(Shape { count: count - 1, prefix });
    }

    fn move_entry(&self, from: usize, to: usize) {
        self.heads[to].store(self.heads[from].load(Ordering::Relaxed), Ordering::Relaxed);
        self.set_record(to, self.records[from].load(Ordering::Relaxed));
    }

    /// Moves the entries from `at` on into `right`, which is empty and whose latch is held as well, and
    /// divides the fences; returns the separator, with one reference for the parent.
    pub(super) fn split<'g>(&self, at: usize, right: &Leaf, guard: &'g Guard) -> SharedKey<'g> {
        let Shape { count, prefix } = self.header.shape();
        self.prefetch_records(0..count, guard);
        let (below, above) = (self.held_record(at - 1, guard), self.held_record(at, guard));
        let separator = SharedKey::allocate(keys::separator(below.key(), above.key()));
        // Three references: the parent's (made by `allocate`), and one for each of the two fences.
        right.header.set_upper(self.header.upper(guard).map(SharedKey::retain), guard);
        right.header.set_lower(Some(separator.retain()), guard);
        self.header.set_upper(Some(separator.retain()), guard);

        for from in at..count {
            right.heads[from - at].store(self.heads[from].load(Ordering::Relaxed), Ordering::Relaxed);
            right.set_record(from - at, self.records[from].load(Ordering::Relaxed));
            self.set_record(from, null_mut());
        }
        right.header.set_shape(Shape { count: count - at, prefix });
        self.header.set_shape(Shape { count: at, prefix });
        right.rebase(guard);
        self.rebase(guard);
        separator
    }

    /// Recomputes prefix and heads after the fences have changed.
    pub(super) fn rebase(&self, guard: &Guard) {
        let Shape { count, prefix } = self.header.shape();
        let fence_prefix = self.header.fence_prefix(guard);
        if prefix == fence_prefix {
            return;
        }
        self.prefetch_records(0..count, guard);
        for at in 0..count {
            let head = keys::head(self.held_record(at, guard).key(), fence_prefix);
            self.heads[at].store(head, Ordering::Relaxed);
        }
        self.header.set_shape(Shape { count, prefix: fence_prefix });
    }

    fn prefetch_records(&self, range: Range<usize>, _guard: &Guard) {
        // The bounds of an optimistic reader may contradict each other; it finds out when it validates.
        for record in self.records.get(range).unwrap_or_default() {
            prefetch(record.load(Ordering::Relaxed), size_of::<record::Header>());
        }
    }

    /// Empties the leaf, for the pool; returns how many bytes its fences will give free.
    pub(super) fn clear(&self, guard: &Guard) -> usize {
        for record in &self.records {
            record.store(null_mut(), Ordering::Release);
        }
        self.header.set_shape(Shape { count: 0, prefix: 0 });
        self.header.set_lower(None, guard) + self.header.set_upper(None, guard)
    }

    /// Frees all records, when the index is dropped.
    pub(super) fn free_records(&self, guard: &Guard) {
        for at in 0..self.count() {
            let record = self.held_record(at, guard);
            self.set_record(at, null_mut());
            // SAFETY: the index is being dropped: nobody can reach the record, and it left its only slot.
            unsafe { record.free() };
        }
    }

    /// Appends the records in `range` to `records`.
    #[inline]
    pub(super) fn copy<'g>(
        &self,
        range: Range<usize>,
        records: &mut Vec<Record<'g>>,
        guard: &'g Guard,
    ) -> Attempt<()> {
        self.prefetch_records(range.clone(), guard);
        for at in range {
            records.push(self.record(at, guard)?);
        }
        Ok(())
    }

    /// The first record from `at` on that isn't marked [`Record::DEAD`].
    pub(super) fn first_alive<'g>(&self, at: usize, guard: &'g Guard) -> Attempt<Option<Record<'g>>> {
        for at in at..self.count() {
            let record = self.record(at, guard)?;
            // Sequentially consistent like all reads of a control word by which an insertion is judged.
            if record.word().load(Ordering::SeqCst) & Record::DEAD == 0 {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// The heads, for tests of the tree's invariants.
    #[cfg(test)]
    pub(super) fn heads(&self) -> Vec<u64> {
        self.heads.iter().map(|head| head.load(Ordering::Relaxed)).collect()
    }
}
