//! LMDB: copy-on-write trees in a memory map, one writer at a time, readers on snapshots.

use super::Peer;
use super::shared::{Each, ReadOnly, Reads, Told, is_flushed, texts};
use crate::error::Result;
use crate::target::{About, Client, OpenOptions, Stop, TableNumber, Target, Txn, Work, copy};
use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions, RoTxn, RwTxn};
use std::ops::Bound;

const NAME: &str = Peer::Lmdb.name();
/// The most that the file may grow to. It takes addresses, not memory, and the file begins small.
const MAP_BYTES: usize = 256 << 30;
/// Readers beyond the threads of a run: checks, and who looks on.
const MORE_READERS: usize = 8;

type Table = Database<Bytes, Bytes>;

struct Lmdb {
    environment: Env,
    tables: Vec<Table>,
    about: About,
}

pub(super) fn open(options: &OpenOptions) -> Result<Box<dyn Target>> {
    let is_flushed = is_flushed(options.durability);
    let mut settings = EnvOpenOptions::new();
    settings.map_size(MAP_BYTES);
    settings.max_dbs(options.tables.len() as u32);
    settings.max_readers((options.threads + MORE_READERS) as u32);
    if !is_flushed {
        // SAFETY: the flag gives up durability, and nothing that Rust relies on.
        unsafe { settings.flags(EnvFlags::NO_SYNC) };
    }
    // SAFETY: the directory is the target's own, on a local disk; nothing else changes its files.
    let environment = unsafe { settings.open(&options.directory) }.told(NAME)?;
    let mut transaction = environment.write_txn().told(NAME)?;
    let tables = options
        .tables
        .iter()
        .map(|name| environment.create_database(&mut transaction, Some(name)).told(NAME))
        .collect::<Result<_>>()?;
    transaction.commit().told(NAME)?;
    Ok(Box::new(Lmdb { environment, tables, about: about(is_flushed) }))
}

fn about(is_flushed: bool) -> About {
    About {
        name: NAME.to_string(),
        engine: format!("lmdb {}", version()),
        isolation: "strict serializable".to_string(),
        allows: vec![],
        durability: match is_flushed {
            true => "its pages and the root are flushed, by itself",
            false => "nothing: its pages are with the system, which writes them when it likes (MDB_NOSYNC)",
        }
        .to_string(),
        has_concurrent_writers: false,
        notes: texts([
            "one transaction that writes at a time; the next one waits until it has committed, flush included",
            "no cache of its own: all memory that the system has for files is its cache",
            "keys of 511 bytes at most",
            "without a flush after each commit, a crash of the system may damage the file if the file system \
             reorders writes",
        ]),
    }
}

fn version() -> String {
    let version = heed::lmdb_version();
    format!("{}.{}.{}", version.major, version.minor, version.patch)
}

impl Target for Lmdb {
    fn about(&self) -> &About {
        &self.about
    }

    fn client(&self) -> Result<Box<dyn Client + '_>> {
        Ok(Box::new(LmdbClient(self)))
    }

    fn settle(&self) -> Result<()> {
        self.environment.force_sync().told(NAME)
    }
}

struct LmdbClient<'t>(&'t Lmdb);

impl Client for LmdbClient<'_> {
    fn attempt(&mut self, only_reads: bool, work: &mut Work<'_>) -> Result<(), Stop> {
        let Lmdb { environment, tables, .. } = self.0;
        if only_reads {
            let transaction = environment.read_txn().told(NAME)?;
            work(&mut ReadOnly(View { transaction: &transaction, tables }))?;
            return Ok(transaction.commit().told(NAME)?);
        }
        let mut update = Update { transaction: environment.write_txn().told(NAME)?, tables };
        // Without a commit it is undone when it goes out of scope.
        work(&mut update)?;
        Ok(update.transaction.commit().told(NAME)?)
    }
}

/// A transaction that only reads.
struct View<'t> {
    transaction: &'t RoTxn<'t>,
    tables: &'t [Table],
}

impl Reads for View<'_> {
    fn get(&mut self, table: TableNumber, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Stop> {
        get(self.tables[table], self.transaction, key, value)
    }

    fn scan(&mut self, table: TableNumber, from: &[u8], to: &[u8], each: &mut Each<'_>) -> Result<(), Stop> {
        scan(self.tables[table], self.transaction, from, to, each)
    }
}

/// A transaction that may write.
struct Update<'t> {
    transaction: RwTxn<'t>,
    tables: &'t [Table],
}

impl Txn for Update<'_> {
    fn get(&mut self, table: TableNumber, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Stop> {
        get(self.tables[table], &self.transaction, key, value)
    }

    fn put(&mut self, table: TableNumber, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        Ok(self.tables[table].put(&mut self.transaction, key, value).told(NAME)?)
    }

    fn delete(&mut self, table: TableNumber, key: &[u8]) -> Result<(), Stop> {
        self.tables[table].delete(&mut self.transaction, key).told(NAME)?;
        Ok(())
    }

    fn scan(&mut self, table: TableNumber, from: &[u8], to: &[u8], each: &mut Each<'_>) -> Result<(), Stop> {
        scan(self.tables[table], &self.transaction, from, to, each)
    }
}

fn get(table: Table, transaction: &RoTxn<'_>, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Stop> {
    Ok(copy(table.get(transaction, key).told(NAME)?, value))
}

fn scan(
    table: Table,
    transaction: &RoTxn<'_>,
    from: &[u8],
    to: &[u8],
    each: &mut Each<'_>,
) -> Result<(), Stop> {
    // It has no empty keys, also not to start from.
    let start = if from.is_empty() { Bound::Unbounded } else { Bound::Included(from) };
    let end = if to.is_empty() { Bound::Unbounded } else { Bound::Excluded(to) };
    for record in table.range(transaction, &(start, end)).told(NAME)? {
        let (key, value) = record.told(NAME)?;
        if !each(key, value) {
            break;
        }
    }
    Ok(())
}
