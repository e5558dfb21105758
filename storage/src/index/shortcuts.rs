//! Shortcuts: from a key straight to its record, past the tree.
//!
//! **The problem.** A look-up by a whole key goes down four nodes in a table of a million keys, though it wants none of
//! them. That is most of what it costs.
//!
//! **The idea.** Beside the tree stands a hash table of the records' addresses. It is grown by extendible hashing (Fagin,
//! Nievergelt, Pippenger & Strong, ACM TODS 4(3), 1979): a directory, indexed by the first bits of the hash, of segments,
//! of which one that is full is split in two:
//!
//! ```text
//! hash   | segment … | tag              …        | bucket |       the tag is the first 18 bits
//!
//! directory   00  01  10  11            segment    bucket 0 | lock | slot slot … slot |     one cache line;
//!              └─┬─┘   │   └──► …          │       bucket 1 | lock | slot slot … slot |     if it is full, the
//!                │     └──────► …          │          …                                     one beside it is used
//!                └──────────────────────► here
//! slot   | tag (18 bits) | whether it is in the bucket beside its own | the record's address (45 bits) |
//! ```
//!
//! The tag keeps most looks at wrong records away, and holds the bits by which segments are split, so that no record is read
//! for that.
//!
//! **It may forget.** What isn't found here is looked up in the tree, and put in then. So a record for which there's no room
//! is no matter, and scans, insertions and absent keys are the tree's business alone.
//!
//! **Invariant** A record that a thread finds here had not been freed when that thread was pinned. A record is put in by
//! somebody who has it from the tree, unless it is marked [`Record::DEAD`]; and who removes it marks it first, then takes it
//! out here, then out of the tree. Both do their part with its bucket locked, so that the mark is seen by whoever comes
//! second. Segments and directories that were replaced are freed through epochs, like records.
//!
//! **Cost.** 18 to 36 bytes a record, since a segment is split when it's about half full, as two buckets side by side have no room;
//! and 8 KiB at least.
//! A look-up waits for two cache lines, one after the other: the bucket's and the record's. Readers write nothing.
//!
//! Left out: giving memory back when a table has shrunk.

use std::ptr::{from_ref, null_mut};

use crossbeam_epoch::Guard;

use super::latch::{Attempt, Restart, retry};
use crate::prefetch::prefetch;
use crate::record::{Header, Record, RecordPtr};
use crate::sync::{AtomicPtr, AtomicUsize, Mutex, MutexGuard, Ordering};
use crate::{key_hash, reclaim};

/// Slots of a bucket, which fill a cache line with its lock. Tests use few, so that some keys make many segments.
const SLOTS: usize = if cfg!(any(test, shuttle, miri)) { 2 } else { 7 };

/// Buckets of a segment, a power of two. 128 make 8 KiB, which are split in about a microsecond.
const BUCKETS: usize = if cfg!(shuttle) {
    2
} else if cfg!(any(test, miri)) {
    16
} else {
    128
};

const _: () = assert!(cfg!(any(test, shuttle, miri)) || size_of::<Bucket>() == 64);

/// With fewer records a segment isn't split: their hashes are too much alike.
const SPLIT_RECORDS_MIN: usize = BUCKETS * SLOTS / 4;

/// So many bits of the hash choose a segment, at most: there are shortcuts for 30 million records of a table.
const DEPTH_MAX: u32 = 16;

const TAG_BITS: u32 = 18;

/// An entry is in the bucket beside the one where it belongs.
const DISPLACED: usize = 1 << (u64::BITS - TAG_BITS - 1);

/// The bits of a record's address, without those that are zero anyway.
const ADDRESS_BITS: u32 = u64::BITS - TAG_BITS - 1;
const ZERO_BITS: u32 = align_of::<Header>().trailing_zeros();

/// What decides where a key's shortcut is.
#[derive(Clone, Copy)]
pub(super) struct Hash(u64);

