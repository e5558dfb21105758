//! The direct serialization graph: which transaction has to come before which, and why.
//!
//! Adya's dependencies (1999, section 3.1), and two orders that clients can see:
//!
//! | edge | T1 → T2 because |
//! | --- | --- |
//! | ww | T2 made the version after T1's |
//! | wr | T2 saw a version that T1 made; or, as a predicate read, a gap that T1 opened by deleting |
//! | rw | T1 saw a version whose successor T2 made; or, as a predicate read, a gap that T2 closed |
//! | session | T2 came after T1 in the same session |
//! | real time | T2 began after T1 had ended |
//!
//! Edges stand in one array, and are found by a second one that is sorted by where they begin: sixteen bytes an edge
//! and four more, no allocation for each.

mod components;
mod cycle;
mod search;
mod time;

pub(crate) use components::{Components, tarjan};
pub(crate) use cycle::Cycle;
pub(crate) use time::precedences;

use crate::anomaly::CycleKind;
use crate::observe::{NONE, Observed, Seen};
use crate::verdict::Options;
use std::collections::BTreeMap;
use std::ops::Range;

/// Why one transaction comes before another: sets of reasons, for sieving edges.
pub(crate) mod reason {
    /// Overwrites.
    pub(crate) const WW: u8 = 1;
    /// Reads from.
    pub(crate) const WR: u8 = 2;
    /// Reads from, as a predicate.
    pub(crate) const PREDICATE_WR: u8 = 4;
    /// Is overwritten by.
    pub(crate) const RW: u8 = 8;
    /// Is overwritten by, as a predicate.
    pub(crate) const PREDICATE_RW: u8 = 16;
    /// Comes next in the same session.
    pub(crate) const SESSION: u8 = 32;
    /// Comes later in real time.
    pub(crate) const REAL_TIME: u8 = 64;
    /// Depends on.
    pub(crate) const DEPENDS: u8 = WW | WR | PREDICATE_WR;
    /// Anti-depends on.
    pub(crate) const ANTI: u8 = RW | PREDICATE_RW;
    /// Everything.
    pub(crate) const ALL: u8 = DEPENDS | ANTI | SESSION | REAL_TIME;
}

/// That one transaction comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// One of [`reason`].
    pub(crate) reason: u8,
    /// For wr and rw the number of the read; for ww that of the older version.
    pub(crate) evidence: u32,
}

/// Edges between transactions.
#[derive(Debug)]
pub(crate) struct Graph {
    /// Sorted by where they begin.
    edges: Vec<Edge>,
    /// For each transaction where its edges begin, and one more.
    starts: Vec<u32>,
}

impl Graph {
    /// The graph of a history.
    pub(crate) fn new(observed: &Observed<'_>, options: &Options) -> Graph {
        let mut edges = dependencies(observed);
        if options.sessions {
            edges.extend(time::sessions(observed));
        }
        if options.real_time {
            edges.extend(time::real_time(observed));
        }
        Graph::of(observed.took_effect.len(), &edges)
    }

    /// A graph of these edges: sorts them by counting.
    fn of(nodes: usize, edges: &[Edge]) -> Graph {
        let mut starts = vec![0u32; nodes + 1];
        edges.iter().for_each(|edge| starts[edge.from as usize + 1] += 1);
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        let mut next = starts.clone();
        let empty = Edge { from: 0, to: 0, reason: 0, evidence: 0 };
        let mut sorted = vec![empty; edges.len()];
        for edge in edges {
            let place = &mut next[edge.from as usize];
            sorted[*place as usize] = *edge;
            *place += 1;
        }
        Graph { edges: sorted, starts }
    }

    pub(crate) fn nodes(&self) -> usize {
        self.starts.len() - 1
    }

    /// Cycles by kind, at most so many of each, told as shortly as the times of transactions allow.
    pub(crate) fn cycles(&self, observed: &Observed<'_>, examples: usize) -> BTreeMap<CycleKind, Vec<Cycle>> {
        let transactions = observed.history.transactions();
        let had_ended_before = |one: u32, other: u32| {
            let times = transactions[one as usize].end.zip(transactions[other as usize].begin);
            times.is_some_and(|(end, begin)| end < begin)
        };
        let mut cycles = search::cycles(self, examples);
        for of_kind in cycles.values_mut() {
            let mut told: Vec<Cycle> = Vec::new();
            for cycle in std::mem::take(of_kind) {
                let cycle = cycle.direct(had_ended_before);
                if told.iter().all(|other| other.members() != cycle.members()) {
                    told.push(cycle);
                }
            }
            *of_kind = told;
        }
        cycles
    }

    pub(crate) fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// The numbers of the edges that begin at a node.
    fn out(&self, node: u32) -> Range<u32> {
        self.starts[node as usize]..self.starts[node as usize + 1]
    }
}

/// The edges that come of reads and writes.
fn dependencies(observed: &Observed<'_>) -> Vec<Edge> {
    let writer = |version: u32| observed.made[version as usize].writer;
    let mut edges = Vec::with_capacity(observed.order.len() + 2 * observed.seen.len());
    let mut add = |from: u32, to: u32, reason: u8, evidence: u32| {
        if from != to && from != NONE && to != NONE {
            edges.push(Edge { from, to, reason, evidence });
        }
    };
    for &(older, newer) in &observed.order {
        add(writer(older), writer(newer), reason::WW, older);
    }
    let (starts, successors) = successors(observed);
    for (number, &Seen { reader, version, until, is_predicate, .. }) in (0..).zip(&observed.seen) {
        let (wr, rw) = match is_predicate {
            true => (reason::PREDICATE_WR, reason::PREDICATE_RW),
            false => (reason::WR, reason::RW),
        };
        if version != NONE {
            add(writer(version), reader, wr, number);
        }
        let following = starts[until as usize] as usize..starts[until as usize + 1] as usize;
        for &next in &successors[following] {
            // Who reads what its writer replaces itself has made an intermediate read, and nothing more is said.
            if writer(next) != writer(until) {
                add(reader, writer(next), rw, number);
            }
        }
    }
    edges
}

/// The versions that follow each version, and where they begin.
fn successors(observed: &Observed<'_>) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0u32; observed.made.len() + 1];
    observed.order.iter().for_each(|&(older, _)| starts[older as usize + 1] += 1);
    for version in 0..observed.made.len() {
        starts[version + 1] += starts[version];
    }
    let mut next = starts.clone();
    let mut successors = vec![0u32; observed.order.len()];
    for &(older, newer) in &observed.order {
        successors[next[older as usize] as usize] = newer;
        next[older as usize] += 1;
    }
    (starts, successors)
}
