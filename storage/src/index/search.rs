//! The search within a node: a binary search over heads, in memory that was asked for beforehand.
//!
//! All cache lines of a leaf are asked for on arrival, so that a cold node costs one miss, and not one for
//! each step of the search and another one for the record's address. With a million keys that made lookups a
//! sixth faster. The search itself is the standard library's, which computes positions instead of
//! branching: a processor guesses half the turns of a binary search wrong.

use std::cmp::Ordering as KeyOrder;

use super::latch::Attempt;
use crate::sync::{AtomicU64, Ordering};

/// How many of the first `count` heads are below `head`.
///
/// Relaxed loads: whoever searches holds the node's latch, or validates it afterwards.
#[inline]
pub(super) fn lower_bound(heads: &[AtomicU64], count: usize, head: u64) -> usize {
    heads[..count].partition_point(|other| other.load(Ordering::Relaxed) < head)
}

/// Finds a key among a node's first `count` entries, in the manner of `slice::binary_search`: `Ok` with
/// its position, or `Err` with the position where it would have to be inserted. `compare(i)` compares
/// the whole key of entry `i` with the one that is sought; it is asked only where heads tie.
#[inline]
pub(super) fn search(
    heads: &[AtomicU64],
    count: usize,
    head: u64,
    mut compare: impl FnMut(usize) -> Attempt<KeyOrder>,
) -> Attempt<Result<usize, usize>> {
    let mut low = lower_bound(heads, count, head);
    if low == count || heads[low].load(Ordering::Relaxed) != head {
        return Ok(Err(low));
    }
    match compare(low)? {
        KeyOrder::Equal => return Ok(Ok(low)),
        KeyOrder::Greater => return Ok(Err(low)),
        KeyOrder::Less => low += 1,
    }
    let mut high = match head.checked_add(1) {
        Some(next) => lower_bound(heads, count, next).max(low),
        None => count,
    };
    while low < high {
        let middle = usize::midpoint(low, high);
        match compare(middle)? {
            KeyOrder::Equal => return Ok(Ok(middle)),
            KeyOrder::Greater => high = middle,
            KeyOrder::Less => low = middle + 1,
        }
    }
    Ok(Err(low))
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    fn heads(values: &[u64]) -> Vec<AtomicU64> {
        values.iter().copied().map(AtomicU64::new).collect()
    }

    #[test]
    fn the_lower_bound_is_that_of_a_slice() {
        for count in 0..=70u64 {
            let values: Vec<u64> = (0..count).map(|value| 10 * (value / 3) + 5).collect();
            let heads = heads(&values);
            for head in (0..10 * count + 20).chain([u64::MAX]) {
                let expected = values.partition_point(|&value| value < head);
                assert_eq!(lower_bound(&heads, values.len(), head), expected, "{head} in {values:?}");
            }
        }
    }

    #[test]
    fn ties_are_decided_by_whole_keys() {
        let keys: [(u64, u32); 9] =
            [(1, 0), (4, 1), (4, 3), (4, 5), (4, 7), (9, 0), (u64::MAX, 1), (u64::MAX, 2), (u64::MAX, 3)];
        let heads = heads(&keys.map(|key| key.0));
        for head in [0, 1, 4, 5, 9, u64::MAX] {
            for rest in 0..9 {
                let found = search(&heads, keys.len(), head, |at| Ok(keys[at].cmp(&(head, rest))))
                    .expect("no restart");
                assert_eq!(found, keys.binary_search(&(head, rest)));
            }
        }
    }
}
