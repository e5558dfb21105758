//! Conditions on money: 1, 8, 9, 10 and 12. All amounts are in cents.

use super::findings::Findings;
use super::orders::Orders;
use super::{View, warehouse_prefix};
use crate::error::Result;
use crate::tpcc::access::missing;
use crate::tpcc::keys::{self, DistrictId};
use crate::tpcc::rows::{Customer, District, History, Warehouse};
use crate::tpcc::scale::{DISTRICTS, Scale};
use std::sync::atomic::{AtomicI64, Ordering};

/// The sums of H_AMOUNT: by warehouse and district where it was paid, and by customer who paid.
///
/// A customer pays at any warehouse, so threads that walk different warehouses add to the same customer. The
/// sums are read after those threads have been joined: `Relaxed` is enough.
pub(super) struct Payments {
    scale: Scale,
    by_warehouse: Vec<AtomicI64>,
    by_district: Vec<AtomicI64>,
    by_customer: Vec<AtomicI64>,
}

impl Payments {
    /// Sums of nothing.
    pub(super) fn new(scale: Scale) -> Payments {
        let zeros = |count: usize| (0..count).map(|_| AtomicI64::new(0)).collect();
        let districts = usize::from(scale.warehouses) * usize::from(DISTRICTS);
        Payments {
            scale,
            by_warehouse: zeros(usize::from(scale.warehouses)),
            by_district: zeros(districts),
            by_customer: zeros(districts * usize::from(scale.customers)),
        }
    }

    /// Adds up the HISTORY of a warehouse. What names a district or a customer that doesn't exist is in the
    /// warehouse's sum and in no other.
    pub(super) fn add_history(&self, view: View<'_>, warehouse: u16) -> Result<()> {
        for entry in view.snapshot.prefix(&view.database.tables.history, warehouse_prefix(warehouse)) {
            let (key, row) = entry?;
            let payment = History::parse(&row)?;
            let amount = i64::from(payment.amount());
            let paid_at = keys::district_of(&key);
            let owner =
                DistrictId { warehouse: payment.customer_warehouse(), district: payment.customer_district() };
            let sums = [
                self.by_warehouse.get(usize::from(warehouse) - 1),
                self.district_index(paid_at).and_then(|index| self.by_district.get(index)),
                self.customer_index(owner, payment.customer()).and_then(|index| self.by_customer.get(index)),
            ];
            sums.into_iter().flatten().for_each(|sum| {
                sum.fetch_add(amount, Ordering::Relaxed);
            });
        }
        Ok(())
    }

    fn district_index(&self, district: DistrictId) -> Option<usize> {
        let exists = (1..=DISTRICTS).contains(&district.district)
            && self.scale.warehouse_ids().contains(&district.warehouse);
        exists.then(|| {
            usize::from(district.warehouse - 1) * usize::from(DISTRICTS) + usize::from(district.district - 1)
        })
    }

    fn customer_index(&self, district: DistrictId, customer: u16) -> Option<usize> {
        let exists = (1..=self.scale.customers).contains(&customer);
        let district = self.district_index(district).filter(|_| exists)?;
        Some(district * usize::from(self.scale.customers) + usize::from(customer - 1))
    }

    fn of_warehouse(&self, warehouse: u16) -> i64 {
        self.by_warehouse[usize::from(warehouse) - 1].load(Ordering::Relaxed)
    }

    fn of_district(&self, district: DistrictId) -> i64 {
        self.district_index(district).map_or(0, |index| self.by_district[index].load(Ordering::Relaxed))
    }

    fn of_customer(&self, district: DistrictId, customer: u16) -> i64 {
        self.customer_index(district, customer)
            .map_or(0, |index| self.by_customer[index].load(Ordering::Relaxed))
    }
}

/// Cents, as people write them.
fn money(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.unsigned_abs() / 100, cents.unsigned_abs() % 100)
}

