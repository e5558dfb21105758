//! Locks in a record's control word, while nobody has to wait.
//!
//! ```text
//! 63    59        58       48..57        24..47           0..23
//! DEAD  INFLATED  X not U  owner + 1     gap holders      shared holders
//! ```
//!
//! The shared and gap holders are sets of transaction slots, one bit each, so that it is always known *who*
//! holds a lock: waiters need that to find deadlocks. A transaction in slot 24 or above can own a record, but
//! to share one it goes through the lock table. Once somebody has to wait, the word is *inflated*: it holds
//! nothing but that mark, and everything moves into a queue in the lock table.

use synod_storage::Record;

/// What a transaction holds, or wants, on one record: a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Modes(u8);

impl Modes {
    /// To read the record; shared.
    pub(crate) const SHARED: Modes = Modes(1);
    /// To read it and perhaps write it later; one at a time, beside readers.
    pub(crate) const UPDATE: Modes = Modes(2);
    /// To write it; alone.
    pub(crate) const EXCLUSIVE: Modes = Modes(4);
    /// To keep keys out of the gap in front of the record; shared.
    pub(crate) const GAP: Modes = Modes(8);
    /// To insert a key into the gap: waits for gap holders, and is held only after such a wait.
    pub(crate) const INSERT: Modes = Modes(16);

    pub(crate) const fn with(self, other: Modes) -> Modes {
        Modes(self.0 | other.0)
    }

    pub(crate) const fn has(self, other: Modes) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether these are locks that any number of transactions can hold at once.
    const fn are_shared(self) -> bool {
        self.0 & !(Modes::SHARED.0 | Modes::GAP.0) == 0
    }

    /// The slot's bits in the control word for those of these modes that are shared.
    const fn sharing_bits(self, slot: u16) -> u64 {
        let shared = (self.0 & Modes::SHARED.0) as u64;
        let gap = ((self.0 & Modes::GAP.0) / Modes::GAP.0) as u64;
        (shared | gap << GAP_SHIFT) << slot
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is left to ask for by somebody who holds `held`: an owner needn't share.
    pub(crate) const fn beyond(self, held: Modes) -> Modes {
        let implied = if held.has(Modes::EXCLUSIVE) {
            Modes::SHARED.0 | Modes::UPDATE.0
        } else if held.has(Modes::UPDATE) {
            Modes::SHARED.0
        } else {
            0
        };
        Modes(self.0 & !(held.0 | implied))
    }

    /// Whether two transactions can't have these at the same time. Symmetric.
    pub(crate) const fn conflicts_with(self, other: Modes) -> bool {
        const fn one_way(a: Modes, b: Modes) -> bool {
            let (shared, update, exclusive) = (Modes::SHARED.0, Modes::UPDATE.0, Modes::EXCLUSIVE.0);
            (a.has(Modes::EXCLUSIVE) && b.0 & (shared | update | exclusive) != 0)
                || (a.has(Modes::UPDATE) && b.has(Modes::UPDATE))
                || (a.has(Modes::INSERT) && b.has(Modes::GAP))
        }
        one_way(self, other) || one_way(other, self)
    }
}

/// How many slots have bits of their own in the word.
pub(crate) const SHARING_SLOTS: u16 = 24;

const GAP_SHIFT: u32 = 24;
const OWNER_SHIFT: u32 = 48;
const OWNER_MASK: u64 = 0x3ff << OWNER_SHIFT;
const SHARED_MASK: u64 = (1 << SHARING_SLOTS) - 1;
const GAP_MASK: u64 = SHARED_MASK << GAP_SHIFT;
const EXCLUSIVE: u64 = 1 << 58;
const INFLATED: u64 = 1 << 59;

/// A control word's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) u64);

impl Word {
    /// The mark of a lock that has moved into the lock table.
    pub(crate) const INFLATED: Word = Word(INFLATED);

    #[inline]
    pub(crate) fn is_dead(self) -> bool {
        self.0 & Record::DEAD != 0
    }

    #[inline]
    pub(crate) fn is_inflated(self) -> bool {
        self.0 & INFLATED != 0
    }

    /// The word of a record that `slot` has just made: its own to write.
    #[inline]
    pub(crate) fn owned_by(slot: u16) -> Word {
        Word(owner_bits(slot) | EXCLUSIVE)
    }

    /// Who owns the record for update or writing.
    #[inline]
    fn owner(self) -> Option<u16> {
        (((self.0 & OWNER_MASK) >> OWNER_SHIFT) as u16).checked_sub(1)
    }

    /// Whether somebody other than `slot` may be writing the record: reading needs a lock then.
    #[inline]
    pub(crate) fn may_be_written_by_other(self, slot: u16) -> bool {
        self.is_inflated() || (self.0 & EXCLUSIVE != 0 && self.owner() != Some(slot))
    }

    /// What `slot` holds. Only for a word that isn't inflated.
    #[inline]
    pub(crate) fn modes_of(self, slot: u16) -> Modes {
        let mut modes = Modes::default();
        if self.owner() == Some(slot) {
            modes = if self.0 & EXCLUSIVE != 0 { Modes::EXCLUSIVE } else { Modes::UPDATE };
        }
        if slot < SHARING_SLOTS {
            if self.0 & shared_bit(slot) != 0 {
                modes = modes.with(Modes::SHARED);
            }
            if self.0 & gap_bit(slot) != 0 {
                modes = modes.with(Modes::GAP);
            }
        }
        modes
    }

