//! What can be checked of an index from outside.

use std::ops::Bound;

use crossbeam_epoch::Guard;
use synod_storage::index::{Batch, Index};

/// Walks over the whole index in both directions: the keys must rise, lie between the fences of their
/// leaves, and be the same both times. For indexes that no other thread uses at the moment.
pub(crate) fn verify(index: &Index, guard: &Guard) {
    let mut batch = Batch::new();
    let (mut forward, mut backward) = (Vec::new(), Vec::new());
    let mut start = Bound::Unbounded;
    loop {
        index.leaf_from(start, &mut batch, guard);
        assert!(batch.fence().is_none_or(|fence| batch.records().iter().all(|record| record.key() < fence)));
        forward.extend(batch.records().iter().map(|record| record.key().to_vec()));
        let Some(fence) = batch.fence() else { break };
        start = Bound::Included(fence);
    }
    let mut end = Bound::Unbounded;
    let mut leaves = 0;
    loop {
        index.leaf_to(end, &mut batch, guard);
        assert!(batch.fence().is_none_or(|fence| batch.records().iter().all(|record| record.key() >= fence)));
        backward.extend(batch.records().iter().rev().map(|record| record.key().to_vec()));
        leaves += 1;
        let Some(fence) = batch.fence() else { break };
        assert!(!batch.records().is_empty(), "an empty leaf beside others");
        end = Bound::Excluded(fence);
    }
    assert!(forward.is_sorted_by(|left, right| left < right));
    backward.reverse();
    assert_eq!(forward, backward);
    assert_eq!(index.statistics().leaves, leaves);
}
