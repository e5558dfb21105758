//! Payment: a customer pays, at the own warehouse or at another one (clause 2.5).
//!
//! ```text
//! find CUSTOMER (60 % by last name) ─ change CUSTOMER ─ change DISTRICT ─ change WAREHOUSE ─ insert HISTORY
//! ```
//!
//! Every Payment changes its warehouse's row, which makes that row the hottest one: it comes last but for the
//! HISTORY row, which needs the warehouse's name.

use super::access::{CustomerSelection, Scratch, change_row, find_customer};
use super::constants::Constants;
use super::failure::Failure;
use super::keys::{self, DistrictId};
use super::new_order::draw_other_warehouse;
use super::rows::{BAD_CREDIT, Customer, District, HistoryValues, Warehouse, prepend_customer_data};
use super::scale::{DISTRICTS, Scale};
use super::schema::TableRefs;
use super::values::{LastName, now_us};
use crate::error::Result;
use crate::random::Random;
use serde::{Deserialize, Serialize};
use std::io::Write;
use synod::Transaction;

/// H_AMOUNT: from 1.00 to 5,000.00 (2.5.1.3).
const AMOUNT_CENTS: (u64, u64) = (100, 5_000 * 100);

/// What the terminal enters (2.5.1).
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Payment {
    /// Where the customer pays: the terminal's warehouse, and the district.
    pub district: DistrictId,
    /// Where the customer belongs.
    pub customer_district: DistrictId,
    /// Who pays.
    pub customer: CustomerSelection,
    /// H_AMOUNT, from 1.00 to 5,000.00, in cents.
    pub amount_cents: i32,
    /// H_DATE, in microseconds since the Unix epoch.
    pub date: i64,
    /// The number that makes the HISTORY row's key unique.
    pub history_id: u64,
}

/// What the terminal shows (2.5.3.3), as far as this workload uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PaymentResult {
    /// C_ID.
    pub customer: u16,
    /// C_BALANCE after the payment, in cents.
    pub balance_cents: i64,
}

/// Draws how a terminal names a customer of a district: 60 percent by last name (2.5.1.2, 2.6.1.2).
pub(super) fn draw_customer(random: &mut Random, scale: Scale, constants: &Constants) -> CustomerSelection {
    if random.percent(60) {
        CustomerSelection::LastName(LastName::of(constants.draw_last_name(random, scale.last_names())))
    } else {
        CustomerSelection::Id(constants.draw_customer(random, scale.customers))
    }
}

impl Payment {
    /// Draws an input for a terminal of `warehouse` (2.5.1.1 to 2.5.1.4).
    pub fn draw(
        random: &mut Random,
        warehouse: u16,
        scale: Scale,
        constants: &Constants,
        history_id: u64,
    ) -> Payment {
        let mut draw_district = |warehouse| {
            let district = random.between(1, u64::from(DISTRICTS)) as u8;
            DistrictId { warehouse, district }
        };
        let district = draw_district(warehouse);
        let elsewhere = draw_district(warehouse);
        let customer_district = if scale.warehouses > 1 && random.percent(15) {
            DistrictId { warehouse: draw_other_warehouse(random, warehouse, scale.warehouses), ..elsewhere }
        } else {
            district
        };
        Payment {
            district,
            customer_district,
            customer: draw_customer(random, scale, constants),
            amount_cents: random.between(AMOUNT_CENTS.0, AMOUNT_CENTS.1) as i32,
            date: now_us(),
            history_id,
        }
    }

    /// Whether the customer belongs to another warehouse.
    pub fn is_remote(&self) -> bool {
        self.customer_district.warehouse != self.district.warehouse
    }

