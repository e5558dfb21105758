//! What a measured transaction does: the same whether it runs as it goes or, under the deterministic mode, as a procedure.

use super::OPERATIONS_OF_TRANSACTION;
use super::store::{Store, TABLE, VALUE_BYTES};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Duration;
use synod::{
    CommitHandle, Declaration, Mode, Options, Procedure, Table, Ticket, TransactOptions, Transaction, View,
};

/// Makes the procedures known.
pub(crate) fn register(options: Options) -> Options {
    options.procedure::<Short>().procedure::<Update>()
}

/// A transaction's work, which is also a procedure.
pub(super) trait Work: Procedure<Output = ()> {
    /// Does it.
    fn work(&self, txn: &Transaction, table: &Table) -> Result<()>;
}

/// As a procedure.
fn run(work: &impl Work, view: &View<'_>) -> synod::Result<()> {
    work.work(view, view.table(TABLE)?).map_err(|error| match error {
        Error::Engine(error) => error,
        other => synod::Error::rejected(other.to_string()),
    })
}

/// One update.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Update {
    pub(super) key: u64,
}

impl Work for Update {
    fn work(&self, txn: &Transaction, table: &Table) -> Result<()> {
        Ok(txn.put(table, self.key.to_be_bytes(), [b'u'; VALUE_BYTES])?)
    }
}

impl Procedure for Update {
    const NAME: &'static str = "micro.update";

    type Output = ();

    fn declare(&self, footprint: &mut Declaration<'_>) -> synod::Result<()> {
        footprint.write(TABLE, self.key.to_be_bytes())
    }

    fn run(&self, view: &View<'_>) -> synod::Result<()> {
        run(self, view)
    }
}

/// How a short transaction goes about its keys, every other one of which it reads, and updates the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pattern {
    /// One after the other.
    OneByOne,
    /// It hands over all that it reads, and then all that it updates, at once.
    Together,
}

/// A short transaction.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Short {
    pub(super) pattern: Pattern,
    pub(super) keys: [u64; OPERATIONS_OF_TRANSACTION],
}

impl Short {
    /// The keys, and whether each is updated.
    fn operations(&self) -> impl Iterator<Item = ([u8; 8], bool)> {
        self.keys.iter().enumerate().map(|(place, key)| (key.to_be_bytes(), place % 2 == 1))
    }

    /// The keys that are updated, or those that aren't.
    fn half(&self, updates: bool) -> [[u8; 8]; OPERATIONS_OF_TRANSACTION / 2] {
        std::array::from_fn(|nth| self.keys[nth * 2 + usize::from(updates)].to_be_bytes())
    }

    fn work_together(&self, txn: &Transaction, table: &Table) -> Result<()> {
        let mut all_found = true;
        txn.multi_get_with(table, &self.half(false), |_, row| all_found &= black_box(row).is_some())?;
        let updated = self.half(true);
        let mut values = [[0; VALUE_BYTES]; OPERATIONS_OF_TRANSACTION / 2];
        txn.multi_get_for_update_with(table, &updated, |nth, row| {
            let row = row.and_then(<[u8]>::first_chunk);
            all_found &= row.is_some();
            values[nth] = row.copied().unwrap_or(values[nth]);
        })?;
        require_found(all_found)?;
        for (nth, (key, value)) in updated.iter().zip(values).enumerate() {
            // A key that is there twice has another value by now.
            match updated[..nth].contains(key) {
                false => txn.put(table, key, plus_one(value))?,
                true => update(txn, table, *key)?,
            }
        }
        Ok(())
    }
}

impl Work for Short {
    fn work(&self, txn: &Transaction, table: &Table) -> Result<()> {
        if self.pattern == Pattern::Together {
            return self.work_together(txn, table);
        }
        self.operations().try_for_each(|(key, updates)| match updates {
            true => update(txn, table, key),
            false => require_found(txn.get_with(table, key, |row| black_box(row).is_some())?),
        })
    }
}

impl Procedure for Short {
    const NAME: &'static str = "micro.short";

    type Output = ();

    fn declare(&self, footprint: &mut Declaration<'_>) -> synod::Result<()> {
        let table = footprint.table(TABLE)?;
        self.operations().for_each(|(key, updates)| match updates {
            true => footprint.write_in(table, key),
            false => footprint.read_in(table, key),
        });
        Ok(())
    }

    fn run(&self, view: &View<'_>) -> synod::Result<()> {
        run(self, view)
    }
}

/// Adds one to a byte of a record.
fn update(txn: &Transaction, table: &Table, key: [u8; 8]) -> Result<()> {
    let copy = |row: Option<&[u8]>| row.and_then(<[u8]>::first_chunk::<VALUE_BYTES>).copied();
    let current = txn.get_for_update_with(table, key, copy)?;
    require_found(current.is_some())?;
    Ok(txn.put(table, key, plus_one(current.unwrap_or([0; VALUE_BYTES])))?)
}

