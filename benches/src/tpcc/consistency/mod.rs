//! The twelve consistency conditions (clause 3.3.2), checked on one snapshot.
//!
//! Each condition says that two ways to compute the same thing agree: what was added up while orders and
//! payments came in, and what the rows say now. A lost update, a dirty write, a phantom or half a transaction
//! breaks at least one of them.
//!
//! The check walks every table once, in two parallel passes:
//!
//! ```text
//! pass 1, a warehouse at a time   HISTORY ─▶ payments of each district, of each customer
//! pass 2, a district at a time    ORDER ⋈ ORDER_LINE ⋈ NEW_ORDER, merged in key order
//!                                 CUSTOMER, DISTRICT against what both passes have added up
//! at last                         WAREHOUSE against its DISTRICTs
//! ```
//!
//! Condition 11 needs a word. As printed, it holds for the initial population only: ORDER rows minus NEW_ORDER
//! rows is the number of delivered orders, and each Delivery adds to it. CUSTOMER, which the clause names as
//! well, counts the deliveries; so what is checked is
//! `count(ORDER) − count(NEW_ORDER) − sum(C_DELIVERY_CNT) = 2100` (or what the scale makes of 2100).

mod findings;
mod money;
mod orders;

pub use findings::ConditionReport;

use super::keys::{self, DistrictId};
use super::scale::DISTRICTS;
use super::schema::Database;
use crate::error::{Error, Result};
use findings::Findings;
use money::Payments;
use std::sync::atomic::{AtomicUsize, Ordering};
use synod::Snapshot;

/// What the check looks at.
#[derive(Clone, Copy)]
struct View<'a> {
    database: &'a Database,
    snapshot: &'a Snapshot,
}

/// Checks the twelve conditions with `threads` threads. Reads all of the data once; at full size about a
/// second for each warehouse.
///
/// # Errors
///
/// If the engine fails, or a row is malformed. A condition that doesn't hold is no error, but in the report.
pub fn check(database: &Database, threads: usize) -> Result<Vec<ConditionReport>> {
    let snapshot = database.engine.snapshot()?;
    let view = View { database, snapshot: &snapshot };
    let payments = Payments::new(database.scale);
    let warehouses: Vec<u16> = database.scale.warehouse_ids().collect();
    let districts: Vec<DistrictId> = warehouses
        .iter()
        .flat_map(|&warehouse| (1..=DISTRICTS).map(move |district| DistrictId { warehouse, district }))
        .collect();
    in_parallel(threads, &warehouses, |&warehouse, _| payments.add_history(view, warehouse))?;
    let mut findings = in_parallel(threads, &districts, |&district, findings| {
        check_district(view, district, &payments, findings)
    })?;
    for &warehouse in &warehouses {
        money::check_warehouse(view, warehouse, &payments, &mut findings)?;
    }
    Ok(findings.into_reports(database.scale))
}

/// Checks all conditions that concern one district.
fn check_district(
    view: View<'_>,
    district: DistrictId,
    payments: &Payments,
    findings: &mut Findings,
) -> Result<()> {
    let orders = orders::walk(view, district, findings)?;
    let row = view.snapshot.get(&view.database.tables.district, district.key())?;
    let row = row.ok_or_else(|| super::access::missing("district", &district.key()))?;
    orders::check_district(district, &row, &orders, findings)?;
    money::check_district(district, &row, payments, findings)?;
    let deliveries = money::check_customers(view, district, &orders, payments, findings)?;
    orders::check_deliveries(view, district, &orders, deliveries, findings);
    Ok(())
}

/// Does `work` for each item, on several threads; the findings come back in the order of the items.
fn in_parallel<T: Sync>(
    threads: usize,
    items: &[T],
    work: impl Fn(&T, &mut Findings) -> Result<()> + Sync,
) -> Result<Findings> {
    let next = AtomicUsize::new(0);
    let worker = || -> Result<Vec<(usize, Findings)>> {
        let mut done = Vec::new();
        // Relaxed: the counter only shares out work.
        while let Some((index, item)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, items.get(i)?)))
        {
            let mut findings = Findings::default();
            work(item, &mut findings)?;
            done.push((index, findings));
        }
        Ok(done)
    };
    let mut all = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_fold(Vec::new(), |mut all, worker| {
            all.extend(worker.join().map_err(|panic| Error::panicked(&*panic))??);
            Ok::<_, Error>(all)
        })
    })?;
    all.sort_by_key(|&(index, _)| index);
    let mut findings = Findings::default();
    all.into_iter().for_each(|(_, found)| findings.merge(found));
    Ok(findings)
}

/// The key under which all rows of a warehouse begin.
fn warehouse_prefix(warehouse: u16) -> [u8; 2] {
    keys::warehouse(warehouse)
}
