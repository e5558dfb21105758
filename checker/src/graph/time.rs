//! Orders that clients can see: within a session, and in real time.

use super::{Edge, reason};
use crate::observe::Observed;
use rustc_hash::FxHashMap;

/// Each transaction of a session, and the next one of it that took effect.
pub(super) fn sessions(observed: &Observed<'_>) -> Vec<Edge> {
    let transactions = observed.history.transactions();
    let mut latest: FxHashMap<u64, u32> = FxHashMap::default();
    let mut edges = Vec::new();
    for (number, transaction) in (0..).zip(transactions) {
        let Some(session) = transaction.session.filter(|_| observed.took_effect[number as usize]) else {
            continue;
        };
        if let Some(from) = latest.insert(session, number) {
            let earlier = &transactions[from as usize];
            // Two that overlap come in no order, whatever the recorder meant by a session.
            let overlap = earlier.end.zip(transaction.begin).is_some_and(|(end, begin)| end >= begin);
            if !overlap {
                edges.push(Edge { from, to: number, reason: reason::SESSION, evidence: 0 });
            }
        }
    }
    edges
}

/// Who began after whom had ended.
pub(super) fn real_time(observed: &Observed<'_>) -> Vec<Edge> {
    let spans: Vec<(u32, Option<u64>, Option<u64>)> = (0..)
        .zip(observed.history.transactions())
        .filter(|(number, _)| observed.took_effect[*number as usize])
        .map(|(number, transaction)| (number, transaction.begin, transaction.end))
        .collect();
    let edge = |(from, to)| Edge { from, to, reason: reason::REAL_TIME, evidence: 0 };
    precedences(&spans).into_iter().map(edge).collect()
}

/// Which span of time follows which, leaving out what follows from others.
///
/// A sweep over time that keeps the *frontier*: spans that have ended and that no ended span follows. Each one that
/// begins follows all of the frontier; when it ends it takes their place. So there are about as many pairs as spans,
/// times how many of them run at once. Spans of which one end is at the other's beginning are at the same time.
pub(crate) fn precedences(spans: &[(u32, Option<u64>, Option<u64>)]) -> Vec<(u32, u32)> {
    const BEGIN: u8 = 0;
    const END: u8 = 1;
    let mut events: Vec<(u64, u8, u32)> = Vec::with_capacity(2 * spans.len());
    for (place, &(_, begin, end)) in (0..).zip(spans) {
        events.extend(begin.map(|begin| (begin, BEGIN, place)));
        // One that ends before it begins is a mistake of the recorder; nothing is said of what follows it.
        let end = end.filter(|&end| begin.is_none_or(|begin| begin <= end));
        events.extend(end.map(|end| (end, END, place)));
    }
    events.sort_unstable();
    let mut frontier: Vec<u32> = Vec::new();
    // For each span that runs, where the spans that it follows begin among all pairs, and how many they are.
    let mut follows: Vec<(u32, u32)> = vec![(0, 0); spans.len()];
    let mut pairs: Vec<(u32, u32)> = Vec::new();
    for (_, what, place) in events {
        if what == BEGIN {
            follows[place as usize] = (pairs.len() as u32, frontier.len() as u32);
            pairs.extend(frontier.iter().map(|&earlier| (earlier, place)));
        } else {
            let (start, count) = follows[place as usize];
            let replaced = &pairs[start as usize..(start + count) as usize];
            frontier.retain(|&other| replaced.iter().all(|&(earlier, _)| earlier != other));
            frontier.push(place);
        }
    }
    let number = |place: u32| spans[place as usize].0;
    pairs.into_iter().map(|(earlier, later)| (number(earlier), number(later))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(times: &[(u64, u64)]) -> Vec<(u32, Option<u64>, Option<u64>)> {
        (0..).zip(times).map(|(number, &(begin, end))| (number, Some(begin), Some(end))).collect()
    }

    #[test]
    fn only_direct_followers_are_listed() {
        assert_eq!(precedences(&spans(&[(0, 1), (2, 3), (4, 5)])), [(0, 1), (1, 2)]);
        assert_eq!(precedences(&spans(&[(0, 2), (1, 3), (4, 5)])), [(0, 2), (1, 2)]);
        assert_eq!(precedences(&spans(&[(0, 9), (1, 2), (3, 4)])), [(1, 2)]);
    }

    #[test]
    fn spans_that_touch_are_at_the_same_time() {
        assert_eq!(precedences(&spans(&[(0, 1), (1, 2)])), []);
    }

    #[test]
    fn without_an_end_nothing_follows() {
        assert_eq!(precedences(&[(0, Some(0), None), (1, Some(5), Some(6)), (2, Some(7), None)]), [(1, 2)]);
        assert_eq!(precedences(&[(0, None, Some(3)), (1, Some(5), None)]), [(0, 1)]);
    }

    /// The pairs that are left out follow from those that are not.
    #[test]
    fn the_closure_is_the_whole_order() {
        let mut state = 7u64;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        for _ in 0..50 {
            let times: Vec<(u64, u64)> = (0..12)
                .map(|_| {
                    let begin = draw(30);
                    (begin, begin + draw(8))
                })
                .collect();
            let mut before = [[false; 12]; 12];
            precedences(&spans(&times)).iter().for_each(|&(a, b)| before[a as usize][b as usize] = true);
            for via in 0..12 {
                for from in 0..12 {
                    for to in 0..12 {
                        before[from][to] |= before[from][via] && before[via][to];
                    }
                }
            }
            for from in 0..12 {
                for to in 0..12 {
                    assert_eq!(before[from][to], times[from].1 < times[to].0, "{from} {to} {times:?}");
                }
            }
        }
    }
}
