//! Monotonic: each transaction reads all rows and adds one with the next number.
//!
//! ```text
//! T1    rows 1 2 3 ············· adds 4, commits at 20
//! T2         rows 1 2 3 ·············· adds 4, commits at 30      in the order of time: … 3 4 4
//! ```
//!
//! In any serial order the numbers rise by one, and since everyone comes after all that they have read and before
//! all that they haven't, that order is the one of commit timestamps, under every mode. After the `monotonic` test of
//! Jepsen for CockroachDB (Kingsbury 2017).

use synod::{Engine, Result, Table, Timestamp, Transaction};

use super::clients::{number, pause, together};

const TRANSACTIONS: usize = 12;

/// Runs a history; returns how many rows have no larger number than the one before in the order of commits.
///
/// # Panics
/// If anything but an abort goes wrong.
pub fn run(engine: &Engine, seed: u64) -> u64 {
    let table = engine.table("rows").expect("a table is created");
    let mut rows: Vec<(Timestamp, u64)> = together(engine, seed, |client| {
        let add = |_| {
            // Anywhere among the others.
            let key = client.random.draw().to_be_bytes();
            let (number, at) = client.commit(|txn| add_next(txn, &table, key));
            (at, number)
        };
        (0..TRANSACTIONS).map(add).collect()
    });
    rows.sort_unstable();
    rows.windows(2).filter(|pair| pair[0].1 >= pair[1].1).count() as u64
}

fn add_next(txn: &Transaction, table: &Table, key: [u8; 8]) -> Result<u64> {
    let mut largest = 0;
    for row in txn.scan(table, ..) {
        largest = largest.max(number(&row?.1));
    }
    pause();
    txn.put(table, key, (largest + 1u64).to_le_bytes())?;
    pause();
    Ok(largest + 1)
}
