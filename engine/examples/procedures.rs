//! Procedures in the deterministic mode: transfers between accounts, none of which is ever aborted by another one; a crash
//! of the process, played by opening the database anew; and the same money as before.
//!
//! `cargo run --release -p synod --example procedures`

use serde::{Deserialize, Serialize};
use synod::{Declaration, Engine, Error, Mode, Options, Procedure, View};

const ACCOUNTS: u32 = 100;
const TRANSFERS: u32 = 20_000;

/// Opens all accounts, with a hundred coins each.
#[derive(Serialize, Deserialize)]
struct OpenAccounts;

impl Procedure for OpenAccounts {
    const NAME: &'static str = "open accounts";
    type Output = ();

    // What it touches is left for the engine to find out.
    fn run(&self, view: &View<'_>) -> Result<(), Error> {
        let accounts = view.table("accounts")?;
        (0..ACCOUNTS).try_for_each(|account| view.put(accounts, account.to_be_bytes(), 100u64.to_le_bytes()))
    }
}

/// Moves coins, if there are enough.
#[derive(Serialize, Deserialize)]
struct Transfer {
    from: u32,
    to: u32,
    coins: u64,
}

impl Procedure for Transfer {
    const NAME: &'static str = "transfer";
    type Output = u64;

    fn declare(&self, footprint: &mut Declaration<'_>) -> Result<(), Error> {
        let accounts = footprint.table("accounts")?;
        footprint.write_in(accounts, self.from.to_be_bytes());
        footprint.write_in(accounts, self.to.to_be_bytes());
        Ok(())
    }

    fn run(&self, view: &View<'_>) -> Result<u64, Error> {
        let accounts = view.table("accounts")?;
        let balance = |account: u32| -> Result<u64, Error> {
            let value = view.get(accounts, account.to_be_bytes())?;
            Ok(value.map_or(0, |value| u64::from_le_bytes(value[..].try_into().expect("eight bytes"))))
        };
        let left = balance(self.from)?
            .checked_sub(self.coins)
            .ok_or_else(|| Error::rejected("there are not enough coins"))?;
        view.put(accounts, self.from.to_be_bytes(), left.to_le_bytes())?;
        let sum = balance(self.to)? + self.coins;
        view.put(accounts, self.to.to_be_bytes(), sum.to_le_bytes())?;
        Ok(left)
    }
}

fn options() -> Options {
    Options::new().mode(Mode::Deterministic).procedure::<OpenAccounts>().procedure::<Transfer>()
}

fn total(engine: &Engine) -> Result<u64, Error> {
    let accounts = engine.table("accounts")?;
    let snapshot = engine.snapshot()?;
    snapshot.scan(&accounts, ..).try_fold(0, |sum, account| {
        let (_, coins) = account?;
        Ok(sum + u64::from_le_bytes(coins[..].try_into().expect("eight bytes")))
    })
}

fn main() -> Result<(), Error> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let engine = Engine::open(directory.path(), options())?;
    engine.table("accounts")?;
    engine.execute(OpenAccounts)?;

    let mut tickets = Vec::new();
    for number in 0..TRANSFERS {
        let (from, to) = (number * 7919 % ACCOUNTS, number * 104_729 % ACCOUNTS);
        tickets.push(engine.submit(Transfer { from, to, coins: u64::from(number % 50) })?);
    }
    let mut rejected = 0;
    for ticket in tickets {
        match ticket.wait() {
            Err(Error::Rejected { .. }) => rejected += 1,
            outcome => _ = outcome?,
        }
    }
    println!("{TRANSFERS} transfers, {rejected} rejected; {} coins in all", total(&engine)?);
    let before = engine.stats().sequencing.expect("the mode is deterministic");
    drop(engine);

    let engine = Engine::open(directory.path(), options())?;
    let recovery = engine.stats().recovery.expect("it is on disk");
    println!("executed again: {} procedures, in {:.1?}", recovery.procedures, recovery.replay_time);
    println!("{} epochs before; {} coins in all", before.epochs, total(&engine)?);
    assert_eq!(total(&engine)?, u64::from(ACCOUNTS) * 100);
    engine.close()
}
