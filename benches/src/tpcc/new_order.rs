//! New-Order: a customer orders 5 to 15 items (clause 2.4).
//!
//! ```text
//! read  CUSTOMER ─ for each line: read ITEM, change STOCK ─ change DISTRICT (next order number)
//!       ─ insert ORDER, NEW_ORDER, ORDER_LINEs ─ read WAREHOUSE (tax)
//! ```
//!
//! The two rows that everyone wants, DISTRICT and WAREHOUSE, come last; the specification fixes what is done,
//! not in which order. An unused item (one order in a hundred, always in the last line) is met after all other
//! lines have been worked on, and rolls everything back (2.4.2.3).

use super::access::{Scratch, change_row, read_row};
use super::constants::Constants;
use super::failure::Failure;
use super::keys::{self, DistrictId};
use super::rows::{
    Customer, DISTRICT_INFO_BYTES, District, Item, NULL, OrderLineValues, OrderValues, Stock, Warehouse,
};
use super::scale::{DISTRICTS, Scale};
use super::schema::TableRefs;
use super::values::{is_original, now_us};
use crate::error::Result;
use crate::random::Random;
use serde::{Deserialize, Serialize, Serializer};
use synod::Transaction;

/// The most lines that an order has.
pub const LINES_MAX: usize = 15;
const LINES_MIN: usize = 5;
/// One hundred percent, in the unit of taxes and discounts.
const WHOLE: i128 = 10_000;

/// A line, as the terminal enters it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// OL_I_ID.
    pub item: u32,
    /// OL_SUPPLY_W_ID.
    pub supply_warehouse: u16,
    /// OL_QUANTITY, from 1 to 10.
    pub quantity: u8,
}

/// The lines of an order. They lie in place, so that an order needs no allocation; only those that there are are
/// written down.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "Vec<Line>")]
struct Lines {
    lines: [Line; LINES_MAX],
    count: u8,
}

impl Lines {
    fn as_slice(&self) -> &[Line] {
        &self.lines[..usize::from(self.count)]
    }
}

impl Serialize for Lines {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_slice().serialize(serializer)
    }
}

impl TryFrom<Vec<Line>> for Lines {
    type Error = &'static str;

    fn try_from(entered: Vec<Line>) -> Result<Lines, &'static str> {
        let mut lines = [Line::default(); LINES_MAX];
        let places = lines.get_mut(..entered.len()).ok_or("an order has more lines than there are")?;
        places.copy_from_slice(&entered);
        Ok(Lines { lines, count: entered.len() as u8 })
    }
}

/// What the terminal enters (2.4.1).
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct NewOrder {
    /// The terminal's warehouse, and the district.
    pub district: DistrictId,
    /// C_ID.
    pub customer: u16,
    /// O_ENTRY_D, in microseconds since the Unix epoch.
    pub entered: i64,
    /// Whether the last line has an unused item.
    pub rolls_back: bool,
    lines: Lines,
}

/// What the terminal shows (2.4.3.3), as far as it isn't input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct NewOrderResult {
    /// O_ID.
    pub order: u32,
    /// What the order costs after discount and taxes, in cents.
    pub total_cents: i64,
    /// Lines whose item and stock are both "original": the terminal marks them with a B.
    pub original_lines: u8,
}

/// What a line contributes to the order, once its item and stock have been read.
#[derive(Clone, Copy, Default)]
struct PricedLine {
    amount: i32,
    district_info: [u8; DISTRICT_INFO_BYTES],
}

impl NewOrder {
    /// Draws an input for a terminal of `warehouse` (2.4.1.1 to 2.4.1.6).
    pub fn draw(random: &mut Random, warehouse: u16, scale: Scale, constants: &Constants) -> NewOrder {
        let district = DistrictId { warehouse, district: random.between(1, u64::from(DISTRICTS)) as u8 };
        let customer = constants.draw_customer(random, scale.customers);
        let line_count = random.between(LINES_MIN as u64, LINES_MAX as u64) as usize;
        let rolls_back = random.percent(1);
        let mut lines = [Line::default(); LINES_MAX];
        for line in &mut lines[..line_count] {
            *line = Line {
                item: constants.draw_item(random, scale.items),
                supply_warehouse: draw_supply_warehouse(random, warehouse, scale.warehouses),
                quantity: random.between(1, 10) as u8,
            };
        }
        if rolls_back {
            lines[line_count - 1].item = scale.items + 1;
        }
        let lines = Lines { lines, count: line_count as u8 };
        NewOrder { district, customer, entered: now_us(), rolls_back, lines }
    }

    /// The lines.
    pub fn lines(&self) -> &[Line] {
        self.lines.as_slice()
    }

