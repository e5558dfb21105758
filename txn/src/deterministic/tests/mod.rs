//! Footprints and the scheduler against models.

mod encoding;
mod footprint;
mod key_table;
mod scheduler;

use std::ops::Bound;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use synod_storage::{Catalog, Table};

use super::Footprint;

/// Something that a footprint declares.
#[derive(Clone, Debug)]
enum Declaration {
    Key { table: usize, key: Vec<u8>, write: bool },
    Range { table: usize, lower: Bound<Vec<u8>>, upper: Bound<Vec<u8>>, write: bool },
}

impl Declaration {
    fn is_write(&self) -> bool {
        match self {
            Declaration::Key { write, .. } | Declaration::Range { write, .. } => *write,
        }
    }

    fn is_range(&self) -> bool {
        matches!(self, Declaration::Range { .. })
    }

    /// Whether it says something of this key.
    fn contains(&self, in_table: usize, of: &[u8]) -> bool {
        match self {
            Declaration::Key { table, key, .. } => (*table, &**key) == (in_table, of),
            Declaration::Range { table, lower, upper, .. } => {
                *table == in_table && is_between(of, lower, upper)
            }
        }
    }
}

fn is_between(key: &[u8], lower: &Bound<Vec<u8>>, upper: &Bound<Vec<u8>>) -> bool {
    let above = match lower {
        Bound::Included(lower) => key >= &**lower,
        Bound::Excluded(lower) => key > &**lower,
        Bound::Unbounded => true,
    };
    let below = match upper {
        Bound::Included(upper) => key <= &**upper,
        Bound::Excluded(upper) => key < &**upper,
        Bound::Unbounded => true,
    };
    above && below
}

/// A catalog with two tables.
fn catalog() -> Catalog {
    let catalog = Catalog::new();
    for name in ["a", "b"] {
        catalog.create(catalog.next_id(), name);
    }
    catalog
}

/// The sealed footprint of these declarations.
fn footprint_of(tables: &[Arc<Table>], declarations: &[Declaration]) -> Footprint {
    let mut footprint = Footprint::new();
    for declaration in declarations.iter().cloned() {
        match declaration {
            Declaration::Key { table, key, write: false } => footprint.read(&tables[table], &key),
            Declaration::Key { table, key, write: true } => footprint.write(&tables[table], &key),
            Declaration::Range { table, lower, upper, write: false } => {
                footprint.read_range(&tables[table], lower, upper);
            }
            Declaration::Range { table, lower, upper, write: true } => {
                footprint.write_range(&tables[table], lower, upper);
            }
        }
    }
    footprint.seal();
    footprint
}

/// Short keys of few different bytes, so that they meet; the least byte among them, which makes a next key.
fn any_key() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![Just(0), Just(1), Just(0xff)], 0..=2)
}

/// A key about as long as a prefix is.
fn long(end: &[u8]) -> Vec<u8> {
    [b"seven b", end].concat()
}

/// Every key that a bound or key from `any_key` is, a long one too, or that comes next to one. Where two sets of ranges of such
/// bounds differ, they differ in one of these.
fn universe() -> Vec<Vec<u8>> {
    let mut keys = vec![vec![]];
    let mut longest = keys.clone();
    for _ in 0..3 {
        let longer = |key: &Vec<u8>| [0, 1, 0xff].map(|byte| [&key[..], &[byte]].concat());
        longest = longest.iter().flat_map(longer).collect();
        keys.extend(longest.iter().cloned());
    }
    let long: Vec<_> = keys.iter().filter(|key| key.len() <= 2).map(|key| long(key)).collect();
    keys.extend(long);
    keys
}

fn any_bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![
        3 => any_key().prop_map(Bound::Included),
        3 => any_key().prop_map(Bound::Excluded),
        1 => Just(Bound::Unbounded),
    ]
}

fn any_key_declaration() -> impl Strategy<Value = Declaration> {
    let key = prop_oneof![any_key(), any_key().prop_map(|key| long(&key))];
    (0..2_usize, key, any::<bool>()).prop_map(|(table, key, write)| Declaration::Key { table, key, write })
}

fn any_range_declaration() -> impl Strategy<Value = Declaration> {
    (0..2_usize, any_bound(), any_bound(), any::<bool>())
        .prop_map(|(table, lower, upper, write)| Declaration::Range { table, lower, upper, write })
}

/// Keys, and now and then a range.
fn any_declarations() -> impl Strategy<Value = Vec<Declaration>> {
    vec(prop_oneof![6 => any_key_declaration(), 1 => any_range_declaration()], 0..5)
}
