//! Footprints as bytes.

use proptest::collection::vec;
use proptest::prelude::*;
use synod_storage::{Catalog, KEY_BYTES_MAX, TableId, Timestamp};

use super::super::range::Range;
use super::{any_declarations, catalog, footprint_of};
use crate::{Footprint, FootprintError};

/// A key or range, its table, and whether it is written.
type Access<A> = (TableId, A, bool);

/// All that a footprint says.
fn parts(footprint: &Footprint) -> (Vec<Access<&[u8]>>, Vec<Access<&Range>>) {
    let table = |place: u32| footprint.tables()[(place >> 1) as usize].id();
    let keys = footprint.keys().map(|(place, key)| (table(place), key, place & 1 == 1));
    let ranges = footprint.ranges().map(|(place, range)| (table(place), range, place & 1 == 1));
    (keys.collect(), ranges.collect())
}

fn encode(footprint: &Footprint) -> Vec<u8> {
    let mut bytes = Vec::new();
    footprint.encode(&mut bytes);
    bytes
}

/// Whatever the bytes, decoding them doesn't panic, and what comes out of it can be encoded.
fn check_any_bytes(bytes: &[u8], catalog: &Catalog) {
    if let Ok(footprint) = Footprint::decode(bytes, catalog) {
        assert!(footprint.is_sealed());
        let again = Footprint::decode(&encode(&footprint), catalog).expect("it was encoded");
        assert_eq!(parts(&again), parts(&footprint));
    }
}

proptest! {
    #[test]
    fn footprints_are_read_back(declarations in any_declarations()) {
        let catalog = catalog();
        let footprint = footprint_of(&catalog.tables(), &declarations);
        let mut bytes = b"before".to_vec();
        footprint.encode(&mut bytes);
        let decoded = Footprint::decode(bytes.strip_prefix(b"before").unwrap(), &catalog).unwrap();
        prop_assert_eq!(parts(&decoded), parts(&footprint));
        prop_assert!(decoded.is_sealed());
        prop_assert_eq!(decoded.waits_for(&footprint), footprint.waits_for(&footprint));
    }

    #[test]
    fn a_part_of_a_footprint_is_none(declarations in any_declarations()) {
        let catalog = catalog();
        let bytes = encode(&footprint_of(&catalog.tables(), &declarations));
        for length in 0..bytes.len() {
            let decoded = Footprint::decode(&bytes[..length], &catalog);
            prop_assert_eq!(decoded.err(), Some(FootprintError::Malformed));
        }
        let decoded = Footprint::decode(&[&bytes[..], &[0]].concat(), &catalog);
        prop_assert_eq!(decoded.err(), Some(FootprintError::Malformed));
    }

    #[test]
    fn damaged_bytes_are_harmless(
        declarations in any_declarations(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let catalog = catalog();
        let mut bytes = encode(&footprint_of(&catalog.tables(), &declarations));
        for (place, byte) in damage {
            *place.get_mut(&mut bytes) = byte;
        }
        check_any_bytes(&bytes, &catalog);
    }

    #[test]
    fn any_bytes_are_harmless(bytes in vec(prop_oneof![0..4_u8, any::<u8>()], 0..40)) {
        check_any_bytes(&bytes, &catalog());
    }
}

#[test]
fn a_table_that_is_not_there_is_named() {
    let catalog = catalog();
    let mut footprint = Footprint::new();
    footprint.read(&catalog.by_name("b").unwrap(), b"k");
    let bytes = encode(&footprint);
    catalog.remove(TableId(1), Timestamp(5));
    let error = Footprint::decode(&bytes, &catalog).unwrap_err();
    assert_eq!(error, FootprintError::UnknownTable(TableId(1)));
    assert_eq!(error.to_string(), "the footprint names table 1, which doesn't exist");
}

#[test]
fn the_longest_key_is_a_bound_on_either_side() {
    use std::ops::Bound::{Excluded, Included};
    let catalog = catalog();
    let table = &catalog.tables()[0];
    let longest = || vec![7; KEY_BYTES_MAX];
    let mut footprint = Footprint::new();
    footprint.write(table, &longest());
    footprint.read_range(table, Excluded(vec![]), Included(longest()));
    footprint.read_range(table, Excluded(longest()), Included(vec![8]));
    footprint.seal();
    let decoded = Footprint::decode(&encode(&footprint), &catalog).unwrap();
    assert_eq!(parts(&decoded), parts(&footprint));

    footprint.read(table, &vec![7; KEY_BYTES_MAX + 1]);
    assert_eq!(Footprint::decode(&encode(&footprint), &catalog).err(), Some(FootprintError::Malformed));
}

#[test]
fn numbers_and_places_have_their_limits() {
    let catalog = catalog();
    let decode = |bytes: &[u8]| Footprint::decode(bytes, &catalog).err();
    // One table, one key of one byte, no range.
    assert_eq!(decode(&[1, 0, 1, 0, 1, b'k', 0]), None);
    // The key is of a second table.
    assert_eq!(decode(&[1, 0, 1, 2, 1, b'k', 0]), Some(FootprintError::Malformed));
    // More keys than there can be, and a length beyond all that is there.
    assert_eq!(decode(&[1, 0, 0xff, 0xff, 0xff, 0xff, 0x7f]), Some(FootprintError::Malformed));
    assert_eq!(decode(&[1, 0, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x7f]), Some(FootprintError::Malformed));
    // A table's number of 33 bits, and one that doesn't end.
    assert_eq!(decode(&[1, 0x80, 0x80, 0x80, 0x80, 0x10, 0, 0]), Some(FootprintError::Malformed));
    assert_eq!(decode(&[1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0]), Some(FootprintError::Malformed));
}
