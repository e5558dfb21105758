//! Footprints against the declarations that they were made of.

use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::collection::vec;
use proptest::prelude::*;
use synod_storage::{TableId, twin};

use super::{
    Declaration, any_bound, any_key_declaration, any_range_declaration, catalog, footprint_of, is_between,
    universe,
};
use crate::Footprint;

/// The table of a declaration: its place in the catalog, and its number.
const TABLES: [(usize, TableId); 2] = [(0, TableId(0)), (1, TableId(1))];

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

/// Whether some key is declared as written by the earlier one, and at all by the later one.
fn waits(later: &[Declaration], earlier: &[Declaration]) -> bool {
    let pairs = || later.iter().flat_map(|a| earlier.iter().map(move |b| (a, b)));
    pairs().filter(|(_, earlier)| earlier.is_write()).any(|(a, b)| {
        TABLES
            .iter()
            .any(|&(table, _)| universe().iter().any(|key| a.contains(table, key) && b.contains(table, key)))
    })
}

/// So few that often no more than one pair of them meets.
fn few_declarations() -> impl Strategy<Value = Vec<Declaration>> {
    vec(prop_oneof![any_range_declaration(), any_key_declaration()], 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_key_is_found_if_it_was_declared(declarations in vec(any_key_declaration(), 0..60)) {
        let footprint = footprint_of(&catalog().tables(), &declarations);
        // Of each key, whether it was ever declared as written.
        let mut expected = BTreeMap::new();
        for declaration in &declarations {
            if let Declaration::Key { table, key, write } = declaration {
                *expected.entry((TABLES[*table].1, key.clone())).or_insert(false) |= *write;
            }
        }
        prop_assert_eq!(footprint.len(), expected.len());
        prop_assert_eq!(footprint.is_empty(), declarations.is_empty());
        for key in universe() {
            for (_, table) in TABLES {
                let found = footprint.find(table, &key);
                let expected = expected.get(&(table, key.clone()));
                prop_assert_eq!(found.map(|index| footprint.is_write(index)), expected.copied());
                // Whatever was found before, rightly or not.
                for last in 0..=footprint.len() {
                    prop_assert_eq!(footprint.find_after(last, table, &key), found);
                }
                if let Some(index) = found {
                    let (found_table, found_key) = footprint.key(index);
                    prop_assert_eq!((found_table.id(), found_key), (table, &*key));
                }
            }
        }
    }

    #[test]
    fn ranges_cover_what_lies_in_them(
        declarations in vec(prop_oneof![any_range_declaration(), any_key_declaration()], 0..6),
        scans in vec((any_bound(), any_bound()), 1..20),
    ) {
        let footprint = footprint_of(&catalog().tables(), &declarations);
        let ranges = || declarations.iter().filter(|declaration| declaration.is_range());
        for (table, id) in TABLES {
            let covered = |key: &[u8]| ranges().any(|range| range.contains(table, key));
            for key in universe() {
                let written = ranges().any(|range| range.is_write() && range.contains(table, &key));
                prop_assert_eq!(footprint.covers_read(id, &key), covered(&key));
                prop_assert_eq!(footprint.covers_write(id, &key), written);
            }
            for (lower, upper) in &scans {
                let universe = universe();
                let mut scanned = universe.iter().filter(|key| is_between(key, lower, upper));
                let expected = scanned.all(|key| covered(key));
                prop_assert_eq!(footprint.covers_scan(id, as_slice(lower), as_slice(upper)), expected);
            }
        }
    }

    #[test]
    fn footprints_wait_if_their_declarations_say_so(a in few_declarations(), b in few_declarations()) {
        let tables = catalog().tables();
        let expected = (waits(&a, &b), waits(&b, &a));
        let (a, b) = (footprint_of(&tables, &a), footprint_of(&tables, &b));
        prop_assert_eq!((a.waits_for(&b), b.waits_for(&a)), expected);
    }
}

#[test]
fn a_table_is_kept_once() {
    let tables = catalog().tables();
    let mut footprint = Footprint::new();
    footprint.write_range(&tables[1], Bound::Unbounded, Bound::Unbounded);
    for key in [b"a", b"b"] {
        footprint.read(&tables[1], key);
        footprint.write(&tables[0], key);
    }
    let names: Vec<_> = footprint.tables().iter().map(|table| table.name()).collect();
    assert_eq!(names, ["b", "a"]);
}

#[test]
fn an_empty_range_is_no_declaration() {
    let tables = catalog().tables();
    let mut footprint = Footprint::new();
    let key = || b"k".to_vec();
    footprint.write_range(&tables[0], Bound::Included(key()), Bound::Excluded(key()));
    footprint.read_range(&tables[0], Bound::Excluded(key()), Bound::Excluded(b"k\0".to_vec()));
    assert!(footprint.is_empty());
    footprint.read_range(&tables[0], Bound::Included(key()), Bound::Included(key()));
    assert!(!footprint.is_empty());
}

#[test]
fn what_is_declared_later_breaks_the_seal() {
    let tables = catalog().tables();
    let mut footprint = footprint_of(&tables, &[]);
    assert!(footprint.is_sealed());
    footprint.read(&tables[0], b"k");
    assert!(!footprint.is_sealed());
    footprint.seal();
    footprint.read_range(&tables[0], Bound::Unbounded, Bound::Unbounded);
    assert!(!footprint.is_sealed());
}

/// Beyond a table's number modulo 64, the masks can't tell tables apart; the rest must.
#[test]
fn tables_with_the_same_bit_are_told_apart() {
    let catalog = super::catalog();
    let twin = catalog.create(TableId(64), "twin");
    let table = catalog.tables().swap_remove(0);
    assert_eq!(table.id(), TableId(0));
    let footprint = |table, range| {
        let mut footprint = Footprint::new();
        footprint.write(table, b"k");
        if range {
            footprint.write_range(table, Bound::Unbounded, Bound::Unbounded);
        }
        footprint.seal();
        footprint
    };
    for (here, there) in [(false, false), (true, false), (false, true), (true, true)] {
        assert!(!footprint(&table, here).waits_for(&footprint(&twin, there)));
        assert!(footprint(&table, here).waits_for(&footprint(&table, there)));
    }
}

#[test]
fn keys_with_the_same_hash_are_different_keys() {
    let table = &catalog().tables()[0];
    let key = *b"a key of 16 byte";
    let twin = twin(key, *b"its twin");
    let footprint = |keys: &[[u8; 16]]| {
        let mut footprint = Footprint::new();
        keys.iter().for_each(|key| footprint.write(table, key));
        footprint.seal();
        footprint
    };
    let (one, other, both) = (footprint(&[key]), footprint(&[twin]), footprint(&[twin, key, twin, key]));
    assert_eq!(one.find(table.id(), &twin), None);
    assert!(!one.waits_for(&other) && one.waits_for(&both) && both.waits_for(&other));
    assert_eq!(both.len(), 2);
    for wanted in [key, twin] {
        let index = both.find(table.id(), &wanted).unwrap();
        assert_eq!(both.key(index).1, wanted);
    }
}
