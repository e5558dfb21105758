//! The rows of the nine tables (clause 1.3.1), with all their columns.
//!
//! Columns that are part of the key aren't repeated in the row. Money is in cents, rates (tax, discount) are in
//! hundredths of a percent, times are microseconds since the Unix epoch. "Null" is written as 0, which is no
//! valid carrier and no valid time of this workload. NEW_ORDER has nothing but its key, and so an empty row.

use super::layout::row;

/// Longest C_DATA, in bytes.
pub const CUSTOMER_DATA_BYTES_MAX: usize = 500;
/// Bytes of S_DIST_xx and OL_DIST_INFO.
pub const DISTRICT_INFO_BYTES: usize = 24;
/// C_CREDIT of a customer with good credit.
pub const GOOD_CREDIT: [u8; 2] = *b"GC";
/// C_CREDIT of a customer with bad credit, whose payments are noted in C_DATA.
pub const BAD_CREDIT: [u8; 2] = *b"BC";
/// The value of a carrier or delivery time that isn't known yet.
pub const NULL: u8 = 0;

row! {
    /// A row of WAREHOUSE.
    pub Warehouse "warehouse", WarehouseValues<'a> {
        /// W_YTD: what was paid this year, in cents.
        year_to_date set_year_to_date: i64,
        /// W_TAX: sales tax, in hundredths of a percent.
        tax set_tax: u16,
        /// W_STATE.
        state set_state: [u8; 2],
        /// W_ZIP.
        zip set_zip: [u8; 9],
    }
    texts {
        /// W_NAME.
        name,
        /// W_STREET_1.
        street_1,
        /// W_STREET_2.
        street_2,
        /// W_CITY.
        city,
    }
}

row! {
    /// A row of DISTRICT.
    pub District "district", DistrictValues<'a> {
        /// D_NEXT_O_ID: the number of the next order.
        next_order set_next_order: u32,
        /// D_YTD: what was paid this year, in cents.
        year_to_date set_year_to_date: i64,
        /// D_TAX: sales tax, in hundredths of a percent.
        tax set_tax: u16,
        /// D_STATE.
        state set_state: [u8; 2],
        /// D_ZIP.
        zip set_zip: [u8; 9],
    }
    texts {
        /// D_NAME.
        name,
        /// D_STREET_1.
        street_1,
        /// D_STREET_2.
        street_2,
        /// D_CITY.
        city,
    }
}

row! {
    /// A row of CUSTOMER. C_DATA is the last text: the one that changes its length.
    pub Customer "customer", CustomerValues<'a> {
        /// C_BALANCE: what the customer owes, in cents.
        balance set_balance: i64,
        /// C_YTD_PAYMENT: what the customer has paid this year, in cents.
        year_to_date_payment set_year_to_date_payment: i64,
        /// C_PAYMENT_CNT.
        payment_count set_payment_count: u32,
        /// C_DELIVERY_CNT.
        delivery_count set_delivery_count: u32,
        /// C_DISCOUNT, in hundredths of a percent.
        discount set_discount: u16,
        /// C_CREDIT: [`GOOD_CREDIT`] or [`BAD_CREDIT`].
        credit set_credit: [u8; 2],
        /// C_CREDIT_LIM, in cents.
        credit_limit set_credit_limit: i64,
        /// C_SINCE, in microseconds since the Unix epoch.
        since set_since: i64,
        /// C_MIDDLE.
        middle set_middle: [u8; 2],
        /// C_STATE.
        state set_state: [u8; 2],
        /// C_ZIP.
        zip set_zip: [u8; 9],
        /// C_PHONE.
        phone set_phone: [u8; 16],
    }
    texts {
        /// C_FIRST.
        first,
        /// C_LAST.
        last,
        /// C_STREET_1.
        street_1,
        /// C_STREET_2.
        street_2,
        /// C_CITY.
        city,
        /// C_DATA.
        data,
    }
}

row! {
    /// A row of HISTORY. H_W_ID and H_D_ID are in the key.
    pub History "history", HistoryValues<'a> {
        /// H_C_W_ID.
        customer_warehouse set_customer_warehouse: u16,
        /// H_C_D_ID.
        customer_district set_customer_district: u8,
        /// H_C_ID.
        customer set_customer: u16,
        /// H_DATE, in microseconds since the Unix epoch.
        date set_date: i64,
        /// H_AMOUNT, in cents.
        amount set_amount: i32,
    }
    texts {
        /// H_DATA.
        data,
    }
}

row! {
    /// A row of ORDER.
    pub Order "order", OrderValues {
        /// O_C_ID.
        customer set_customer: u16,
        /// O_ENTRY_D, in microseconds since the Unix epoch.
        entered set_entered: i64,
        /// O_CARRIER_ID, from 1 to 10, or 0 while the order isn't delivered.
        carrier set_carrier: u8,
        /// O_OL_CNT: how many lines the order has.
        line_count set_line_count: u8,
        /// O_ALL_LOCAL: 1 if all lines are supplied by the order's own warehouse, otherwise 0.
        all_local set_all_local: u8,
    }
    texts {}
}

row! {
    /// A row of ORDER_LINE.
    pub OrderLine "order_line", OrderLineValues {
        /// OL_I_ID.
        item set_item: u32,
        /// OL_SUPPLY_W_ID.
        supply_warehouse set_supply_warehouse: u16,
        /// OL_DELIVERY_D, in microseconds since the Unix epoch, or 0 while the line isn't delivered.
        delivered set_delivered: i64,
        /// OL_QUANTITY.
        quantity set_quantity: u8,
        /// OL_AMOUNT, in cents.
        amount set_amount: i32,
        /// OL_DIST_INFO.
        district_info set_district_info: [u8; DISTRICT_INFO_BYTES],
    }
    texts {}
}