fn plus_one(mut value: [u8; VALUE_BYTES]) -> [u8; VALUE_BYTES] {
    value[VALUE_BYTES - 1] = value[VALUE_BYTES - 1].wrapping_add(1);
    value
}

/// Every key was loaded and none is deleted, so a read that finds nothing is a bug.
pub(super) fn require_found(found: bool) -> Result<()> {
    if found {
        return Ok(());
    }
    Err(Error::MissingRow { table: TABLE, key: "of a point read".to_string() })
}

/// A transaction that has committed and may not be durable, or a procedure that may not have run.
pub(super) enum Pending {
    Commit(CommitHandle),
    Procedure(Ticket<()>),
}

impl Pending {
    pub(super) fn wait(self) -> Result<()> {
        match self {
            Pending::Commit(handle) => handle.wait().map(drop)?,
            Pending::Procedure(ticket) => ticket.wait().map(drop)?,
        }
        Ok(())
    }
}

impl Store {
    /// Commits some work, or hands it in.
    pub(super) fn enter(&self, options: &TransactOptions, work: impl Work) -> Result<Pending> {
        if self.engine.mode() == Mode::Deterministic {
            return Ok(Pending::Procedure(self.engine.submit_with(options.transaction, work)?));
        }
        let committed = self.engine.transact_with(options, |txn| work.work(txn, &self.table))?;
        Ok(Pending::Commit(committed.handle))
    }

    /// Does some work, and waits until it is as durable as `options` ask.
    pub(super) fn execute(&self, options: &TransactOptions, work: impl Work) -> Result<()> {
        if self.engine.mode() == Mode::Deterministic {
            self.engine.execute_with(options.transaction, work)?;
            return Ok(());
        }
        self.enter(options, work)?.wait()
    }

    /// Does all of `work`, with so many in flight at a time.
    pub(super) fn execute_all<W: Work>(
        &self,
        options: &TransactOptions,
        in_flight: usize,
        mut work: impl Iterator<Item = W>,
    ) -> Result<()> {
        if in_flight == 1 {
            return work.try_for_each(|work| self.execute(options, work));
        }
        let mut pending = VecDeque::with_capacity(in_flight);
        for work in work {
            if pending.len() == in_flight {
                pending.pop_front().map(Pending::wait).transpose()?;
            }
            pending.push_back(self.enter(options, work)?);
        }
        pending.into_iter().try_for_each(Pending::wait)
    }

    /// Short transactions with all keys, on all threads, each with so many in flight; returns the processor time.
    pub(super) fn short_transactions(
        &self,
        pattern: Pattern,
        in_flight: usize,
        options: &TransactOptions,
    ) -> Result<Duration> {
        self.on_all_threads(|keys| {
            let (chunks, _) = keys.as_chunks();
            self.execute_all(options, in_flight, chunks.iter().map(|keys| Short { pattern, keys: *keys }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::MicroOptions;
    use super::super::store::at_level;
    use super::*;
    use synod::Durability;

    #[test]
    fn every_mode_does_the_same_work_however_many_are_in_flight() {
        // Some transactions have a key twice.
        let keys: Vec<u64> = (0..400).map(|place| place * place * 7 % 50).collect();
        for mode in Mode::ALL {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let options = MicroOptions { mode, records: 50, ..MicroOptions::default() };
            let (mut store, _) = Store::load(directory.path(), options).expect("loaded");
            store.use_keys(&keys, 200);
            let options = at_level(Durability::Buffered);
            for (pattern, in_flight) in
                [(Pattern::OneByOne, 1), (Pattern::OneByOne, 3), (Pattern::Together, 16)]
            {
                store.short_transactions(pattern, in_flight, &options).expect("done");
            }
            // Every other one of the keys, three times.
            let mut expected = [0u8; 50];
            keys.iter().skip(1).step_by(2).for_each(|key| expected[*key as usize] += 3);
            let snapshot = store.engine.snapshot().expect("a snapshot");
            for (key, updates) in (0u64..).zip(expected) {
                let value = snapshot.get(&store.table, key.to_be_bytes()).expect("readable").expect("loaded");
                assert_eq!(value[VALUE_BYTES - 1], b'v' + updates, "{mode}, key {key}");
            }
        }
    }

    #[test]
    fn a_missing_record_is_an_error_under_every_mode() {
        for mode in Mode::ALL {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let options = MicroOptions { mode, records: 5, ..MicroOptions::default() };
            let (mut store, _) = Store::load(directory.path(), options).expect("loaded");
            store.use_keys(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 10);
            for in_flight in [1, 2] {
                for pattern in [Pattern::OneByOne, Pattern::Together] {
                    let failed = store.short_transactions(pattern, in_flight, &at_level(Durability::None));
                    assert!(failed.is_err_and(|error| error.to_string().contains("no row")), "{mode}");
                }
            }
        }
    }
}
