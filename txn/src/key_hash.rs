//! Hashes of keys.

use synod_storage::TableId;

/// 64 bits that stand for a key of a table: see [`synod_storage::key_hash`].
#[inline]
pub fn key_hash(table: TableId, key: &[u8]) -> u64 {
    synod_storage::key_hash(table.0, key)
}
