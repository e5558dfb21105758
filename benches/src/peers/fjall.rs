//! fjall: log-structured merge trees with a journal, transactions validated at their commit.

use super::Peer;
use super::shared::{CACHE_BYTES, Each, ReadOnly, Reads, Told, is_flushed, texts};
use crate::error::Result;
use crate::target::{About, Client, OpenOptions, Stop, TableNumber, Target, Txn, Work, copy};
use fjall::{
    KeyspaceCreateOptions, OptimisticTxDatabase, OptimisticTxKeyspace, OptimisticWriteTx, PersistMode,
    Readable, Snapshot,
};
use std::ops::Bound;

const NAME: &str = Peer::Fjall.name();

struct Fjall {
    database: OptimisticTxDatabase,
    tables: Vec<OptimisticTxKeyspace>,
    persist: PersistMode,
    about: About,
}

pub(super) fn open(options: &OpenOptions) -> Result<Box<dyn Target>> {
    let builder = OptimisticTxDatabase::builder(&options.directory);
    let database = builder.cache_size(CACHE_BYTES as u64).open().told(NAME)?;
    let tables = options
        .tables
        .iter()
        .map(|name| database.keyspace(name, KeyspaceCreateOptions::default).told(NAME))
        .collect::<Result<_>>()?;
    let is_flushed = is_flushed(options.durability);
    let persist = if is_flushed { PersistMode::SyncData } else { PersistMode::Buffer };
    Ok(Box::new(Fjall { database, tables, persist, about: about(is_flushed) }))
}

fn about(is_flushed: bool) -> About {
    About {
        name: NAME.to_string(),
        engine: format!("fjall {}", Peer::Fjall.package().1),
        isolation: "serializable".to_string(),
        allows: vec![],
        durability: match is_flushed {
            true => "its journal is flushed, by itself",
            false => "its journal is with the system, which writes it when it likes",
        }
        .to_string(),
        has_concurrent_writers: true,
        notes: texts([
            "transactions run at the same time on snapshots; commits go one after the other, flush included",
            "a scan is validated with the bounds that it was asked for, even if it ended before",
        ]),
    }
}

impl Target for Fjall {
    fn about(&self) -> &About {
        &self.about
    }

    fn client(&self) -> Result<Box<dyn Client + '_>> {
        Ok(Box::new(FjallClient(self)))
    }

    fn settle(&self) -> Result<()> {
        self.database.persist(PersistMode::SyncAll).told(NAME)
    }
}

struct FjallClient<'t>(&'t Fjall);

impl Client for FjallClient<'_> {
    fn attempt(&mut self, only_reads: bool, work: &mut Work<'_>) -> Result<(), Stop> {
        let Fjall { database, tables, persist, .. } = self.0;
        if only_reads {
            return work(&mut ReadOnly(View { snapshot: database.read_tx(), tables }));
        }
        let transaction = database.write_tx().told(NAME)?.durability(Some(*persist));
        let mut update = Update { transaction, tables };
        // Without a commit it is undone when it goes out of scope.
        work(&mut update)?;
        let outcome = update.transaction.commit().told(NAME)?;
        outcome.map_err(|fjall::Conflict| Stop::Conflict("validation"))
    }
}

/// A transaction that only reads.
struct View<'t> {
    snapshot: Snapshot,
    tables: &'t [OptimisticTxKeyspace],
}

impl Reads for View<'_> {
    fn get(&mut self, table: TableNumber, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Stop> {
        get(&self.snapshot, &self.tables[table], key, value)
    }

    fn scan(&mut self, table: TableNumber, from: &[u8], to: &[u8], each: &mut Each<'_>) -> Result<(), Stop> {
        scan(&self.snapshot, &self.tables[table], from, to, each)
    }
}

/// A transaction that may write.
struct Update<'t> {
    transaction: OptimisticWriteTx,
    tables: &'t [OptimisticTxKeyspace],
}

impl Txn for Update<'_> {
    fn get(&mut self, table: TableNumber, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Stop> {
        get(&self.transaction, &self.tables[table], key, value)
    }

    fn put(&mut self, table: TableNumber, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        self.transaction.insert(&self.tables[table], key, value);
        Ok(())
    }

    fn delete(&mut self, table: TableNumber, key: &[u8]) -> Result<(), Stop> {
        self.transaction.remove(&self.tables[table], key);
        Ok(())
    }

    fn scan(&mut self, table: TableNumber, from: &[u8], to: &[u8], each: &mut Each<'_>) -> Result<(), Stop> {
        scan(&self.transaction, &self.tables[table], from, to, each)
    }
}

fn get(
    readable: &impl Readable,
    table: &OptimisticTxKeyspace,
    key: &[u8],
    value: &mut Vec<u8>,
) -> Result<bool, Stop> {
    Ok(copy(readable.get(table, key).told(NAME)?.as_deref(), value))
}

fn scan(
    readable: &impl Readable,
    table: &OptimisticTxKeyspace,
    from: &[u8],
    to: &[u8],
    each: &mut Each<'_>,
) -> Result<(), Stop> {
    let end = if to.is_empty() { Bound::Unbounded } else { Bound::Excluded(to) };
    for record in readable.range::<&[u8], _>(table, (Bound::Included(from), end)) {
        let (key, value) = record.into_inner().told(NAME)?;
        if !each(&key, &value) {
            break;
        }
    }
    Ok(())
}
