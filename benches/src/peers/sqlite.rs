//! SQLite: tables with a write-ahead log, one writer at a time, readers on snapshots.
//!
//! Each client has a connection of its own, as SQLite wants it; statements are prepared once for each connection.

use super::Peer;
use super::shared::{Each, ReadOnly, Reads, Told, texts};
use crate::error::Result;
use crate::target::{About, Client, OpenOptions, Stop, TableNumber, Target, Txn, Work, copy};
use rusqlite::{CachedStatement, Connection, ErrorCode, OptionalExtension, Rows};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use synod::Durability;

const NAME: &str = Peer::Sqlite.name();
/// How long a writer waits for its turn before it is given up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// What each connection sees through a memory map, so that all share what is in memory; the most that SQLite allows.
const MAP_BYTES: u64 = 0x7fff_0000;
/// The cache of a connection: for what it writes, and what the map doesn't reach.
const CACHE_KIBIBYTES: u64 = 64 << 10;

struct Sqlite {
    file: PathBuf,
    synchronous: &'static str,
    /// The statements of each table.
    tables: Vec<Statements>,
    /// Keeps the log open while clients come and go, and settles.
    connection: Mutex<Connection>,
    about: About,
}

/// What is done with a table, in SQL.
struct Statements {
    create: String,
    get: String,
    put: String,
    delete: String,
    scan: String,
    scan_to_end: String,
}

impl Statements {
    fn new(table: &str) -> Statements {
        Statements {
            create: format!(
                "CREATE TABLE IF NOT EXISTS \"{table}\" (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID"
            ),
            get: format!("SELECT v FROM \"{table}\" WHERE k = ?1"),
            put: format!("REPLACE INTO \"{table}\" (k, v) VALUES (?1, ?2)"),
            delete: format!("DELETE FROM \"{table}\" WHERE k = ?1"),
            scan: format!("SELECT k, v FROM \"{table}\" WHERE k >= ?1 AND k < ?2 ORDER BY k"),
            scan_to_end: format!("SELECT k, v FROM \"{table}\" WHERE k >= ?1 ORDER BY k"),
        }
    }
}

pub(super) fn open(options: &OpenOptions) -> Result<Box<dyn Target>> {
    let file = options.directory.join("sqlite.db");
    let (synchronous, waits_for) = match options.durability {
        Durability::None => ("OFF", "nothing: its log is with the system, which writes it when it likes"),
        Durability::Buffered => ("NORMAL", "nothing: its log is flushed before a checkpoint"),
        Durability::Group | Durability::Sync => ("FULL", "its log is flushed, by itself"),
    };
    let tables: Vec<Statements> = options.tables.iter().map(|table| Statements::new(table)).collect();
    let connection = Connection::open(&file).told(NAME)?;
    set_up(&connection, synchronous, tables.len())?;
    for table in &tables {
        connection.execute(&table.create, ()).told(NAME)?;
    }
    let about = about(synchronous, waits_for);
    Ok(Box::new(Sqlite { file, synchronous, tables, connection: Mutex::new(connection), about }))
}

fn set_up(connection: &Connection, synchronous: &str, tables: usize) -> Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT).told(NAME)?;
    connection.pragma_update(None, "journal_mode", "WAL").told(NAME)?;
    connection.pragma_update(None, "synchronous", synchronous).told(NAME)?;
    connection.pragma_update(None, "cache_size", -(CACHE_KIBIBYTES as i64)).told(NAME)?;
    connection.pragma_update(None, "mmap_size", MAP_BYTES as i64).told(NAME)?;
    // Five for each table, and those that begin and end a transaction.
    connection.set_prepared_statement_cache_capacity(5 * tables + 4);
    Ok(())
}

fn about(synchronous: &str, waits_for: &str) -> About {
    About {
        name: NAME.to_string(),
        engine: format!("sqlite {}", rusqlite::version()),
        isolation: "strict serializable".to_string(),
        allows: vec![],
        durability: waits_for.to_string(),
        has_concurrent_writers: false,
        notes: [
            texts([
                "one transaction that writes at a time: it begins by BEGIN IMMEDIATE; others wait in sleeps of \
                 growing length, as SQLite's busy_timeout does, and in no order",
                "tables WITHOUT ROWID, a connection for each thread, prepared statements",
            ]),
            vec![format!("journal_mode WAL, synchronous {synchronous}, a checkpoint every 1000 pages")],
        ]
        .concat(),
    }
}