impl Hash {
    #[inline]
    pub(super) fn of(key: &[u8]) -> Hash {
        Hash(key_hash(key))
    }

    /// That of the key with this [`key_hash`].
    #[inline]
    pub(super) fn known(key_hash: u64) -> Hash {
        Hash(key_hash)
    }

    #[inline]
    fn tag(self) -> u64 {
        self.0 >> (u64::BITS - TAG_BITS)
    }

    #[inline]
    fn bucket(self) -> usize {
        self.0 as usize % BUCKETS
    }
}

/// A record's address and its tag, or null.
type Entry = *mut Header;

/// The entry of a record; `None` if its address is too long.
fn entry(record: Record<'_>, tag: u64) -> Option<Entry> {
    let address = record.ptr().as_raw();
    let shortened = address.addr() as u64 >> ZERO_BITS;
    let tagged = |_| (tag << (u64::BITS - TAG_BITS) | shortened) as usize;
    (shortened >> ADDRESS_BITS == 0).then(|| address.map_addr(tagged))
}

#[inline]
fn tag_of(entry: Entry) -> u64 {
    entry.addr() as u64 >> (u64::BITS - TAG_BITS)
}

#[inline]
fn record_of(entry: Entry) -> Option<RecordPtr> {
    let address = |entry: usize| ((entry as u64 & ((1 << ADDRESS_BITS) - 1)) << ZERO_BITS) as usize;
    RecordPtr::from_raw(entry.map_addr(address))
}

/// The entries of keys whose hashes have the same last bits.
#[repr(align(64))]
struct Bucket {
    /// The depth of its segment, which has no cache line of its own.
    depth: u8,
    /// For whoever writes the slots. Whether the segment was split: others have taken its place.
    is_replaced: Mutex<bool>,
    slots: [AtomicPtr<Header>; SLOTS],
}

impl Bucket {
    fn new(depth: u32) -> Bucket {
        let slots = std::array::from_fn(|_| AtomicPtr::new(null_mut()));
        Bucket { depth: depth as u8, is_replaced: Mutex::new(false), slots }
    }

    /// The first record with this tag that `is_it`; if there is none, whether it may be in the bucket beside this one.
    #[inline]
    fn find<'g>(
        &self,
        tag: u64,
        is_it: impl Fn(Record<'g>) -> bool,
        _guard: &'g Guard,
    ) -> Result<Record<'g>, bool> {
        let mut is_full = true;
        for slot in &self.slots {
            // Acquire: pairs with the release in `put`; the record's key is seen.
            let entry = slot.load(Ordering::Acquire);
            if tag_of(entry) == tag
                && let Some(record) = record_of(entry)
            {
                // SAFETY: by the invariant, and since the thread is pinned, it lives as long as the guard.
                let record = unsafe { record.get() };
                if is_it(record) {
                    return Ok(record);
                }
            }
            is_full &= !entry.is_null();
        }
        Err(is_full)
    }

    /// Puts an entry into a vacant slot, unless it is there; false if there is none. The bucket is locked.
    fn put(&self, entry: Entry) -> bool {
        // Relaxed: slots are written with the bucket locked.
        let mut entries = self.slots.iter().map(|slot| slot.load(Ordering::Relaxed));
        if entries.any(|known| known == entry) {
            return true;
        }
        let vacant = self.slots.iter().find(|slot| slot.load(Ordering::Relaxed).is_null());
        if let Some(slot) = vacant {
            // Release: pairs with the acquire in `find`.
            slot.store(entry, Ordering::Release);
        }
        vacant.is_some()
    }

    /// Takes a record out, if it is here. The bucket is locked.
    fn take(&self, record: Record<'_>) {
        for slot in &self.slots {
            // Relaxed: as above; who reads the slot meanwhile may use the record.
            if record_of(slot.load(Ordering::Relaxed)) == Some(record.ptr()) {
                slot.store(null_mut(), Ordering::Relaxed);
            }
        }
    }
}

