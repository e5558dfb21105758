//! Delivery: the oldest undelivered order of each district is delivered (clause 2.7).
//!
//! ```text
//! first NEW_ORDER of the district ─ delete it ─ change ORDER (carrier) ─ change each ORDER_LINE (time)
//! ─ change CUSTOMER (balance grows by the order's amount)
//! ```
//!
//! The ten districts are ten transactions (2.7.2 leaves the choice), so that a Delivery holds the locks of one
//! order at a time. The terminal waits for all of them; there is no queue.

use super::access::{Scratch, change_row};
use super::failure::Failure;
use super::keys::{self, DistrictId};
use super::rows::{Customer, Order, OrderLine};
use super::schema::TableRefs;
use super::values::now_us;
use crate::error::Result;
use crate::random::Random;
use serde::{Deserialize, Serialize};
use synod::Transaction;

/// What the terminal enters (2.7.1).
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Delivery {
    /// The terminal's warehouse.
    pub warehouse: u16,
    /// O_CARRIER_ID, from 1 to 10.
    pub carrier: u8,
    /// OL_DELIVERY_D, in microseconds since the Unix epoch.
    pub date: i64,
}

impl Delivery {
    /// Draws an input for a terminal of `warehouse` (2.7.1.1 to 2.7.1.3).
    pub fn draw(random: &mut Random, warehouse: u16) -> Delivery {
        Delivery { warehouse, carrier: random.between(1, 10) as u8, date: now_us() }
    }

    /// Delivers the oldest order of one district (2.7.4.2); `None` if all have been delivered.
    ///
    /// # Errors
    ///
    /// What the engine returns, or a row that is missing or malformed.
    pub fn execute(
        &self,
        district: u8,
        txn: &Transaction,
        tables: &TableRefs<'_>,
        scratch: &mut Scratch,
    ) -> Result<Option<u32>, Failure> {
        let district = DistrictId { warehouse: self.warehouse, district };
        let Some(order) = take_oldest(txn, tables, district)? else {
            return Ok(None);
        };
        let order_key = keys::order(district, order);
        let row = &mut scratch.row;
        let (customer, line_count) = change_row(txn, tables.order, "order", &order_key, row, |row| {
            let mut order = Order::parse(row)?;
            order.set_carrier(self.carrier);
            Ok((order.customer(), order.line_count()))
        })?;
        let mut amount_cents = 0;
        for number in 1..=line_count {
            let line_key = keys::order_line(district, order, number);
            amount_cents += change_row(txn, tables.order_line, "order_line", &line_key, row, |row| {
                let mut line = OrderLine::parse(row)?;
                line.set_delivered(self.date);
                Ok(i64::from(line.amount()))
            })?;
        }
        change_row(txn, tables.customer, "customer", &keys::customer(district, customer), row, |row| {
            let mut customer = Customer::parse(row)?;
            customer.set_balance(customer.balance() + amount_cents);
            customer.set_delivery_count(customer.delivery_count() + 1);
            Ok(())
        })?;
        Ok(Some(order))
    }
}

/// Deletes the district's oldest NEW_ORDER row and returns its order; `None` if there is none.
fn take_oldest(
    txn: &Transaction,
    tables: &TableRefs<'_>,
    district: DistrictId,
) -> Result<Option<u32>, Failure> {
    while let Some((key, _)) = txn.prefix(tables.new_order, district.key()).next().transpose()? {
        if txn.delete(tables.new_order, &key)? {
            return Ok(Some(keys::order_of(&key)));
        }
        // Below repeatable read, another Delivery may take the row between the scan and here: try the next.
    }
    Ok(None)
}
