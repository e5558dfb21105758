//! A sample of the changes to the files of a closed database.

use synod_tests::campaign::damage::{Change, LARGEST_ALLOCATION_BYTES, Original, try_all};
use synod_tests::memory::{Metered, largest_allocation, reset};

#[global_allocator]
static ALLOCATOR: Metered = Metered;

#[test]
fn every_damage_to_a_closed_database_is_found_or_harmless() {
    let original = Original::make(5).unwrap_or_else(|flaw| panic!("{flaw}"));
    let mut changes = original.changes().unwrap_or_else(|flaw| panic!("{flaw}"));
    let all = changes.len();
    // Of the many bits and bytes a few; 151 is prime to everything that the formats are aligned to.
    let mut index = 0;
    changes.retain(|change| {
        index += 1;
        !matches!(change, Change::Flip(..) | Change::Cut(..)) || index % 151 == 0
    });
    reset();
    let counts = try_all(&original, &changes, 2).unwrap_or_else(|flaw| panic!("{flaw}"));
    assert!(counts.refused > 300 && counts.survived > 1000, "{counts} (of {all})");
    assert!(largest_allocation() <= LARGEST_ALLOCATION_BYTES, "{} bytes at once", largest_allocation());
}
