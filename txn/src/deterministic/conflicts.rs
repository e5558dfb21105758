//! Who has to wait for whom on account of a key.

use super::Sequence;

/// How many entries there are at first; always a power of two.
const FIRST_ENTRIES: usize = 256;

/// One entry in so many may be in use. Searches that end where they begin are what keeps the table fast.
const ENTRIES_PER_USED: usize = 4;

/// Of each key, by its hash, who writes it last among the unfinished transactions. Keys with the same hash are taken for
/// one, so that somebody may wait who needn't.
///
/// A hash table with linear probing, mostly empty, and without traces of what has left: a removed entry's place
/// is filled from behind (Knuth, "The Art of Computer Programming", volume 3, section 6.4, algorithm R). Entering
/// and leaving cost 3 to 5 ns each as long as the table is in the cache.
#[derive(Debug)]
pub(super) struct KeyTable {
    entries: Box<[Entry]>,
    used: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// Zero if nobody writes the key.
    hash: u64,
    /// Who writes it last.
    writer: Option<Sequence>,
}

impl KeyTable {
    pub(super) fn new() -> Self {
        KeyTable { entries: empty(FIRST_ENTRIES), used: 0 }
    }

    /// Whom one who comes next has to wait for who reads the key. The writers before that one he needn't be told.
    #[inline]
    pub(super) fn writer(&self, hash: u64) -> Option<Sequence> {
        self.entries[self.place(hash)].writer
    }

    /// `newcomer`, which comes after all others, is going to write the key. Says whom it has to wait for.
    #[inline]
    pub(super) fn write(&mut self, hash: u64, newcomer: Sequence) -> Option<Sequence> {
        if self.used * ENTRIES_PER_USED >= self.entries.len() {
            self.grow();
        }
        let index = self.place(hash);
        let entry = &mut self.entries[index];
        self.used += usize::from(entry.is_vacant());
        entry.hash = nonzero(hash);
        // It may be there already, by another key with the same hash.
        entry.writer.replace(newcomer).filter(|before| *before != newcomer)
    }

    /// `finished` doesn't write the key any more.
    #[inline]
    pub(super) fn leave(&mut self, hash: u64, finished: Sequence) {
        let index = self.place(hash);
        if self.entries[index].writer == Some(finished) {
            self.used -= 1;
            self.vacate(index);
        }
    }

    /// Where the entry of this hash is, or would be.
    #[inline]
    fn place(&self, hash: u64) -> usize {
        let hash = nonzero(hash);
        let mut index = self.home(hash);
        while !self.entries[index].is_vacant() && self.entries[index].hash != hash {
            index = self.following(index);
        }
        index
    }

    /// Where the search for a hash begins.
    #[inline]
    fn home(&self, hash: u64) -> usize {
        hash as usize & (self.entries.len() - 1)
    }

    #[inline]
    fn following(&self, index: usize) -> usize {
        (index + 1) & (self.entries.len() - 1)
    }

    /// Makes an entry vacant, by moving those behind it forward that would otherwise not be found any more.
    #[inline]
    fn vacate(&mut self, mut hole: usize) {
        let mask = self.entries.len() - 1;
        let mut index = self.following(hole);
        while !self.entries[index].is_vacant() {
            let home = self.home(self.entries[index].hash);
            // Its search comes past the hole.
            if index.wrapping_sub(home) & mask >= index.wrapping_sub(hole) & mask {
                self.entries[hole] = self.entries[index];
                hole = index;
            }
            index = self.following(index);
        }
        self.entries[hole] = Entry::default();
    }

    #[cold]
    fn grow(&mut self) {
        let larger = empty(self.entries.len() * 2);
        for entry in std::mem::replace(&mut self.entries, larger) {
            if !entry.is_vacant() {
                self.entries[self.place(entry.hash)] = entry;
            }
        }
    }

    /// Whether nobody has to do with any key.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.used == 0 && self.entries.iter().all(Entry::is_vacant)
    }
}

fn empty(entries: usize) -> Box<[Entry]> {
    vec![Entry::default(); entries].into_boxed_slice()
}

/// Zero stands for no hash; who has it shares that of another one.
#[inline]
fn nonzero(hash: u64) -> u64 {
    hash.max(1)
}

impl Entry {
    #[inline]
    fn is_vacant(&self) -> bool {
        self.hash == 0
    }
}