    /// How many lines another warehouse supplies.
    pub fn remote_lines(&self) -> usize {
        self.lines().iter().filter(|line| self.is_remote(line)).count()
    }

    fn is_remote(&self, line: &Line) -> bool {
        line.supply_warehouse != self.district.warehouse
    }

    /// Does the transaction's work (2.4.2.2).
    ///
    /// # Errors
    ///
    /// [`Failure::UnusedItem`] if an item doesn't exist; the transaction must then be rolled back.
    pub fn execute(
        &self,
        txn: &Transaction,
        tables: &TableRefs<'_>,
        scratch: &mut Scratch,
    ) -> Result<NewOrderResult, Failure> {
        let customer_key = keys::customer(self.district, self.customer);
        let discount = read_row(txn, tables.customer, "customer", &customer_key, |row| {
            Ok(Customer::parse(row)?.discount())
        })?;
        let mut priced = [PricedLine::default(); LINES_MAX];
        let mut original_lines = 0;
        for (line, priced) in self.lines().iter().zip(&mut priced) {
            original_lines += u8::from(self.take_from_stock(txn, tables, line, priced, &mut scratch.row)?);
        }
        let (order, district_tax) = self.take_order_number(txn, tables, &mut scratch.row)?;
        self.insert_order(txn, tables, order, &priced, &mut scratch.row)?;
        let warehouse_key = keys::warehouse(self.district.warehouse);
        let warehouse_tax = read_row(txn, tables.warehouse, "warehouse", &warehouse_key, |row| {
            Ok(Warehouse::parse(row)?.tax())
        })?;
        let sum_cents = priced.iter().map(|line| i64::from(line.amount)).sum();
        let total_cents = total(sum_cents, discount, warehouse_tax, district_tax);
        Ok(NewOrderResult { order, total_cents, original_lines })
    }

    /// Reads the line's item, takes the quantity from the stock, prices the line. True if both item and stock
    /// are "original".
    fn take_from_stock(
        &self,
        txn: &Transaction,
        tables: &TableRefs<'_>,
        line: &Line,
        priced: &mut PricedLine,
        row: &mut Vec<u8>,
    ) -> Result<bool, Failure> {
        let item = txn.get_with(tables.item, keys::item(line.item), |row| {
            row.map(|row| Item::parse(row).and_then(|item| Ok((item.price(), is_original(item.data()?)))))
                .transpose()
        })??;
        let (price, item_is_original) = item.ok_or(Failure::UnusedItem)?;
        priced.amount = price * i32::from(line.quantity);
        let stock_key = keys::stock(line.supply_warehouse, line.item);
        change_row(txn, tables.stock, "stock", &stock_key, row, |row| {
            let mut stock = Stock::parse(row)?;
            stock.set_quantity(quantity_after(stock.quantity(), line.quantity));
            stock.set_year_to_date(stock.year_to_date() + u32::from(line.quantity));
            stock.set_order_count(stock.order_count() + 1);
            stock.set_remote_count(stock.remote_count() + u32::from(self.is_remote(line)));
            priced.district_info = stock.district_info(self.district.district);
            Ok(item_is_original && is_original(stock.data()?))
        })
    }

    /// Takes the district's next order number; returns it with the district's tax.
    fn take_order_number(
        &self,
        txn: &Transaction,
        tables: &TableRefs<'_>,
        row: &mut Vec<u8>,
    ) -> Result<(u32, u16), Failure> {
        change_row(txn, tables.district, "district", &self.district.key(), row, |row| {
            let mut district = District::parse(row)?;
            let order = district.next_order();
            district.set_next_order(order + 1);
            Ok((order, district.tax()))
        })
    }

    /// Inserts ORDER, NEW_ORDER, the index entry, and all ORDER_LINEs.
    fn insert_order(
        &self,
        txn: &Transaction,
        tables: &TableRefs<'_>,
        order: u32,
        priced: &[PricedLine; LINES_MAX],
        row: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let order_key = keys::order(self.district, order);
        let values = OrderValues {
            customer: self.customer,
            entered: self.entered,
            carrier: NULL,
            line_count: self.lines.count,
            all_local: u8::from(self.remote_lines() == 0),
        };
        values.encode(row);
        txn.insert(tables.order, order_key, &*row)?;
        txn.insert(tables.new_order, order_key, [])?;
        txn.insert(
            tables.order_by_customer,
            keys::order_by_customer(self.district, self.customer, order),
            [],
        )?;
        for (index, (line, priced)) in self.lines().iter().zip(priced).enumerate() {
            let values = OrderLineValues {
                item: line.item,
                supply_warehouse: line.supply_warehouse,
                delivered: i64::from(NULL),
                quantity: line.quantity,
                amount: priced.amount,
                district_info: priced.district_info,
            };
            values.encode(row);
            txn.insert(tables.order_line, keys::order_line(self.district, order, index as u8 + 1), &*row)?;
        }
        Ok(())
    }
}

