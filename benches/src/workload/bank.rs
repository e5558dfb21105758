//! Accounts, transfers between two of them, and now and then a look at all.
//!
//! A transfer takes some money from one account, as far as it is there, and puts it into another. So the money of all
//! accounts together is the same after each: whoever sees another total has seen a state that never was. An audit is a
//! transaction that adds up all balances, and fails with [`Error::Violated`] where the total is wrong. It only reads, and
//! so sees one state from its first read to its last whatever the engine: a wrong total can't be one that the engine would
//! have refused at the commit.
//!
//! It is the oldest test of transactions there is; what it measures here are scans beside updates.

use super::balance::{Balances, parse};
use super::popular::{Ranks, Scatter};
use super::rules::{differs, note, within};
use super::{Answer, Generator, Job, Past, Rules, TakeRow, Touch, Workload};
use crate::error::{Error, Result};
use crate::random::Random;
use crate::target::{Client, Stop, Txn, finished};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The one table.
pub(super) const TABLES: &[&str] = &["accounts"];
const BALANCES: Balances = Balances { table: 0, name: TABLES[0] };
/// A transfer needs two.
pub const ACCOUNTS_MIN: u32 = 2;
/// More are an experiment on something else: each audit reads them all.
pub const ACCOUNTS_MAX: u32 = 100_000_000;
/// The most that an account has at first; so the total fits in 64 bits.
pub const BALANCE_MAX: i64 = 1_000_000_000;
/// How often an account is drawn at most until it is another one.
const DRAWS_MAX: usize = 100;

const MONEY: &str = "no money comes or goes";
const SOLVENT: &str = "no account is below zero";
const ROWS: &str = "no account too many or too few";
const FORM: &str = "each row is well-formed";

/// All settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Accounts: 10,000 by default.
    pub accounts: u32,
    /// What each has at first, in cents: 10,000 by default.
    pub first_balance: i64,
    /// The most that a transfer moves, in cents: 1,000 by default.
    pub amount_max: i64,
    /// How many percent of the transactions are audits: one by default.
    pub audits_percent: f64,
    /// How popular accounts are: the exponent of Zipf's law, from 0 to 2. At 0, the default, they are alike.
    pub theta: f64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            accounts: 10_000,
            first_balance: 10_000,
            amount_max: 1_000,
            audits_percent: 1.0,
            theta: 0.0,
        }
    }
}

impl Settings {
    fn check(&self) -> Result<()> {
        within("accounts", self.accounts, ACCOUNTS_MIN..=ACCOUNTS_MAX)?;
        within("the cents that an account has at first", self.first_balance, 0..=BALANCE_MAX)?;
        within("the most cents of a transfer", self.amount_max, 1..=BALANCE_MAX)?;
        within("the percent of audits", self.audits_percent, 0.0..=100.0)?;
        within("theta", self.theta, 0.0..=2.0)
    }

    fn total(&self) -> i64 {
        i64::from(self.accounts) * self.first_balance
    }
}

/// A transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transaction {
    /// Moves money.
    Transfer {
        /// The account that it comes from.
        from: u32,
        /// Where it goes.
        to: u32,
        /// How many cents, if so many are there.
        amount: i64,
    },
    /// Adds up all balances.
    Audit {
        /// What the sum must be.
        total: i64,
    },
}

fn key_of(account: u32) -> [u8; 4] {
    account.to_be_bytes()
}

impl Transaction {
    pub(super) fn only_reads(&self) -> bool {
        matches!(self, Transaction::Audit { .. })
    }

