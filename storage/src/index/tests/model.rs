//! A model beside the real thing: random operations on an index and on a `BTreeMap` must agree.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::Ordering;

use crossbeam_epoch::{Guard, pin};
use proptest::collection::vec;
use proptest::prelude::*;

use super::synod_storage::index::{Batch, Index, Insertion};
use super::synod_storage::{Record, RecordPtr, key_hash};

type Key = Vec<u8>;
type Model = BTreeMap<Key, RecordPtr>;

#[derive(Clone, Debug)]
enum Operation {
    Insert(Key),
    Refuse(Key),
    Remove(Key),
    /// Removes the first so many keys from this one on, so that whole leaves become empty.
    RemoveRun(Key, usize),
    Get(Key),
    GetTogether(Vec<Key>),
    Forward(Bound<Key>),
    Backward(Bound<Key>),
}

fn operations(
    key: impl Strategy<Value = Key> + Clone + 'static,
    count: usize,
) -> impl Strategy<Value = Vec<Operation>> {
    let bound = prop_oneof![
        2 => key.clone().prop_map(Bound::Included),
        2 => key.clone().prop_map(Bound::Excluded),
        1 => Just(Bound::Unbounded),
    ];
    let operation = prop_oneof![
        12 => key.clone().prop_map(Operation::Insert),
        1 => key.clone().prop_map(Operation::Refuse),
        5 => key.clone().prop_map(Operation::Remove),
        1 => (key.clone(), 1..40usize).prop_map(|(key, count)| Operation::RemoveRun(key, count)),
        4 => key.clone().prop_map(Operation::Get),
        1 => vec(key.clone(), 0..40).prop_map(Operation::GetTogether),
        1 => bound.clone().prop_map(Operation::Forward),
        1 => bound.prop_map(Operation::Backward),
    ];
    vec(operation, 1..count)
}

fn insert(index: &Index, model: &mut Model, key: &[u8], agreed: bool, guard: &Guard) {
    let successor =
        model.range::<[u8], _>((Bound::Excluded(key), Bound::Unbounded)).next().map(|entry| *entry.1);
    let admit = |found: Option<Record<'_>>| {
        assert_eq!(found.map(Record::ptr), successor, "the successor of {key:?}");
        agreed
    };
    match index.insert(key, || Record::allocate(key, 0, 0), admit, guard) {
        Insertion::Inserted(record) => {
            assert!(agreed);
            assert_eq!(model.insert(key.to_vec(), record.ptr()), None);
        }
        Insertion::Present(record) => assert_eq!(model.get(key), Some(&record.ptr())),
        Insertion::Refused(found) => {
            assert!(!agreed && !model.contains_key(key));
            assert_eq!(found.map(Record::ptr), successor);
        }
    }
}

fn remove(index: &Index, model: &mut Model, key: &[u8], guard: &Guard) {
    assert_eq!(index.get(key, guard).map(Record::ptr), model.get(key).copied());
    if model.remove(key).is_some() {
        let record = index.get(key, guard).unwrap();
        record.word().store(Record::DEAD, Ordering::SeqCst);
        index.remove(record, guard);
        assert!(index.get(key, guard).is_none());
    }
}

fn forward(index: &Index, start: &Bound<Key>, guard: &Guard) -> Vec<Key> {
    let mut batch = Batch::new();
    let mut keys = Vec::new();
    index.leaf_from(start.as_ref().map(Vec::as_slice), &mut batch, guard);
    loop {
        assert!(index.is_current(&batch.witness()));
        keys.extend(batch.records().iter().map(|record| record.key().to_vec()));
        let Some(fence) = batch.fence() else { return keys };
        index.leaf_from(Bound::Included(fence), &mut batch, guard);
    }
}

fn backward(index: &Index, end: &Bound<Key>, guard: &Guard) -> Vec<Key> {
    let mut batch = Batch::new();
    let mut keys = Vec::new();
    index.leaf_to(end.as_ref().map(Vec::as_slice), &mut batch, guard);
    loop {
        assert!(index.is_current(&batch.witness()));
        keys.extend(batch.records().iter().rev().map(|record| record.key().to_vec()));
        let Some(fence) = batch.fence() else { return keys };
        index.leaf_to(Bound::Excluded(fence), &mut batch, guard);
    }
}

