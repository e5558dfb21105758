//! `synod load`.

use super::dump::describe;
use super::{options, refuse_backup};
use crate::arguments::LoadArguments;
use crate::dump::{Counts, DumpError, DumpReader, Item, Record};
use crate::error::LoadError;
use crate::meter::Meter;
use crate::output::remark;
use crate::{Error, Result, interrupt};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use synod::{Durability, Engine, Table, Transaction, TransactionOptions};

/// A transaction ends after so many records,
const RECORDS_PER_TRANSACTION: u64 = 1_000;

/// or with the record that passes so many bytes of keys and values.
const BYTES_PER_TRANSACTION: u64 = 4 << 20;

/// So much of a key is shown in an error, in characters.
const SHOWN_KEY_MAX: usize = 80;

/// Input is read in pieces of so many bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// Puts a dump into a database.
pub(crate) fn run(arguments: &LoadArguments) -> Result<bool> {
    refuse_backup(&arguments.directory)?;
    let stop = interrupt::flag();
    let name =
        arguments.file.as_ref().map_or("standard input".to_string(), |file| file.display().to_string());
    let failed =
        |source, (loaded, line)| Error::Load { input: name.clone(), source: Box::new(source), loaded, line };
    let refused = |source| failed(source, (Counts::default(), 0));

    // The input first: neither a mistyped name nor a dump that is known to be bad shall create a database.
    let input: Box<dyn BufRead> = match &arguments.file {
        Some(path) => {
            let file = open(path)?;
            check_file(&file, stop).map_err(refused)?;
            Box::new(BufReader::with_capacity(BUFFER_BYTES, file))
        }
        None => Box::new(io::stdin().lock()),
    };
    let mut dump = DumpReader::new(input).map_err(|error| refused(error.into()))?;
    let engine = Engine::open(&arguments.directory, options().durability(Durability::Buffered))?;
    let mut load = Load::new(&engine, arguments.replace, stop);
    let outcome = load.all(&mut dump);
    let committed = load.committed;
    // Also what a load has left that failed later: nobody shall be told that it's there if it may not stay.
    let flushed = engine.flush().map_err(LoadError::NotDurable);
    flushed.and(outcome).map_err(|source| failed(source, committed))?;
    drop(load);
    engine.close()?;
    remark(&format!("loaded {}", describe(committed.0)));
    Ok(true)
}

fn open(path: &Path) -> Result<File> {
    let failed = |source| Error::io("cannot read", path, source);
    let file = File::open(path).map_err(failed)?;
    match file.metadata().map_err(failed)?.is_dir() {
        true => Err(failed(io::ErrorKind::IsADirectory.into())),
        false => Ok(file),
    }
}

/// Whether a dump is whole, from beginning to end, if that can be told before it is loaded: a pipe can't be read
/// twice, and is taken for good.
fn check_file(mut file: &File, stop: &AtomicBool) -> Result<(), LoadError> {
    let failed = |source| LoadError::Dump(DumpError::Io { line: 1, source });
    if !file.metadata().map_err(failed)?.is_file() {
        return Ok(());
    }
    check(BufReader::with_capacity(BUFFER_BYTES, file), stop)?;
    file.rewind().map_err(failed)
}

/// Reads a dump to its end.
fn check(input: impl BufRead, stop: &AtomicBool) -> Result<(), LoadError> {
    let mut meter = Meter::new();
    let mut dump = DumpReader::new(input)?;
    while dump.next_item()?.is_some() {
        meter.step(|| format!("checking line {}: {}", dump.line(), describe(dump.counts())));
        check_not_stopped(stop, dump.line())?;
    }
    Ok(())
}

fn check_not_stopped(stop: &AtomicBool, line: u64) -> Result<(), LoadError> {
    // Relaxed: the flag says nothing about other data.
    if stop.load(Ordering::Relaxed) { Err(LoadError::Interrupted { line }) } else { Ok(()) }
}

