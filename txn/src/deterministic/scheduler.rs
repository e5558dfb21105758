//! The scheduler: which transactions may run now.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::num::NonZeroU64;

use synod_storage::Timestamp;

use super::Footprint;
use super::conflicts::KeyTable;
use super::footprint::TableMasks;
use super::lists::{List, Lists};

/// A transaction's place in a scheduler's log order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub(super) NonZeroU64);

impl Sequence {
    pub(super) const FIRST: Sequence = Sequence(NonZeroU64::MIN);

    pub(super) fn next(self) -> Sequence {
        Sequence(self.0.saturating_add(1))
    }
}

/// Decides which transactions may run, in such a way that the outcome is that of running them one after the
/// other in log order: a transaction becomes *ready* when all those before it have finished that write what it reads or
/// writes, as their [`Footprint`]s say. Those that only read what it writes it doesn't wait for: they look for the
/// versions of their own time.
///
/// A pure state machine: it starts no thread, waits for nothing and knows no store. `T` is what stands for a
/// transaction and can tell its footprint (an `Arc`, say, since it is cloned); `E` is what a finished one leaves
/// behind, to be delivered in log order.
///
/// Admitting, handing out and finishing a transaction with ten keys costs 150 to 200 ns in all where conflicts
/// are rare, up to 500 ns where everybody conflicts with many, and allocates nothing once the scheduler has grown
/// to its load. A transaction with ranges is compared with all unfinished ones whose tables it shares, and they
/// with it, at some 30 ns a pair.
#[derive(Debug)]
pub struct Scheduler<T, E> {
    /// From the first unfinished transaction on, in log order.
    window: VecDeque<Slot<T, E>>,
    window_max: usize,
    /// The sequence of the window's first slot.
    first: Sequence,
    /// The sequence that comes next.
    next: Sequence,
    /// When the last one was admitted.
    last_at: Option<Timestamp>,
    unfinished: usize,
    keys: KeyTable,
    /// The successors of those in the window.
    lists: Lists,
    /// The unfinished transactions that write ranges, ascending, and the tables of their ranges.
    writing_ranges: Vec<(Sequence, TableMasks)>,
    /// Ready since they were admitted; ascending.
    ready: VecDeque<Sequence>,
    /// Ready since others have finished.
    woken: BinaryHeap<Reverse<Sequence>>,
}

/// A transaction in the window.
#[derive(Debug)]
struct Slot<T, E> {
    at: Timestamp,
    stage: Stage<T, E>,
    /// The tables of its footprint, and those of its ranges.
    masks: TableMasks,
    range_masks: TableMasks,
    /// How many it still waits for.
    predecessors: u32,
    running: bool,
    /// Those that wait for it, ascending.
    successors: List,
}

#[derive(Debug)]
enum Stage<T, E> {
    /// Waits for others or for somebody to run it, or runs.
    Unfinished(T),
    /// Waits for those before it to finish.
    Finished(E),
}

impl<T, E> Slot<T, E> {
    fn is_finished(&self) -> bool {
        matches!(self.stage, Stage::Finished(_))
    }
}

impl<T: AsRef<Footprint>, E> Slot<T, E> {
    /// Whether this transaction is unfinished, and a later one has to wait for it on account of a range of either.
    fn is_awaited_by_range(&self, later: &Footprint) -> bool {
        match &self.stage {
            Stage::Unfinished(job)
                if later.masks().may_wait_for(self.range_masks)
                    || later.range_masks().may_wait_for(self.masks) =>
            {
                later.waits_for_by_range(job.as_ref())
            }
            _ => false,
        }
    }
}

impl<T: Clone + AsRef<Footprint>, E> Scheduler<T, E> {
    /// A scheduler that takes in at most so many transactions beyond the executed prefix.
    pub fn new(window_max: usize) -> Self {
        Scheduler {
            window: VecDeque::new(),
            window_max,
            first: Sequence::FIRST,
            next: Sequence::FIRST,
            last_at: None,
            unfinished: 0,
            keys: KeyTable::new(),
            lists: Lists::default(),
            writing_ranges: Vec::new(),
            ready: VecDeque::new(),
            woken: BinaryHeap::new(),
        }
    }

    /// How many were admitted and haven't finished.
    pub fn in_flight(&self) -> usize {
        self.unfinished
    }

    /// How many were admitted and aren't in the executed prefix.
    pub fn window(&self) -> usize {
        self.window.len()
    }

    /// Whether another one may be admitted.
    pub fn has_room(&self) -> bool {
        self.window.len() < self.window_max
    }

    /// How many are ready and not running yet.
    pub fn ready(&self) -> usize {
        self.ready.len() + self.woken.len()
    }

