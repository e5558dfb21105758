//! Bank: transfers between accounts, and readers that add up all of them.
//!
//! ```text
//! reader    read a = 100 ··························· read b = 130      230: more than there ever was
//! transfer        read a = 100 · read b = 100 · a = 70 · b = 130
//! ```
//!
//! The money stays the same, so whoever sees another total has seen a state that never was; or an update was
//! lost. After the `bank` test of Jepsen (Kingsbury).

use synod::{Engine, Result, Table, Transaction};

use super::clients::{Client, number, pause, together};

/// More than a scan's first step takes, so that something can change between its steps.
const ACCOUNTS: u64 = 8;
const BALANCE: u64 = 100;
const TRANSACTIONS: usize = 20;

/// Runs a history; returns how many readers saw a wrong total.
///
/// # Panics
/// If anything but an abort goes wrong.
pub fn run(engine: &Engine, seed: u64) -> u64 {
    let table = engine.table("accounts").expect("a table is created");
    let open = |txn: &Transaction| {
        (0..ACCOUNTS).try_for_each(|account| txn.put(&table, [account as u8], BALANCE.to_le_bytes()))
    };
    engine.transact(open).expect("nobody is in the way");
    let totals = together(engine, seed, |client| {
        let turns = (0..TRANSACTIONS).map(|_| match client.random.below(3) {
            0 => Some(client.commit(|txn| total(txn, &table)).0),
            _ => {
                transfer(client, &table);
                None
            }
        });
        turns.flatten().collect()
    });
    totals.into_iter().filter(|&total| total != ACCOUNTS * BALANCE).count() as u64
}

fn total(txn: &Transaction, table: &Table) -> Result<u64> {
    txn.scan(table, ..)
        .map(|record| {
            pause();
            Ok(number(&record?.1))
        })
        .sum()
}

/// Moves money from one account to another one, and reads both before: for update, or just so.
fn transfer(client: &mut Client<'_>, table: &Table) {
    let random = &mut client.random;
    let from = random.below(ACCOUNTS);
    let to = (from + 1 + random.below(ACCOUNTS - 1)) % ACCOUNTS;
    let (amount, for_update) = (1 + random.below(50), random.below(2) == 0);
    client.commit(|txn| {
        let balance = |account: u64| {
            let value = match for_update {
                true => txn.get_for_update(table, [account as u8]),
                false => txn.get(table, [account as u8]),
            };
            pause();
            value.map(|value| value.as_ref().map_or(0, number))
        };
        let (has, gets) = (balance(from)?, balance(to)?);
        let amount = amount.min(has);
        txn.put(table, [from as u8], (has - amount).to_le_bytes())?;
        pause();
        txn.put(table, [to as u8], (gets + amount).to_le_bytes())
    });
}
