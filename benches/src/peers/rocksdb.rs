//! RocksDB: a log-structured merge tree, with locks or with validation on top. A table is a column family.

mod setup;

use super::Peer;
use super::shared::{Each, ReadOnly, Reads, Told, is_flushed};
use crate::error::{Error, Result};
use crate::target::{About, Client, OpenOptions, Stop, TableNumber, Target, Txn, Work, copy};
use rocksdb::{
    ColumnFamily, DBAccess, DBRawIteratorWithThreadMode, ErrorKind, OptimisticTransactionDB,
    OptimisticTransactionOptions, ReadOptions, SnapshotWithThreadMode, Transaction, TransactionDB,
    TransactionOptions, WriteOptions,
};

/// In messages, both kinds of transactions have this name.
const NAME: &str = Peer::RocksDb.name();

/// What differs between the two kinds of transactions.
trait Kind: DBAccess + Sync + Sized {
    fn begin(&self, write: &WriteOptions) -> Transaction<'_, Self>;

    fn family(&self, name: &str) -> Option<&ColumnFamily>;

    fn flush(&self, family: &ColumnFamily) -> Result<(), rocksdb::Error>;
}

impl Kind for TransactionDB {
    fn begin(&self, write: &WriteOptions) -> Transaction<'_, Self> {
        let mut options = TransactionOptions::default();
        // Else those that wait for each other do so until the time is up.
        options.set_deadlock_detect(true);
        self.transaction_opt(write, &options)
    }

    fn family(&self, name: &str) -> Option<&ColumnFamily> {
        self.cf_handle(name)
    }

    fn flush(&self, family: &ColumnFamily) -> Result<(), rocksdb::Error> {
        self.flush_cf(family)
    }
}

impl Kind for OptimisticTransactionDB {
    fn begin(&self, write: &WriteOptions) -> Transaction<'_, Self> {
        self.transaction_opt(write, &OptimisticTransactionOptions::default())
    }

    fn family(&self, name: &str) -> Option<&ColumnFamily> {
        self.cf_handle(name)
    }

    fn flush(&self, family: &ColumnFamily) -> Result<(), rocksdb::Error> {
        self.flush_cf(family)
    }
}

struct RocksDb<K> {
    database: K,
    tables: Vec<&'static str>,
    is_flushed: bool,
    about: About,
}

pub(super) fn open_pessimistic(options: &OpenOptions) -> Result<Box<dyn Target>> {
    let families = setup::families(options);
    let settings = setup::database(options);
    let locks = setup::locks(options);
    let opened = TransactionDB::open_cf_descriptors(&settings, &locks, &options.directory, families);
    Ok(target(opened.told(NAME)?, options, setup::about_pessimistic))
}

pub(super) fn open_optimistic(options: &OpenOptions) -> Result<Box<dyn Target>> {
    let families = setup::families(options);
    let settings = setup::database(options);
    let opened = OptimisticTransactionDB::open_cf_descriptors(&settings, &options.directory, families);
    Ok(target(opened.told(NAME)?, options, setup::about_optimistic))
}

fn target<K: Kind + 'static>(
    database: K,
    options: &OpenOptions,
    about: fn(bool) -> About,
) -> Box<dyn Target> {
    let is_flushed = is_flushed(options.durability);
    Box::new(RocksDb { database, tables: options.tables.clone(), is_flushed, about: about(is_flushed) })
}

impl<K: Kind> RocksDb<K> {
    fn families(&self) -> Result<Vec<&ColumnFamily>> {
        let family = |name: &&'static str| {
            let found = self.database.family(name);
            found.ok_or_else(|| Error::Settings(format!("{NAME} was opened without the table {name}")))
        };
        self.tables.iter().map(family).collect()
    }
}

impl<K: Kind> Target for RocksDb<K> {
    fn about(&self) -> &About {
        &self.about
    }

    fn client(&self) -> Result<Box<dyn Client + '_>> {
        let mut write = WriteOptions::default();
        write.set_sync(self.is_flushed);
        Ok(Box::new(RocksDbClient { database: &self.database, families: self.families()?, write }))
    }

    fn settle(&self) -> Result<()> {
        self.families()?.into_iter().try_for_each(|family| self.database.flush(family).told(NAME))
    }
}

