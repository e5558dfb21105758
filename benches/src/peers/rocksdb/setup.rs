//! How RocksDB is set up: as its guide to setup options and basic tuning says, for data that fits into the cache.

use super::super::Peer;
use super::super::shared::{CACHE_BYTES, texts};
use crate::target::{About, OpenOptions};
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, Options, TransactionDBOptions,
};

/// Larger blocks than by default make indexes and filters smaller.
const BLOCK_BYTES: usize = 16 << 10;
/// Bits of a filter for each key: one in a hundred look-ups of what isn't there goes to a block.
const FILTER_BITS: f64 = 10.0;
/// Files are written out bit by bit, so that a flush at the end isn't long.
const BYTES_PER_SYNC: u64 = 1 << 20;
/// Locks are spread over so many mutexes for each thread.
const STRIPES_A_THREAD: usize = 4;

/// Of all.
pub(super) fn database(options: &OpenOptions) -> Options {
    let mut settings = Options::default();
    settings.create_if_missing(true);
    settings.create_missing_column_families(true);
    settings.increase_parallelism(options.threads.clamp(2, 16) as i32);
    settings.set_bytes_per_sync(BYTES_PER_SYNC);
    settings
}

/// Of the locks.
pub(super) fn locks(options: &OpenOptions) -> TransactionDBOptions {
    let mut settings = TransactionDBOptions::default();
    settings.set_num_stripes((options.threads * STRIPES_A_THREAD).max(16));
    settings
}

/// Of the tables, which share a cache.
pub(super) fn families(options: &OpenOptions) -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_hyper_clock_cache(CACHE_BYTES, 0);
    let family = |name: &&'static str| ColumnFamilyDescriptor::new(*name, table(&cache));
    options.tables.iter().map(family).collect()
}

fn table(cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_block_size(BLOCK_BYTES);
    blocks.set_bloom_filter(FILTER_BITS, false);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    let mut settings = Options::default();
    settings.set_block_based_table_factory(&blocks);
    settings.set_level_compaction_dynamic_level_bytes(true);
    settings.set_compression_type(DBCompressionType::None);
    settings
}

/// Of the one with locks.
pub(super) fn about_pessimistic(is_flushed: bool) -> About {
    let notes = texts([
        "single reads of transactions that write lock their key, shared or exclusive (GetForUpdate), and writes \
         lock theirs, until the commit",
        "scans of transactions that write take no locks (there are none for ranges), and see what is committed \
         when they begin",
        "deadlocks are detected; a wait for a lock ends after a second",
    ]);
    about(Peer::RocksDb, is_flushed, notes)
}

/// Of the one that validates.
pub(super) fn about_optimistic(is_flushed: bool) -> About {
    let notes = texts([
        "single reads of transactions that write are by GetForUpdate: they, and what is written, are validated at \
         the commit",
        "scans of transactions that write aren't validated, and see what is committed when they begin",
        "a transaction that is older than the memtables that are kept can't be validated, and is given up",
    ]);
    about(Peer::RocksDbOptimistic, is_flushed, notes)
}

fn about(peer: Peer, is_flushed: bool, mut notes: Vec<String>) -> About {
    notes.extend(texts([
        "transactions that only read do so on a snapshot",
        "a column family for each table, no compression, filters of 10 bits a key",
    ]));
    let (_, version) = peer.package();
    About {
        name: peer.name().to_string(),
        // The package's version is its own, plus that of what is in it.
        engine: format!("rocksdb {}", version.split('+').next_back().unwrap_or(version)),
        isolation: "serializable for single records".to_string(),
        allows: texts([
            "phantoms",
            "lost updates through scans",
            "read skew through scans",
            "write skew through scans",
        ]),
        durability: match is_flushed {
            true => "its log is flushed, together with that of others",
            false => "nothing: its log is with the system, which writes it when it likes",
        }
        .to_string(),
        has_concurrent_writers: true,
        notes,
    }
}