row! {
    /// A row of ITEM.
    pub Item "item", ItemValues<'a> {
        /// I_IM_ID.
        image set_image: u32,
        /// I_PRICE, in cents.
        price set_price: i32,
    }
    texts {
        /// I_NAME.
        name,
        /// I_DATA.
        data,
    }
}

row! {
    /// A row of STOCK.
    pub Stock "stock", StockValues<'a> {
        /// S_QUANTITY.
        quantity set_quantity: i16,
        /// S_YTD: how many were ordered this year.
        year_to_date set_year_to_date: u32,
        /// S_ORDER_CNT.
        order_count set_order_count: u32,
        /// S_REMOTE_CNT: orders that came from other warehouses.
        remote_count set_remote_count: u32,
        /// S_DIST_01 to S_DIST_10, one behind the other.
        district_infos set_district_infos: [u8; 10 * DISTRICT_INFO_BYTES],
    }
    texts {
        /// S_DATA.
        data,
    }
}

impl<B: AsRef<[u8]>> Stock<B> {
    /// S_DIST_xx of the given district, from 1 to 10.
    pub fn district_info(&self, district: u8) -> [u8; DISTRICT_INFO_BYTES] {
        let at = usize::from(district.clamp(1, 10) - 1) * DISTRICT_INFO_BYTES;
        let mut info = [0; DISTRICT_INFO_BYTES];
        info.copy_from_slice(&self.district_infos()[at..at + DISTRICT_INFO_BYTES]);
        info
    }
}

/// Replaces C_DATA in the bytes of a CUSTOMER row by `entry` followed by the old C_DATA, cut at 500 bytes.
///
/// # Errors
///
/// If the row is cut short.
pub fn prepend_customer_data(row: &mut Vec<u8>, entry: &[u8]) -> crate::error::Result<()> {
    let old_bytes = Customer::parse(&*row)?.data()?.len();
    let start = row.len() - old_bytes;
    row.splice(start..start, entry.iter().copied());
    row.truncate(start + CUSTOMER_DATA_BYTES_MAX.min(entry.len() + old_bytes));
    let new_bytes = (row.len() - start) as u16;
    row[start - 2..start].copy_from_slice(&new_bytes.to_le_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn customer_row(data: &[u8]) -> Vec<u8> {
        let mut row = Vec::new();
        CustomerValues {
            balance: -1_000,
            year_to_date_payment: 1_000,
            payment_count: 1,
            delivery_count: 0,
            discount: 4_999,
            credit: BAD_CREDIT,
            credit_limit: 5_000_000,
            since: 7,
            middle: *b"OE",
            state: *b"XX",
            zip: *b"123411111",
            phone: *b"0123456789012345",
            first: b"first",
            last: b"BARBARBAR",
            street_1: b"street one",
            street_2: b"street two",
            city: b"city",
            data,
        }
        .encode(&mut row);
        row
    }

    #[test]
    fn customer_keeps_every_column() {
        let row = customer_row(b"some data");
        let customer = Customer::parse(&row).expect("whole");
        assert_eq!((customer.balance(), customer.discount(), customer.credit()), (-1_000, 4_999, BAD_CREDIT));
        assert_eq!((customer.zip(), customer.phone()), (*b"123411111", *b"0123456789012345"));
        assert_eq!(customer.last().expect("text"), b"BARBARBAR");
        assert_eq!(customer.data().expect("text"), b"some data");
    }

    #[test]
    fn customer_data_grows_at_the_front_and_is_cut_at_the_end() {
        let mut row = customer_row(b"old");
        prepend_customer_data(&mut row, b"new ").expect("whole");
        assert_eq!(row, customer_row(b"new old"));
        let mut row = customer_row(&[b'o'; 490]);
        prepend_customer_data(&mut row, &[b'n'; 30]).expect("whole");
        assert_eq!(row, customer_row(&[vec![b'n'; 30], vec![b'o'; 470]].concat()));
    }

    #[test]
    fn stock_tells_the_districts_apart() {
        let mut infos = [0; 240];
        for (district, info) in infos.chunks_exact_mut(DISTRICT_INFO_BYTES).enumerate() {
            info.fill(b'a' + district as u8);
        }
        let mut row = Vec::new();
        let values = StockValues {
            quantity: -3,
            year_to_date: 1,
            order_count: 2,
            remote_count: 3,
            district_infos: infos,
            data: b"x",
        };
        values.encode(&mut row);
        let stock = Stock::parse(&row).expect("whole");
        assert_eq!(stock.district_info(1), [b'a'; 24]);
        assert_eq!(stock.district_info(10), [b'j'; 24]);
        assert_eq!(stock.quantity(), -3);
    }

    #[test]
    fn rows_without_texts_are_only_their_fields() {
        let mut row = Vec::new();
        OrderValues { customer: 9, entered: 5, carrier: NULL, line_count: 15, all_local: 1 }.encode(&mut row);
        assert_eq!(row.len(), 13);
        let mut order = Order::parse(&mut row).expect("whole");
        order.set_carrier(10);
        assert_eq!((order.customer(), order.carrier(), order.line_count()), (9, 10, 15));
    }
}
