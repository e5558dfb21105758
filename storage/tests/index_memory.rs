//! What the index takes beside the records.

use crossbeam_epoch::pin;
use synod_storage::Record;
use synod_storage::index::Index;

const KEYS: u64 = 200_000;

/// Index bytes per record after inserting these keys.
fn bytes_per_record(keys: impl Iterator<Item = u64>) -> f64 {
    let index = Index::new();
    for key in keys {
        let key = key.to_be_bytes();
        index.insert(&key, || Record::allocate(&key, 0, 0), |_| true, &pin());
    }
    assert_eq!(index.count(&pin()) as u64, KEYS);
    index.statistics().bytes as f64 / KEYS as f64
}

#[test]
fn ascending_keys_take_at_most_18_bytes_a_record() {
    let bytes = bytes_per_record(0..KEYS);
    assert!(bytes <= 18.0, "{bytes:.1} bytes");
}

#[test]
fn keys_in_random_order_take_at_most_27_bytes_a_record() {
    // Multiplying by an odd number permutes the 64-bit integers (Knuth's multiplicative hashing).
    let bytes = bytes_per_record((0..KEYS).map(|key| key.wrapping_mul(0x9e37_79b9_7f4a_7c15).reverse_bits()));
    assert!(bytes <= 27.0, "{bytes:.1} bytes");
    let bytes = bytes_per_record((0..KEYS).map(|key| key.wrapping_mul(0xd134_2543_de82_ef95)));
    assert!(bytes <= 27.0, "{bytes:.1} bytes");
}
