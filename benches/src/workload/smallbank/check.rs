//! The rules that must hold after a run.

use super::transaction::name_of;
use super::{ACCOUNTS, CHECKING, CUSTOMERS_MAX, SAVINGS, Settings, TABLES, first_balances};
use crate::error::Result;
use crate::target::{Client, Stop, Txn, finished};
use crate::workload::balance::parse;
use crate::workload::rules::{differs, note};
use crate::workload::{Past, Rules};

const MONEY: &str = "the bank has what it had, and what was paid in less what was taken";
const ROWS: &str = "each customer has one name, one savings and one checking account";
const SAVED: &str = "no savings are below zero";
const FORM: &str = "each row is well-formed";

/// What was found in a look at all rows.
#[derive(Default)]
struct Findings {
    rows: [i64; TABLES.len()],
    money: i64,
    overdrawn: Option<String>,
    malformed: Option<String>,
}

impl Findings {
    fn name(&mut self, key: &[u8], value: &[u8]) {
        self.rows[ACCOUNTS] += 1;
        let customer = value.try_into().ok().map(u32::from_be_bytes).filter(|number| *number < CUSTOMERS_MAX);
        if customer.is_none_or(|customer| key != name_of(customer)) {
            note(&mut self.malformed, || format!("the name {} has another number", key.escape_ascii()));
        }
    }

    fn balance(&mut self, table: usize, key: &[u8], value: &[u8], customers: u32) {
        self.rows[table] += 1;
        let customer = key.try_into().ok().map(u32::from_be_bytes).filter(|number| *number < customers);
        let (Some(customer), Some(balance)) = (customer, parse(value)) else {
            note(&mut self.malformed, || format!("a row of {} is none", TABLES[table]));
            return;
        };
        self.money = self.money.wrapping_add(balance);
        if table == SAVINGS && balance < 0 {
            note(&mut self.overdrawn, || format!("customer {customer} has {balance} cents"));
        }
    }

    fn look(&mut self, txn: &mut dyn Txn, customers: u32) -> Result<(), Stop> {
        txn.scan(ACCOUNTS, &[], &[], &mut |key, value| {
            self.name(key, value);
            true
        })?;
        for table in [SAVINGS, CHECKING] {
            txn.scan(table, &[], &[], &mut |key, value| {
                self.balance(table, key, value, customers);
                true
            })?;
        }
        Ok(())
    }
}

/// Looks at all rows.
pub(super) fn check(settings: &Settings, client: &mut dyn Client, past: &Past) -> Result<Rules> {
    let mut findings = Findings::default();
    finished(client.attempt(true, &mut |txn| {
        findings = Findings::default();
        findings.look(txn, settings.customers)
    }))?;
    let first: i64 = (0..settings.customers).flat_map(first_balances).sum();
    let rows = findings.rows.iter().zip(TABLES);
    let rows = rows
        .filter_map(|(rows, table)| differs(&format!("rows in {table}"), *rows, settings.customers.into()));
    Ok(Rules::from([
        (MONEY, differs("cents", findings.money, first + past.answers.sum)),
        (ROWS, rows.reduce(|all, more| format!("{all}; {more}"))),
        (SAVED, findings.overdrawn),
        (FORM, findings.malformed),
    ]))
}