struct RocksDbClient<'t, K> {
    database: &'t K,
    families: Vec<&'t ColumnFamily>,
    write: WriteOptions,
}

impl<K: Kind> Client for RocksDbClient<'_, K> {
    fn attempt(&mut self, only_reads: bool, work: &mut Work<'_>) -> Result<(), Stop> {
        let families = &self.families;
        if only_reads {
            let snapshot = SnapshotWithThreadMode::new(self.database);
            return work(&mut ReadOnly(View { snapshot, families }));
        }
        let transaction = self.database.begin(&self.write);
        let mut update = Update { transaction, families, read: ReadOptions::default() };
        // Without a commit it is undone when it goes out of scope.
        work(&mut update)?;
        stopped(update.transaction.commit())
    }
}

/// Tells a lost lock or validation from a failure.
fn stopped<T>(outcome: Result<T, rocksdb::Error>) -> Result<T, Stop> {
    let Err(error) = &outcome else {
        return Ok(outcome.told(NAME)?);
    };
    match error.kind() {
        ErrorKind::Busy if error.as_ref().contains("Deadlock") => Err(Stop::Conflict("deadlock")),
        ErrorKind::Busy => Err(Stop::Conflict("busy")),
        ErrorKind::TimedOut => Err(Stop::Conflict("timeout of a lock")),
        ErrorKind::TryAgain => Err(Stop::Conflict("too old to be validated")),
        _ => Ok(outcome.told(NAME)?),
    }
}

/// A transaction that only reads.
struct View<'t, K: Kind> {
    snapshot: SnapshotWithThreadMode<'t, K>,
    families: &'t [&'t ColumnFamily],
}

impl<K: Kind> Reads for View<'_, K> {
    fn get(&mut self, table: TableNumber, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Stop> {
        Ok(copy(self.snapshot.get_pinned_cf(self.families[table], key).told(NAME)?.as_deref(), value))
    }

    fn scan(&mut self, table: TableNumber, from: &[u8], to: &[u8], each: &mut Each<'_>) -> Result<(), Stop> {
        visit(self.snapshot.raw_iterator_cf_opt(self.families[table], range(to)), from, each)
    }
}

/// A transaction that may write.
struct Update<'t, K> {
    transaction: Transaction<'t, K>,
    families: &'t [&'t ColumnFamily],
    read: ReadOptions,
}

impl<K: Kind> Update<'_, K> {
    /// Reads, and locks the key, or has it validated at the commit.
    fn read(
        &self,
        table: TableNumber,
        key: &[u8],
        is_exclusive: bool,
        value: &mut Vec<u8>,
    ) -> Result<bool, Stop> {
        let family = self.families[table];
        let found = self.transaction.get_pinned_for_update_cf_opt(family, key, is_exclusive, &self.read);
        Ok(copy(stopped(found)?.as_deref(), value))
    }
}

impl<K: Kind> Txn for Update<'_, K> {
    fn get(&mut self, table: TableNumber, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Stop> {
        self.read(table, key, false, value)
    }

    fn get_for_update(&mut self, table: TableNumber, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Stop> {
        self.read(table, key, true, value)
    }

    fn put(&mut self, table: TableNumber, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        stopped(self.transaction.put_cf(self.families[table], key, value))
    }

    fn delete(&mut self, table: TableNumber, key: &[u8]) -> Result<(), Stop> {
        stopped(self.transaction.delete_cf(self.families[table], key))
    }

    fn scan(&mut self, table: TableNumber, from: &[u8], to: &[u8], each: &mut Each<'_>) -> Result<(), Stop> {
        visit(self.transaction.raw_iterator_cf_opt(self.families[table], range(to)), from, each)
    }
}

/// How to read up to a key.
fn range(to: &[u8]) -> ReadOptions {
    let mut options = ReadOptions::default();
    if !to.is_empty() {
        options.set_iterate_upper_bound(to);
    }
    options
}

fn visit<D: DBAccess>(
    mut records: DBRawIteratorWithThreadMode<'_, D>,
    from: &[u8],
    each: &mut Each<'_>,
) -> Result<(), Stop> {
    records.seek(from);
    while let Some((key, value)) = records.item() {
        if !each(key, value) {
            return Ok(());
        }
        records.next();
    }
    stopped(records.status())
}
