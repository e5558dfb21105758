//! Procedures whose effects must add up, however many run at once. All of them use the table `n`; numbers are of eight
//! bytes, and the merge function of the table adds.

use serde::{Deserialize, Serialize};
use synod::{Bytes, Declaration, Procedure, Result, View};

/// The table.
pub const TABLE: &str = "n";

/// The accounts between which money is moved.
pub const ACCOUNTS: u64 = 8;

/// The number that a value is; 0 if there's none.
pub fn number(bytes: Option<&[u8]>) -> u64 {
    bytes.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().expect("eight bytes")))
}

/// The merge function of the table.
///
/// # Errors
/// None.
pub fn add(_key: &[u8], old: Option<&[u8]>, operand: &[u8]) -> std::result::Result<Vec<u8>, String> {
    Ok((number(old) + number(Some(operand))).to_be_bytes().to_vec())
}

fn values(records: impl Iterator<Item = Result<(Bytes, Bytes)>>) -> Result<u64> {
    records.map(|record| Ok(number(Some(&record?.1)))).sum()
}

/// Adds to an account; answers what is in it then.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Add {
    /// Which one.
    pub account: u64,
    /// How much.
    pub by: u64,
    /// Merges, instead of reading and writing.
    pub merges: bool,
    /// Says beforehand what it touches.
    pub is_declared: bool,
}

impl Procedure for Add {
    const NAME: &'static str = "add";
    type Output = u64;

    fn declare(&self, footprint: &mut Declaration<'_>) -> Result<()> {
        if !self.is_declared {
            footprint.unknown();
        }
        footprint.write(TABLE, self.account.to_be_bytes())
    }

    fn run(&self, view: &View<'_>) -> Result<u64> {
        let (table, account) = (view.table(TABLE)?, self.account.to_be_bytes());
        if self.merges {
            view.merge(table, account, self.by.to_be_bytes())?;
        } else {
            let old = number(view.get(table, account)?.as_deref());
            view.put(table, account, (old + self.by).to_be_bytes())?;
        }
        Ok(number(view.get(table, account)?.as_deref()))
    }
}

/// Moves money; accounts that become empty are closed and opened again.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Transfer {
    /// The account that pays.
    pub from: u64,
    /// The account that is paid.
    pub to: u64,
    /// How much, if there is so much.
    pub wish: u64,
}

impl Procedure for Transfer {
    const NAME: &'static str = "transfer";
    type Output = ();

    fn declare(&self, footprint: &mut Declaration<'_>) -> Result<()> {
        if self.wish.is_multiple_of(3) {
            footprint.unknown();
        }
        footprint.write(TABLE, self.from.to_be_bytes())?;
        footprint.write(TABLE, self.to.to_be_bytes())
    }

    fn run(&self, view: &View<'_>) -> Result<()> {
        let (table, from, to) = (view.table(TABLE)?, self.from.to_be_bytes(), self.to.to_be_bytes());
        let available = number(view.get(table, from)?.as_deref());
        let amount = self.wish.min(available);
        match available - amount {
            0 => drop(view.delete(table, from)?),
            left => view.put(table, from, left.to_be_bytes())?,
        }
        match number(view.get(table, to)?.as_deref()) + amount {
            0 => Ok(()),
            sum => view.put(table, to, sum.to_be_bytes()),
        }
    }
}

/// Sums up all records.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Total {
    /// From the last one to the first.
    pub is_backward: bool,
}

impl Procedure for Total {
    const NAME: &'static str = "total";
    type Output = u64;

    fn declare(&self, footprint: &mut Declaration<'_>) -> Result<()> {
        footprint.read_range(footprint.table(TABLE)?, ..);
        Ok(())
    }

    fn run(&self, view: &View<'_>) -> Result<u64> {
        let table = view.table(TABLE)?;
        if self.is_backward { values(view.scan_rev(table, ..)) } else { values(view.scan(table, ..)) }
    }
}

/// A doctor leaves if another one stays, or comes back. Answers how many are there afterwards.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Leave {
    /// Who it is.
    pub doctor: u8,
    /// Whether the doctor comes back instead.
    pub comes_back: bool,
}

impl Procedure for Leave {
    const NAME: &'static str = "leave";
    type Output = usize;

    fn declare(&self, footprint: &mut Declaration<'_>) -> Result<()> {
        footprint.read_range(footprint.table(TABLE)?, ..);
        footprint.write(TABLE, [self.doctor])
    }

    fn run(&self, view: &View<'_>) -> Result<usize> {
        let table = view.table(TABLE)?;
        if self.comes_back {
            view.put(table, [self.doctor], "")?;
        } else if view.scan(table, ..).count() > 1 {
            view.delete(table, [self.doctor])?;
        }
        Ok(view.scan(table, ..).count())
    }
}

/// Appends an item to a queue; answers its number.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Append;

impl Procedure for Append {
    const NAME: &'static str = "append";
    type Output = u64;

    fn run(&self, view: &View<'_>) -> Result<u64> {
        let table = view.table(TABLE)?;
        let last = view.scan_rev(table, ..).next().transpose()?;
        let next = last.map_or(0, |(key, _)| number(Some(&key)) + 1);
        view.insert(table, next.to_be_bytes(), "")?;
        Ok(next)
    }
}

/// Takes the first item of a queue, if it isn't the last one as well, so that the numbers go on.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Take;

impl Procedure for Take {
    const NAME: &'static str = "take";
    type Output = Option<u64>;

    fn run(&self, view: &View<'_>) -> Result<Option<u64>> {
        let table = view.table(TABLE)?;
        let mut items = view.scan(table, ..);
        let (first, second) = (items.next().transpose()?, items.next().transpose()?);
        let Some((key, _)) = first.filter(|_| second.is_some()) else { return Ok(None) };
        assert!(view.delete(table, &key)?, "it was there");
        Ok(Some(number(Some(&key))))
    }
}