/// The shortcuts of all keys whose hashes begin with the same bits.
struct Segment {
    buckets: [Bucket; BUCKETS],
}

impl Segment {
    fn new(depth: u32) -> Segment {
        Segment { buckets: std::array::from_fn(|_| Bucket::new(depth)) }
    }

    /// How many bits.
    fn depth(&self) -> u32 {
        u32::from(self.buckets[0].depth)
    }

    fn into_raw(self) -> *mut Segment {
        Box::into_raw(Box::new(self))
    }

    /// The bucket where a key belongs, and the one that is used when that is full.
    #[inline]
    fn buckets(&self, hash: Hash) -> (&Bucket, &Bucket) {
        (&self.buckets[hash.bucket()], &self.buckets[hash.bucket() ^ 1])
    }

    /// Two segments with what is in this one, whose buckets are locked; `None` if there's too little in it.
    fn halves(&self) -> Option<[Segment; 2]> {
        let halves = [0, 1].map(|_| Segment::new(self.depth() + 1));
        let mut records = 0;
        for (at, bucket) in self.buckets.iter().enumerate() {
            // Relaxed: the bucket is locked.
            let entries = bucket.slots.iter().map(|slot| slot.load(Ordering::Relaxed));
            for entry in entries.filter(|entry| !entry.is_null()) {
                let bit = tag_of(entry) >> (TAG_BITS - 1 - self.depth()) & 1;
                let home = at ^ usize::from(entry.addr() & DISPLACED != 0);
                let own = entry.map_addr(|entry| entry & !DISPLACED);
                let buckets = &halves[bit as usize].buckets;
                // There is room, unless a record was in both buckets.
                _ = buckets[home].put(own) || buckets[home ^ 1].put(displaced(own));
                records += 1;
            }
        }
        (records >= SPLIT_RECORDS_MIN).then_some(halves)
    }
}

fn displaced(entry: Entry) -> Entry {
    entry.map_addr(|entry| entry | DISPLACED)
}

/// Which segments there are.
struct Directory {
    /// How many bits of a hash choose one.
    depth: u32,
    segments: Box<[AtomicPtr<Segment>]>,
}

impl Directory {
    #[inline]
    fn slot(&self, hash: Hash) -> usize {
        // In two steps: a shift by all 64 bits isn't one.
        (hash.0 >> 1 >> (u64::BITS - 1 - self.depth)) as usize
    }

    /// One with a bit more, for the same segments.
    fn doubled(&self) -> Directory {
        // Relaxed: they are written by those who have locked the directory.
        let twice = |segment: &AtomicPtr<Segment>| [segment.load(Ordering::Relaxed); 2].map(AtomicPtr::new);
        Directory { depth: self.depth + 1, segments: self.segments.iter().flat_map(twice).collect() }
    }

    /// Where those stand whose hashes share their first `depth` bits with this one.
    fn range(&self, hash: Hash, depth: u32) -> &[AtomicPtr<Segment>] {
        let length = 1 << (self.depth - depth);
        &self.segments[self.slot(hash) / length * length..][..length]
    }
}

/// The shortcuts of one index.
pub(super) struct Shortcuts {
    directory: AtomicPtr<Directory>,
    /// For who changes the directory.
    lock: Mutex<()>,
    bytes: AtomicUsize,
}

impl Shortcuts {
    pub(super) fn new() -> Shortcuts {
        let (first, bytes) = (Segment::new(0).into_raw(), size_of::<Segment>());
        let directory = Directory { depth: 0, segments: Box::new([AtomicPtr::new(first)]) };
        let directory = AtomicPtr::new(Box::into_raw(Box::new(directory)));
        Shortcuts { directory, lock: Mutex::new(()), bytes: AtomicUsize::new(bytes) }
    }

    /// The memory that they take.
    pub(super) fn bytes(&self) -> usize {
        // Relaxed: a statistic.
        self.bytes.load(Ordering::Relaxed)
    }