    pub(super) fn declare(&self, touch: &mut dyn FnMut(Touch<'_>)) -> bool {
        match *self {
            Transaction::Transfer { from, to, .. } => {
                [from, to].iter().for_each(|account| touch(Touch::Write(0, &key_of(*account))));
            }
            Transaction::Audit { .. } => touch(Touch::ReadRange(0, &[], &[])),
        }
        true
    }

    pub(super) fn run(&self, txn: &mut dyn Txn) -> Result<Answer, Stop> {
        match *self {
            Transaction::Transfer { from, to, amount } => transfer(txn, from, to, amount)?,
            Transaction::Audit { total } => audit(txn, total)?,
        }
        Ok(Answer::default())
    }
}

fn transfer(txn: &mut dyn Txn, from: u32, to: u32, amount: i64) -> Result<(), Stop> {
    let (from, to, value) = (key_of(from), key_of(to), &mut Vec::with_capacity(8));
    let there = BALANCES.get_for_update(txn, &from, value)?;
    let moved = amount.min(there);
    if moved <= 0 {
        return Err(Stop::Rejected("the account is empty"));
    }
    BALANCES.put(txn, &from, there - moved)?;
    let there = BALANCES.get_for_update(txn, &to, value)?;
    BALANCES.put(txn, &to, there + moved)
}

fn audit(txn: &mut dyn Txn, expected: i64) -> Result<(), Stop> {
    let mut seen = 0i64;
    txn.scan(0, &[], &[], &mut |_, value| {
        seen = seen.wrapping_add(parse(value).unwrap_or_default());
        true
    })?;
    match seen == expected {
        true => Ok(()),
        false => Err(Stop::Failed(Error::Violated { rule: MONEY, seen, expected })),
    }
}

/// The workload.
#[derive(Debug)]
pub struct Bank {
    settings: Settings,
    scatter: Scatter,
    ranks: Ranks,
}

impl Bank {
    /// One with these settings. Up to a second, for drawing accounts ahead where they aren't alike.
    ///
    /// # Errors
    ///
    /// If a setting is out of its range.
    pub fn new(settings: Settings) -> Result<Bank> {
        settings.check()?;
        let accounts = u64::from(settings.accounts);
        let (scatter, ranks) = (Scatter::new(accounts), Ranks::new(accounts, settings.theta));
        Ok(Bank { settings, scatter, ranks })
    }
}

impl Workload for Bank {
    fn name(&self) -> String {
        "bank".to_string()
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let Settings { accounts, first_balance, amount_max, audits_percent, theta } = &self.settings;
        let popularity = if *theta == 0.0 { "uniform".to_string() } else { format!("Zipf {theta}") };
        vec![
            ("accounts", accounts.to_string()),
            ("cents of an account at first", first_balance.to_string()),
            ("cents moved", format!("1 to {amount_max}")),
            ("audits", format!("{audits_percent} %")),
            ("popularity", popularity),
        ]
    }

    fn tables(&self) -> &'static [&'static str] {
        TABLES
    }

    fn rows(&self) -> u64 {
        self.settings.accounts.into()
    }

    /// Two for a transfer; an audit looks up where it begins.
    fn lookups(&self) -> f64 {
        2.0 - self.settings.audits_percent / 100.0
    }

    fn load(&self, numbers: Range<u64>, row: &mut TakeRow<'_>) {
        let balance = self.settings.first_balance.to_le_bytes();
        numbers.for_each(|number| row(0, &key_of(number as u32), &balance));
    }

    fn generator<'p>(&'p self, _past: &'p Past, seed: u64) -> Box<dyn Generator + 'p> {
        let mut random = Random::new(seed, 0);
        let place = random.next_u64() as usize;
        Box::new(Draws { workload: self, random, place })
    }

    fn check(&self, client: &mut dyn Client, _past: &Past) -> Result<Rules> {
        let (mut rows, mut money, mut overdrawn, mut malformed) = (0, 0i64, None, None);
        finished(client.attempt(true, &mut |txn| {
            (rows, money, overdrawn, malformed) = (0, 0, None, None);
            txn.scan(0, &[], &[], &mut |key, value| {
                rows += 1;
                let account = key.try_into().ok().map(u32::from_be_bytes);
                let (Some(account), Some(balance)) = (account, parse(value)) else {
                    note(&mut malformed, || {
                        format!("the row with the key {} is no account", key.escape_ascii())
                    });
                    return true;
                };
                money = money.wrapping_add(balance);
                if balance < 0 {
                    note(&mut overdrawn, || format!("account {account} has {balance} cents"));
                }
                true
            })
        }))?;
        Ok(Rules::from([
            (MONEY, differs("cents", money, self.settings.total())),
            (SOLVENT, overdrawn),
            (ROWS, differs("accounts", rows, self.settings.accounts.into())),
            (FORM, malformed),
        ]))
    }
}

/// The jobs of a client.
struct Draws<'p> {
    workload: &'p Bank,
    random: Random,
    /// In the ranks that were drawn ahead.
    place: usize,
}

impl Draws<'_> {
    fn account(&mut self) -> u32 {
        let Bank { scatter, ranks, .. } = self.workload;
        scatter.place(ranks.draw(&mut self.random, &mut self.place)) as u32
    }
}

impl Generator for Draws<'_> {
    fn next(&mut self) -> Job {
        let settings = &self.workload.settings;
        if self.random.fraction() * 100.0 < settings.audits_percent {
            return Job::Bank(Transaction::Audit { total: settings.total() });
        }
        let from = self.account();
        let other = (0..DRAWS_MAX).map(|_| self.account()).find(|account| *account != from);
        let to = other.unwrap_or((from + 1) % settings.accounts);
        let amount = self.random.between(1, settings.amount_max as u64) as i64;
        Job::Bank(Transaction::Transfer { from, to, amount })
    }
}