impl Target for Sqlite {
    fn about(&self) -> &About {
        &self.about
    }

    fn client(&self) -> Result<Box<dyn Client + '_>> {
        let connection = Connection::open(&self.file).told(NAME)?;
        set_up(&connection, self.synchronous, self.tables.len())?;
        Ok(Box::new(SqliteClient { connection, tables: &self.tables }))
    }

    fn settle(&self) -> Result<()> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection.pragma_query(None, "wal_checkpoint", |_| Ok(())).told(NAME)
    }
}

struct SqliteClient<'t> {
    connection: Connection,
    tables: &'t [Statements],
}

impl SqliteClient<'_> {
    fn run(&self, statement: &str) -> Result<(), Stop> {
        let ran = self.connection.prepare_cached(statement).and_then(|mut prepared| prepared.execute(()));
        stopped(ran.map(|_| ()))
    }

    fn work(&self, only_reads: bool, work: &mut Work<'_>) -> Result<(), Stop> {
        let access = Access { connection: &self.connection, tables: self.tables };
        match only_reads {
            true => work(&mut ReadOnly(access))?,
            false => work(&mut Update(access))?,
        }
        self.run("COMMIT")
    }
}

impl Client for SqliteClient<'_> {
    fn attempt(&mut self, only_reads: bool, work: &mut Work<'_>) -> Result<(), Stop> {
        self.run(if only_reads { "BEGIN" } else { "BEGIN IMMEDIATE" })?;
        let outcome = self.work(only_reads, work);
        // After some errors it has rolled back by itself.
        if outcome.is_err() && !self.connection.is_autocommit() {
            self.run("ROLLBACK")?;
        }
        outcome
    }
}

/// Tells a lock that is another's from a failure.
fn stopped<T>(outcome: rusqlite::Result<T>) -> Result<T, Stop> {
    match outcome {
        Err(rusqlite::Error::SqliteFailure(error, _))
            if matches!(error.code, ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) =>
        {
            Err(Stop::Conflict("busy"))
        }
        outcome => Ok(outcome.told(NAME)?),
    }
}

/// A transaction.
struct Access<'t> {
    connection: &'t Connection,
    tables: &'t [Statements],
}

impl<'t> Access<'t> {
    fn prepared(&self, statement: &str) -> Result<CachedStatement<'t>, Stop> {
        stopped(self.connection.prepare_cached(statement))
    }
}

impl Reads for Access<'_> {
    fn get(&mut self, table: TableNumber, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Stop> {
        let mut statement = self.prepared(&self.tables[table].get)?;
        let found = statement.query_row([key], |row| {
            copy(Some(row.get_ref(0)?.as_blob()?), value);
            Ok(())
        });
        if stopped(found.optional())?.is_none() {
            return Ok(copy(None, value));
        }
        Ok(true)
    }

    fn scan(&mut self, table: TableNumber, from: &[u8], to: &[u8], each: &mut Each<'_>) -> Result<(), Stop> {
        let table = &self.tables[table];
        let mut statement = self.prepared(if to.is_empty() { &table.scan_to_end } else { &table.scan })?;
        let rows = if to.is_empty() { statement.query([from]) } else { statement.query([from, to]) };
        stopped(rows.and_then(|rows| visit(rows, each)))
    }
}

fn visit(mut rows: Rows<'_>, each: &mut Each<'_>) -> rusqlite::Result<()> {
    while let Some(row) = rows.next()? {
        if !each(row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?) {
            break;
        }
    }
    Ok(())
}

/// A transaction that may write.
struct Update<'t>(Access<'t>);

impl Txn for Update<'_> {
    fn get(&mut self, table: TableNumber, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Stop> {
        self.0.get(table, key, value)
    }

    fn put(&mut self, table: TableNumber, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        stopped(self.0.prepared(&self.0.tables[table].put)?.execute([key, value]))?;
        Ok(())
    }

    fn delete(&mut self, table: TableNumber, key: &[u8]) -> Result<(), Stop> {
        stopped(self.0.prepared(&self.0.tables[table].delete)?.execute([key]))?;
        Ok(())
    }

    fn scan(&mut self, table: TableNumber, from: &[u8], to: &[u8], each: &mut Each<'_>) -> Result<(), Stop> {
        self.0.scan(table, from, to, each)
    }
}
