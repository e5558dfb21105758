//! The three updating transactions as procedures, for the deterministic mode.
//!
//! Each is the terminal's input, and does what it does in the other modes. What is new is what it says beforehand that it
//! will touch:
//!
//! | transaction | keys | ranges |
//! | --- | --- | --- |
//! | New-Order | warehouse, district, customer, items, stock rows | the district's orders, new orders, order lines; the customer's orders |
//! | Payment | warehouse, district, customer, history row | by last name: the namesakes, the customers of the district |
//! | Delivery, for each district | | the district's orders, new orders, order lines, customers |
//!
//! Which keys a New-Order inserts depends on the district's next order number, which isn't known before it runs. But nobody
//! else can be inserting into the district then, who would write its row too; so the district's whole ranges cost no
//! concurrency. Nor do the customers of a district, which somebody who pays by last name declares, as long as the
//! customer's own district is the one in which it is paid: that one's row is written, too.
//!
//! A footprint that is found out on a snapshot would cost more: Payments by last name a little, Deliveries a lot, since
//! they are all after the same oldest orders, and have to be put in order again when another one has taken theirs.

use super::access::{CustomerSelection, Scratch};
use super::delivery::Delivery;
use super::failure::Failure;
use super::keys;
use super::new_order::{NewOrder, NewOrderResult};
use super::payment::{Payment, PaymentResult};
use super::schema::{TableRefs, Tables};
use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use synod::{Declaration, Options, Procedure, Transaction, View};

/// What New-Order answers if an item doesn't exist; the terminal's message for the user (2.4.3.4).
pub const UNUSED_ITEM: &str = "Item number is not valid";

thread_local! {
    /// Whichever thread runs a procedure needs these.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Makes the procedures of this workload known.
pub fn register(options: Options) -> Options {
    options.procedure::<NewOrder>().procedure::<Payment>().procedure::<DeliverDistrict>()
}

/// Does a transaction's work.
fn run<T>(
    view: &View<'_>,
    work: impl FnOnce(&Transaction, &TableRefs<'_>, &mut Scratch) -> Result<T, Failure>,
) -> synod::Result<T> {
    let tables = Tables::find(|name| view.table(name))?;
    SCRATCH.with_borrow_mut(|scratch| work(view, &tables, scratch)).map_err(|failure| match failure {
        Failure::UnusedItem => synod::Error::rejected(UNUSED_ITEM),
        Failure::Error(Error::Engine(error)) => error,
        Failure::Error(error) => synod::Error::rejected(error.to_string()),
    })
}

impl Procedure for NewOrder {
    const NAME: &'static str = "tpcc.new-order";

    type Output = NewOrderResult;

    fn declare(&self, footprint: &mut Declaration<'_>) -> synod::Result<()> {
        let tables: TableRefs<'_> = Tables::find(|name| footprint.table(name))?;
        let district = self.district.key();
        let customer = keys::customer(self.district, self.customer);
        footprint.write_in(tables.district, district);
        footprint.read_in(tables.warehouse, keys::warehouse(self.district.warehouse));
        footprint.read_in(tables.customer, customer);
        for line in self.lines() {
            footprint.read_in(tables.item, keys::item(line.item));
            footprint.write_in(tables.stock, keys::stock(line.supply_warehouse, line.item));
        }
        for table in [tables.order, tables.new_order, tables.order_line] {
            footprint.write_prefix(table, district);
        }
        footprint.write_prefix(tables.order_by_customer, customer);
        Ok(())
    }

    fn run(&self, view: &View<'_>) -> synod::Result<NewOrderResult> {
        run(view, |txn, tables, scratch| self.execute(txn, tables, scratch))
    }
}

impl Procedure for Payment {
    const NAME: &'static str = "tpcc.payment";

    type Output = PaymentResult;

    fn declare(&self, footprint: &mut Declaration<'_>) -> synod::Result<()> {
        footprint.write("warehouse", keys::warehouse(self.district.warehouse))?;
        footprint.write("district", self.district.key())?;
        footprint.write("history", keys::history(self.district, self.history_id))?;
        let customers = footprint.table("customer")?;
        match self.customer {
            CustomerSelection::Id(customer) => {
                footprint.write_in(customers, keys::customer(self.customer_district, customer));
            }
            CustomerSelection::LastName(last) => {
                let mut prefix = Vec::new();
                keys::customer_name_prefix(self.customer_district, last.as_bytes(), &mut prefix);
                footprint.read_prefix(footprint.table("customer_by_name")?, prefix);
                footprint.write_prefix(customers, self.customer_district.key());
            }
        }
        Ok(())
    }

    fn run(&self, view: &View<'_>) -> synod::Result<PaymentResult> {
        run(view, |txn, tables, scratch| self.execute(txn, tables, scratch))
    }
}

/// The part of a Delivery that is a transaction: the oldest order of one district is delivered.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct DeliverDistrict {
    /// The Delivery.
    pub delivery: Delivery,
    /// D_ID.
    pub district: u8,
}

impl Procedure for DeliverDistrict {
    const NAME: &'static str = "tpcc.delivery";

    type Output = Option<u32>;

    fn declare(&self, footprint: &mut Declaration<'_>) -> synod::Result<()> {
        let district = keys::DistrictId { warehouse: self.delivery.warehouse, district: self.district }.key();
        for table in ["new_order", "order", "order_line", "customer"] {
            footprint.write_prefix(footprint.table(table)?, district);
        }
        Ok(())
    }

    fn run(&self, view: &View<'_>) -> synod::Result<Option<u32>> {
        run(view, |txn, tables, scratch| self.delivery.execute(self.district, txn, tables, scratch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::tpcc::Scale;
    use crate::tpcc::constants::Constants;
    use synod::{Engine, Mode};

    fn new_order() -> NewOrder {
        let mut random = Random::new(61, 0);
        let constants = Constants::for_run(0, &mut random);
        NewOrder::draw(&mut random, 1, Scale::full(1), &constants)
    }

    #[test]
    fn orders_are_written_down_with_the_lines_that_they_have() {
        let order = new_order();
        let text = serde_json::to_value(order).expect("can be written down");
        assert_eq!(text["lines"].as_array().map(Vec::len), Some(order.lines().len()));
        let read: NewOrder = serde_json::from_value(text.clone()).expect("can be read");
        assert_eq!(
            (read.lines(), read.district, read.entered),
            (order.lines(), order.district, order.entered)
        );
        let mut long = text;
        long["lines"] = vec![long["lines"][0].clone(); 16].into();
        assert!(
            serde_json::from_value::<NewOrder>(long).is_err_and(|error| error.to_string().contains("lines"))
        );
    }

    #[test]
    fn a_missing_row_is_not_taken_for_an_unused_item() {
        let options = register(Options::new().mode(Mode::Deterministic));
        let engine = Engine::in_memory(options).expect("opens");
        Tables::open(&engine).expect("created");
        let rejected = engine.execute(new_order()).expect_err("there is no customer");
        assert!(rejected.to_string().contains("table customer has no row"), "{rejected}");
    }
}