    #[inline]
    fn directory<'g>(&self, _guard: &'g Guard) -> &'g Directory {
        // SAFETY: there is always one; it is retired after it was replaced. Acquire: pairs with the release in `double`.
        unsafe { &*self.directory.load(Ordering::Acquire) }
    }

    #[inline]
    fn segment<'g>(&self, hash: Hash, guard: &'g Guard) -> &'g Segment {
        let directory = self.directory(guard);
        let segment = &directory.segments[directory.slot(hash)];
        // SAFETY: a segment is retired after it was replaced; only in a directory that was replaced itself may it stand
        // still, and that is found only by those who have been pinned since before. Acquire: pairs with the release in
        // `split`.
        unsafe { &*segment.load(Ordering::Acquire) }
    }

    /// Where to look for a key with this hash.
    #[inline]
    pub(super) fn way<'g>(&self, hash: Hash, guard: &'g Guard) -> Way<'g> {
        let (first, second) = self.segment(hash, guard).buckets(hash);
        Way { tag: hash.tag(), first, second }
    }

    /// The record with this key, if there is a shortcut.
    #[inline]
    pub(super) fn find<'g>(&self, hash: Hash, key: &[u8], guard: &'g Guard) -> Option<Record<'g>> {
        self.way(hash, guard).find(key, guard)
    }

    /// Puts a record in that was found in the tree, or has just been put there.
    pub(super) fn add(&self, hash: Hash, record: Record<'_>, guard: &Guard) {
        let Some(entry) = entry(record, hash.tag()) else { return };
        retry(|| self.try_add(hash, entry, record, guard));
    }

    fn try_add(&self, hash: Hash, entry: Entry, record: Record<'_>, guard: &Guard) -> Attempt<()> {
        let segment = self.segment(hash, guard);
        let (first, second) = segment.buckets(hash);
        // If somebody is at work there, the next one who looks for the record puts it in. Nobody waits for that.
        let Some(is_replaced) = first.is_replaced.try_lock() else { return Ok(()) };
        if *is_replaced {
            return Err(Restart);
        }
        // Relaxed: who has marked it, and looked for it here, had the bucket locked.
        if record.word().load(Ordering::Relaxed) & Record::DEAD != 0 || first.put(entry) {
            return Ok(());
        }
        let Some(locked) = second.is_replaced.try_lock() else { return Ok(()) };
        if second.put(displaced(entry)) || segment.depth() == DEPTH_MAX {
            return Ok(());
        }
        drop((is_replaced, locked));
        self.split(hash, segment, guard)
    }

    /// Takes a record out that is marked dead.
    pub(super) fn forget(&self, record: Record<'_>, guard: &Guard) {
        let hash = Hash::of(record.key());
        retry(|| {
            let (first, second) = self.segment(hash, guard).buckets(hash);
            // One after the other: whoever puts it into the second one has locked the first, and seen no mark.
            let is_replaced = [first, second].map(|bucket| {
                let is_replaced = bucket.is_replaced.lock();
                bucket.take(record);
                *is_replaced
            });
            if is_replaced == [false; 2] { Ok(()) } else { Err(Restart) }
        });
    }

    /// Replaces a segment by two, unless that would be of no use. A restart means that it was replaced, by whomever.
    #[cold]
    fn split(&self, hash: Hash, segment: &Segment, guard: &Guard) -> Attempt<()> {
        // In order, and by one thread at a time: nobody else waits for a second bucket.
        let _locked = self.lock.lock();
        let mut locks: Vec<MutexGuard<'_, bool>> =
            segment.buckets.iter().map(|bucket| bucket.is_replaced.lock()).collect();
        if *locks[0] {
            return Err(Restart);
        }
        let Some(halves) = segment.halves() else { return Ok(()) };
        if self.directory(guard).depth == segment.depth() {
            self.double(guard);
        }
        let range = self.directory(guard).range(hash, segment.depth());
        for (slots, half) in range.chunks(range.len() / 2).zip(halves.map(Segment::into_raw)) {
            for slot in slots {
                // Release: pairs with the acquire in `segment`.
                slot.store(half, Ordering::Release);
            }
        }
        locks.iter_mut().for_each(|is_replaced| **is_replaced = true);
        // Relaxed: a statistic.
        self.bytes.fetch_add(size_of::<Segment>(), Ordering::Relaxed);
        let old = from_ref(segment).cast_mut();
        // SAFETY: it has just left the directory; it was made by `into_raw`.
        unsafe { reclaim::retire(guard, move || drop(Box::from_raw(old))) };
        Err(Restart)
    }

    /// Makes the directory longer. For whoever has locked it.
    fn double(&self, guard: &Guard) {
        let new = Box::into_raw(Box::new(self.directory(guard).doubled()));
        // Release: pairs with the acquire in `directory`.
        let old = self.directory.swap(new, Ordering::AcqRel);
        // SAFETY: it has just been replaced; it was made by this method, or by `new`.
        unsafe { reclaim::retire(guard, move || drop(Box::from_raw(old))) };
    }

    /// Every record that there is a shortcut for, for tests of the tree's invariants.
    #[cfg(test)]
    pub(super) fn records<'g>(&self, guard: &'g Guard) -> Vec<Record<'g>> {
        let mut segments: Vec<_> = self.directory(guard).segments.iter().collect();
        segments.dedup_by_key(|segment| segment.load(Ordering::Acquire));
        // SAFETY: as in `segment`.
        let segments = segments.iter().map(|segment| unsafe { &*segment.load(Ordering::Acquire) });
        let slots = segments.flat_map(|segment| segment.buckets.iter().flat_map(|bucket| &bucket.slots));
        // SAFETY: as in `Bucket::find`.
        slots.filter_map(|slot| Some(unsafe { record_of(slot.load(Ordering::Acquire))?.get() })).collect()
    }
}

