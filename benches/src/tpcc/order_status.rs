//! Order-Status: a customer asks for the newest order (clause 2.6). Reads only, from a snapshot.
//!
//! ```text
//! find CUSTOMER (60 % by last name) ─ first entry in ORDER_BY_CUSTOMER ─ read ORDER ─ read its ORDER_LINEs
//! ```

use super::access::{CustomerSelection, Scratch, find_customer, missing, read_row};
use super::constants::Constants;
use super::failure::Failure;
use super::keys::{self, DistrictId};
use super::payment::draw_customer;
use super::rows::{Customer, Order, OrderLine};
use super::scale::{DISTRICTS, Scale};
use super::schema::TableRefs;
use crate::error::Result;
use crate::random::Random;
use synod::Transaction;

/// What the terminal enters (2.6.1).
#[derive(Clone, Copy, Debug)]
pub struct OrderStatus {
    /// The terminal's warehouse, and the district.
    pub district: DistrictId,
    /// Who asks.
    pub customer: CustomerSelection,
}

/// What the terminal shows (2.6.3.3), as far as this workload uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderStatusResult {
    /// C_ID.
    pub customer: u16,
    /// C_BALANCE, in cents.
    pub balance_cents: i64,
    /// O_ID of the newest order.
    pub order: u32,
    /// O_CARRIER_ID, 0 while the order isn't delivered.
    pub carrier: u8,
    /// How many lines were read.
    pub lines: u8,
    /// The sum of OL_AMOUNT, in cents.
    pub amount_cents: i64,
}

impl OrderStatus {
    /// Draws an input for a terminal of `warehouse` (2.6.1.1 to 2.6.1.3).
    pub fn draw(random: &mut Random, warehouse: u16, scale: Scale, constants: &Constants) -> OrderStatus {
        let district = DistrictId { warehouse, district: random.between(1, u64::from(DISTRICTS)) as u8 };
        OrderStatus { district, customer: draw_customer(random, scale, constants) }
    }

    /// Does the transaction's work (2.6.2.2).
    ///
    /// # Errors
    ///
    /// What the engine returns, or a row that is missing or malformed.
    pub fn execute(
        &self,
        txn: &Transaction,
        tables: &TableRefs<'_>,
        scratch: &mut Scratch,
    ) -> Result<OrderStatusResult, Failure> {
        let customer = find_customer(txn, tables, self.district, self.customer, &mut scratch.key)?;
        let customer_key = keys::customer(self.district, customer);
        let balance_cents = read_row(txn, tables.customer, "customer", &customer_key, |row| {
            Ok(Customer::parse(row)?.balance())
        })?;
        // The index is sorted with the newest order first.
        let newest = txn
            .prefix(tables.order_by_customer, customer_key)
            .next_ref()?
            .map(|(key, _)| keys::newest_order_of(key));
        let order = newest.ok_or_else(|| missing("order_by_customer", &customer_key))?;
        let order_key = keys::order(self.district, order);
        let carrier =
            read_row(txn, tables.order, "order", &order_key, |row| Ok(Order::parse(row)?.carrier()))?;
        let (mut lines, mut amount_cents) = (0, 0);
        let mut entries = txn.prefix(tables.order_line, order_key);
        while let Some((_, row)) = entries.next_ref()? {
            lines += 1;
            amount_cents += i64::from(OrderLine::parse(row)?.amount());
        }
        Ok(OrderStatusResult { customer, balance_cents, order, carrier, lines, amount_cents })
    }
}
