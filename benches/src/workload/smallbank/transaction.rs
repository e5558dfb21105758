//! The six transactions.

use super::{ACCOUNTS, CHECKING, SAVINGS, TABLES};
use crate::error::Error;
use crate::target::{Stop, Txn};
use crate::workload::balance::Balances;
use crate::workload::{Answer, Touch};
use serde::{Deserialize, Serialize};

const OF_SAVINGS: Balances = Balances { table: SAVINGS, name: TABLES[SAVINGS] };
const OF_CHECKING: Balances = Balances { table: CHECKING, name: TABLES[CHECKING] };
/// What a check costs more that isn't covered, in cents.
const PENALTY: i64 = 100;
/// Bytes of a name.
const NAME_BYTES: usize = 16;
/// The room for the value of any row.
const VALUE_BYTES: usize = 8;

/// A transaction. Customers are numbers here, and names where it begins; amounts are in cents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transaction {
    /// Reads both accounts of a customer.
    Balance {
        /// Whose.
        customer: u32,
    },
    /// Pays into checking.
    DepositChecking {
        /// Whose.
        customer: u32,
        /// How much.
        amount: i64,
    },
    /// Changes savings, unless they would fall below zero.
    TransactSavings {
        /// Whose.
        customer: u32,
        /// By how much; below zero it is taken.
        amount: i64,
    },
    /// Moves all that one has to the checking account of another.
    Amalgamate {
        /// Who has nothing then.
        from: u32,
        /// Who gets it.
        to: u32,
    },
    /// Takes from checking, and a penalty if it isn't covered.
    WriteCheck {
        /// Whose.
        customer: u32,
        /// How much.
        amount: i64,
    },
    /// Moves from checking to checking, if it is there.
    SendPayment {
        /// Who pays.
        from: u32,
        /// Who gets it.
        to: u32,
        /// How much.
        amount: i64,
    },
}

/// The name of a customer: `customer00000042`.
pub(super) fn name_of(customer: u32) -> [u8; NAME_BYTES] {
    let mut name = *b"customer00000000";
    let mut rest = customer;
    for digit in name[NAME_BYTES / 2..].iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    name
}

/// The key of a customer in savings and checking.
pub(super) fn key_of(customer: u32) -> [u8; 4] {
    customer.to_be_bytes()
}

/// Finds the key of a customer by the name.
fn find(txn: &mut dyn Txn, customer: u32, value: &mut Vec<u8>) -> Result<[u8; 4], Stop> {
    if !txn.get(ACCOUNTS, &name_of(customer), value)? {
        return Err(Stop::Failed(Error::MissingRow { table: TABLES[ACCOUNTS], key: customer.to_string() }));
    }
    let problem = "which is no customer's number";
    value.as_slice().try_into().map_err(|_| {
        Stop::Failed(Error::MalformedRow { table: TABLES[ACCOUNTS], length: value.len(), problem })
    })
}

impl Transaction {
    pub(in crate::workload) fn only_reads(&self) -> bool {
        matches!(self, Transaction::Balance { .. })
    }

