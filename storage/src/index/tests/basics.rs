//! What each operation promises, one by one.

use std::cell::Cell;
use std::ops::Bound;

use crossbeam_epoch::{Guard, pin};

use super::super::{Batch, Index, Insertion, node::NODE_CAPACITY};
use crate::Record;
use crate::sync::Ordering;

fn add<'g>(index: &'g Index, key: &[u8], guard: &'g Guard) -> Record<'g> {
    match index.insert(key, || Record::allocate(key, 0, 0), |_| true, guard) {
        Insertion::Inserted(record) => record,
        other => panic!("{other:?}"),
    }
}

fn take(index: &Index, record: Record<'_>, guard: &Guard) {
    record.word().store(Record::DEAD, Ordering::SeqCst);
    index.remove(record, guard);
}

fn number(value: u32) -> [u8; 4] {
    value.to_be_bytes()
}

fn keys_from(index: &Index, start: Bound<&[u8]>, guard: &Guard) -> Vec<Vec<u8>> {
    let mut batch = Batch::new();
    index.leaf_from(start, &mut batch, guard);
    batch.records().iter().map(|record| record.key().to_vec()).collect()
}

#[test]
fn an_empty_index_has_nothing_and_one_leaf() {
    let (index, guard) = (Index::new(), pin());
    assert!(index.get(b"", &guard).is_none());
    assert!(index.get(b"a", &guard).is_none());
    assert_eq!(index.count(&guard), 0);
    let mut batch = Batch::new();
    assert!(!index.is_current(&batch.witness()), "the witness of an unused batch");
    index.leaf_from(Bound::Unbounded, &mut batch, &guard);
    assert_eq!((batch.records().len(), batch.fence()), (0, None));
    index.leaf_to(Bound::Excluded(b""), &mut batch, &guard);
    assert_eq!((batch.records().len(), batch.fence()), (0, None));
    assert_eq!((index.statistics().leaves, index.statistics().inner_nodes), (1, 0));
}

#[test]
fn a_present_key_is_returned_and_nothing_is_called() {
    let (index, guard) = (Index::new(), pin());
    let first = add(&index, b"key", &guard);
    for word in [0, Record::DEAD] {
        first.word().store(word, Ordering::SeqCst);
        let again = index.insert(b"key", || unreachable!(), |_| unreachable!(), &guard);
        assert!(matches!(again, Insertion::Present(record) if record.ptr() == first.ptr()));
    }
    assert_eq!(index.count(&guard), 1);
}

#[test]
fn a_refusal_changes_nothing() {
    let (index, guard) = (Index::new(), pin());
    let behind = add(&index, b"m", &guard);
    let mut batch = Batch::new();
    index.leaf_from(Bound::Unbounded, &mut batch, &guard);
    let refused = index.insert(b"a", || unreachable!(), |_| false, &guard);
    assert!(matches!(refused, Insertion::Refused(Some(record)) if record.ptr() == behind.ptr()));
    let refused = index.insert(b"z", || unreachable!(), |_| false, &guard);
    assert!(matches!(refused, Insertion::Refused(None)));
    assert_eq!(index.count(&guard), 1);
    assert!(index.is_current(&batch.witness()));
    add(&index, b"a", &guard);
    assert!(!index.is_current(&batch.witness()));
}

#[test]
fn a_refused_insertion_into_a_full_leaf_does_not_split_it() {
    let (index, guard) = (Index::new(), pin());
    for value in 0..NODE_CAPACITY as u32 {
        add(&index, &number(value), &guard);
    }
    assert!(matches!(index.insert(b"z", || unreachable!(), |_| false, &guard), Insertion::Refused(None)));
    assert_eq!(index.statistics().leaves, 1);
}

#[test]
fn the_successor_is_the_next_living_record_in_whatever_leaf() {
    let (index, guard) = (Index::new(), pin());
    let records: Vec<_> = (0..100).map(|value| add(&index, &number(value * 10), &guard)).collect();
    let successor_of = |key: u32| {
        let seen = Cell::new(None);
        let admit = |successor: Option<Record<'_>>| {
            seen.set(Some(successor.map(Record::ptr)));
            false
        };
        assert!(matches!(
            index.insert(&number(key), || unreachable!(), admit, &guard),
            Insertion::Refused(_)
        ));
        seen.get().expect("admit was asked")
    };
    for at in 0..99 {
        assert_eq!(successor_of(at * 10 + 5), Some(records[at as usize + 1].ptr()));
    }
    assert_eq!(successor_of(995), None);
    // A run of dead records longer than a leaf is passed over.
    for record in &records[20..40] {
        record.word().fetch_or(Record::DEAD, Ordering::SeqCst);
    }
    assert_eq!(successor_of(195), Some(records[40].ptr()));
    for record in &records[60..] {
        record.word().fetch_or(Record::DEAD, Ordering::SeqCst);
    }
    assert_eq!(successor_of(595), None);
}

#[test]
fn a_panic_in_make_or_admit_leaves_the_leaf_unlocked_and_unchanged() {
    let (index, guard) = (Index::new(), pin());
    add(&index, b"b", &guard);
    for panics_in_admit in [true, false] {
        let attempt = std::panic::AssertUnwindSafe(|| {
            index.insert(b"a", || panic!("make"), |_| !panics_in_admit || panic!("admit"), &guard);
        });
        assert!(std::panic::catch_unwind(attempt).is_err());
    }
    assert!(index.get(b"a", &guard).is_none());
    add(&index, b"a", &guard);
    assert_eq!(index.count(&guard), 2);
}

