//! A bank: many threads move money at once, while an auditor adds up all accounts. The total never changes.
//!
//! `cargo run --release -p synod --example bank`

use std::sync::atomic::{AtomicBool, Ordering};

use synod::{Engine, Error, Options, Result, Table, Transaction};

const ACCOUNTS: u32 = 100;
const TRANSFERS_PER_TELLER: u32 = 5_000;
const TELLERS: u32 = 4;
const OPENING_BALANCE: i64 = 1_000;

fn main() -> Result<()> {
    let directory = std::env::temp_dir().join(format!("synod-bank-{}", std::process::id()));
    let engine = Engine::open(&directory, Options::new())?;
    let accounts = engine.table("accounts")?;
    engine.transact(|txn| {
        (0..ACCOUNTS)
            .try_for_each(|account| txn.put(&accounts, account.to_be_bytes(), OPENING_BALANCE.to_be_bytes()))
    })?;

    let is_closing_time = AtomicBool::new(false);
    let audits = std::thread::scope(|scope| -> Result<u32> {
        let auditor = scope.spawn(|| audit(&engine, &accounts, &is_closing_time));
        let tellers: Vec<_> = (0..TELLERS)
            .map(|teller| {
                scope.spawn({
                    let (engine, accounts) = (&engine, &accounts);
                    move || work(engine, accounts, teller)
                })
            })
            .collect();
        for teller in tellers {
            teller.join().expect("no panic")?;
        }
        is_closing_time.store(true, Ordering::Relaxed);
        auditor.join().expect("no panic")
    })?;

    let stats = engine.stats();
    println!(
        "{} transfers by {TELLERS} tellers, {audits} audits beside them",
        TRANSFERS_PER_TELLER * TELLERS
    );
    println!("the total was {} each time", i64::from(ACCOUNTS) * OPENING_BALANCE);
    println!(
        "{} transactions waited for a lock; deadlocks: {}",
        stats.transactions.lock_waits, stats.transactions.aborts.deadlock
    );
    drop(accounts);
    engine.close()?;
    std::fs::remove_dir_all(&directory)
        .map_err(|error| Error::from(synod::errors::StorageError::io("remove", directory, error)))
}

/// Moves random amounts between random accounts.
fn work(engine: &Engine, accounts: &Table, teller: u32) -> Result<()> {
    let mut random = u64::from(teller) * 0x9e37_79b9 + 1;
    let mut next = move |bound: u32| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as u32 % bound
    };
    let options = synod::TransactOptions {
        transaction: synod::TransactionOptions::new().durability(synod::Durability::Buffered),
        ..Default::default()
    };
    for _ in 0..TRANSFERS_PER_TELLER {
        let (from, to, amount) = (next(ACCOUNTS), next(ACCOUNTS), i64::from(next(100)));
        let _ = engine.transact_with(&options, |txn| {
            add(txn, accounts, from, -amount)?;
            add(txn, accounts, to, amount)
        })?;
    }
    Ok(())
}

fn add(txn: &Transaction, accounts: &Table, account: u32, amount: i64) -> Result<()> {
    let old = txn.get_for_update(accounts, account.to_be_bytes())?;
    let balance = old.as_deref().map_or(0, decode);
    txn.put(accounts, account.to_be_bytes(), (balance + amount).to_be_bytes())
}

/// Adds up all balances, again and again, each time in one snapshot.
fn audit(engine: &Engine, accounts: &Table, is_closing_time: &AtomicBool) -> Result<u32> {
    let mut audits = 0;
    while !is_closing_time.load(Ordering::Relaxed) {
        let mut total = 0;
        for account in engine.snapshot()?.scan(accounts, ..) {
            total += decode(&account?.1);
        }
        assert_eq!(total, i64::from(ACCOUNTS) * OPENING_BALANCE, "money was lost or made");
        audits += 1;
    }
    Ok(audits)
}

fn decode(balance: &[u8]) -> i64 {
    i64::from_be_bytes(balance.try_into().expect("balances have eight bytes"))
}
