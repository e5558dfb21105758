//! Stock-Level: how many of the items in a district's last twenty orders run short (clause 2.8). Reads only,
//! from a snapshot; the heaviest reader of the mix, about 200 order lines and as many stock rows.

use super::access::{Scratch, read_row};
use super::failure::Failure;
use super::keys::{self, DistrictId};
use super::rows::{District, OrderLine, Stock};
use super::schema::TableRefs;
use crate::error::Result;
use crate::random::Random;
use synod::Transaction;

/// How many of the district's newest orders count.
const RECENT_ORDERS: u32 = 20;

/// What the terminal enters (2.8.1).
#[derive(Clone, Copy, Debug)]
pub struct StockLevel {
    /// The terminal's warehouse and district.
    pub district: DistrictId,
    /// Below which quantity an item runs short, from 10 to 20.
    pub threshold: i16,
}

impl StockLevel {
    /// Draws an input for a terminal of `district` (2.8.1.1, 2.8.1.2).
    pub fn draw(random: &mut Random, district: DistrictId) -> StockLevel {
        StockLevel { district, threshold: random.between(10, 20) as i16 }
    }

    /// Does the transaction's work (2.8.2.2): the number of different items that run short.
    ///
    /// # Errors
    ///
    /// What the engine returns, or a row that is missing or malformed.
    pub fn execute(
        &self,
        txn: &Transaction,
        tables: &TableRefs<'_>,
        scratch: &mut Scratch,
    ) -> Result<u32, Failure> {
        let next_order = read_row(txn, tables.district, "district", &self.district.key(), |row| {
            Ok(District::parse(row)?.next_order())
        })?;
        let first = keys::order(self.district, next_order.saturating_sub(RECENT_ORDERS));
        let end = keys::order(self.district, next_order);
        let items = &mut scratch.items;
        items.clear();
        let mut lines = txn.scan(tables.order_line, first..end);
        while let Some((_, row)) = lines.next_ref()? {
            items.push(OrderLine::parse(row)?.item());
        }
        items.sort_unstable();
        items.dedup();
        let mut short = 0;
        for &item in &*items {
            let key = keys::stock(self.district.warehouse, item);
            let quantity =
                read_row(txn, tables.stock, "stock", &key, |row| Ok(Stock::parse(row)?.quantity()))?;
            short += u32::from(quantity < self.threshold);
        }
        Ok(short)
    }
}
