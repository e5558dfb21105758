//! Hashes of the keys of tables.

use synod_storage::TableId;

/// An odd number without pattern: 2^64 divided by the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// 64 bits that stand for a key of a table, where a collision does no harm but to speed: see [`synod_storage::key_hash`].
#[inline]
pub fn key_hash(table: TableId, key: &[u8]) -> u64 {
    synod_storage::key_hash(key) ^ mark(table)
}

/// The hash of the key alone, by which its index finds it.
#[inline]
pub(crate) fn without_table(hash: u64, table: TableId) -> u64 {
    hash ^ mark(table)
}

/// Tells keys of different tables apart.
#[inline]
fn mark(table: TableId) -> u64 {
    u64::from(table.0).wrapping_mul(FACTOR)
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_another_hash_in_each_table_and_the_same_one_without() {
        let alone = synod_storage::key_hash(b"key");
        let hashes = [0, 1, 2, 64, u32::MAX].map(|table| (TableId(table), key_hash(TableId(table), b"key")));
        for (table, hash) in hashes {
            assert_eq!(hashes.iter().filter(|(_, other)| *other == hash).count(), 1);
            assert_eq!(without_table(hash, table), alone);
        }
    }
}
