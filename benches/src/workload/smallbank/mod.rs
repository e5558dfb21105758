//! Customers with a savings and a checking account each, after SmallBank (Alomari, Cahill, Fekete and Röhm, "The cost of
//! serializability on platforms that use snapshot isolation", ICDE 2008), with the shares and the hotspot of H-Store.
//!
//! | transaction | share | what it does |
//! | --- | --- | --- |
//! | `Balance` | 15 % | reads what a customer has in both accounts |
//! | `DepositChecking` | 15 % | pays into checking |
//! | `TransactSavings` | 15 % | pays into or takes from savings, which must not fall below zero: else rejected |
//! | `Amalgamate` | 15 % | moves all that a customer has to the checking account of another one |
//! | `WriteCheck` | 15 % | takes from checking; a dollar more if both accounts together don't suffice |
//! | `SendPayment` | 25 % | moves from checking to checking; rejected if too little is there |
//!
//! Each begins with the customer's name, and finds the number by it. The paper made the workload to show what snapshot
//! isolation lets through: a `WriteCheck` reads savings and writes checking, a `TransactSavings` writes savings, and a
//! `Balance` in between sees a state that no order of the three explains.
//!
//! # What must hold
//!
//! Each transaction answers by how much it has changed the money of the whole bank: a check what it has really taken, with
//! the penalty or without. Afterwards the bank must have what it had at first and the sum of all answers. A lost update
//! breaks that. The write skew that snapshot isolation allows doesn't: a check then comes to cost a dollar more or less
//! than it should, and says so. Nor does savings fall below zero there, as whoever takes from savings writes what it has
//! read. So this workload tells nothing about write skew; checking histories does.

mod check;
mod transaction;

pub use transaction::Transaction;

use super::popular::Scatter;
use super::rules::within;
use super::{Generator, Job, Past, Rules, TakeRow, Workload};
use crate::error::Result;
use crate::random::Random;
use crate::target::Client;
use std::ops::Range;

/// All tables.
pub(super) const TABLES: &[&str] = &["accounts", "savings", "checking"];
pub(super) const ACCOUNTS: usize = 0;
pub(super) const SAVINGS: usize = 1;
pub(super) const CHECKING: usize = 2;

/// Two customers are the fewest between whom money can move.
pub const CUSTOMERS_MIN: u32 = 2;
/// A name has eight digits.
pub const CUSTOMERS_MAX: u32 = 100_000_000;
/// More could not be added up in 64 bits after a long run.
pub const AMOUNT_MAX: u32 = 100_000_000;
/// What an account has at first, in cents: 10,000 to 50,000 dollars.
const FIRST_BALANCE: std::ops::RangeInclusive<u64> = 1_000_000..=5_000_000;
/// Shares in percent, in the order of the table above; the rest is `SendPayment`.
const SHARE: u64 = 15;
/// For what the accounts have at first.
const SEED: u64 = 0x5BA4;

/// All settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Customers; there is a row for each in each of the three tables. 1,000,000 by default.
    pub customers: u32,
    /// How many of them are hot: 100 by default.
    pub hot_customers: u32,
    /// How many percent of the transactions are of hot customers, and of no others: 90 by default.
    pub hot_percent: u8,
    /// The most that a transaction pays in, takes or moves, in cents; the least is one. 100 dollars by default.
    pub amount_max: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { customers: 1_000_000, hot_customers: 100, hot_percent: 90, amount_max: 10_000 }
    }
}

impl Settings {
    fn check(&self) -> Result<()> {
        within("customers", self.customers, CUSTOMERS_MIN..=CUSTOMERS_MAX)?;
        within("the share of transactions of hot customers", self.hot_percent, 0..=100)?;
        within("the most cents of a transaction", self.amount_max, 1..=AMOUNT_MAX)?;
        // Two accounts of a kind are what a payment needs.
        if self.hot_percent > 0 {
            within("hot customers", self.hot_customers, CUSTOMERS_MIN..=self.customers)?;
        }
        if self.hot_percent < 100 {
            let most = self.customers - CUSTOMERS_MIN;
            within("hot customers, where not all transactions are of them,", self.hot_customers, 0..=most)?;
        }
        Ok(())
    }
}

