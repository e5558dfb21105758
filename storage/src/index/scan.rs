//! Scans: one leaf at a time, forwards or backwards.
//!
//! Leaves don't know their neighbours. A scan copies one leaf's records out, remembers the leaf's fence,
//! and descends from the root again to go on there: inner nodes are in the cache, so that costs little,
//! and there are no sibling pointers to keep right. Since fences are keys, not places, a scan goes on
//! correctly whatever happened to the leaves in between.

use std::ops::Bound;

use crossbeam_epoch::Guard;

use super::descent::{Target, Visit};
use super::keys::SharedKey;
use super::latch::{Attempt, LatchVersion, retry};
use super::leaf::Leaf;
use super::node::NODE_CAPACITY;
use super::{Index, Witness};
use crate::Record;

/// One leaf's part of a range. A buffer to be used again and again: filling it allocates nothing.
#[derive(Debug)]
pub struct Batch<'g> {
    records: Vec<Record<'g>>,
    witness: Witness,
    fence: Option<&'g [u8]>,
}

impl<'g> Batch<'g> {
    /// An empty batch, to be filled by [`Index::leaf_from`] or [`Index::leaf_to`].
    pub fn new() -> Self {
        Batch { records: Vec::with_capacity(NODE_CAPACITY), witness: Witness::NONE, fence: None }
    }

    /// The records in key order, also those that are marked [`Record::DEAD`]. May be empty although the
    /// scan isn't at its end.
    #[inline]
    pub fn records(&self) -> &[Record<'g>] {
        &self.records
    }

    /// The leaf that the records come from, as it was.
    #[inline]
    pub fn witness(&self) -> Witness {
        self.witness
    }

    /// Where the leaf ends, and the scan goes on: after [`Index::leaf_from`] with the keys from this one
    /// (`Bound::Included`), after [`Index::leaf_to`] with the keys below it (`Bound::Excluded`). `None`
    /// at the end of the table.
    #[inline]
    pub fn fence(&self) -> Option<&'g [u8]> {
        self.fence
    }
}

impl Default for Batch<'_> {
    fn default() -> Self {
        Batch::new()
    }
}

impl Index {
    /// Fills `batch` with the records of one leaf: of the one where the range begins that starts at
    /// `start`. All records are there that were in that part of the range at one moment.
    ///
    /// Cost: one descent; no lock, no allocation.
    pub fn leaf_from<'g>(&'g self, start: Bound<&[u8]>, batch: &mut Batch<'g>, guard: &'g Guard) {
        retry(|| {
            let target = match start {
                Bound::Included(key) | Bound::Excluded(key) => Target::At(key),
                Bound::Unbounded => Target::At(&[]),
            };
            let visit = self.descend(target, guard, |_| ())?;
            let first = match start {
                Bound::Included(key) => rank(visit.leaf, key, false, guard)?,
                Bound::Excluded(key) => rank(visit.leaf, key, true, guard)?,
                Bound::Unbounded => 0,
            };
            self.fill(batch, visit, (first, visit.leaf.count()), guard)?;
            batch.fence = visit.leaf.header.upper(guard).map(SharedKey::bytes);
            visit.leaf.header.latch.validate(visit.version)
        });
    }

    /// Fills `batch` with the records of one leaf: of the one where the range ends that goes up to `end`.
    /// All records are there that were in that part of the range at one moment.
    ///
    /// Cost: one descent; no lock, no allocation.
    pub fn leaf_to<'g>(&'g self, end: Bound<&[u8]>, batch: &mut Batch<'g>, guard: &'g Guard) {
        retry(|| {
            let target = match end {
                Bound::Included(key) => Target::At(key),
                Bound::Excluded(key) => Target::Below(key),
                Bound::Unbounded => Target::Last,
            };
            let visit = self.descend(target, guard, |_| ())?;
            let behind = match end {
                Bound::Included(key) => rank(visit.leaf, key, true, guard)?,
                Bound::Excluded(key) => rank(visit.leaf, key, false, guard)?,
                Bound::Unbounded => visit.leaf.count(),
            };
            self.fill(batch, visit, (0, behind), guard)?;
            batch.fence = visit.leaf.header.lower(guard).map(SharedKey::bytes);
            visit.leaf.header.latch.validate(visit.version)
        });
    }

    fn fill<'g>(
        &self,
        batch: &mut Batch<'g>,
        Visit { leaf, version }: Visit<'_>,
        (first, behind): (usize, usize),
        guard: &'g Guard,
    ) -> Attempt<()> {
        batch.records.clear();
        batch.witness = Witness { leaf, version, index: self.id };
        leaf.copy(first..behind, &mut batch.records, guard)
    }

    /// Whether the leaf holds exactly the keys that it held when `witness` was taken. `false` also while
    /// an insertion or removal is at work in it, and after its bounds have moved; `false` is always safe
    /// to act upon.
    ///
    /// This is the scanner's half of a handshake: a scanner that marks the control word of the record
    /// behind its range with a sequentially consistent operation, and *then* finds the witness current,
    /// knows that every later insertion into that gap will see the mark in `admit`.
    ///
    /// # Panics
    /// If the witness comes from another index.
    #[inline]
    pub fn is_current(&self, witness: &Witness) -> bool {
        if witness.version == LatchVersion::NEVER {
            return false;
        }
        assert_eq!(witness.index, self.id, "a witness can only be shown to the index that it comes from");
        // SAFETY: the leaf belongs to this index, whose nodes live as long as it does.
        let leaf: &Leaf = unsafe { &*witness.leaf };
        leaf.header.latch.is_current(witness.version)
    }

    /// Counts the records, those marked dead included. Walks over all leaves; what comes and goes
    /// meanwhile may be counted or not.
    pub fn count(&self, guard: &Guard) -> usize {
        let mut batch = Batch::new();
        let mut start = Bound::Unbounded;
        let mut count = 0;
        loop {
            self.leaf_from(start, &mut batch, guard);
            count += batch.records().len();
            match batch.fence() {
                Some(fence) => start = Bound::Included(fence),
                None => return count,
            }
        }
    }
}

/// How many of the leaf's keys are below `key`, or, with `or_equal`, below or equal to it.
fn rank(leaf: &Leaf, key: &[u8], or_equal: bool, guard: &Guard) -> Attempt<usize> {
    Ok(match leaf.find(key, guard)? {
        Ok(at) => at + usize::from(or_equal),
        Err(at) => at,
    })
}
