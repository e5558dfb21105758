//! Conditions on orders: 2 to 7, and 11.

use super::View;
use super::findings::Findings;
use crate::error::Result;
use crate::tpcc::keys::{self, DistrictId};
use crate::tpcc::rows::{District, NULL, Order, OrderLine};
use std::iter::Peekable;
use synod::Bytes;

/// What a walk over a district's orders has added up.
pub(super) struct Orders {
    orders: u64,
    lines: u64,
    /// The sum of O_OL_CNT.
    line_count_sum: u64,
    last_order: Option<u32>,
    new_orders: u64,
    first_new_order: Option<u32>,
    last_new_order: Option<u32>,
    /// By customer: the sum of OL_AMOUNT over delivered lines, in cents.
    delivered_cents: Vec<i64>,
}

impl Orders {
    /// The sum of OL_AMOUNT over the delivered lines of a customer's orders, in cents.
    pub(super) fn delivered_cents(&self, customer: u16) -> i64 {
        self.delivered_cents.get(usize::from(customer)).copied().unwrap_or(0)
    }
}

/// A row of a scan.
type Row = synod::Result<(Bytes, Bytes)>;

/// The next row, if `wanted` says so of its key; errors always come through.
fn next_if(
    rows: &mut Peekable<impl Iterator<Item = Row>>,
    wanted: impl Fn(&[u8]) -> bool,
) -> Result<Option<(Bytes, Bytes)>> {
    let row = rows.next_if(|row| row.as_ref().map_or(true, |(key, _)| wanted(key)));
    Ok(row.transpose()?)
}

/// Walks ORDER, NEW_ORDER and ORDER_LINE of a district side by side, in key order, and checks what concerns
/// single orders: conditions 5, 6 and 7.
pub(super) fn walk(view: View<'_>, district: DistrictId, findings: &mut Findings) -> Result<Orders> {
    let (tables, snapshot) = (&view.database.tables, view.snapshot);
    let mut totals = Orders {
        orders: 0,
        lines: 0,
        line_count_sum: 0,
        last_order: None,
        new_orders: 0,
        first_new_order: None,
        last_new_order: None,
        delivered_cents: vec![0; usize::from(view.database.scale.customers) + 1],
    };
    let prefix = district.key();
    let mut new_orders = snapshot.prefix(&tables.new_order, prefix).peekable();
    let mut lines = snapshot.prefix(&tables.order_line, prefix).peekable();
    for entry in snapshot.prefix(&tables.order, prefix) {
        let (key, row) = entry?;
        let (order, row) = (keys::order_of(&key), Order::parse(&row)?);
        totals.orders += 1;
        totals.line_count_sum += u64::from(row.line_count());
        totals.last_order = Some(order);
        let undelivered = take_new_orders(&mut new_orders, Some(order), &mut totals)?;
        findings.expect(5, (row.carrier() == NULL) == undelivered, || {
            let there = if undelivered { "is" } else { "is not" };
            format!(
                "{district} order {order}: O_CARRIER_ID is {}, and it {there} in NEW_ORDER",
                row.carrier()
            )
        });
        let count = take_lines(&mut lines, district, order, Some(&row), &mut totals, findings)?;
        findings.expect(6, u64::from(row.line_count()) == count, || {
            format!("{district} order {order}: O_OL_CNT is {}, and it has {count} lines", row.line_count())
        });
    }
    // Rows behind the last order belong to no order, but count.
    take_new_orders(&mut new_orders, None, &mut totals)?;
    take_lines::<&[u8]>(&mut lines, district, u32::MAX, None, &mut totals, findings)?;
    Ok(totals)
}

/// Takes the NEW_ORDER rows up to and including `order` (all if `None`); true if the last one is of `order`.
fn take_new_orders(
    rows: &mut Peekable<impl Iterator<Item = Row>>,
    order: Option<u32>,
    totals: &mut Orders,
) -> Result<bool> {
    let mut last = None;
    while let Some((key, _)) = next_if(rows, |key| order.is_none_or(|order| keys::order_of(key) <= order))? {
        last = Some(keys::order_of(&key));
        totals.new_orders += 1;
        totals.first_new_order = totals.first_new_order.or(last);
        totals.last_new_order = last;
    }
    Ok(last.is_some() && last == order)
}