/// The workload.
#[derive(Debug)]
pub struct SmallBank {
    settings: Settings,
    scatter: Scatter,
}

impl SmallBank {
    /// One with these settings.
    ///
    /// # Errors
    ///
    /// If a setting is out of its range.
    pub fn new(settings: Settings) -> Result<SmallBank> {
        settings.check()?;
        let scatter = Scatter::new(u64::from(settings.customers));
        Ok(SmallBank { settings, scatter })
    }
}

/// What a customer has at first, in savings and in checking.
fn first_balances(customer: u32) -> [i64; 2] {
    let mut random = Random::new(SEED, u64::from(customer));
    [(); 2].map(|()| random.between(*FIRST_BALANCE.start(), *FIRST_BALANCE.end()) as i64)
}

impl Workload for SmallBank {
    fn name(&self) -> String {
        "smallbank".to_string()
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let Settings { customers, hot_customers, hot_percent, amount_max } = &self.settings;
        vec![
            ("customers", customers.to_string()),
            ("hot customers", hot_customers.to_string()),
            ("transactions of hot customers", format!("{hot_percent} %")),
            ("cents moved", format!("1 to {amount_max}")),
        ]
    }

    fn tables(&self) -> &'static [&'static str] {
        TABLES
    }

    fn rows(&self) -> u64 {
        u64::from(self.settings.customers) * TABLES.len() as u64
    }

    /// `Balance` and `WriteCheck` look at all three tables, `DepositChecking` and `TransactSavings` at two, `Amalgamate`
    /// at three for one customer and two for the other, `SendPayment` at two for each.
    fn lookups(&self) -> f64 {
        (SHARE * (3 + 2 + 2 + 5 + 3) + (100 - 5 * SHARE) * 4) as f64 / 100.0
    }

    fn load(&self, numbers: Range<u64>, row: &mut TakeRow<'_>) {
        let customers = u64::from(self.settings.customers);
        for number in numbers {
            let (table, customer) = ((number / customers) as usize, (number % customers) as u32);
            let key = transaction::key_of(customer);
            match table {
                ACCOUNTS => row(table, &transaction::name_of(customer), &key),
                _ => row(table, &key, &first_balances(customer)[table - SAVINGS].to_le_bytes()),
            }
        }
    }

    fn generator<'p>(&'p self, _past: &'p Past, seed: u64) -> Box<dyn Generator + 'p> {
        Box::new(Draws { workload: self, random: Random::new(seed, 0) })
    }

    fn check(&self, client: &mut dyn Client, past: &Past) -> Result<Rules> {
        check::check(&self.settings, client, past)
    }
}

/// The jobs of a client.
struct Draws<'p> {
    workload: &'p SmallBank,
    random: Random,
}

impl Draws<'_> {
    /// Two different customers, both hot or neither.
    fn pair(&mut self) -> [u32; 2] {
        let SmallBank { settings, scatter } = self.workload;
        let hot = u64::from(settings.hot_customers);
        let (first, count) = match self.random.percent(u64::from(settings.hot_percent)) {
            true => (0, hot),
            false => (hot, u64::from(settings.customers) - hot),
        };
        let one = self.random.below(count);
        // Any of the others.
        let other = (one + 1 + self.random.below(count - 1)) % count;
        [one, other].map(|rank| scatter.place(first + rank) as u32)
    }

    fn amount(&mut self) -> i64 {
        self.random.between(1, u64::from(self.workload.settings.amount_max)) as i64
    }
}

impl Generator for Draws<'_> {
    fn next(&mut self) -> Job {
        let [customer, other] = self.pair();
        let amount = self.amount();
        Job::SmallBank(match self.random.below(100) / SHARE {
            0 => Transaction::Balance { customer },
            1 => Transaction::DepositChecking { customer, amount },
            2 => {
                let amount = if self.random.percent(50) { amount } else { -amount };
                Transaction::TransactSavings { customer, amount }
            }
            3 => Transaction::Amalgamate { from: customer, to: other },
            4 => Transaction::WriteCheck { customer, amount },
            _ => Transaction::SendPayment { from: customer, to: other, amount },
        })
    }
}
