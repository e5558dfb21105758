//! Did the run keep the rules of the mix and of the inputs?
//!
//! What was really executed is compared with the ranges that the specification sets (shares of the mix in
//! clause 5.2.3, the others around the values in clauses 2.4.1 to 2.7.1). The ranges are meant for runs of
//! hours. A share that is drawn `n` times with probability `p` wanders by `sqrt(p(1−p)/n)`; where four times
//! that is more than the range is wide, it is allowed instead, and the item says so: a short run isn't wrong
//! because it is short, and a correct program fails one item in some ten thousand runs.

use super::deck::{Kind, Mix};
use super::scale::Scale;
use super::statistics::{AuditCounts, Statistics};
use serde::Serialize;

/// How many standard deviations a value may be off.
const DEVIATIONS: f64 = 4.0;

/// One rule, and how it was kept.
#[derive(Clone, Debug, Serialize)]
pub struct AuditItem {
    /// What was measured.
    pub name: &'static str,
    /// The measured value, in `unit`.
    pub value: f64,
    /// The lowest value that is accepted.
    pub low: f64,
    /// The highest value that is accepted.
    pub high: f64,
    /// `%` for shares, empty for plain numbers.
    pub unit: &'static str,
    /// How many draws the value comes from.
    pub sample: u64,
    /// Whether the range is that of the sample's size, wider than the specification's.
    pub widened: bool,
}

impl AuditItem {
    /// Whether the value lies in the range.
    pub fn passes(&self) -> bool {
        (self.low..=self.high).contains(&self.value)
    }
}

/// A share of `hits` in `sample` that must lie within `low..=high` percent, around `expected` percent. `None` if
/// there is no sample.
fn share(
    name: &'static str,
    hits: u64,
    sample: u64,
    expected: f64,
    (low, high): (f64, f64),
) -> Option<AuditItem> {
    if sample == 0 {
        return None;
    }
    let probability = expected / 100.0;
    let deviation = 100.0 * (probability * (1.0 - probability) / sample as f64).sqrt() * DEVIATIONS;
    let (wide_low, wide_high) = ((expected - deviation).max(0.0), (expected + deviation).min(100.0));
    let value = 100.0 * hits as f64 / sample as f64;
    let widened = wide_low < low || wide_high > high;
    let (low, high) = (low.min(wide_low), high.max(wide_high));
    Some(AuditItem { name, value, low, high, unit: "%", sample, widened })
}

/// Audits a run. What the run had no sample of (a mix without Payments, a single warehouse) isn't listed, nor
/// are the shares of a mix that isn't the standard one.
pub fn audit(statistics: &Statistics, mix: Mix, scale: Scale) -> Vec<AuditItem> {
    let counts = &statistics.audit;
    let mut items = if mix == Mix::STANDARD { mix_shares(statistics) } else { Vec::new() };
    items.extend(order_rules(counts));
    if scale.warehouses > 1 {
        items.extend(remote_shares(counts));
    }
    items.extend(shares_by_name(counts));
    // A small population has few undelivered orders to begin with, and runs out of them by chance; a mix
    // without New-Orders runs out of them for certain.
    if counts.new_orders > 0 && scale.is_full() {
        let (skipped, districts) = (counts.delivery_districts_skipped, counts.delivery_districts);
        items.extend(share("deliveries skipped, nothing to deliver", skipped, districts, 0.0, (0.0, 1.0)));
    }
    items
}

/// New-Orders: one in a hundred rolls back (2.4.1.4), ten lines on average (2.4.1.3).
fn order_rules(counts: &AuditCounts) -> impl Iterator<Item = AuditItem> {
    let (orders, rolled_back) = (counts.new_orders, counts.new_orders_rolled_back);
    let rollbacks = share("New-Orders rolled back", rolled_back, orders, 1.0, (0.9, 1.1));
    [rollbacks, lines_per_order(counts.order_lines, orders)].into_iter().flatten()
}

/// What goes to another warehouse: order lines (2.4.1.5) and Payments (2.5.1.2).
fn remote_shares(counts: &AuditCounts) -> impl Iterator<Item = AuditItem> {
    let (lines, remote_lines) = (counts.order_lines, counts.remote_order_lines);
    let (payments, remote_payments) = (counts.payments, counts.remote_payments);
    [
        share("order lines from another warehouse", remote_lines, lines, 1.0, (0.95, 1.05)),
        share("Payments at another warehouse", remote_payments, payments, 15.0, (14.0, 16.0)),
    ]
    .into_iter()
    .flatten()
}

/// How often the customer is found by last name (2.5.1.2, 2.6.1.2).
fn shares_by_name(counts: &AuditCounts) -> impl Iterator<Item = AuditItem> {
    let (payments, by_name) = (counts.payments, counts.payments_by_name);
    let (statuses, statuses_by_name) = (counts.order_statuses, counts.order_statuses_by_name);
    [
        share("Payments by last name", by_name, payments, 60.0, (57.0, 63.0)),
        share("Order-Statuses by last name", statuses_by_name, statuses, 60.0, (57.0, 63.0)),
    ]
    .into_iter()
    .flatten()
}

