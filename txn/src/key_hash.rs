//! Hashes of the keys of tables.

use synod_storage::{TableId, in_table};

/// 64 bits that stand for a key of a table: see [`synod_storage::key_hash`].
#[inline]
pub fn key_hash(table: TableId, key: &[u8]) -> u64 {
    in_table(synod_storage::key_hash(key), table)
}
