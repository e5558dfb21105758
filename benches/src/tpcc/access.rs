//! Reading and changing rows inside a transaction; what the five transactions share.

use super::failure::Failure;
use super::keys::{self, DistrictId};
use super::schema::TableRefs;
use super::values::LastName;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use synod::{Table, Transaction};

/// Buffers that a terminal keeps, so that a transaction allocates nothing for its own rows.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The row at hand.
    pub row: Vec<u8>,
    /// A key of variable length.
    pub key: Vec<u8>,
    /// A text at hand.
    pub text: Vec<u8>,
    /// The items that a Stock-Level has seen.
    pub items: Vec<u32>,
}

/// The error for a row that must be there.
pub fn missing(table: &'static str, key: &[u8]) -> Error {
    Error::MissingRow { table, key: format!("{key:02x?}") }
}

/// Reads from a row in place, under a shared lock; the row must be there.
///
/// # Errors
///
/// [`Error::MissingRow`], what `read` returns, and what the engine returns.
#[inline]
pub fn read_row<T>(
    txn: &Transaction,
    table: &Table,
    name: &'static str,
    key: &[u8],
    read: impl FnOnce(&[u8]) -> Result<T>,
) -> Result<T, Failure> {
    Ok(txn.get_with(table, key, |row| row.ok_or_else(|| missing(name, key)).and_then(read))??)
}

/// Changes a row under an update lock: copies it into `row`, lets `change` work on the copy, writes it back.
///
/// # Errors
///
/// [`Error::MissingRow`], what `change` returns, and what the engine returns.
#[inline]
pub fn change_row<T>(
    txn: &Transaction,
    table: &Table,
    name: &'static str,
    key: &[u8],
    row: &mut Vec<u8>,
    change: impl FnOnce(&mut Vec<u8>) -> Result<T>,
) -> Result<T, Failure> {
    row.clear();
    let copy = |current: Option<&[u8]>| current.map(|current| row.extend_from_slice(current));
    txn.get_for_update_with(table, key, copy)?.ok_or_else(|| missing(name, key))?;
    let result = change(row)?;
    txn.put(table, key, &*row)?;
    Ok(result)
}

/// How a terminal names a customer: in 60 percent by last name (2.5.1.2, 2.6.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CustomerSelection {
    /// By C_ID.
    Id(u16),
    /// By C_LAST; several customers may have it.
    LastName(LastName),
}

impl CustomerSelection {
    /// Whether the customer is named by last name.
    pub fn is_by_name(&self) -> bool {
        matches!(self, CustomerSelection::LastName(_))
    }
}

/// Finds the selected customer. Of several with the same last name it is the one in the middle, rounded up,
/// by first name (2.5.2.2, case 2).
///
/// # Errors
///
/// [`Error::MissingRow`] if no customer has the name, and what the engine returns.
pub fn find_customer(
    txn: &Transaction,
    tables: &TableRefs<'_>,
    district: DistrictId,
    selection: CustomerSelection,
    key: &mut Vec<u8>,
) -> Result<u16, Failure> {
    let last = match selection {
        CustomerSelection::Id(customer) => return Ok(customer),
        CustomerSelection::LastName(last) => last,
    };
    keys::customer_name_prefix(district, last.as_bytes(), key);
    let mut namesakes = NamesakeList::default();
    let mut entries = txn.prefix(tables.customer_by_name, &*key);
    while let Some((entry, _)) = entries.next_ref()? {
        namesakes.push(keys::customer_of(entry));
    }
    namesakes.middle().ok_or_else(|| missing("customer_by_name", key).into())
}

/// The customers with one last name, sorted by first name. Three on average, seldom many.
#[derive(Default)]
struct NamesakeList {
    inline: [u16; 32],
    count: usize,
    more: Vec<u16>,
}

impl NamesakeList {
    fn push(&mut self, customer: u16) {
        match self.inline.get_mut(self.count) {
            Some(place) => *place = customer,
            None => self.more.push(customer),
        }
        self.count += 1;
    }

    /// Number ⌈n/2⌉ of n, counted from 1.
    fn middle(&self) -> Option<u16> {
        let index = self.count.checked_sub(1)? / 2;
        self.inline.get(index).or_else(|| self.more.get(index - self.inline.len())).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_namesake_is_rounded_up() {
        let middle = |count: u16| {
            let mut namesakes = NamesakeList::default();
            (1..=count).for_each(|customer| namesakes.push(customer));
            namesakes.middle()
        };
        assert_eq!([0, 1, 2, 3, 4, 5].map(middle), [None, Some(1), Some(1), Some(2), Some(2), Some(3)]);
        assert_eq!(middle(63), Some(32));
        assert_eq!(middle(65), Some(33));
        assert_eq!(middle(201), Some(101));
    }
}
