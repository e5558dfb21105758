//! Shortcuts from keys to records, and that they are no more than that.

use std::collections::BTreeSet;

use crossbeam_epoch::{Guard, pin};

use super::super::shortcuts::Hash;
use super::super::{Index, Insertion};
use super::verify;
use crate::sync::Ordering;
use crate::{Record, key_hash, twin};

fn insert<'g>(index: &'g Index, key: &[u8], guard: &'g Guard) -> Record<'g> {
    match index.insert(key, || Record::allocate(key, 0, 0), |_| true, guard) {
        Insertion::Inserted(record) => record,
        other => panic!("{key:?} is new: {other:?}"),
    }
}

fn remove(index: &Index, key: &[u8], guard: &Guard) {
    let record = index.get(key, guard).expect("it is there");
    record.word().store(Record::DEAD, Ordering::SeqCst);
    index.remove(record, guard);
}

/// Those that are found by them, too.
fn keys_with_shortcuts(index: &Index, guard: &Guard) -> BTreeSet<Vec<u8>> {
    let keys = index.shortcuts.records(guard).into_iter().map(Record::key);
    let found = keys.filter(|key| index.shortcuts.find(Hash::of(key), key, guard).is_some());
    found.map(<[u8]>::to_vec).collect()
}

fn keys(count: u32) -> impl Iterator<Item = [u8; 4]> {
    (0..count).map(u32::to_be_bytes)
}

#[test]
fn nearly_every_record_has_a_shortcut_and_a_removed_one_has_none() {
    let (index, guard) = (Index::new(), pin());
    for key in keys(2000) {
        insert(&index, &key, &guard);
    }
    let known = keys_with_shortcuts(&index, &guard).len();
    assert!((1900..=2000).contains(&known), "{known} of 2000");
    verify(&index, &guard);

    for key in keys(2000).step_by(2) {
        remove(&index, &key, &guard);
    }
    // This finds those again that stand in the second of their buckets, now that there is room in the first.
    for (key, is_there) in keys(2000).zip([false, true].into_iter().cycle()) {
        assert_eq!(index.get(&key, &guard).is_some(), is_there);
    }
    let known = keys_with_shortcuts(&index, &guard);
    assert!(known.len() >= 950 && known.iter().all(|key| key[3] % 2 == 1), "{} of 1000", known.len());
    verify(&index, &guard);
}

#[test]
fn a_look_up_leaves_a_shortcut_and_one_past_them_does_not() {
    let (index, guard) = (Index::new(), pin());
    let record = insert(&index, b"key", &guard);
    assert_eq!(keys_with_shortcuts(&index, &guard).len(), 1);
    index.shortcuts.forget(record, &guard);
    assert!(index.get_past_shortcuts(b"key", &guard).is_some());
    assert_eq!(keys_with_shortcuts(&index, &guard).len(), 0);
    assert!(index.get(b"key", &guard).is_some());
    assert_eq!(keys_with_shortcuts(&index, &guard).len(), 1);

    index.shortcuts.forget(record, &guard);
    Index::get_together(1, |_| (&index, b"key", key_hash(b"key")), &guard, |found| assert!(found.is_some()));
    assert_eq!(keys_with_shortcuts(&index, &guard).len(), 1);
}

#[test]
fn a_record_that_is_marked_dead_gets_no_shortcut() {
    let (index, guard) = (Index::new(), pin());
    let record = insert(&index, b"key", &guard);
    record.word().store(Record::DEAD, Ordering::SeqCst);
    index.shortcuts.forget(record, &guard);
    assert!(index.get(b"key", &guard).is_some(), "it is in the tree");
    assert_eq!(keys_with_shortcuts(&index, &guard).len(), 0);
}

/// They can't be told apart by their tags, nor spread by splitting segments.
#[test]
fn keys_with_one_hash_are_all_found_and_take_little_memory() {
    let (index, guard) = (Index::new(), pin());
    let before = index.statistics().shortcut_bytes;
    let twins: Vec<[u8; 16]> =
        (0..500_u64).map(|first| twin(*b"a key of 16 byte", first.to_be_bytes())).collect();
    for (count, key) in twins.iter().enumerate() {
        insert(&index, key, &guard);
        assert!(twins[..=count].iter().all(|key| index.get(key, &guard).is_some()));
    }
    let lookup = |at: usize| (&index, &twins[at][..], key_hash(&twins[at]));
    let mut keys = twins.iter();
    Index::get_together(twins.len(), lookup, &guard, |found| {
        assert_eq!(found.map(Record::key), keys.next().map(|key| &key[..]));
    });
    assert_eq!(index.statistics().shortcut_bytes, before);
    verify(&index, &guard);
}

#[test]
fn an_index_counts_what_its_shortcuts_take() {
    let (index, guard) = (Index::new(), pin());
    let before = index.statistics().shortcut_bytes;
    for key in keys(500) {
        insert(&index, &key, &guard);
    }
    let segments = index.statistics().shortcut_bytes / before;
    // Of 32 slots, split when two buckets of sixteen are full.
    assert!((500 / 32..500 / 4).contains(&segments), "{segments} segments");
}
