//! A cycle of the graph, and which kind of anomaly it is.

use super::{Edge, reason};
use crate::anomaly::{CycleKind, Family, Order};
use rustc_hash::FxHashMap;

/// A cycle: each edge begins where the one before it ends, the first one where the last one ends; no transaction is
/// met twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cycle {
    pub(crate) edges: Vec<Edge>,
}

impl Cycle {
    /// The cycles that a closed walk consists of.
    pub(crate) fn of_walk(walk: &[Edge]) -> Vec<Cycle> {
        let mut cycles = Vec::new();
        let mut path: Vec<Edge> = Vec::new();
        // For each transaction on the path how long the path was when it was met.
        let mut met: FxHashMap<u32, usize> = FxHashMap::default();
        for &edge in walk {
            met.insert(edge.from, path.len());
            path.push(edge);
            if let Some(&length) = met.get(&edge.to) {
                let edges: Vec<Edge> = path.drain(length..).collect();
                for edge in &edges {
                    met.remove(&edge.from);
                }
                cycles.push(Cycle { edges }.turned());
            }
        }
        cycles
    }

    /// The same cycle, told from another place: with an anti-dependency at its end, if there is one, and otherwise from
    /// the first transaction of the history on.
    fn turned(self) -> Cycle {
        let mut edges = self.edges;
        let has_anti = edges.iter().any(|edge| edge.reason & reason::ANTI != 0);
        let count = edges.len();
        let is_start =
            |place: &usize| !has_anti || edges[(place + count - 1) % count].reason & reason::ANTI != 0;
        let start = (0..count).filter(is_start).min_by_key(|&place| edges[place].from);
        edges.rotate_left(start.unwrap_or(0));
        Cycle { edges }
    }

    /// The same cycle with fewer steps through time: where several orders that clients see follow each other, real time
    /// among them, the first transaction mostly had ended before the last one began.
    pub(crate) fn direct(self, had_ended_before: impl Fn(u32, u32) -> bool) -> Cycle {
        let is_order = |edge: &Edge| edge.reason & (reason::SESSION | reason::REAL_TIME) != 0;
        let mut edges: Vec<Edge> = Vec::with_capacity(self.edges.len());
        for edge in self.edges {
            match edges.last_mut() {
                Some(last)
                    if is_order(last)
                        && is_order(&edge)
                        && (last.reason | edge.reason) & reason::REAL_TIME != 0
                        && last.from != edge.to
                        && had_ended_before(last.from, edge.to) =>
                {
                    (last.to, last.reason) = (edge.to, reason::REAL_TIME);
                }
                _ => edges.push(edge),
            }
        }
        Cycle { edges }
    }

    /// Its transactions, sorted.
    pub(crate) fn members(&self) -> Vec<u32> {
        let mut members: Vec<u32> = self.edges.iter().map(|edge| edge.from).collect();
        members.sort_unstable();
        members
    }

    /// The strongest name for it.
    pub(crate) fn kind(&self) -> CycleKind {
        let any = |reasons: u8| self.edges.iter().any(|edge| edge.reason & reasons != 0);
        let is_anti = |edge: &Edge| edge.reason & reason::ANTI != 0;
        let next = self.edges.iter().cycle().skip(1);
        let family = match self.edges.iter().filter(|edge| is_anti(edge)).count() {
            0 if any(reason::WR | reason::PREDICATE_WR) => Family::G1c,
            0 => Family::G0,
            1 => Family::GSingle,
            _ if self.edges.iter().zip(next).any(|(edge, next)| is_anti(edge) && is_anti(next)) => Family::G2,
            _ => Family::GNonadjacent,
        };
        let order = match () {
            () if any(reason::REAL_TIME) => Order::RealTime,
            () if any(reason::SESSION) => Order::Session,
            () => Order::Data,
        };
        CycleKind { family, is_predicate: any(reason::PREDICATE_RW), order }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(steps: &[(u32, u32, u8)]) -> Vec<Edge> {
        steps.iter().map(|&(from, to, reason)| Edge { from, to, reason, evidence: 0 }).collect()
    }

    #[test]
    fn a_walk_that_meets_a_transaction_twice_is_two_cycles() {
        use reason::{RW, WR, WW};
        let cycles = Cycle::of_walk(&walk(&[(0, 1, RW), (1, 2, WR), (2, 1, WW), (1, 0, WW)]));
        let ends = |cycle: &Cycle| cycle.edges.iter().map(|edge| (edge.from, edge.to)).collect::<Vec<_>>();
        assert_eq!(cycles.iter().map(ends).collect::<Vec<_>>(), [vec![(1, 2), (2, 1)], vec![(1, 0), (0, 1)]]);
        assert_eq!(
            cycles.iter().map(|cycle| cycle.kind().family).collect::<Vec<_>>(),
            [Family::G1c, Family::GSingle]
        );
    }

    #[test]
    fn kinds_are_told_apart() {
        use reason::{PREDICATE_RW, REAL_TIME, RW, SESSION, WR, WW};
        let kind = |reasons: &[u8]| {
            let count = reasons.len() as u32;
            let steps: Vec<_> =
                (0..).zip(reasons).map(|(at, &reason)| (at, (at + 1) % count, reason)).collect();
            Cycle::of_walk(&walk(&steps))[0].kind().to_string()
        };
        for (reasons, expected) in [
            (&[WW, WW][..], "G0"),
            (&[WW, WR], "G1c"),
            (&[WR, RW], "G-single"),
            (&[WR, PREDICATE_RW], "G-single-predicate"),
            (&[WR, RW, WR, RW], "G-nonadjacent"),
            (&[RW, RW], "G2-item"),
            (&[RW, WR, RW], "G2-item"),
            (&[RW, PREDICATE_RW], "G2"),
            (&[WW, SESSION], "G0-session"),
            (&[SESSION, RW, REAL_TIME], "G-single-realtime"),
        ] {
            assert_eq!(kind(reasons), expected, "{reasons:?}");
        }
    }
}
