//! The rows of the population (clause 4.3.3.1), but for orders, which have a file of their own.

use super::batch::Batch;
use crate::error::Result;
use crate::random::Random;
use crate::tpcc::constants::draw_last_name;
use crate::tpcc::keys::{self, DistrictId, HistoryIds};
use crate::tpcc::rows::{
    BAD_CREDIT, CustomerValues, DistrictValues, GOOD_CREDIT, HistoryValues, ItemValues, StockValues,
    WarehouseValues,
};
use crate::tpcc::scale::{DISTRICTS, OPENING_PAYMENT_CENTS, Scale};
use crate::tpcc::schema::Tables;
use crate::tpcc::values::{self, LastName, a_string};
use std::ops::RangeInclusive;

const CREDIT_LIMIT_CENTS: i64 = 50_000 * 100;
/// I_PRICE: from 1.00 to 100.00.
const PRICE_CENTS: (u64, u64) = (100, 100 * 100);
const TAX_MAX: u64 = 2_000;
const DISCOUNT_MAX: u64 = 5_000;

/// Draws the rows of one unit.
pub(super) struct Filler<'a> {
    pub(super) tables: &'a Tables,
    pub(super) scale: Scale,
    pub(super) random: Random,
}

/// The parts of an address that are texts.
struct Address {
    street_1: Vec<u8>,
    street_2: Vec<u8>,
    city: Vec<u8>,
}

impl<'a> Filler<'a> {
    /// ITEM.
    pub(super) fn items(&mut self, items: RangeInclusive<u32>, batch: &mut Batch<'a>) -> Result<()> {
        let mut row = Vec::new();
        let random = &mut self.random;
        for item in items {
            let values = ItemValues {
                image: random.between(1, 10_000) as u32,
                price: random.between(PRICE_CENTS.0, PRICE_CENTS.1) as i32,
                name: &a_string(random, 14, 24),
                data: &values::item_data(random),
            };
            values.encode(&mut row);
            batch.put(&self.tables.item, &keys::item(item), &row)?;
        }
        Ok(())
    }

    /// STOCK of one warehouse.
    pub(super) fn stock(
        &mut self,
        warehouse: u16,
        items: RangeInclusive<u32>,
        batch: &mut Batch<'a>,
    ) -> Result<()> {
        let mut row = Vec::new();
        for item in items {
            let mut district_infos = [0; 240];
            values::fill_alphanumeric(&mut self.random, &mut district_infos);
            let values = StockValues {
                quantity: self.random.between(10, 100) as i16,
                year_to_date: 0,
                order_count: 0,
                remote_count: 0,
                district_infos,
                data: &values::item_data(&mut self.random),
            };
            values.encode(&mut row);
            batch.put(&self.tables.stock, &keys::stock(warehouse, item), &row)?;
        }
        Ok(())
    }

    /// WAREHOUSE and its DISTRICTs. At full size W_YTD is 300,000.00 and D_YTD 30,000.00; at any size they are
    /// the sum of the customers' opening payments, as the consistency conditions want it.
    pub(super) fn warehouse(&mut self, warehouse: u16, batch: &mut Batch<'a>) -> Result<()> {
        let district_payments = i64::from(self.scale.customers) * OPENING_PAYMENT_CENTS;
        let address = self.address();
        let mut row = Vec::new();
        let values = WarehouseValues {
            year_to_date: district_payments * i64::from(DISTRICTS),
            tax: self.random.between(0, TAX_MAX) as u16,
            state: values::state(&mut self.random),
            zip: values::zip(&mut self.random),
            name: &a_string(&mut self.random, 6, 10),
            street_1: &address.street_1,
            street_2: &address.street_2,
            city: &address.city,
        };
        values.encode(&mut row);
        batch.put(&self.tables.warehouse, &keys::warehouse(warehouse), &row)?;
        for district in 1..=DISTRICTS {
            let address = self.address();
            let values = DistrictValues {
                next_order: self.scale.orders() + 1,
                year_to_date: district_payments,
                tax: self.random.between(0, TAX_MAX) as u16,
                state: values::state(&mut self.random),
                zip: values::zip(&mut self.random),
                name: &a_string(&mut self.random, 6, 10),
                street_1: &address.street_1,
                street_2: &address.street_2,
                city: &address.city,
            };
            values.encode(&mut row);
            batch.put(&self.tables.district, &DistrictId { warehouse, district }.key(), &row)?;
        }
        Ok(())
    }

    /// CUSTOMERs of one district, their index entries by name, and one HISTORY row for each.
    pub(super) fn customers(
        &mut self,
        district: DistrictId,
        last_name_constant: u64,
        batch: &mut Batch<'a>,
    ) -> Result<()> {
        let (mut row, mut key) = (Vec::new(), Vec::new());
        let mut history_ids = HistoryIds::new(0, 0);
        for customer in 1..=self.scale.customers {
            // The first thousand have one of the thousand names each (4.3.2.3).
            let name_number = if customer <= self.scale.last_names() {
                customer - 1
            } else {
                draw_last_name(&mut self.random, last_name_constant, self.scale.last_names())
            };
            let last = LastName::of(name_number);
            let first = a_string(&mut self.random, 8, 16);
            self.encode_customer(&first, last, &mut row);
            batch.put(&self.tables.customer, &keys::customer(district, customer), &row)?;
            keys::customer_by_name(district, last.as_bytes(), &first, customer, &mut key);
            batch.put(&self.tables.customer_by_name, &key, &[])?;
            let history = HistoryValues {
                customer_warehouse: district.warehouse,
                customer_district: district.district,
                customer,
                date: values::now_us(),
                amount: OPENING_PAYMENT_CENTS as i32,
                data: &a_string(&mut self.random, 12, 24),
            };
            history.encode(&mut row);
            batch.put(&self.tables.history, &keys::history(district, history_ids.next_id()), &row)?;
        }
        Ok(())
    }

    fn encode_customer(&mut self, first: &[u8], last: LastName, row: &mut Vec<u8>) {
        let address = self.address();
        let random = &mut self.random;
        let values = CustomerValues {
            balance: -OPENING_PAYMENT_CENTS,
            year_to_date_payment: OPENING_PAYMENT_CENTS,
            payment_count: 1,
            delivery_count: 0,
            discount: random.between(0, DISCOUNT_MAX) as u16,
            credit: if random.percent(10) { BAD_CREDIT } else { GOOD_CREDIT },
            credit_limit: CREDIT_LIMIT_CENTS,
            since: values::now_us(),
            middle: *b"OE",
            state: values::state(random),
            zip: values::zip(random),
            phone: values::n_string(random),
            first,
            last: last.as_bytes(),
            street_1: &address.street_1,
            street_2: &address.street_2,
            city: &address.city,
            data: &a_string(random, 300, 500),
        };
        values.encode(row);
    }

    fn address(&mut self) -> Address {
        let mut line = || a_string(&mut self.random, 10, 20);
        Address { street_1: line(), street_2: line(), city: line() }
    }
}
