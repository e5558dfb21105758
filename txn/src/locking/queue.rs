//! The queue of one contended lock: who holds what, and who waits for it. A pure state machine.
//!
//! Waiters are served in order of arrival: a request waits not only for holders in its way but also for
//! waiters ahead of it that it conflicts with, so a stream of readers can't starve a writer. The exception is
//! a request by somebody who already holds a part of the lock (an *upgrade*): it goes ahead of all who hold
//! nothing, because they wait for its sender anyway; queueing it behind them would be a deadlock with nobody
//! at fault.
//!
//! A request to insert into a gap that is free holds nothing: the inserter has the index leaf to itself while
//! it asks. One that had to wait is held from its grant on, like any other lock; if it weren't, the gap would
//! be taken again by those who queue behind before the inserter has woken up, and it might never get in.

use std::collections::VecDeque;

use super::word::{Modes, SHARING_SLOTS, Word};

/// A transaction's slot, and what it has or wants.
type Entry = (u16, Modes);

#[derive(Debug, Default)]
pub(crate) struct Queue {
    holders: Vec<Entry>,
    waiters: VecDeque<Entry>,
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Granted,
    /// The request is queued.
    Queued,
}

impl Queue {
    /// The queue of a lock that was held in its control word.
    pub(crate) fn from_word(word: Word) -> Self {
        Queue { holders: word.holders().collect(), waiters: VecDeque::new() }
    }

    /// A queue with one holder.
    pub(crate) fn held_by(slot: u16, modes: Modes) -> Self {
        Queue { holders: vec![(slot, modes)], waiters: VecDeque::new() }
    }

    /// The control word that says the same, if nobody waits and all holders have bits in it.
    pub(crate) fn to_word(&self) -> Option<Word> {
        if !self.waiters.is_empty() {
            return None;
        }
        self.holders.iter().try_fold(Word(0), |word, &(slot, modes)| {
            let sharing = modes.has(Modes::SHARED) || modes.has(Modes::GAP);
            let has_bits = !modes.has(Modes::INSERT) && (!sharing || slot < SHARING_SLOTS);
            if has_bits { word.grant(slot, modes) } else { None }
        })
    }

    /// What `slot` holds.
    pub(crate) fn modes_of(&self, slot: u16) -> Modes {
        self.holders.iter().find(|holder| holder.0 == slot).map_or(Modes::default(), |holder| holder.1)
    }

    /// Asks for `modes`, at the position that the module describes.
    pub(crate) fn request(&mut self, slot: u16, modes: Modes) -> Decision {
        let held = self.modes_of(slot);
        let wanted = modes.beyond(held);
        let is_upgrade = !held.is_empty();
        let ahead = if is_upgrade { self.upgrades() } else { self.waiters.len() };
        if self.is_free_for((slot, wanted), ahead) {
            if wanted != Modes::INSERT {
                self.grant((slot, wanted));
            }
            Decision::Granted
        } else {
            self.waiters.insert(ahead, (slot, wanted));
            Decision::Queued
        }
    }

    /// How many waiters, all at the front, hold a part of the lock already.
    fn upgrades(&self) -> usize {
        self.waiters.iter().take_while(|waiter| !self.modes_of(waiter.0).is_empty()).count()
    }

    /// Whether nobody is in the way: no holder, and none of the first `ahead` waiters.
    fn is_free_for(&self, (slot, wanted): Entry, ahead: usize) -> bool {
        let in_the_way = |other: &Entry| other.0 != slot && wanted.conflicts_with(other.1);
        !self.holders.iter().any(in_the_way) && !self.waiters.iter().take(ahead).any(in_the_way)
    }

    fn grant(&mut self, (slot, modes): Entry) {
        if modes.is_empty() {
            return;
        }
        match self.holders.iter_mut().find(|holder| holder.0 == slot) {
            Some(holder) => holder.1 = holder.1.with(modes),
            None => self.holders.push((slot, modes)),
        }
    }

    /// Drops all that `slot` holds.
    pub(crate) fn release(&mut self, slot: u16) {
        self.holders.retain(|holder| holder.0 != slot);
    }

    /// Drops what `slot` waits for.
    pub(crate) fn cancel(&mut self, slot: u16) {
        self.waiters.retain(|waiter| waiter.0 != slot);
    }

    /// Grants what can be granted now, in order; returns the slots that were served.
    pub(crate) fn promote(&mut self) -> Vec<u16> {
        let mut served = Vec::new();
        let mut position = 0;
        while position < self.waiters.len() {
            let waiter = self.waiters[position];
            if self.is_free_for(waiter, position) {
                self.waiters.remove(position);
                self.grant(waiter);
                served.push(waiter.0);
            } else {
                position += 1;
            }
        }
        served
    }

