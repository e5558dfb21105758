//! Waiting transactions: where each one sleeps, and whom it waits for.
//!
//! The *wait-for graph* (Gray & Reuter, "Transaction Processing", 1993, section 7.11) has an edge from each
//! waiting transaction to each one that is in its way. It is kept exact: whenever a queue changes, the edges
//! of all who wait in it are replaced, while the queue's shard is locked. A transaction waits for one lock at
//! a time, so a new cycle can only go through the one that has just begun to wait.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use synod_storage::sync::{AtomicBool, Condvar, Mutex, Ordering, spin};

use super::queue::Queue;
use crate::{Abort, TRANSACTIONS_MAX};

/// How often a waiter looks for news before it falls asleep: some microseconds, about as long as a short
/// transaction takes.
const DOZE_ROUNDS: u32 = if cfg!(shuttle) { 1 } else { 400 };

/// How a wait ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Granted,
    Aborted(Abort),
    TimedOut,
}

/// Where each transaction sleeps, and the graph.
#[derive(Debug)]
pub(crate) struct Waits {
    beds: Box<[Bed]>,
    graph: Mutex<Graph>,
}

#[derive(Debug, Default)]
struct Bed {
    /// A hint that `state` has changed, for who is still awake enough to look.
    has_news: AtomicBool,
    state: Mutex<State>,
    wakes: Condvar,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Awake,
    Asleep,
    Granted,
    Aborted(Abort),
}

/// What a transaction waits for, to be named in reports.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) table: String,
    pub(crate) key: Option<Vec<u8>>,
}

#[derive(Debug, Default)]
struct Graph {
    waiting: HashMap<u16, Node>,
}

#[derive(Debug)]
struct Node {
    place: Place,
    blockers: Vec<u16>,
}

impl Waits {
    pub(crate) fn new() -> Self {
        Waits { beds: (0..TRANSACTIONS_MAX).map(|_| Bed::default()).collect(), graph: Mutex::default() }
    }

    fn bed(&self, slot: u16) -> &Bed {
        &self.beds[slot as usize]
    }

    /// Declares that `slot` is about to sleep; from now on it can be served or aborted.
    pub(crate) fn lie_down(&self, slot: u16, place: Place) {
        let bed = self.bed(slot);
        bed.has_news.store(false, Ordering::Relaxed);
        *bed.state.lock() = State::Asleep;
        self.graph.lock().waiting.insert(slot, Node { place, blockers: Vec::new() });
    }

    /// Sleeps until the lock is granted, the wait is aborted, or the deadline has passed. Dozes for a moment
    /// first: most locks are held for less time than it takes to fall asleep and be woken.
    pub(crate) fn sleep(&self, slot: u16, deadline: Instant) -> Outcome {
        let bed = self.bed(slot);
        for _ in 0..DOZE_ROUNDS {
            // Relaxed: a hint; the state is read under its lock.
            if bed.has_news.load(Ordering::Relaxed) {
                break;
            }
            spin(0);
        }
        let mut state = bed.state.lock();
        loop {
            let is_late = match &*state {
                State::Asleep => bed.wakes.wait_until(&mut state, deadline).timed_out(),
                _ => false,
            };
            match std::mem::take(&mut *state) {
                State::Granted => return Outcome::Granted,
                State::Aborted(abort) => return Outcome::Aborted(abort),
                State::Asleep if !is_late => *state = State::Asleep,
                State::Asleep | State::Awake => return Outcome::TimedOut,
            }
        }
    }

    /// Tells a sleeper that it has its lock.
    pub(crate) fn grant(&self, slot: u16) {
        self.graph.lock().waiting.remove(&slot);
        self.wake(slot, State::Granted);
    }

    /// Aborts the wait of `slot`, if it waits. Its queue entry stays until it removes it itself.
    pub(crate) fn abort(&self, slot: u16, abort: Abort) {
        self.graph.lock().waiting.remove(&slot);
        self.wake(slot, State::Aborted(abort));
    }

    fn wake(&self, slot: u16, news: State) {
        let bed = self.bed(slot);
        let mut state = bed.state.lock();
        if matches!(*state, State::Asleep) {
            *state = news;
            bed.has_news.store(true, Ordering::Relaxed);
            bed.wakes.notify_one();
        }
    }