/// Takes the lines up to and including those of `order`; returns how many `order` has. Lines without an order
/// are counted for the district, and that is all.
fn take_lines<B: AsRef<[u8]>>(
    rows: &mut Peekable<impl Iterator<Item = Row>>,
    district: DistrictId,
    order: u32,
    row: Option<&Order<B>>,
    totals: &mut Orders,
    findings: &mut Findings,
) -> Result<u64> {
    let mut count = 0;
    while let Some((key, line)) = next_if(rows, |key| keys::order_and_line_of(key).0 <= order)? {
        totals.lines += 1;
        let (line_order, number) = keys::order_and_line_of(&key);
        let Some(row) = row.filter(|_| line_order == order) else {
            continue;
        };
        count += 1;
        let line = OrderLine::parse(&line)?;
        let delivered = line.delivered() != i64::from(NULL);
        findings.expect(7, delivered == (row.carrier() != NULL), || {
            format!(
                "{district} order {order} line {number}: OL_DELIVERY_D is {}, and O_CARRIER_ID is {}",
                line.delivered(),
                row.carrier()
            )
        });
        if let Some(cents) = totals.delivered_cents.get_mut(usize::from(row.customer())).filter(|_| delivered)
        {
            *cents += i64::from(line.amount());
        }
    }
    Ok(count)
}

/// Conditions 2, 3 and 4.
pub(super) fn check_district(
    district: DistrictId,
    row: &[u8],
    orders: &Orders,
    findings: &mut Findings,
) -> Result<()> {
    let next_order = District::parse(row)?.next_order();
    let last = next_order.checked_sub(1);
    // When all orders have been delivered, NEW_ORDER is empty and has no maximum.
    let last_new_fits = orders.new_orders == 0 || orders.last_new_order == last;
    findings.expect(2, orders.last_order == last && last_new_fits, || {
        format!(
            "{district}: D_NEXT_O_ID is {next_order}, max(O_ID) is {}, max(NO_O_ID) is {}",
            or_none(orders.last_order),
            or_none(orders.last_new_order)
        )
    });
    let span = match (orders.first_new_order, orders.last_new_order) {
        (Some(first), Some(last)) => u64::from(last - first) + 1,
        _ => 0,
    };
    findings.expect(3, span == orders.new_orders, || {
        format!(
            "{district}: NO_O_ID goes from {} to {}, which are {span}, and NEW_ORDER has {} rows",
            or_none(orders.first_new_order),
            or_none(orders.last_new_order),
            orders.new_orders
        )
    });
    findings.expect(4, orders.line_count_sum == orders.lines, || {
        format!(
            "{district}: sum(O_OL_CNT) is {}, and ORDER_LINE has {} rows",
            orders.line_count_sum, orders.lines
        )
    });
    Ok(())
}

/// Condition 11, with `deliveries` as the sum of C_DELIVERY_CNT.
pub(super) fn check_deliveries(
    view: View<'_>,
    district: DistrictId,
    orders: &Orders,
    deliveries: u64,
    findings: &mut Findings,
) {
    let expected = i128::from(view.database.scale.delivered());
    let delivered = i128::from(orders.orders) - i128::from(orders.new_orders) - i128::from(deliveries);
    findings.expect(11, delivered == expected, || {
        format!(
            "{district}: count(ORDER) is {}, count(NEW_ORDER) is {}, sum(C_DELIVERY_CNT) is {deliveries}: \
             that leaves {delivered}, not {expected}",
            orders.orders, orders.new_orders
        )
    });
}

fn or_none(order: Option<u32>) -> String {
    order.map_or_else(|| "none".to_string(), |order| order.to_string())
}