    /// Everyone who waits, in order.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = u16> {
        self.waiters.iter().map(|waiter| waiter.0)
    }

    /// Whom a waiting `slot` waits for: holders and earlier waiters in its way.
    pub(crate) fn blockers(&self, slot: u16) -> Vec<u16> {
        let Some(position) = self.waiters.iter().position(|waiter| waiter.0 == slot) else {
            return Vec::new();
        };
        let wanted = self.waiters[position].1;
        let mut blockers: Vec<u16> = self
            .holders
            .iter()
            .chain(self.waiters.iter().take(position))
            .filter(|other| other.0 != slot && wanted.conflicts_with(other.1))
            .map(|other| other.0)
            .collect();
        blockers.sort_unstable();
        blockers.dedup();
        blockers
    }

    /// Whether somebody other than `slot` keeps keys out of the gap.
    pub(crate) fn gap_is_held_against(&self, slot: u16) -> bool {
        self.holders.iter().any(|holder| holder.0 != slot && holder.1.has(Modes::GAP))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Modes = Modes::SHARED;
    const U: Modes = Modes::UPDATE;
    const X: Modes = Modes::EXCLUSIVE;

    #[test]
    fn a_writer_is_not_starved_by_readers() {
        let mut queue = Queue::held_by(1, S);
        assert_eq!(queue.request(2, X), Decision::Queued);
        assert_eq!(queue.request(3, S), Decision::Queued, "behind the writer");
        assert_eq!(queue.blockers(3), [2]);
        queue.release(1);
        assert_eq!(queue.promote(), [2]);
        queue.release(2);
        assert_eq!(queue.promote(), [3]);
    }

    #[test]
    fn an_upgrade_goes_ahead_of_those_who_wait_for_its_sender() {
        let mut queue = Queue::held_by(1, U);
        assert_eq!(queue.request(2, X), Decision::Queued);
        assert_eq!(queue.request(1, X), Decision::Granted, "nobody else holds anything");
        let mut queue = Queue::held_by(1, S);
        assert_eq!(queue.request(4, S), Decision::Granted);
        assert_eq!(queue.request(2, X), Decision::Queued);
        assert_eq!(queue.request(1, X), Decision::Queued);
        assert_eq!(queue.blockers(1), [4], "not behind 2");
        queue.release(4);
        assert_eq!(queue.promote(), [1]);
    }

    #[test]
    fn inserters_wait_for_gap_holders_and_keep_their_turn() {
        let mut queue = Queue::held_by(1, Modes::GAP);
        assert_eq!(queue.request(1, Modes::INSERT), Decision::Granted);
        assert_eq!(queue.modes_of(1), Modes::GAP, "nothing is held by one who needn't wait");
        assert_eq!(queue.request(2, Modes::INSERT), Decision::Queued);
        assert_eq!(queue.request(3, Modes::GAP), Decision::Queued, "the inserter isn't starved");
        queue.release(1);
        assert_eq!(queue.promote(), [2]);
        assert!(!queue.gap_is_held_against(2));
        assert_eq!(queue.request(2, Modes::INSERT), Decision::Granted);
        assert_eq!(queue.to_word(), None, "the word has no bit for it");
        queue.release(2);
        assert_eq!(queue.promote(), [3]);
        assert!(queue.gap_is_held_against(2));
    }

    #[test]
    fn several_readers_are_served_at_once() {
        let mut queue = Queue::held_by(9, X);
        for reader in 1..4 {
            assert_eq!(queue.request(reader, S), Decision::Queued);
        }
        queue.release(9);
        assert_eq!(queue.promote(), [1, 2, 3]);
        assert_eq!(queue.to_word().map(|word| word.holders().count()), Some(3));
    }

    #[test]
    fn a_canceled_wait_lets_those_behind_it_through() {
        let mut queue = Queue::held_by(1, S);
        assert_eq!(queue.request(2, X), Decision::Queued);
        assert_eq!(queue.request(3, S), Decision::Queued);
        queue.cancel(2);
        assert_eq!(queue.promote(), [3]);
    }

    #[test]
    fn nothing_conflicting_is_ever_granted() {
        // Every sequence of requests and releases by three transactions, four steps deep.
        let modes = [S, U, X, Modes::GAP, Modes::INSERT];
        let mut queues = vec![Vec::<(u16, Option<Modes>)>::new()];
        for _ in 0..4 {
            queues = queues
                .into_iter()
                .flat_map(|steps| {
                    let choices = modes.iter().map(|&mode| Some(mode)).chain([None]);
                    choices.flat_map(move |choice| {
                        let steps = steps.clone();
                        (0..3).map(move |slot| [steps.clone(), vec![(slot, choice)]].concat())
                    })
                })
                .collect();
        }
        for steps in queues {
            run(&steps);
        }
    }

    fn run(steps: &[(u16, Option<Modes>)]) {
        let mut queue = Queue::default();
        for &(slot, step) in steps {
            match step {
                // A transaction waits for one thing at a time.
                Some(_) if queue.waiting().any(|waiter| waiter == slot) => {}
                Some(modes) => {
                    queue.request(slot, modes);
                }
                None => {
                    queue.release(slot);
                    queue.cancel(slot);
                    queue.promote();
                }
            }
            for a in &queue.holders {
                let conflict = queue.holders.iter().find(|b| a.0 != b.0 && a.1.conflicts_with(b.1));
                assert!(conflict.is_none(), "{steps:?}: {a:?} and {conflict:?}");
            }
            for waiter in queue.waiting() {
                assert!(!queue.blockers(waiter).is_empty(), "{steps:?}: {waiter} waits for nobody");
            }
        }
    }
}