/// The shares of the mix that have a minimum (5.2.3).
fn mix_shares(statistics: &Statistics) -> Vec<AuditItem> {
    let total = statistics.completed();
    let minimums = [
        (Kind::Payment, "Payments in the mix", 43.0),
        (Kind::OrderStatus, "Order-Statuses in the mix", 4.0),
        (Kind::Delivery, "Deliveries in the mix", 4.0),
        (Kind::StockLevel, "Stock-Levels in the mix", 4.0),
    ];
    let share_of = |(kind, name, minimum)| {
        let completed = statistics.of(kind).committed;
        share(name, completed, total, 100.0 * Mix::STANDARD.share_of(kind), (minimum, 100.0))
    };
    minimums.into_iter().filter_map(share_of).collect()
}

/// The mean number of lines of an order: 10, as they are uniform between 5 and 15.
fn lines_per_order(lines: u64, orders: u64) -> Option<AuditItem> {
    if orders == 0 {
        return None;
    }
    // The variance of a uniform choice among 11 numbers is (11² − 1) / 12 = 10.
    let deviation = DEVIATIONS * (10.0 / orders as f64).sqrt();
    Some(AuditItem {
        name: "lines of a New-Order, on average",
        value: lines as f64 / orders as f64,
        low: 10.0 - deviation.max(0.5),
        high: 10.0 + deviation.max(0.5),
        unit: "",
        sample: orders,
        widened: deviation > 0.5,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of a million transactions that keeps all rules.
    fn proper_run() -> Statistics {
        let mut statistics = Statistics::default();
        for (kind, committed) in Kind::ALL.into_iter().zip([430_000, 434_000, 44_000, 44_000, 43_500]) {
            statistics.of_mut(kind).committed = committed;
        }
        statistics.of_mut(Kind::NewOrder).rolled_back = 4_500;
        statistics.audit = AuditCounts {
            new_orders: 434_500,
            new_orders_rolled_back: 4_345,
            order_lines: 4_350_000,
            remote_order_lines: 43_500,
            payments: 434_000,
            remote_payments: 65_000,
            payments_by_name: 260_000,
            order_statuses: 44_000,
            order_statuses_by_name: 26_400,
            delivery_districts: 440_000,
            delivery_districts_skipped: 12,
        };
        statistics
    }

    fn failing(statistics: &Statistics) -> Vec<&'static str> {
        let items = audit(statistics, Mix::STANDARD, Scale::full(2));
        items.iter().filter(|item| !item.passes()).map(|item| item.name).collect()
    }

    #[test]
    fn a_proper_run_passes_every_item() {
        let items = audit(&proper_run(), Mix::STANDARD, Scale::full(2));
        assert_eq!(items.len(), 11);
        assert_eq!(failing(&proper_run()), [""; 0]);
    }

    #[test]
    fn each_broken_rule_is_found_alone() {
        let broken = |change: fn(&mut Statistics)| {
            let mut statistics = proper_run();
            change(&mut statistics);
            failing(&statistics)
        };
        assert_eq!(broken(|s| s.of_mut(Kind::Payment).committed -= 30_000), ["Payments in the mix"]);
        assert_eq!(
            broken(|s| s.of_mut(Kind::OrderStatus).committed -= 10_000),
            ["Order-Statuses in the mix"]
        );
        assert_eq!(broken(|s| s.of_mut(Kind::Delivery).committed -= 10_000), ["Deliveries in the mix"]);
        assert_eq!(broken(|s| s.of_mut(Kind::StockLevel).committed -= 10_000), ["Stock-Levels in the mix"]);
        assert_eq!(broken(|s| s.audit.new_orders_rolled_back = 3_500), ["New-Orders rolled back"]);
        assert_eq!(broken(|s| s.audit.new_orders_rolled_back = 5_500), ["New-Orders rolled back"]);
        assert_eq!(broken(|s| s.audit.remote_order_lines = 40_000), ["order lines from another warehouse"]);
        assert_eq!(broken(|s| s.audit.remote_payments = 0), ["Payments at another warehouse"]);
        assert_eq!(broken(|s| s.audit.payments_by_name = 434_000), ["Payments by last name"]);
        assert_eq!(broken(|s| s.audit.order_statuses_by_name = 20_000), ["Order-Statuses by last name"]);
        assert_eq!(
            broken(|s| s.audit.delivery_districts_skipped = 9_000),
            ["deliveries skipped, nothing to deliver"]
        );
        let fewer_lines = broken(|s| {
            s.audit.order_lines = 4_000_000;
            s.audit.remote_order_lines = 40_000;
        });
        assert_eq!(fewer_lines, ["lines of a New-Order, on average"]);
    }

    #[test]
    fn small_samples_get_room_and_say_so() {
        let of = |hits, sample| share("x", hits, sample, 1.0, (0.9, 1.1)).expect("a sample");
        assert!(of(3, 100).passes() && of(3, 100).widened);
        assert!(!of(30, 100).passes());
        assert!(of(10_000, 1_000_000).passes() && !of(10_000, 1_000_000).widened);
        assert!(!of(11_500, 1_000_000).passes());
        assert!(share("x", 0, 0, 1.0, (0.9, 1.1)).is_none());
    }

    #[test]
    fn what_was_not_run_is_not_audited() {
        assert!(audit(&Statistics::default(), Mix::STANDARD, Scale::full(2)).is_empty());
        let mix = "p=1".parse().expect("a mix");
        let mut statistics = Statistics::default();
        statistics.audit = AuditCounts { payments: 100, payments_by_name: 60, ..AuditCounts::default() };
        let names: Vec<&str> = audit(&statistics, mix, Scale::full(1)).iter().map(|item| item.name).collect();
        assert_eq!(names, ["Payments by last name"]);
    }
}
