//! What a thread counts while it runs; added up afterwards.

use super::deck::Kind;
use crate::latency::Latencies;
use serde::Serialize;
use std::collections::BTreeMap;

/// Counters of one kind of transaction.
#[derive(Clone, Debug, Default)]
pub struct KindStatistics {
    /// From the terminal's input to the durable commit, or to the end of the rollback.
    pub latencies: Latencies,
    /// Transactions that committed.
    pub committed: u64,
    /// New-Orders that rolled back because of an unused item.
    pub rolled_back: u64,
    /// Attempts that the engine aborted and that were tried again.
    pub retries: u64,
    /// The same, by the engine's reason.
    pub aborts: BTreeMap<&'static str, u64>,
}

/// What the transactions really did; the audit compares it with the rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AuditCounts {
    /// New-Orders, rolled back ones included.
    pub new_orders: u64,
    /// New-Orders that rolled back because of an unused item.
    pub new_orders_rolled_back: u64,
    /// Order lines of all New-Orders.
    pub order_lines: u64,
    /// Order lines that another warehouse than the order's own supplies.
    pub remote_order_lines: u64,
    /// Payments.
    pub payments: u64,
    /// Payments by customers of another warehouse.
    pub remote_payments: u64,
    /// Payments whose customer was found by last name.
    pub payments_by_name: u64,
    /// Order-Statuses.
    pub order_statuses: u64,
    /// Order-Statuses whose customer was found by last name.
    pub order_statuses_by_name: u64,
    /// Districts that a Delivery looked at.
    pub delivery_districts: u64,
    /// Districts in which a Delivery found nothing to deliver.
    pub delivery_districts_skipped: u64,
}

impl AuditCounts {
    /// Adds the counts of another thread.
    pub fn merge(&mut self, other: &AuditCounts) {
        self.new_orders += other.new_orders;
        self.new_orders_rolled_back += other.new_orders_rolled_back;
        self.order_lines += other.order_lines;
        self.remote_order_lines += other.remote_order_lines;
        self.payments += other.payments;
        self.remote_payments += other.remote_payments;
        self.payments_by_name += other.payments_by_name;
        self.order_statuses += other.order_statuses;
        self.order_statuses_by_name += other.order_statuses_by_name;
        self.delivery_districts += other.delivery_districts;
        self.delivery_districts_skipped += other.delivery_districts_skipped;
    }
}

/// All counters of one thread, or of all threads together.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    kinds: [KindStatistics; 5],
    /// What the audit needs.
    pub audit: AuditCounts,
}

impl Statistics {
    /// The counters of one kind.
    pub fn of(&self, kind: Kind) -> &KindStatistics {
        &self.kinds[kind as usize]
    }

    /// The counters of one kind, to count with.
    pub fn of_mut(&mut self, kind: Kind) -> &mut KindStatistics {
        &mut self.kinds[kind as usize]
    }

    /// Transactions that ended as they should: committed, or rolled back on purpose.
    pub fn completed(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.committed + kind.rolled_back).sum()
    }

    /// Adds the counters of another thread.
    pub fn merge(&mut self, other: &Statistics) {
        for (mine, theirs) in self.kinds.iter_mut().zip(&other.kinds) {
            mine.latencies.merge(&theirs.latencies);
            mine.committed += theirs.committed;
            mine.rolled_back += theirs.rolled_back;
            mine.retries += theirs.retries;
            for (reason, count) in &theirs.aborts {
                *mine.aborts.entry(reason).or_default() += count;
            }
        }
        self.audit.merge(&other.audit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn merging_adds_every_counter() {
        let mut one = Statistics::default();
        let payment = one.of_mut(Kind::Payment);
        payment.committed = 2;
        payment.retries = 1;
        payment.aborts.insert("deadlock", 1);
        payment.latencies.record(Duration::from_micros(5));
        one.of_mut(Kind::NewOrder).rolled_back = 1;
        one.audit = AuditCounts { payments: 2, order_lines: 10, new_orders: 1, ..AuditCounts::default() };
        let mut both = one.clone();
        both.merge(&one);
        assert_eq!((both.of(Kind::Payment).committed, both.of(Kind::Payment).retries), (4, 2));
        assert_eq!(both.of(Kind::Payment).aborts["deadlock"], 2);
        assert_eq!(both.of(Kind::Payment).latencies.count(), 2);
        assert_eq!(both.completed(), 6);
        assert_eq!((both.audit.payments, both.audit.order_lines, both.audit.new_orders), (4, 20, 2));
    }
}
