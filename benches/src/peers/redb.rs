//! redb: copy-on-write trees in one file, one writer at a time, readers on snapshots.

use super::Peer;
use super::shared::{CACHE_BYTES, Each, ReadOnly, Reads, Told, is_flushed, texts};
use crate::error::Result;
use crate::target::{About, Client, OpenOptions, Stop, TableNumber, Target, Txn, Work, copy};
use redb::{
    AccessGuard, Database, Durability, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable,
    Table, TableDefinition, WriteTransaction,
};
use std::ops::Bound;

const NAME: &str = Peer::Redb.name();

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;
type Writable<'t> = Table<'t, &'static [u8], &'static [u8]>;
type Readable = ReadOnlyTable<&'static [u8], &'static [u8]>;

struct Redb {
    database: Database,
    tables: Vec<Definition>,
    durability: Durability,
    about: About,
}

pub(super) fn open(options: &OpenOptions) -> Result<Box<dyn Target>> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    let database = builder.create(options.directory.join("redb.db")).told(NAME)?;
    let tables = options.tables.iter().map(|name| TableDefinition::new(name)).collect();
    let is_flushed = is_flushed(options.durability);
    let durability = if is_flushed { Durability::Immediate } else { Durability::None };
    let redb = Redb { database, tables, durability, about: about(is_flushed) };
    redb.create_tables()?;
    Ok(Box::new(redb))
}

fn about(is_flushed: bool) -> About {
    About {
        name: NAME.to_string(),
        engine: format!("redb {}", Peer::Redb.package().1),
        isolation: "strict serializable".to_string(),
        allows: vec![],
        durability: match is_flushed {
            true => "its pages are flushed, by itself",
            false => "nothing: it is in memory until a later commit flushes",
        }
        .to_string(),
        has_concurrent_writers: false,
        notes: texts([
            "one transaction that writes at a time; the next one waits until it has committed, flush included",
            "one-phase commits with checksums, as by default",
            "pages that are on the disk and freed by a commit without a flush can be used again only after one \
             with a flush",
        ]),
    }
}

impl Redb {
    fn create_tables(&self) -> Result<()> {
        let transaction = self.database.begin_write().told(NAME)?;
        for table in &self.tables {
            transaction.open_table(*table).told(NAME)?;
        }
        transaction.commit().told(NAME)
    }
}

impl Target for Redb {
    fn about(&self) -> &About {
        &self.about
    }

    fn client(&self) -> Result<Box<dyn Client + '_>> {
        Ok(Box::new(RedbClient(self)))
    }

    fn settle(&self) -> Result<()> {
        // A commit that is flushed takes those before it along.
        self.database.begin_write().told(NAME)?.commit().told(NAME)
    }
}

struct RedbClient<'t>(&'t Redb);

impl Client for RedbClient<'_> {
    fn attempt(&mut self, only_reads: bool, work: &mut Work<'_>) -> Result<(), Stop> {
        let Redb { database, tables, durability, .. } = self.0;
        if only_reads {
            let transaction = database.begin_read().told(NAME)?;
            let open = tables.iter().map(|_| None).collect();
            return work(&mut ReadOnly(View { transaction, tables, open }));
        }
        let mut transaction = database.begin_write().told(NAME)?;
        transaction.set_durability(*durability).told(NAME)?;
        let open = tables.iter().map(|_| None).collect();
        // Without a commit it is undone when it goes out of scope.
        work(&mut Update { transaction: &transaction, tables, open })?;
        Ok(transaction.commit().told(NAME)?)
    }
}

/// A transaction that only reads, with the tables that it has touched.
struct View<'t> {
    transaction: ReadTransaction,
    tables: &'t [Definition],
    open: Vec<Option<Readable>>,
}

impl View<'_> {
    fn table(&mut self, number: TableNumber) -> Result<&Readable> {
        let open = &mut self.open[number];
        match open {
            Some(table) => Ok(table),
            None => Ok(open.insert(self.transaction.open_table(self.tables[number]).told(NAME)?)),
        }
    }
}

impl Reads for View<'_> {
    fn get(&mut self, table: TableNumber, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Stop> {
        get(self.table(table)?, key, value)
    }

    fn scan(&mut self, table: TableNumber, from: &[u8], to: &[u8], each: &mut Each<'_>) -> Result<(), Stop> {
        scan(self.table(table)?, from, to, each)
    }
}

/// A transaction that may write, with the tables that it has touched.
struct Update<'t> {
    transaction: &'t WriteTransaction,
    tables: &'t [Definition],
    open: Vec<Option<Writable<'t>>>,
}

impl<'t> Update<'t> {
    fn table(&mut self, number: TableNumber) -> Result<&mut Writable<'t>> {
        let open = &mut self.open[number];
        match open {
            Some(table) => Ok(table),
            None => Ok(open.insert(self.transaction.open_table(self.tables[number]).told(NAME)?)),
        }
    }
}

impl Txn for Update<'_> {
    fn get(&mut self, table: TableNumber, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Stop> {
        get(self.table(table)?, key, value)
    }

    fn put(&mut self, table: TableNumber, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        self.table(table)?.insert(key, value).told(NAME)?;
        Ok(())
    }

    fn delete(&mut self, table: TableNumber, key: &[u8]) -> Result<(), Stop> {
        self.table(table)?.remove(key).told(NAME)?;
        Ok(())
    }

    fn scan(&mut self, table: TableNumber, from: &[u8], to: &[u8], each: &mut Each<'_>) -> Result<(), Stop> {
        scan(self.table(table)?, from, to, each)
    }
}

fn get(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    key: &[u8],
    value: &mut Vec<u8>,
) -> Result<bool, Stop> {
    let found = table.get(key).told(NAME)?;
    Ok(copy(found.as_ref().map(AccessGuard::value), value))
}

fn scan(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    from: &[u8],
    to: &[u8],
    each: &mut Each<'_>,
) -> Result<(), Stop> {
    let end = if to.is_empty() { Bound::Unbounded } else { Bound::Excluded(to) };
    for record in table.range::<&[u8]>((Bound::Included(from), end)).told(NAME)? {
        let (key, value) = record.told(NAME)?;
        if !each(key.value(), value.value()) {
            break;
        }
    }
    Ok(())
}
