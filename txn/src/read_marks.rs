//! Who has read what, of late: what a writer must know of readers that have committed before it.
//!
//! A transaction that commits leaves a mark at everything that it has read: its timestamp. Marks don't lie in
//! the records, which would be larger for it in all modes, but in a table of fixed size, by a hash of the
//! record's address; two records may share a mark, and then a writer takes a reader of the one for a reader of
//! the other, which can cost a needless abort and never a missing one. A mark only ever grows. Marks older than a
//! writer's snapshot mean nothing to it, so nothing is ever cleaned up.
//!
//! A record has two marks: one for itself, and one for the *gap* in front of it, for those who have read a range
//! and found nothing there. Who inserts into a gap gives the new record the gap's mark, as both of its own: so both
//! halves of the gap have it, and whoever writes the key after the insertion was undone finds it, too; when a record leaves the index, its marks go into one that stands for all gaps.
//!
//! *Pivots* are transactions that have committed, and have read something before another one, which committed
//! before them, overwrote it. They are few; the table names the earliest such other.

use std::collections::{BTreeMap, VecDeque};
use std::sync::OnceLock;

use synod_storage::sync::{AtomicU64, AtomicUsize, Mutex, Ordering};
use synod_storage::{RecordPtr, Timestamp};

use crate::{Abort, TransactionId};

/// So many examples are kept of what an audit has found.
const EXAMPLES_MAX: usize = 64;

/// How many marks there are: half a megabyte.
const MARKS: usize = if cfg!(shuttle) { 64 } else { 1 << 16 };

/// The marks and the pivots.
#[derive(Debug, Default)]
pub(crate) struct ReadMarks {
    /// Made when the first protocol asks for it.
    marks: OnceLock<Box<[AtomicU64]>>,
    /// The newest mark of a record that has left the index.
    forgotten: AtomicU64,
    pivots: Mutex<BTreeMap<Timestamp, Timestamp>>,
    /// How many pivots there are.
    pivot_count: AtomicUsize,
    /// The newest transactions that an audit has found.
    examples: Mutex<VecDeque<(TransactionId, Abort)>>,
}

impl ReadMarks {
    /// Makes the table, unless it is there.
    pub(crate) fn enable(&self) {
        self.marks.get_or_init(|| (0..MARKS).map(|_| AtomicU64::new(0)).collect());
    }

    fn mark(&self, hash: u64) -> Option<&AtomicU64> {
        self.marks.get().map(|marks| &marks[(hash >> 32) as usize % MARKS])
    }

    fn read(&self, hash: u64) -> Timestamp {
        // SeqCst: a reader marks first and then looks at the writer's state; a writer announces its commit first
        // and then looks here.
        Timestamp(self.mark(hash).map_or(0, |mark| mark.load(Ordering::SeqCst)))
    }

    fn raise(&self, hash: u64, at: Timestamp) {
        if let Some(mark) = self.mark(hash)
            && mark.load(Ordering::SeqCst) < at.0
        {
            // SeqCst: as in `read`.
            mark.fetch_max(at.0, Ordering::SeqCst);
        }
    }

    /// The newest reader of a record.
    pub(crate) fn of_record(&self, record: RecordPtr) -> Timestamp {
        self.read(record_hash(record))
    }

    /// The newest reader of the gap in front of a record.
    pub(crate) fn of_gap(&self, record: RecordPtr) -> Timestamp {
        // SeqCst: as in `read`.
        self.read(gap_hash(record)).max(Timestamp(self.forgotten.load(Ordering::SeqCst)))
    }

    /// A record was read by a transaction at `at`.
    pub(crate) fn mark_record(&self, record: RecordPtr, at: Timestamp) {
        self.raise(record_hash(record), at);
    }

    /// The gap in front of a record was read, or a part of it had been when `record` was inserted.
    pub(crate) fn mark_gap(&self, record: RecordPtr, at: Timestamp) {
        self.raise(gap_hash(record), at);
    }

    /// A record leaves the index: it is marked dead already, so nobody trusts a mark that he makes there now.
    pub(crate) fn forget(&self, record: RecordPtr) {
        if self.marks.get().is_some() {
            let newest = self.of_record(record).max(self.read(gap_hash(record)));
            // SeqCst: as in `read`.
            self.forgotten.fetch_max(newest.0, Ordering::SeqCst);
        }
    }

    /// Notes that the transaction that commits at `at` comes before the one that committed at `before`. Forgets
    /// the pivots that nobody can meet any more: those at or before `watermark`.
    pub(crate) fn note_pivot(&self, at: Timestamp, before: Timestamp, watermark: Timestamp) {
        let mut pivots = self.pivots.lock();
        while let Some(first) = pivots.first_entry().filter(|first| *first.key() <= watermark) {
            first.remove();
        }
        pivots.insert(at, before);
        // Release: whoever sees the pivot's versions sees this count.
        self.pivot_count.store(pivots.len(), Ordering::Release);
    }

    /// The earliest commit that the transaction that committed at `at` comes before; its own, if there's none.
    pub(crate) fn comes_before(&self, at: Timestamp) -> Timestamp {
        // Acquire: pairs with the release in `note_pivot`.
        if self.pivot_count.load(Ordering::Acquire) == 0 {
            return at;
        }
        self.pivots.lock().get(&at).copied().unwrap_or(at)
    }

    /// Whether a transaction that committed after `at` comes before one that committed at `at` or earlier.
    pub(crate) fn has_pivot_around(&self, at: Timestamp) -> bool {
        let pivots = self.pivots.lock();
        let mut later = pivots.range(Timestamp(at.0 + 1)..);
        later.any(|(_, before)| *before <= at)
    }
}

impl ReadMarks {
    /// Notes a transaction that the serializable level would have aborted, and perhaps forgets an older one.
    pub(crate) fn note_example(&self, transaction: TransactionId, abort: Abort) {
        let mut examples = self.examples.lock();
        if examples.len() >= EXAMPLES_MAX {
            examples.pop_front();
        }
        examples.push_back((transaction, abort));
    }

    /// Those transactions, the oldest first.
    pub(crate) fn examples(&self) -> Vec<(TransactionId, Abort)> {
        self.examples.lock().iter().cloned().collect()
    }
}

/// Records are at least 16 bytes apart; the multiplication spreads the rest (Fibonacci hashing).
fn record_hash(record: RecordPtr) -> u64 {
    (record.address() as u64 >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn gap_hash(record: RecordPtr) -> u64 {
    record_hash(record).rotate_left(17)
}