    /// Does the transaction's work (2.5.2.2).
    ///
    /// # Errors
    ///
    /// What the engine returns, or a row that is missing or malformed.
    pub fn execute(
        &self,
        txn: &Transaction,
        tables: &TableRefs<'_>,
        scratch: &mut Scratch,
    ) -> Result<PaymentResult, Failure> {
        let customer = find_customer(txn, tables, self.customer_district, self.customer, &mut scratch.key)?;
        let balance_cents = self.change_customer(txn, tables, customer, scratch)?;
        // H_DATA is both names, four spaces apart.
        let Scratch { row, text, .. } = scratch;
        change_row(txn, tables.district, "district", &self.district.key(), row, |row| {
            let mut district = District::parse(row)?;
            district.set_year_to_date(district.year_to_date() + i64::from(self.amount_cents));
            text.clear();
            text.extend_from_slice(b"    ");
            text.extend_from_slice(district.name()?);
            Ok(())
        })?;
        let warehouse_key = keys::warehouse(self.district.warehouse);
        change_row(txn, tables.warehouse, "warehouse", &warehouse_key, row, |row| {
            let mut warehouse = Warehouse::parse(row)?;
            warehouse.set_year_to_date(warehouse.year_to_date() + i64::from(self.amount_cents));
            text.splice(0..0, warehouse.name()?.iter().copied());
            Ok(())
        })?;
        let history = HistoryValues {
            customer_warehouse: self.customer_district.warehouse,
            customer_district: self.customer_district.district,
            customer,
            date: self.date,
            amount: self.amount_cents,
            data: text,
        };
        history.encode(row);
        txn.insert(tables.history, keys::history(self.district, self.history_id), &*row)?;
        Ok(PaymentResult { customer, balance_cents })
    }

    /// Books the payment on the customer's account; returns the new balance.
    fn change_customer(
        &self,
        txn: &Transaction,
        tables: &TableRefs<'_>,
        customer_id: u16,
        scratch: &mut Scratch,
    ) -> Result<i64, Failure> {
        let key = keys::customer(self.customer_district, customer_id);
        let Scratch { row, text, .. } = scratch;
        change_row(txn, tables.customer, "customer", &key, row, |row| {
            let mut customer = Customer::parse(&mut *row)?;
            let balance = customer.balance() - i64::from(self.amount_cents);
            customer.set_balance(balance);
            customer.set_year_to_date_payment(customer.year_to_date_payment() + i64::from(self.amount_cents));
            customer.set_payment_count(customer.payment_count() + 1);
            if customer.credit() == BAD_CREDIT {
                self.describe(customer_id, text);
                prepend_customer_data(row, text)?;
            }
            Ok(balance)
        })
    }

    /// The entry that a customer with bad credit gets in C_DATA: who paid what, where.
    fn describe(&self, customer: u16, text: &mut Vec<u8>) {
        text.clear();
        let written = write!(
            text,
            "{customer} {} {} {} {} {}.{:02}|",
            self.customer_district.district,
            self.customer_district.warehouse,
            self.district.district,
            self.district.warehouse,
            self.amount_cents / 100,
            self.amount_cents % 100
        );
        debug_assert!(written.is_ok(), "writing into a vector never fails");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_keep_the_rules() {
        let mut random = Random::new(51, 0);
        let scale = Scale::full(3);
        let constants = Constants::for_run(9, &mut random);
        let draws = 20_000;
        let (mut remote, mut by_name) = (0, 0);
        for id in 0..draws {
            let payment = Payment::draw(&mut random, 3, scale, &constants, id);
            assert_eq!(payment.district.warehouse, 3);
            assert!((1..=3).contains(&payment.customer_district.warehouse));
            assert!((1..=10).contains(&payment.customer_district.district));
            assert!((100..=500_000).contains(&payment.amount_cents));
            assert!(payment.is_remote() || payment.customer_district == payment.district);
            remote += u32::from(payment.is_remote());
            by_name += u32::from(matches!(payment.customer, CustomerSelection::LastName(_)));
        }
        assert!((2_800..3_200).contains(&remote), "{remote}");
        assert!((11_700..12_300).contains(&by_name), "{by_name}");
    }

    #[test]
    fn bad_credit_entries_name_everything() {
        let home = DistrictId { warehouse: 4, district: 2 };
        let payment = Payment {
            district: home,
            customer_district: DistrictId { warehouse: 7, district: 9 },
            customer: CustomerSelection::Id(123),
            amount_cents: 507,
            date: 0,
            history_id: 0,
        };
        let mut text = b"before".to_vec();
        payment.describe(123, &mut text);
        assert_eq!(text, b"123 9 7 2 4 5.07|");
    }
}