/// Conditions 1 and 8.
pub(super) fn check_warehouse(
    view: View<'_>,
    warehouse: u16,
    payments: &Payments,
    findings: &mut Findings,
) -> Result<()> {
    let tables = &view.database.tables;
    let key = keys::warehouse(warehouse);
    let row = view.snapshot.get(&tables.warehouse, key)?.ok_or_else(|| missing("warehouse", &key))?;
    let warehouse_ytd = Warehouse::parse(&row)?.year_to_date();
    let mut districts_ytd = 0;
    for entry in view.snapshot.prefix(&tables.district, key) {
        districts_ytd += District::parse(&entry?.1)?.year_to_date();
    }
    findings.expect(1, warehouse_ytd == districts_ytd, || {
        format!("W {warehouse}: W_YTD is {}, sum(D_YTD) is {}", money(warehouse_ytd), money(districts_ytd))
    });
    let paid = payments.of_warehouse(warehouse);
    findings.expect(8, warehouse_ytd == paid, || {
        format!("W {warehouse}: W_YTD is {}, sum(H_AMOUNT) is {}", money(warehouse_ytd), money(paid))
    });
    Ok(())
}

/// Condition 9.
pub(super) fn check_district(
    district: DistrictId,
    row: &[u8],
    payments: &Payments,
    findings: &mut Findings,
) -> Result<()> {
    let (district_ytd, paid) = (District::parse(row)?.year_to_date(), payments.of_district(district));
    findings.expect(9, district_ytd == paid, || {
        format!("{district}: D_YTD is {}, sum(H_AMOUNT) is {}", money(district_ytd), money(paid))
    });
    Ok(())
}

/// Conditions 10 and 12, for each customer of a district. Returns the sum of C_DELIVERY_CNT.
pub(super) fn check_customers(
    view: View<'_>,
    district: DistrictId,
    orders: &Orders,
    payments: &Payments,
    findings: &mut Findings,
) -> Result<u64> {
    let mut deliveries = 0;
    for entry in view.snapshot.prefix(&view.database.tables.customer, district.key()) {
        let (key, row) = entry?;
        let (id, customer) = (keys::customer_of(&key), Customer::parse(&row)?);
        deliveries += u64::from(customer.delivery_count());
        let (balance, paid_ytd) = (customer.balance(), customer.year_to_date_payment());
        let (delivered, paid) = (orders.delivered_cents(id), payments.of_customer(district, id));
        findings.expect(10, balance == delivered - paid, || {
            format!(
                "{district} customer {id}: C_BALANCE is {}, delivered OL_AMOUNT is {}, sum(H_AMOUNT) is {}",
                money(balance),
                money(delivered),
                money(paid)
            )
        });
        findings.expect(12, balance + paid_ytd == delivered, || {
            format!(
                "{district} customer {id}: C_BALANCE is {}, C_YTD_PAYMENT is {}, delivered OL_AMOUNT is {}",
                money(balance),
                money(paid_ytd),
                money(delivered)
            )
        });
    }
    Ok(deliveries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_with_its_sign() {
        assert_eq!([-1_005, -5, 0, 7, 123_456].map(money), ["-10.05", "-0.05", "0.00", "0.07", "1234.56"]);
    }

    #[test]
    fn only_what_exists_has_a_sum() {
        let payments = Payments::new(Scale { customers: 30, ..Scale::full(2) });
        let of = |warehouse, district, customer| {
            payments.customer_index(DistrictId { warehouse, district }, customer)
        };
        assert_eq!((of(1, 1, 1), of(2, 10, 30)), (Some(0), Some(2 * 10 * 30 - 1)));
        for (warehouse, district, customer) in
            [(0, 1, 1), (3, 1, 1), (1, 0, 1), (1, 11, 1), (1, 1, 0), (1, 1, 31)]
        {
            assert_eq!(of(warehouse, district, customer), None);
        }
    }
}