/// A dump on its way into a database.
struct Load<'e> {
    engine: &'e Engine,
    replaces: bool,
    stop: &'e AtomicBool,
    tables: HashMap<String, Table>,
    /// The transaction that is under way, and what was read of the dump when it began.
    open: Option<(Transaction, Counts)>,
    /// What is committed: of records and tables, and up to which line.
    committed: (Counts, u64),
}

impl<'e> Load<'e> {
    fn new(engine: &'e Engine, replaces: bool, stop: &'e AtomicBool) -> Self {
        let committed = (Counts::default(), 0);
        Load { engine, replaces, stop, tables: HashMap::new(), open: None, committed }
    }

    /// Loads everything; what comes before a line that fails is committed.
    fn all(&mut self, dump: &mut DumpReader<impl BufRead>) -> Result<(), LoadError> {
        let mut meter = Meter::new();
        loop {
            let before = (dump.counts(), dump.line());
            match self.next(dump, before) {
                Ok(true) => {}
                Ok(false) => return self.commit(before),
                Err(error) => return self.commit(before).and(Err(error)),
            }
            self.commit_if_full((dump.counts(), dump.line()))?;
            meter.step(|| format!("loading line {}: {}", dump.line(), describe(dump.counts())));
        }
    }

    /// Loads what comes behind `before`; false if that is the dump's end.
    fn next(
        &mut self,
        dump: &mut DumpReader<impl BufRead>,
        before: (Counts, u64),
    ) -> Result<bool, LoadError> {
        let line = before.1 + 1;
        check_not_stopped(self.stop, line)?;
        match dump.next_item()? {
            None => return Ok(false),
            Some(Item::Table(name)) => {
                let table = self.engine.table(name).map_err(|source| LoadError::Engine { line, source })?;
                self.tables.insert(name.to_owned(), table);
            }
            Some(Item::Record(record)) => self.put(&record, before.0, line)?,
        }
        Ok(true)
    }

    fn put(&mut self, record: &Record<'_>, before: Counts, line: u64) -> Result<(), LoadError> {
        let failed = |source| LoadError::Engine { line, source };
        let table = self.tables.get(record.table.as_ref()).expect("the reader knows a record's table");
        if self.open.is_none() {
            let transaction = self.engine.begin(TransactionOptions::new()).map_err(failed)?;
            self.open = Some((transaction, before));
        }
        let (transaction, _) = self.open.as_ref().expect("just begun");
        let outcome = match self.replaces {
            true => transaction.put(table, &record.key, &record.value),
            false => transaction.insert(table, &record.key, &record.value),
        };
        outcome.map_err(|source| match source.is_key_exists() {
            true => {
                let (table, key) = (record.table.to_string(), shown(&record.key));
                LoadError::KeyExists { line, table, key }
            }
            false => failed(source),
        })
    }

    fn commit_if_full(&mut self, now: (Counts, u64)) -> Result<(), LoadError> {
        let Some((_, begun)) = &self.open else { return Ok(()) };
        let bytes = |counts: &Counts| counts.key_bytes + counts.value_bytes;
        let is_full = now.0.records - begun.records >= RECORDS_PER_TRANSACTION
            || bytes(&now.0) - bytes(begun) >= BYTES_PER_TRANSACTION;
        if is_full { self.commit(now) } else { Ok(()) }
    }

    /// Commits everything that was read.
    fn commit(&mut self, now: (Counts, u64)) -> Result<(), LoadError> {
        if let Some((transaction, _)) = self.open.take() {
            transaction.commit().map_err(|source| LoadError::Engine { line: now.1, source })?;
        }
        self.committed = now;
        Ok(())
    }
}

/// A key as people can read it, or its beginning.
fn shown(key: &[u8]) -> String {
    let mut text: String = format!("\"{}\"", key.escape_ascii());
    if text.len() > SHOWN_KEY_MAX {
        text.truncate(SHOWN_KEY_MAX);
        text.push('…');
    }
    text
}