#[test]
fn bounds_of_scans() {
    let (index, guard) = (Index::new(), pin());
    for key in [&b""[..], b"a", b"b"] {
        add(&index, key, &guard);
    }
    assert_eq!(keys_from(&index, Bound::Unbounded, &guard), [&b""[..], b"a", b"b"]);
    assert_eq!(keys_from(&index, Bound::Included(b""), &guard), [&b""[..], b"a", b"b"]);
    assert_eq!(keys_from(&index, Bound::Excluded(b""), &guard), [b"a", b"b"]);
    assert_eq!(keys_from(&index, Bound::Excluded(b"a"), &guard), [b"b"]);
    assert_eq!(keys_from(&index, Bound::Included(b"a\0"), &guard), [b"b"]);
    assert!(keys_from(&index, Bound::Excluded(b"b"), &guard).is_empty());
}

#[test]
fn a_witness_covers_its_leaf_and_no_other() {
    let (index, guard) = (Index::new(), pin());
    let records: Vec<_> = (0..40).map(|value| add(&index, &number(value * 2), &guard)).collect();
    let mut batch = Batch::new();
    index.leaf_from(Bound::Included(&number(20)), &mut batch, &guard);
    let (witness, first) = (batch.witness(), batch.records()[0]);
    add(&index, &number(71), &guard);
    take(&index, records[2], &guard);
    assert!(index.is_current(&witness), "other leaves changed");
    first.set_head(None);
    assert!(index.is_current(&witness), "a record's versions are no business of the leaf's");
    take(&index, first, &guard);
    assert!(!index.is_current(&witness), "a key went");
}

#[test]
fn a_witness_outlives_its_leaf() {
    let (index, guard) = (Index::new(), pin());
    let records: Vec<_> = (0..40).map(|value| add(&index, &number(value), &guard)).collect();
    let mut batch = Batch::new();
    let mut witnesses = Vec::new();
    let mut start = Bound::Unbounded;
    loop {
        index.leaf_from(start, &mut batch, &guard);
        witnesses.push(batch.witness());
        let Some(fence) = batch.fence() else { break };
        start = Bound::Included(fence);
    }
    records.into_iter().for_each(|record| take(&index, record, &guard));
    assert_eq!(index.statistics().leaves, 1);
    for round in 0..3 {
        let records: Vec<_> = (0..40).map(|value| add(&index, &number(value), &guard)).collect();
        assert!(witnesses.iter().all(|witness| !index.is_current(witness)), "round {round}");
        records.into_iter().for_each(|record| take(&index, record, &guard));
    }
}

#[test]
#[should_panic(expected = "the index that it comes from")]
fn a_witness_is_refused_by_another_index() {
    let guard = pin();
    let mut batch = Batch::new();
    let first = Index::new();
    first.leaf_from(Bound::Unbounded, &mut batch, &guard);
    Index::new().is_current(&batch.witness());
}

#[test]
fn an_emptied_index_shrinks_to_one_leaf_and_reuses_its_nodes() {
    let (index, guard) = (Index::new(), pin());
    let mut peak = 0;
    for round in 0..4 {
        let mut records: Vec<_> =
            (0..500).map(|value| add(&index, &number(value * 7 % 500), &guard)).collect();
        let full = index.statistics();
        assert!(full.leaves >= 500 / NODE_CAPACITY && full.inner_nodes > 10);
        if round == 0 {
            peak = full.bytes;
        }
        assert!(full.bytes < peak * 6 / 5, "round {round}: {} after {peak}", full.bytes);
        if round % 2 == 1 {
            records.reverse();
        }
        records.into_iter().for_each(|record| take(&index, record, &guard));
        let empty = index.statistics();
        assert_eq!((empty.leaves, empty.inner_nodes), (1, 0), "round {round}");
        assert_eq!(index.count(&guard), 0);
    }
}

#[test]
fn no_key_is_lost_from_the_books() {
    let (index, guard) = (Index::new(), pin());
    let before = index.statistics();
    let records: Vec<_> = (0..300).map(|value| add(&index, &number(value), &guard)).collect();
    let full = index.statistics();
    records.into_iter().for_each(|record| take(&index, record, &guard));
    let after = index.statistics();
    let node_bytes = |statistics: super::super::Statistics| {
        statistics.bytes - before.bytes / before.leaves * (statistics.leaves - before.leaves)
    };
    assert!(node_bytes(full) > before.bytes);
    let nodes = full.leaves + full.inner_nodes + full.pooled_nodes;
    assert_eq!(after.leaves + after.inner_nodes + after.pooled_nodes, nodes);
    // Only nodes are left, no separators: a new index with as many nodes takes the same.
    let leaf_bytes = before.bytes;
    let inner_bytes = size_of::<super::super::inner::Inner>();
    assert_eq!(after.bytes, full.leaves * leaf_bytes + (nodes - full.leaves) * inner_bytes);
}

#[test]
fn a_key_of_the_greatest_length() {
    let (index, guard) = (Index::new(), pin());
    let long = |last: u8| {
        let mut key = vec![7; crate::KEY_BYTES_MAX];
        *key.last_mut().unwrap() = last;
        key
    };
    for last in 0..50 {
        add(&index, &long(last), &guard);
        add(&index, &long(last)[1..], &guard);
    }
    assert_eq!(index.count(&guard), 100);
    for last in 0..50 {
        assert_eq!(index.get(&long(last), &guard).unwrap().key(), long(last));
        assert_eq!(index.get(&long(last)[1..], &guard).unwrap().key(), &long(last)[1..]);
    }
    assert!(index.get(&long(50), &guard).is_none());
}