    /// Takes in the transaction that comes next in the log. Its footprint is sealed, and stays as it is.
    ///
    /// # Panics
    /// If there's no room, the footprint isn't sealed, or `at` isn't after that of all transactions before.
    pub fn admit(&mut self, at: Timestamp, job: T) -> Sequence {
        let footprint = job.as_ref();
        assert!(self.has_room(), "the scheduler's window is full");
        assert!(footprint.is_sealed(), "a footprint must be sealed before it is admitted");
        assert!(self.last_at < Some(at), "transactions are admitted in log order");
        let (sequence, masks, range_masks) = (self.next, footprint.masks(), footprint.range_masks());
        let predecessors = self.link(sequence, footprint);
        if range_masks.has_written() {
            self.writing_ranges.push((sequence, range_masks));
        }
        if predecessors == 0 {
            self.ready.push_back(sequence);
        }
        let (stage, successors) = (Stage::Unfinished(job), List::default());
        let running = false;
        self.window.push_back(Slot { at, stage, masks, range_masks, predecessors, running, successors });
        self.unfinished += 1;
        self.last_at = Some(at);
        self.next = sequence.next();
        sequence
    }

    /// Makes the newcomer a successor of those whom it must wait for. How many these are.
    fn link(&mut self, newcomer: Sequence, footprint: &Footprint) -> u32 {
        let Scheduler { window, first, keys, lists, writing_ranges, .. } = self;
        let mut predecessors = 0;
        let mut wait_for = |slot: &mut Slot<T, E>| {
            // It may be there already, on account of another key.
            predecessors += u32::from(lists.push(&mut slot.successors, newcomer));
        };
        for (hash, write) in footprint.key_hashes() {
            let is_unfinished =
                |other: Sequence| other >= *first && !window[distance(*first, other)].is_finished();
            let writer = match write {
                true => keys.write(hash, newcomer, is_unfinished),
                false => keys.writer(hash, newcomer, is_unfinished),
            };
            if let Some(writer) = writer {
                wait_for(&mut window[distance(*first, writer)]);
            }
        }
        if footprint.has_ranges() {
            for slot in window.iter_mut() {
                if slot.is_awaited_by_range(footprint) {
                    wait_for(slot);
                }
            }
        } else {
            for &(other, range_masks) in writing_ranges.iter() {
                if footprint.masks().may_wait_for(range_masks) {
                    let slot = &mut window[distance(*first, other)];
                    if slot.is_awaited_by_range(footprint) {
                        wait_for(slot);
                    }
                }
            }
        }
        predecessors
    }

    /// The first in log order of those that are ready, which from now on is running.
    pub fn next_ready(&mut self) -> Option<(Sequence, T)> {
        let woken = self.woken.peek().map(|woken| woken.0);
        let sequence = match self.ready.front() {
            Some(&ready) if woken.is_none_or(|woken| ready < woken) => {
                self.ready.pop_front();
                ready
            }
            _ => self.woken.pop()?.0,
        };
        let slot = &mut self.window[distance(self.first, sequence)];
        slot.running = true;
        match &slot.stage {
            Stage::Unfinished(job) => Some((sequence, job.clone())),
            Stage::Finished(_) => unreachable!("what is ready hasn't run yet"),
        }
    }

    /// A transaction has run. Makes those ready that have waited for it alone, and calls `passed` for each one
    /// that is now part of the executed prefix (all before it have finished too), in log order.
    ///
    /// # Panics
    /// If the transaction isn't running.
    pub fn finish(&mut self, sequence: Sequence, effects: E, mut passed: impl FnMut(Timestamp, E)) {
        assert!(self.first <= sequence && sequence < self.next, "a transaction finishes once");
        let slot = &mut self.window[distance(self.first, sequence)];
        assert!(slot.running, "a transaction finishes after it was handed out, and once");
        slot.running = false;
        slot.stage = Stage::Finished(effects);
        let successors = std::mem::take(&mut slot.successors);
        self.unfinished -= 1;
        if slot.range_masks.has_written() {
            self.writing_ranges.retain(|&(other, _)| other != sequence);
        }
        self.wake(successors);
        while let Some(slot) = self.window.pop_front_if(|slot| slot.is_finished()) {
            self.first = self.first.next();
            if let Stage::Finished(effects) = slot.stage {
                passed(slot.at, effects);
            }
        }
    }

    /// Those who have waited for the one that has finished wait for one less.
    fn wake(&mut self, mut successors: List) {
        for &successor in self.lists.members(successors) {
            let slot = &mut self.window[distance(self.first, successor)];
            slot.predecessors -= 1;
            if slot.predecessors == 0 {
                self.woken.push(Reverse(successor));
            }
        }
        self.lists.clear(&mut successors);
    }

    /// Whether nothing is left of those who have finished.
    #[cfg(test)]
    pub(super) fn is_clean(&self) -> bool {
        self.lists.are_empty() && self.writing_ranges.is_empty() && self.window.is_empty()
    }
}

/// How far behind the window's first slot a sequence is.
#[inline]
fn distance(first: Sequence, sequence: Sequence) -> usize {
    (sequence.0.get() - first.0.get()) as usize
}
