//! The version latch: a lock for writers that readers merely look at.
//!
//! Optimistic lock coupling (Leis, Haubenschild, Neumann: "Optimistic Lock Coupling", IEEE Data
//! Engineering Bulletin 42(1), 2019) gives each node one word:
//!
//! ```text
//! | counter (62 bits) | obsolete | locked |
//! ```
//!
//! A writer sets `locked`, changes the node, and clears `locked` while it adds one to the counter. A
//! reader remembers the word, reads what it needs, and looks at the word again: if it is the same, no
//! writer was at work in between. Readers write no shared memory, so they don't slow each other down.
//! The counter never goes back, not even when a node leaves the tree and is used again, so that a word
//! that was seen once names one state of one node for ever.
//!
//! What is read under a latch has to be atomic, since it may be written at that very moment. The fences
//! follow Boehm, "Can seqlocks get along with programming language memory models?" (MSPC 2012):
//!
//! ```text
//! writer: lock (compare-and-swap) · fence(Release) · stores            · store word (Release)
//! reader: load word (Acquire)     · loads          · fence(Acquire)    · load word (Relaxed)
//! ```
//!
//! If one of the reader's loads sees one of the writer's stores, the two fences synchronize, and the
//! reader's second look sees `locked` or something later.
//!
//! Nobody ever waits for a latch while holding one: whoever meets a locked node gives up all that it
//! holds and starts over ([`Restart`]). Hence there are no deadlocks, and no order to keep.

use crate::sync::{AtomicU64, Ordering, fence, spin};

const LOCKED: u64 = 1;
const OBSOLETE: u64 = 2;
const ONE_CHANGE: u64 = 4;

/// What was looked at was locked, or replaced, or changed under a reader's eyes: start over.
#[derive(Debug)]
pub(super) struct Restart;

/// The result of an optimistic step.
pub(super) type Attempt<T> = Result<T, Restart>;

/// Repeats `attempt` until it gets through.
#[inline]
pub(super) fn retry<T>(mut attempt: impl FnMut() -> Attempt<T>) -> T {
    let mut round = 0u32;
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(Restart) => {
                spin(round);
                round = round.saturating_add(1);
            }
        }
    }
}

/// The word of an unlocked latch, as it was at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LatchVersion(u64);

impl LatchVersion {
    /// A version that no latch ever has.
    pub(super) const NEVER: LatchVersion = LatchVersion(u64::MAX);
}

/// A node's latch.
pub(super) struct Latch {
    word: AtomicU64,
}

impl Latch {
    /// The latch of a node outside the tree: obsolete until it is adopted.
    pub(super) fn new_obsolete() -> Latch {
        Latch { word: AtomicU64::new(OBSOLETE) }
    }

    /// Looks at the latch before reading the node; fails if the node is locked or has left the tree.
    #[inline]
    pub(super) fn observe(&self) -> Attempt<LatchVersion> {
        // Acquire: pairs with the release in `Held::finish`; the reader sees what that writer stored.
        let word = self.word.load(Ordering::Acquire);
        if word & (LOCKED | OBSOLETE) == 0 { Ok(LatchVersion(word)) } else { Err(Restart) }
    }

    /// Looks again after reading: succeeds if all that was read since `version` was observed is from
    /// that version.
    #[inline]
    pub(super) fn validate(&self, version: LatchVersion) -> Attempt<()> {
        // Pairs with the release fence in `try_lock` and `adopt`: had a load before this fence seen a
        // store behind that one, the next load would see the word changed.
        fence(Ordering::Acquire);
        if self.word.load(Ordering::Relaxed) == version.0 { Ok(()) } else { Err(Restart) }
    }

    /// Whether the node is unlocked and as it was, in one order with all other sequentially consistent
    /// operations (see [`Latch::try_lock`]).
    #[inline]
    pub(super) fn is_current(&self, version: LatchVersion) -> bool {
        self.word.load(Ordering::SeqCst) == version.0
    }

    /// Locks the node if it is still in `version`.
    ///
    /// Sequentially consistent, because of a handshake in the manner of Dekker: an inserter locks the
    /// leaf and then reads the successor's control word, a scanner marks the control word and then looks
    /// at the leaf's latch. In a single order of these four, one of the two must see the other.
    #[inline]
    pub(super) fn try_lock(&self, version: LatchVersion) -> Attempt<Held<'_>> {
        // On failure nothing was read that anybody relies on.
        self.word
            .compare_exchange(version.0, version.0 | LOCKED, Ordering::SeqCst, Ordering::Relaxed)
            .map_err(|_| Restart)?;
        // Pairs with the acquire fence in `validate`.
        fence(Ordering::Release);
        Ok(Held { latch: self, unlocked: version.0 })
    }

    /// Locks the node of an obsolete latch, to use it again. Only for its owner: nobody else can lock it,
    /// since nobody can observe a version of it.
    pub(super) fn adopt(&self) -> Held<'_> {
        // Relaxed: the node came out of the pool, whose mutex orders its former life before this one.
        let word = self.word.load(Ordering::Relaxed);
        assert_eq!(word & (LOCKED | OBSOLETE), OBSOLETE, "only a node outside the tree can be adopted");
        let unlocked = word & !OBSOLETE;
        self.word.store(unlocked | LOCKED, Ordering::Relaxed);
        // Pairs with the acquire fence in `validate`.
        fence(Ordering::Release);
        Held { latch: self, unlocked }
    }
}

/// A locked latch. Dropped as it is, it is unlocked with its old version: nothing has changed.
#[must_use = "the latch is unlocked when this is dropped"]
pub(super) struct Held<'t> {
    latch: &'t Latch,
    unlocked: u64,
}

impl Held<'_> {
    /// Unlocks the node with a new version.
    #[inline]
    pub(super) fn changed(mut self) {
        self.unlocked += ONE_CHANGE;
    }

    /// Unlocks the node with a new version and marks it as having left the tree.
    pub(super) fn obsolete(mut self) {
        self.unlocked = (self.unlocked + ONE_CHANGE) | OBSOLETE;
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        // Release: pairs with the acquire in `observe`. Sequentially consistent stores aren't needed: a
        // scanner that sees an older word than this one sees the latch locked, and doesn't trust it.
        self.latch.word.store(self.unlocked, Ordering::Release);
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn a_version_survives_an_unchanged_unlock_and_no_other() {
        let latch = Latch::new_obsolete();
        assert!(latch.observe().is_err(), "a node outside the tree can't be read");
        latch.adopt().changed();
        let version = latch.observe().unwrap();
        let held = latch.try_lock(version).unwrap();
        assert!(latch.observe().is_err());
        assert!(latch.validate(version).is_err());
        assert!(!latch.is_current(version));
        assert!(latch.try_lock(version).is_err());
        drop(held);
        assert!(latch.validate(version).is_ok());
        assert!(latch.is_current(version));

        latch.try_lock(version).unwrap().changed();
        assert!(latch.validate(version).is_err());
        assert!(latch.try_lock(version).is_err());
    }

    #[test]
    fn versions_go_on_when_a_node_is_used_again() {
        let latch = Latch::new_obsolete();
        latch.adopt().changed();
        let first = latch.observe().unwrap();
        latch.try_lock(first).unwrap().obsolete();
        assert!(latch.observe().is_err());
        latch.adopt().changed();
        let second = latch.observe().unwrap();
        assert!(second.0 > first.0);
    }
}
