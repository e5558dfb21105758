//! The work of a process that is killed: transfers between accounts, each with a line in a ledger.
//!
//! The balances are the opening balance and all lines of the ledger added up, at any moment: half a transfer
//! would show. After each acknowledged commit the process says its line's name aloud, so whoever kills it
//! knows what must be there.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use synod::{Committed, Durability, Engine, Error, Options, Table};
use synod_bench::random::Random;

use super::workload::at_level;

/// The number of accounts; few, so that the threads get into each other's way.
const ACCOUNTS: u64 = 12;

/// What each account holds at first.
const OPENING: i64 = 1000;

/// The threads of the process.
const THREADS: u64 = 3;

/// Segments are left soon, so that a kill may also strike while one is begun.
const SEGMENT_BYTES: u64 = 20_000;

/// The names of the tables.
const ACCOUNT_TABLE: &str = "accounts";
const LEDGER_TABLE: &str = "ledger";

/// A line of the ledger: who pays whom how much.
fn encode(from: u64, to: u64, amount: i64) -> Vec<u8> {
    [from.to_be_bytes(), to.to_be_bytes(), amount.to_be_bytes()].concat()
}

/// The eight bytes of one field of a line.
fn field(line: &[u8], index: usize) -> [u8; 8] {
    line[index * 8..index * 8 + 8].try_into().expect("a field has eight bytes")
}

/// Opens the database of the transfers.
pub fn open(home: &str) -> Result<Engine, Error> {
    Engine::open(home, Options::new().log_segment_bytes(SEGMENT_BYTES))
}

/// Transfers until the process is killed. `round` makes the names of the lines unique.
///
/// # Errors
/// If the engine fails, or nobody listens any more.
pub fn run(engine: &Engine, round: u64) -> Result<(), Error> {
    let tables = (engine.table(ACCOUNT_TABLE)?, engine.table(LEDGER_TABLE)?);
    let must_stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let run = |thread| {
            let outcome = run_thread(engine, &tables, round, thread, &must_stop);
            // Relaxed: it only asks the others to end.
            must_stop.store(true, Ordering::Relaxed);
            outcome
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || run(thread))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no thread panics"))
    })
}

fn run_thread(
    engine: &Engine,
    tables: &(Table, Table),
    round: u64,
    thread: u64,
    must_stop: &AtomicBool,
) -> Result<(), Error> {
    let mut random = Random::new(round, thread);
    let mut number = 0;
    while !must_stop.load(Ordering::Relaxed) {
        let mut acknowledged = String::new();
        let levels = [Durability::Sync, Durability::Group, Durability::Buffered];
        for level in &levels[..1 + random.below(3) as usize] {
            let name = format!("{round}.{thread}.{number}");
            number += 1;
            transfer(engine, tables, *level, &name, &mut random)?;
            if *level != Durability::Buffered {
                acknowledged += &format!("{name}\n");
            }
        }
        // One write, so that the lines of two threads don't mix.
        if io::stdout().write_all(acknowledged.as_bytes()).is_err() {
            break;
        }
    }
    Ok(())
}

fn transfer(
    engine: &Engine,
    (accounts, ledger): &(Table, Table),
    level: Durability,
    name: &str,
    random: &mut Random,
) -> Result<(), Error> {
    let (from, step) = (random.below(ACCOUNTS), random.between(1, ACCOUNTS - 1));
    let (to, amount) = ((from + step) % ACCOUNTS, random.between(1, 50) as i64);
    let Committed { handle, .. } = engine.transact_with(&at_level(level), |txn| {
        for (account, change) in [(from, -amount), (to, amount)] {
            let old = txn.get_for_update(accounts, account.to_be_bytes())?;
            let balance = old.map_or(OPENING, |old| i64::from_be_bytes(field(&old, 0)));
            txn.put(accounts, account.to_be_bytes(), (balance + change).to_be_bytes())?;
        }
        txn.insert(ledger, name, encode(from, to, amount))
    })?;
    handle.wait().map(|_| ())
}

/// Checks a database that transfers were made in: every acknowledged line is there, and the balances are what
/// the ledger says. Returns the number of lines.
///
/// # Errors
/// If it can't be read.
///
/// # Panics
/// If something is lost.
pub fn check<'a>(engine: &Engine, acknowledged: impl IntoIterator<Item = &'a str>) -> Result<usize, Error> {
    let (accounts, ledger) = (engine.table(ACCOUNT_TABLE)?, engine.table(LEDGER_TABLE)?);
    let snapshot = engine.snapshot()?;
    for name in acknowledged {
        assert!(snapshot.contains(&ledger, name)?, "the acknowledged transfer {name} is lost");
    }
    let mut expected: BTreeMap<u64, i64> = BTreeMap::new();
    let mut lines = 0;
    for record in snapshot.scan(&ledger, ..) {
        let (_, line) = record?;
        let (from, to) = (u64::from_be_bytes(field(&line, 0)), u64::from_be_bytes(field(&line, 1)));
        let amount = i64::from_be_bytes(field(&line, 2));
        *expected.entry(from).or_insert(OPENING) -= amount;
        *expected.entry(to).or_insert(OPENING) += amount;
        lines += 1;
    }
    let mut found = BTreeMap::new();
    for record in snapshot.scan(&accounts, ..) {
        let (account, balance) = record?;
        let account = u64::from_be_bytes(field(&account, 0));
        found.insert(account, i64::from_be_bytes(field(&balance, 0)));
    }
    assert_eq!(found, expected, "the balances are not what the ledger says");
    let total: i64 = found.values().sum();
    assert_eq!(total, OPENING * found.len() as i64, "money came or went");
    Ok(lines)
}
