//! Predicate: transactions count the records of a range, and insert or delete by that count.
//!
//! ```text
//! T1    counts 3 ··· counts 3 ··· inserts c            a fourth is allowed
//! T2         counts 3 ··· counts 3 ··· inserts f       … and so there are five
//! ```
//!
//! Nobody writes what somebody else has read or written: the keys are new ones. What is read is that there are no
//! others, a predicate, and who changes that makes a *phantom* (Eswaran, Gray, Lorie and Traiger, "The notions of
//! consistency and predicate locks in a database system", CACM 1976).

use synod::{Engine, Result, Table, Transaction};

use super::clients::{pause, together};

const TRANSACTIONS: usize = 20;
/// The most records that there may be.
const LIMIT: usize = 4;
/// Which keys there are.
const KEYS: u64 = 64;

/// Runs a history; returns how many transactions saw phantoms: counted twice and found two numbers, or found more
/// records than are allowed.
///
/// # Panics
/// If anything but an abort goes wrong.
pub fn run(engine: &Engine, seed: u64) -> u64 {
    let table = engine.table("range").expect("a table is created");
    let counts = together(engine, seed, |client| {
        let turn = |_| {
            let key = client.random.below(KEYS) as u8;
            client.commit(|txn| insert_or_delete(txn, &table, key)).0
        };
        (0..TRANSACTIONS).map(turn).collect()
    });
    counts.into_iter().filter(|(first, second)| first != second || *first > LIMIT).count() as u64
}

/// Counts twice; then inserts the key if that is allowed, or else deletes one that it has seen.
fn insert_or_delete(txn: &Transaction, table: &Table, key: u8) -> Result<(usize, usize)> {
    let keys = || txn.scan(table, [0]..[KEYS as u8]).map(|record| Ok(record?.0)).collect::<Result<Vec<_>>>();
    let first = keys()?;
    pause();
    let second = keys()?;
    match second.get(usize::from(key) % LIMIT).filter(|_| second.len() >= LIMIT) {
        Some(seen) => _ = txn.delete(table, seen)?,
        None => txn.put(table, [key], [])?,
    }
    pause();
    Ok((first.len(), second.len()))
}