    /// The word after granting `modes` to `slot`; `None` if that takes the lock table: the word is
    /// inflated or dead, somebody is in the way, or the slot has no bits.
    #[inline]
    pub(crate) fn grant(self, slot: u16, modes: Modes) -> Option<Word> {
        if self.0 & (INFLATED | Record::DEAD) != 0 {
            return None;
        }
        // The usual case: to share what nobody owns.
        if self.0 & OWNER_MASK == 0 && modes.are_shared() && slot < SHARING_SLOTS {
            return Some(Word(self.0 | modes.sharing_bits(slot)));
        }
        let wanted = modes.beyond(self.modes_of(slot));
        let mut word = self.0;
        let owner_is_other = self.owner().is_some_and(|owner| owner != slot);
        if wanted.has(Modes::SHARED) {
            if slot >= SHARING_SLOTS || (owner_is_other && word & EXCLUSIVE != 0) {
                return None;
            }
            word |= shared_bit(slot);
        }
        if wanted.has(Modes::UPDATE) {
            if owner_is_other {
                return None;
            }
            word |= owner_bits(slot);
        }
        if wanted.has(Modes::EXCLUSIVE) {
            if owner_is_other || word & SHARED_MASK & !shared_bit(slot) != 0 {
                return None;
            }
            word |= owner_bits(slot) | EXCLUSIVE;
        }
        if wanted.has(Modes::GAP) {
            if slot >= SHARING_SLOTS {
                return None;
            }
            word |= gap_bit(slot);
        }
        if wanted.has(Modes::INSERT) && word & GAP_MASK & !gap_bit(slot) != 0 {
            return None;
        }
        Some(Word(word))
    }

    /// The word after `slot` has released everything.
    #[inline]
    pub(crate) fn without(self, slot: u16) -> Word {
        let mut word = self.0 & !(shared_bit(slot) | gap_bit(slot));
        if self.owner() == Some(slot) {
            word &= !(OWNER_MASK | EXCLUSIVE);
        }
        Word(word)
    }

    /// Everyone who holds something.
    pub(crate) fn holders(self) -> impl Iterator<Item = (u16, Modes)> {
        let owner = self.owner().filter(|&owner| owner >= SHARING_SLOTS);
        (0..SHARING_SLOTS)
            .chain(owner)
            .map(move |slot| (slot, self.modes_of(slot)))
            .filter(|(_, modes)| !modes.is_empty())
    }
}

/// The slot's bit among the shared holders; nothing for a slot without one.
#[inline]
fn shared_bit(slot: u16) -> u64 {
    if slot < SHARING_SLOTS { 1 << slot } else { 0 }
}

#[inline]
fn gap_bit(slot: u16) -> u64 {
    shared_bit(slot) << GAP_SHIFT
}

#[inline]
fn owner_bits(slot: u16) -> u64 {
    u64::from(slot + 1) << OWNER_SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: Word = Word(0);

    #[test]
    fn readers_share_and_a_writer_is_alone() {
        let read = FREE.grant(0, Modes::SHARED).unwrap().grant(3, Modes::SHARED).unwrap();
        assert_eq!(read.grant(3, Modes::EXCLUSIVE), None);
        let alone = read.without(0);
        let written = alone.grant(3, Modes::EXCLUSIVE).unwrap();
        assert_eq!(written.grant(0, Modes::SHARED), None);
        assert_eq!(written.grant(0, Modes::EXCLUSIVE), None);
        assert_eq!(written.without(3), FREE);
    }

    #[test]
    fn an_update_lock_admits_readers_and_no_second_one() {
        let word = FREE.grant(900, Modes::UPDATE).unwrap();
        assert_eq!(word.grant(1, Modes::UPDATE), None);
        let read = word.grant(1, Modes::SHARED).unwrap();
        assert_eq!(read.grant(900, Modes::EXCLUSIVE), None, "a reader is still there");
        assert!(read.without(1).grant(900, Modes::EXCLUSIVE).is_some());
    }

    #[test]
    fn gaps_keep_others_out_and_are_independent_of_the_record() {
        let gap = FREE.grant(2, Modes::GAP).unwrap().grant(5, Modes::GAP).unwrap();
        assert_eq!(gap.grant(2, Modes::INSERT), None);
        assert_eq!(gap.without(5).grant(2, Modes::INSERT), Some(gap.without(5)), "own gap, nothing recorded");
        assert!(gap.grant(7, Modes::EXCLUSIVE).is_some());
    }

    #[test]
    fn slots_without_bits_go_through_the_lock_table() {
        assert_eq!(FREE.grant(SHARING_SLOTS, Modes::SHARED), None);
        assert_eq!(FREE.grant(SHARING_SLOTS, Modes::GAP), None);
        assert!(FREE.grant(SHARING_SLOTS, Modes::EXCLUSIVE).is_some());
    }

    #[test]
    fn all_holders_are_known() {
        let word = FREE.grant(0, Modes::SHARED.with(Modes::GAP)).unwrap().grant(1022, Modes::UPDATE).unwrap();
        let holders: Vec<_> = word.holders().collect();
        assert_eq!(holders, [(0, Modes::SHARED.with(Modes::GAP)), (1022, Modes::UPDATE)]);
    }

    #[test]
    fn dead_and_inflated_words_grant_nothing() {
        for word in [Word(Record::DEAD), Word::INFLATED] {
            assert_eq!(word.grant(0, Modes::SHARED), None);
        }
    }
}
