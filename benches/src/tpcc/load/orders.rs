//! The orders of the population (clause 4.3.3.1): one for each customer of a district, in random order. The
//! oldest ones have been delivered; the newest, 900 at full size, stand in NEW_ORDER.

use super::batch::Batch;
use super::population::Filler;
use crate::error::Result;
use crate::tpcc::keys::{self, DistrictId};
use crate::tpcc::rows::{NULL, OrderLineValues, OrderValues};
use crate::tpcc::values;

/// The most that an undelivered line costs: 9,999.99.
const LINE_CENTS_MAX: u64 = 999_999;

impl<'a> Filler<'a> {
    /// ORDERs of one district, their index entries by customer, their lines, and the NEW_ORDERs.
    pub(super) fn orders(&mut self, district: DistrictId, batch: &mut Batch<'a>) -> Result<()> {
        let mut customers: Vec<u16> = (1..=self.scale.customers).collect();
        self.random.shuffle(&mut customers);
        let mut row = Vec::new();
        for (order, customer) in (1..).zip(customers) {
            let delivered = order <= self.scale.delivered();
            let values = OrderValues {
                customer,
                entered: values::now_us(),
                carrier: if delivered { self.random.between(1, 10) as u8 } else { NULL },
                line_count: self.random.between(5, 15) as u8,
                all_local: 1,
            };
            values.encode(&mut row);
            let order_key = keys::order(district, order);
            batch.put(&self.tables.order, &order_key, &row)?;
            let index_key = keys::order_by_customer(district, customer, order);
            batch.put(&self.tables.order_by_customer, &index_key, &[])?;
            if !delivered {
                batch.put(&self.tables.new_order, &order_key, &[])?;
            }
            let delivered_at = delivered.then_some(values.entered);
            for number in 1..=values.line_count {
                self.order_line(district.warehouse, delivered_at).encode(&mut row);
                batch.put(&self.tables.order_line, &keys::order_line(district, order, number), &row)?;
            }
        }
        Ok(())
    }

    /// A line: free of charge if it has been delivered, otherwise between 0.01 and 9,999.99.
    fn order_line(&mut self, warehouse: u16, delivered_at: Option<i64>) -> OrderLineValues {
        let random = &mut self.random;
        OrderLineValues {
            item: random.between(1, u64::from(self.scale.items)) as u32,
            supply_warehouse: warehouse,
            delivered: delivered_at.unwrap_or(i64::from(NULL)),
            quantity: 5,
            amount: if delivered_at.is_some() { 0 } else { random.between(1, LINE_CENTS_MAX) as i32 },
            district_info: values::district_info(random),
        }
    }
}