impl Drop for Shortcuts {
    fn drop(&mut self) {
        // SAFETY: it was made by `new` or `double`; the index is borrowed by nobody.
        let directory = unsafe { Box::from_raw(*self.directory.get_mut()) };
        let mut segments: Vec<_> = directory.segments.into_iter().map(AtomicPtr::into_inner).collect();
        // Those of a segment stand side by side.
        segments.dedup();
        for segment in segments {
            // SAFETY: it was made by `Segment::into_raw`, and freed only here.
            drop(unsafe { Box::from_raw(segment) });
        }
    }
}

/// Where a key may be.
#[derive(Clone, Copy)]
pub(super) struct Way<'g> {
    tag: u64,
    first: &'g Bucket,
    second: &'g Bucket,
}

impl<'g> Way<'g> {
    /// Asks for what [`Way::candidate`] looks at.
    #[inline]
    pub(super) fn prefetch(&self) {
        prefetch(self.first, size_of::<Bucket>());
    }

    /// The record that is probably the one with the key, if it's here.
    #[inline]
    pub(super) fn candidate(&self, guard: &'g Guard) -> Option<Record<'g>> {
        self.find_one(|_| true, guard)
    }

    /// The record with the key, if it's here.
    #[inline]
    pub(super) fn find(&self, key: &[u8], guard: &'g Guard) -> Option<Record<'g>> {
        let is_it = |record: Record<'_>| {
            record.prefetch();
            record.key() == key
        };
        self.find_one(is_it, guard)
    }

    #[inline]
    fn find_one(&self, is_it: impl Fn(Record<'g>) -> bool, guard: &'g Guard) -> Option<Record<'g>> {
        match self.first.find(self.tag, &is_it, guard) {
            Err(true) => self.second.find(self.tag, &is_it, guard).ok(),
            found => found.ok(),
        }
    }
}