fn apply(index: &Index, model: &mut Model, operation: &Operation, guard: &Guard) {
    match operation {
        Operation::Insert(key) => insert(index, model, key, true, guard),
        Operation::Refuse(key) => insert(index, model, key, false, guard),
        Operation::Remove(key) => remove(index, model, key, guard),
        Operation::RemoveRun(key, count) => {
            let run: Vec<Key> =
                model.range(key.clone()..).take(*count).map(|entry| entry.0.clone()).collect();
            run.iter().for_each(|key| remove(index, model, key, guard));
        }
        Operation::Get(key) => {
            assert_eq!(index.get(key, guard).map(Record::ptr), model.get(key).copied());
        }
        Operation::GetTogether(keys) => {
            let mut found = Vec::new();
            let collect = |record: Option<Record<'_>>| found.push(record.map(Record::ptr));
            Index::get_together(keys.len(), |at| (index, &keys[at][..], key_hash(&keys[at])), guard, collect);
            assert_eq!(found, keys.iter().map(|key| model.get(key).copied()).collect::<Vec<_>>());
        }
        Operation::Forward(start) => {
            let expected = model.range((start.clone(), Bound::Unbounded)).map(|entry| entry.0.clone());
            assert_eq!(forward(index, start, guard), expected.collect::<Vec<_>>());
        }
        Operation::Backward(end) => {
            let expected = model.range((Bound::Unbounded, end.clone())).rev().map(|entry| entry.0.clone());
            assert_eq!(backward(index, end, guard), expected.collect::<Vec<_>>());
        }
    }
}

fn check(operations: &[Operation]) {
    let (index, mut model) = (Index::new(), Model::new());
    for operation in operations {
        apply(&index, &mut model, operation, &pin());
    }
    let guard = &pin();
    let all: Vec<Key> = model.keys().cloned().collect();
    assert_eq!(forward(&index, &Bound::Unbounded, guard), all);
    assert_eq!(backward(&index, &Bound::Unbounded, guard), all.iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(index.count(guard), model.len());
    super::verify(&index, guard);
    for key in &all {
        remove(&index, &mut model, key, guard);
    }
    super::verify(&index, guard);
    let statistics = index.statistics();
    assert_eq!((statistics.leaves, statistics.inner_nodes), (1, 0));
}

/// Few distinct bytes, so that keys are often equal, or prefixes of each other.
fn short_key() -> impl Strategy<Value = Key> + Clone {
    vec(prop_oneof![Just(0u8), Just(1), Just(b'a'), Just(255)], 0..5)
}

/// Mostly zeros, around the length of a head: padding ties.
fn key_of_zeros() -> impl Strategy<Value = Key> + Clone {
    vec(prop_oneof![9 => Just(0u8), 1 => Just(1u8)], 0..20)
}

/// Everything random; prefixes stay short.
fn random_key() -> impl Strategy<Value = Key> + Clone {
    vec(any::<u8>(), 0..12)
}

/// One of a few long prefixes and something short behind: heads tie in the outer nodes.
fn key_with_shared_prefix() -> impl Strategy<Value = Key> + Clone {
    let prefix = prop_oneof![Just("customer/region/0001/"), Just("customer/region/0002/"), Just("order/")];
    (prefix, vec(any::<u8>(), 0..3)).prop_map(|(prefix, rest)| [prefix.as_bytes(), &rest].concat())
}

/// Long keys which differ at the very end.
fn long_key() -> impl Strategy<Value = Key> + Clone {
    (0..3usize, any::<u16>()).prop_map(|(kind, last)| {
        let mut key = vec![b'x'; [300, 301, 3000][kind]];
        key.extend_from_slice(&(last % 512).to_be_bytes());
        key
    })
}

/// Numbers that mostly rise, as in a queue.
fn number_key() -> impl Strategy<Value = Key> + Clone {
    (0..2000u64).prop_map(|number| number.to_be_bytes().to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn short_keys(operations in operations(short_key(), 800)) {
        check(&operations);
    }

    #[test]
    fn keys_of_zeros(operations in operations(key_of_zeros(), 800)) {
        check(&operations);
    }

    #[test]
    fn random_keys(operations in operations(random_key(), 1500)) {
        check(&operations);
    }

    #[test]
    fn keys_with_shared_prefixes(operations in operations(key_with_shared_prefix(), 1500)) {
        check(&operations);
    }

    #[test]
    fn long_keys(operations in operations(long_key(), 600)) {
        check(&operations);
    }

    #[test]
    fn number_keys(operations in operations(number_key(), 1500)) {
        check(&operations);
    }
}