    /// Who waits, for what, and because of whom.
    pub(crate) fn all(&self) -> Vec<(u16, Place, Vec<u16>)> {
        let graph = self.graph.lock();
        let mut all: Vec<_> = graph.waiting.iter().map(|(&slot, node)| node.told(slot)).collect();
        all.sort_unstable_by_key(|&(slot, ..)| slot);
        all
    }

    /// `slot` no longer waits.
    pub(crate) fn get_up(&self, slot: u16) {
        self.graph.lock().waiting.remove(&slot);
        *self.bed(slot).state.lock() = State::Awake;
    }

    /// Replaces the edges of all who wait in `queue`. The queue's shard must be locked.
    pub(crate) fn update_edges(&self, queue: &Queue) {
        let mut graph = self.graph.lock();
        for waiter in queue.waiting() {
            if let Some(node) = graph.waiting.get_mut(&waiter) {
                node.blockers = queue.blockers(waiter);
            }
        }
    }

    /// Breaks one cycle through `start`, if there is one: `choose` gets its members, each of which waits for
    /// the next one and the last for the first, and says who is aborted, and how. If that is `start` itself,
    /// which hasn't fallen asleep yet, its abort is returned; any other victim is told at once, while the
    /// graph is locked, so that it still waits where the cycle says.
    pub(crate) fn break_cycle(
        &self,
        start: u16,
        choose: impl FnOnce(Vec<(u16, Place)>) -> (u16, Abort),
    ) -> Option<Option<Abort>> {
        let mut graph = self.graph.lock();
        let (victim, abort) = choose(graph.find_cycle(start)?);
        if victim == start {
            return Some(Some(abort));
        }
        graph.waiting.remove(&victim);
        self.wake(victim, State::Aborted(abort));
        Some(None)
    }
}

impl Node {
    fn told(&self, slot: u16) -> (u16, Place, Vec<u16>) {
        (slot, self.place.clone(), self.blockers.clone())
    }
}

impl Graph {
    /// A cycle through `start`: each member waits for the next one, the last for the first.
    ///
    /// Depth-first search; a transaction from which no way leads back to `start` is left at once when it
    /// is met again.
    fn find_cycle(&self, start: u16) -> Option<Vec<(u16, Place)>> {
        let mut path: Vec<(u16, usize)> = vec![(start, 0)];
        let mut seen = HashSet::from([start]);
        while let Some((slot, next)) = path.last_mut() {
            let blocker = self.waiting.get(slot).and_then(|node| node.blockers.get(*next)).copied();
            *next += 1;
            match blocker {
                None => {
                    path.pop();
                }
                Some(blocker) if blocker == start => {
                    let member = |&(slot, _): &(u16, usize)| (slot, self.waiting[&slot].place.clone());
                    return Some(path.iter().map(member).collect());
                }
                Some(blocker) if seen.insert(blocker) => path.push((blocker, 0)),
                Some(_) => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(u16, &[u16])]) -> Graph {
        let node = |blockers: &[u16]| Node {
            place: Place { table: "t".into(), key: None },
            blockers: blockers.to_vec(),
        };
        Graph { waiting: edges.iter().map(|&(slot, blockers)| (slot, node(blockers))).collect() }
    }

    fn cycle(graph: &Graph, start: u16) -> Option<Vec<u16>> {
        Some(graph.find_cycle(start)?.into_iter().map(|(slot, _)| slot).collect())
    }

    #[test]
    fn cycles_are_found_from_each_member_and_from_no_one_else() {
        let graph = graph(&[(1, &[2]), (2, &[5, 3]), (3, &[1]), (4, &[1]), (6, &[7])]);
        assert_eq!(cycle(&graph, 1), Some(vec![1, 2, 3]));
        assert_eq!(cycle(&graph, 3), Some(vec![3, 1, 2]));
        assert_eq!(cycle(&graph, 4), None, "it waits for a cycle but is no part of it");
        assert_eq!(cycle(&graph, 6), None);
    }
}