    pub(in crate::workload) fn declare(&self, touch: &mut dyn FnMut(Touch<'_>)) -> bool {
        let (Transaction::Balance { customer }
        | Transaction::DepositChecking { customer, .. }
        | Transaction::TransactSavings { customer, .. }
        | Transaction::WriteCheck { customer, .. }
        | Transaction::Amalgamate { from: customer, .. }
        | Transaction::SendPayment { from: customer, .. }) = *self;
        // Which number a name has never changes.
        let key = key_of(customer);
        touch(Touch::Read(ACCOUNTS, &name_of(customer)));
        match *self {
            Transaction::Balance { .. } => {
                touch(Touch::Read(SAVINGS, &key));
                touch(Touch::Read(CHECKING, &key));
            }
            Transaction::DepositChecking { .. } => touch(Touch::Write(CHECKING, &key)),
            Transaction::TransactSavings { .. } => touch(Touch::Write(SAVINGS, &key)),
            Transaction::WriteCheck { .. } => {
                touch(Touch::Read(SAVINGS, &key));
                touch(Touch::Write(CHECKING, &key));
            }
            Transaction::Amalgamate { to, .. } | Transaction::SendPayment { to, .. } => {
                if matches!(self, Transaction::Amalgamate { .. }) {
                    touch(Touch::Write(SAVINGS, &key));
                }
                touch(Touch::Write(CHECKING, &key));
                touch(Touch::Read(ACCOUNTS, &name_of(to)));
                touch(Touch::Write(CHECKING, &key_of(to)));
            }
        }
        true
    }

    /// Answers by how much the bank has more money.
    pub(in crate::workload) fn run(&self, txn: &mut dyn Txn) -> Result<Answer, Stop> {
        let value = &mut Vec::with_capacity(VALUE_BYTES);
        let sum = match *self {
            Transaction::Balance { customer } => balance(txn, value, customer)?,
            Transaction::DepositChecking { customer, amount } => {
                let key = find(txn, customer, value)?;
                change(txn, value, &OF_CHECKING, key, amount)?
            }
            Transaction::TransactSavings { customer, amount } => {
                transact_savings(txn, value, customer, amount)?
            }
            Transaction::Amalgamate { from, to } => amalgamate(txn, value, from, to)?,
            Transaction::WriteCheck { customer, amount } => write_check(txn, value, customer, amount)?,
            Transaction::SendPayment { from, to, amount } => send_payment(txn, value, from, to, amount)?,
        };
        Ok(Answer { sum, rows: 0 })
    }
}

/// Adds to a balance, and returns what was added.
fn change(
    txn: &mut dyn Txn,
    value: &mut Vec<u8>,
    balances: &Balances,
    key: [u8; 4],
    amount: i64,
) -> Result<i64, Stop> {
    let balance = balances.get_for_update(txn, &key, value)?;
    balances.put(txn, &key, balance + amount)?;
    Ok(amount)
}

fn balance(txn: &mut dyn Txn, value: &mut Vec<u8>, customer: u32) -> Result<i64, Stop> {
    let key = find(txn, customer, value)?;
    let all = OF_SAVINGS.get(txn, &key, value)? + OF_CHECKING.get(txn, &key, value)?;
    std::hint::black_box(all);
    Ok(0)
}

fn transact_savings(txn: &mut dyn Txn, value: &mut Vec<u8>, customer: u32, amount: i64) -> Result<i64, Stop> {
    let key = find(txn, customer, value)?;
    let savings = OF_SAVINGS.get_for_update(txn, &key, value)?;
    if savings + amount < 0 {
        return Err(Stop::Rejected("savings must not fall below zero"));
    }
    OF_SAVINGS.put(txn, &key, savings + amount)?;
    Ok(amount)
}

fn amalgamate(txn: &mut dyn Txn, value: &mut Vec<u8>, from: u32, to: u32) -> Result<i64, Stop> {
    let (from, to) = (find(txn, from, value)?, find(txn, to, value)?);
    let savings = OF_SAVINGS.get_for_update(txn, &from, value)?;
    let all = savings + OF_CHECKING.get_for_update(txn, &from, value)?;
    OF_SAVINGS.put(txn, &from, 0)?;
    OF_CHECKING.put(txn, &from, 0)?;
    change(txn, value, &OF_CHECKING, to, all)?;
    Ok(0)
}

fn write_check(txn: &mut dyn Txn, value: &mut Vec<u8>, customer: u32, amount: i64) -> Result<i64, Stop> {
    let key = find(txn, customer, value)?;
    let savings = OF_SAVINGS.get(txn, &key, value)?;
    let checking = OF_CHECKING.get_for_update(txn, &key, value)?;
    let taken = if savings + checking < amount { amount + PENALTY } else { amount };
    OF_CHECKING.put(txn, &key, checking - taken)?;
    Ok(-taken)
}

fn send_payment(
    txn: &mut dyn Txn,
    value: &mut Vec<u8>,
    from: u32,
    to: u32,
    amount: i64,
) -> Result<i64, Stop> {
    let (from, to) = (find(txn, from, value)?, find(txn, to, value)?);
    let checking = OF_CHECKING.get_for_update(txn, &from, value)?;
    if checking < amount {
        return Err(Stop::Rejected("too little is there to be sent"));
    }
    OF_CHECKING.put(txn, &from, checking - amount)?;
    change(txn, value, &OF_CHECKING, to, amount)?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_numbers_do() {
        assert_eq!(&name_of(42), b"customer00000042");
        assert_eq!(&name_of(99_999_999), b"customer99999999");
        assert!(name_of(9) < name_of(10));
    }
}
