//! Who has to wait for whom on account of a key.

use std::num::NonZeroU64;

use super::Sequence;

/// How many buckets there are at first; always a power of two.
const FIRST_BUCKETS: usize = 64;

/// So many keys fit into a bucket.
const WAYS: usize = 8;

/// In each entry that was ever used, in place of the first of its writer's last bits.
const USED: u32 = 1 << 31;

/// Of each key, by 32 bits of its hash, who writes it last among the unfinished transactions. Keys that agree in these bits
/// are taken for one, so that somebody may wait who needn't.
///
/// Nobody leaves the table: what is left of those who have finished is recognized, since their time is over, and overwritten.
/// So only who comes touches the table, one cache line for each key, and who finishes costs nothing here. With two threads
/// that come and go in turns, lines that the other one has touched are what costs most.
#[derive(Debug)]
pub(super) struct KeyTable {
    buckets: Box<[Bucket]>,
}

/// What is known of the keys whose hashes end alike: as long as a cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Bucket {
    /// The last bits of the keys' hashes, each of them there once, but for zero in entries that were never used.
    tags: [u32; WAYS],
    /// Who writes each key last, by the last bits of his sequence; zero in entries that were never used.
    writers: [u32; WAYS],
}

impl KeyTable {
    pub(super) fn new() -> Self {
        KeyTable { buckets: buckets(FIRST_BUCKETS) }
    }

    /// Whom `newcomer` has to wait for who reads the key. The writers before that one he needn't be told. `is_unfinished`
    /// knows that of all who came before.
    #[inline]
    pub(super) fn writer(
        &self,
        hash: u64,
        newcomer: Sequence,
        is_unfinished: impl Fn(Sequence) -> bool,
    ) -> Option<Sequence> {
        let tag = hash as u32;
        let bucket = &self.buckets[self.index(tag)];
        bucket.awaited(bucket.way(tag)?, newcomer, &is_unfinished)
    }

    /// `newcomer`, which comes after all others, is going to write the key. Says whom it has to wait for.
    #[inline]
    pub(super) fn write(
        &mut self,
        hash: u64,
        newcomer: Sequence,
        is_unfinished: impl Fn(Sequence) -> bool,
    ) -> Option<Sequence> {
        let tag = hash as u32;
        loop {
            let index = self.index(tag);
            let bucket = &mut self.buckets[index];
            if let Some(way) = bucket.way(tag) {
                let before = bucket.awaited(way, newcomer, &is_unfinished);
                bucket.writers[way] = last_bits(newcomer);
                return before;
            }
            if let Some(way) = bucket.free_way(newcomer, &is_unfinished) {
                (bucket.tags[way], bucket.writers[way]) = (tag, last_bits(newcomer));
                return None;
            }
            self.grow(newcomer, &is_unfinished);
        }
    }

    #[inline]
    fn index(&self, tag: u32) -> usize {
        tag as usize & (self.buckets.len() - 1)
    }

    /// Doubles the buckets, and keeps the entries whose writers are unfinished.
    #[cold]
    fn grow(&mut self, newcomer: Sequence, is_unfinished: &impl Fn(Sequence) -> bool) {
        let larger = buckets(self.buckets.len() * 2);
        for bucket in std::mem::replace(&mut self.buckets, larger) {
            for way in (0..WAYS).filter(|&way| !bucket.is_free(way, newcomer, is_unfinished)) {
                let index = self.index(bucket.tags[way]);
                let into = &mut self.buckets[index];
                let free =
                    into.free_way(newcomer, is_unfinished).expect("it gets entries of one bucket only");
                (into.tags[free], into.writers[free]) = (bucket.tags[way], bucket.writers[way]);
            }
        }
    }
}

fn buckets(count: usize) -> Box<[Bucket]> {
    vec![Bucket::default(); count].into_boxed_slice()
}

impl Bucket {
    /// Where a key's entry is.
    #[inline]
    fn way(&self, tag: u32) -> Option<usize> {
        // All of them at once: a branch for each would cost more.
        let equal = (0..WAYS).fold(0, |equal, way| equal | u32::from(self.tags[way] == tag) << way);
        (equal != 0).then(|| equal.trailing_zeros() as usize)
    }

    /// Whom `newcomer` has to wait for on account of an entry. Not himself, who has written another key that is taken for
    /// this one.
    #[inline]
    fn awaited(
        &self,
        way: usize,
        newcomer: Sequence,
        is_unfinished: &impl Fn(Sequence) -> bool,
    ) -> Option<Sequence> {
        self.writer(way, newcomer).filter(|writer| *writer != newcomer && is_unfinished(*writer))
    }

    /// An entry that may be overwritten.
    #[inline]
    fn free_way(&self, newcomer: Sequence, is_unfinished: &impl Fn(Sequence) -> bool) -> Option<usize> {
        (0..WAYS).find(|&way| self.is_free(way, newcomer, is_unfinished))
    }

    #[inline]
    fn is_free(&self, way: usize, newcomer: Sequence, is_unfinished: &impl Fn(Sequence) -> bool) -> bool {
        let writer = self.writer(way, newcomer);
        !writer.is_some_and(|writer| writer == newcomer || is_unfinished(writer))
    }

    /// Who has written it last, at or before `newcomer`. Who came two billion transactions before is taken for a later one,
    /// which at worst is waited for in vain.
    #[inline]
    fn writer(&self, way: usize, newcomer: Sequence) -> Option<Sequence> {
        let writer = self.writers[way];
        let back = last_bits(newcomer).wrapping_sub(writer) & !USED;
        let sequence = NonZeroU64::new(newcomer.0.get().wrapping_sub(u64::from(back)));
        sequence.filter(|_| writer & USED != 0).map(Sequence)
    }
}

/// The last bits of a sequence, as they stand in an entry.
#[inline]
fn last_bits(sequence: Sequence) -> u32 {
    sequence.0.get() as u32 | USED
}
