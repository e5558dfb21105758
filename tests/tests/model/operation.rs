//! What can happen.

use std::ops::Bound;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// A key: few and short, some a prefix of others.
pub(crate) type Key = Vec<u8>;

/// The two ends of a range.
pub(crate) type Range = (Bound<Key>, Bound<Key>);

#[derive(Clone, Debug)]
pub(crate) enum Operation {
    /// In the open transaction, which is begun if there's none.
    Put(Key, Vec<u8>),
    Insert(Key, Vec<u8>),
    Delete(Key),
    DeleteRange(Range),
    Merge(Key, Vec<u8>),
    Get(Key),
    GetForUpdate(Key),
    Scan(Range),
    ScanBackward(Range),
    Prefix(Key),
    /// Scans, and after so many records writes the key.
    WriteWhileScanning {
        range: Range,
        is_backward: bool,
        after: usize,
        key: Key,
        value: Option<Vec<u8>>,
    },
    Savepoint,
    /// To one of the savepoints that there are.
    RollBack(usize),
    Commit,
    Abort,
    /// Opens a snapshot and keeps it.
    Snapshot,
    /// Reads one of the snapshots that are open.
    ReadSnapshot(usize),
    DropSnapshot(usize),
    /// Reads the state as of an earlier commit.
    TimeTravel(usize),
    /// Closes the database and opens it again.
    Reopen,
}

/// So many keys are there from the beginning: enough for several leaves of the index.
pub(crate) const PREPARED_KEYS: u16 = 200;

/// The keys that are there from the beginning, and as many between them.
pub(crate) fn prepared_key(number: u16) -> Key {
    format!("b{:03}", number.reverse_bits() >> 7).into_bytes()
}

fn key() -> impl Strategy<Value = Key> {
    let short = vec(select(vec![b'a', b'b', 0, 0xff]), 0..3);
    let long = select(vec![b"abc".to_vec(), vec![b'a'; 40], vec![0xff; 9]]);
    prop_oneof![8 => short, 2 => long, 3 => (0..2 * PREPARED_KEYS).prop_map(prepared_key)]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![6 => vec(any::<u8>(), 0..6), 1 => vec(any::<u8>(), 300)]
}

fn bound() -> impl Strategy<Value = Bound<Key>> {
    prop_oneof![
        1 => Just(Bound::Unbounded),
        2 => key().prop_map(Bound::Included),
        2 => key().prop_map(Bound::Excluded),
    ]
}

fn range() -> impl Strategy<Value = Range> {
    (bound(), bound())
}

/// One operation.
pub(crate) fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let while_scanning = (range(), any::<bool>(), 0..5usize, key(), proptest::option::of(value()));
    prop_oneof![
        16 => (key(), value()).prop_map(|(key, value)| Put(key, value)),
        6 => (key(), value()).prop_map(|(key, value)| Insert(key, value)),
        8 => key().prop_map(Delete),
        3 => range().prop_map(DeleteRange),
        5 => (key(), value()).prop_map(|(key, operand)| Merge(key, operand)),
        6 => key().prop_map(Get),
        2 => key().prop_map(GetForUpdate),
        4 => range().prop_map(Scan),
        4 => range().prop_map(ScanBackward),
        2 => key().prop_map(Prefix),
        3 => while_scanning.prop_map(|(range, is_backward, after, key, value)| {
            WriteWhileScanning { range, is_backward, after, key, value }
        }),
        6 => Just(Savepoint),
        6 => any::<usize>().prop_map(RollBack),
        8 => Just(Commit),
        3 => Just(Abort),
        3 => Just(Snapshot),
        4 => any::<usize>().prop_map(ReadSnapshot),
        2 => any::<usize>().prop_map(DropSnapshot),
        3 => any::<usize>().prop_map(TimeTravel),
        1 => Just(Reopen),
    ]
}

/// A sequence of them.
pub(crate) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    vec(operation(), 1..120)
}
