//! Rows that are a sum of money: cents, in eight bytes.

use crate::error::Error;
use crate::target::{Stop, TableNumber, Txn};

/// What a row says, if it is one.
pub(super) fn parse(value: &[u8]) -> Option<i64> {
    value.try_into().ok().map(i64::from_le_bytes)
}

/// Reads balances of one table.
pub(super) struct Balances {
    pub(super) table: TableNumber,
    pub(super) name: &'static str,
}

impl Balances {
    /// The balance of a key, which has to be there.
    pub(super) fn get(&self, txn: &mut dyn Txn, key: &[u8; 4], value: &mut Vec<u8>) -> Result<i64, Stop> {
        let is_there = txn.get(self.table, key, value)?;
        self.read(is_there, *key, value)
    }

    /// As [`Balances::get`], of a key that is going to be written.
    pub(super) fn get_for_update(
        &self,
        txn: &mut dyn Txn,
        key: &[u8; 4],
        value: &mut Vec<u8>,
    ) -> Result<i64, Stop> {
        let is_there = txn.get_for_update(self.table, key, value)?;
        self.read(is_there, *key, value)
    }

    /// Sets a balance.
    pub(super) fn put(&self, txn: &mut dyn Txn, key: &[u8; 4], cents: i64) -> Result<(), Stop> {
        txn.put(self.table, key, &cents.to_le_bytes())
    }

    fn read(&self, is_there: bool, key: [u8; 4], value: &[u8]) -> Result<i64, Stop> {
        if !is_there {
            let key = u32::from_be_bytes(key).to_string();
            return Err(Stop::Failed(Error::MissingRow { table: self.name, key }));
        }
        let problem = "which is no sum of money";
        parse(value).ok_or(Stop::Failed(Error::MalformedRow {
            table: self.name,
            length: value.len(),
            problem,
        }))
    }
}