/// One line in a hundred is supplied by another warehouse, if there is one (2.4.1.5).
fn draw_supply_warehouse(random: &mut Random, home: u16, warehouses: u16) -> u16 {
    if warehouses > 1 && random.percent(1) { draw_other_warehouse(random, home, warehouses) } else { home }
}

/// A warehouse other than `home`, each as likely as any other. There must be at least two.
pub(super) fn draw_other_warehouse(random: &mut Random, home: u16, warehouses: u16) -> u16 {
    let drawn = random.between(1, u64::from(warehouses) - 1) as u16;
    if drawn < home { drawn } else { drawn + 1 }
}

/// S_QUANTITY after an order: it is filled up by 91 when fewer than 10 would remain (2.4.2.2).
fn quantity_after(quantity: i16, ordered: u8) -> i16 {
    let ordered = i16::from(ordered);
    if quantity >= ordered + 10 { quantity - ordered } else { quantity - ordered + 91 }
}

/// `sum × (1 − discount) × (1 + both taxes)`, rounded half up to a cent.
fn total(sum_cents: i64, discount: u16, warehouse_tax: u16, district_tax: u16) -> i64 {
    let scaled = i128::from(sum_cents)
        * (WHOLE - i128::from(discount))
        * (WHOLE + i128::from(warehouse_tax) + i128::from(district_tax));
    ((scaled + WHOLE * WHOLE / 2) / (WHOLE * WHOLE)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_keep_the_rules() {
        let mut random = Random::new(41, 0);
        let scale = Scale::full(4);
        let constants = Constants::for_run(0, &mut random);
        let (mut lines, mut remote, mut rolled_back) = (0, 0, 0);
        let draws = 40_000;
        for _ in 0..draws {
            let order = NewOrder::draw(&mut random, 2, scale, &constants);
            assert_eq!(order.district.warehouse, 2);
            assert!((1..=10).contains(&order.district.district) && (1..=3_000).contains(&order.customer));
            assert!((5..=15).contains(&order.lines().len()));
            let unused = order.lines().iter().filter(|line| line.item > 100_000).count();
            assert_eq!(unused, usize::from(order.rolls_back), "exactly the last item is unused");
            assert!(order.lines().iter().all(|line| (1..=10).contains(&line.quantity) && line.item > 0));
            assert!(order.lines().iter().all(|line| (1..=4).contains(&line.supply_warehouse)));
            lines += order.lines().len();
            remote += order.remote_lines();
            rolled_back += usize::from(order.rolls_back);
        }
        let mean_lines = lines as f64 / f64::from(draws);
        assert!((9.9..10.1).contains(&mean_lines), "{mean_lines}");
        let remote_share = remote as f64 / lines as f64;
        assert!((0.009..0.011).contains(&remote_share), "{remote_share}");
        assert!((320..480).contains(&rolled_back), "{rolled_back}");
    }

    #[test]
    fn a_single_warehouse_supplies_everything() {
        let mut random = Random::new(42, 0);
        let constants = Constants::for_run(0, &mut random);
        let scale = Scale::full(1);
        assert!((0..1_000).all(|_| NewOrder::draw(&mut random, 1, scale, &constants).remote_lines() == 0));
    }

    #[test]
    fn other_warehouses_are_all_but_home() {
        let mut random = Random::new(43, 0);
        let drawn: std::collections::BTreeSet<u16> =
            (0..200).map(|_| draw_other_warehouse(&mut random, 2, 4)).collect();
        assert_eq!(drawn, [1, 3, 4].into());
    }

    #[test]
    fn stock_is_filled_up_before_it_runs_out() {
        assert_eq!(quantity_after(20, 10), 10);
        assert_eq!(quantity_after(19, 10), 100);
        assert_eq!(quantity_after(10, 1), 100);
        assert_eq!(quantity_after(11, 1), 10);
    }

    #[test]
    fn totals_take_the_discount_and_add_the_taxes() {
        assert_eq!(total(10_000, 0, 0, 0), 10_000);
        // 100.00 less 10 percent is 90.00, plus 5 and 10 percent is 103.50.
        assert_eq!(total(10_000, 1_000, 500, 1_000), 10_350);
        assert_eq!(total(1, 5_000, 0, 0), 1, "half a cent is rounded up");
    }
}
