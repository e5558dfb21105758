//! Each consistency condition finds what it is there for: for every one of the twelve, a database is damaged
//! so that this condition fails and no other does.

mod common;

use common::{in_memory, small};
use synod::{Table, Transaction};
use synod_bench::tpcc::consistency::{self, ConditionReport};
use synod_bench::tpcc::keys::{self, DistrictId};
use synod_bench::tpcc::rows::{
    Customer, District, HistoryValues, Order, OrderLine, OrderLineValues, Warehouse,
};
use synod_bench::tpcc::schema::{Database, Tables};

const HERE: DistrictId = DistrictId { warehouse: 1, district: 3 };
/// A district that no warehouse has: payments there are in no district's sum.
const NOWHERE: DistrictId = DistrictId { warehouse: 1, district: 99 };
/// Of 30 orders the oldest 21 have been delivered.
const DELIVERED: u32 = 5;
const UNDELIVERED: u32 = 25;

/// Damages the database in one transaction, checks it, and expects that exactly condition `number` fails.
fn expect_only(number: usize, damage: impl Fn(&Transaction, &Tables)) -> ConditionReport {
    let database = in_memory(small(2));
    commit(&database, |txn, tables| damage(txn, tables));
    let mut reports = consistency::check(&database, 2).expect("the check runs");
    let failing: Vec<usize> =
        reports.iter().filter(|report| !report.holds()).map(|report| report.number).collect();
    assert_eq!(failing, [number], "{reports:#?}");
    let report = reports.swap_remove(number - 1);
    assert_eq!(report.violations, report.examples.len() as u64, "few violations are all told");
    report
}

fn commit(database: &Database, work: impl Fn(&Transaction, &Tables)) {
    database
        .engine
        .transact(|txn| {
            work(txn, &database.tables);
            Ok::<_, synod::Error>(())
        })
        .expect("the damage commits");
}

fn change(txn: &Transaction, table: &Table, key: &[u8], change: impl FnOnce(&mut Vec<u8>)) {
    let mut row = txn.get(table, key).expect("readable").expect("the row is there").to_vec();
    change(&mut row);
    txn.put(table, key, &row).expect("writable");
}

fn change_order(
    txn: &Transaction,
    tables: &Tables,
    order: u32,
    change_it: impl FnOnce(&mut Order<&mut Vec<u8>>),
) {
    change(txn, &tables.order, &keys::order(HERE, order), |row| {
        change_it(&mut Order::parse(row).expect("an order"));
    });
}

fn change_customer(
    txn: &Transaction,
    tables: &Tables,
    id: u16,
    change_it: impl FnOnce(&mut Customer<&mut Vec<u8>>),
) {
    change(txn, &tables.customer, &keys::customer(HERE, id), |row| {
        change_it(&mut Customer::parse(row).expect("a customer"));
    });
}

/// The customer and the number of lines of an order.
fn customer_and_lines(txn: &Transaction, tables: &Tables, order: u32) -> (u16, u8) {
    let row = txn.get(&tables.order, keys::order(HERE, order)).expect("readable").expect("there");
    let order = Order::parse(&row).expect("an order");
    (order.customer(), order.line_count())
}

/// A payment of `cents` by nobody, at `place`.
fn pay(txn: &Transaction, tables: &Tables, place: DistrictId, cents: i32) {
    let mut row = Vec::new();
    let values = HistoryValues {
        customer_warehouse: 1,
        customer_district: 99,
        customer: 1,
        date: 1,
        amount: cents,
        data: b"nobody",
    };
    values.encode(&mut row);
    txn.insert(&tables.history, keys::history(place, u64::MAX), &row).expect("writable");
}

/// Marks an order and its lines as delivered, and charges its customer, as Delivery does.
fn deliver(txn: &Transaction, tables: &Tables, order: u32) -> u16 {
    let (customer, lines) = customer_and_lines(txn, tables, order);
    let mut cents = 0;
    change_order(txn, tables, order, |order| order.set_carrier(4));
    for number in 1..=lines {
        change(txn, &tables.order_line, &keys::order_line(HERE, order, number), |row| {
            let mut line = OrderLine::parse(row).expect("a line");
            line.set_delivered(77);
            cents += i64::from(line.amount());
        });
    }
    change_customer(txn, tables, customer, |customer| customer.set_balance(customer.balance() + cents));
    customer
}

#[test]
fn the_population_meets_all_conditions() {
    let database = in_memory(small(2));
    let reports = consistency::check(&database, 2).expect("the check runs");
    assert!(reports.iter().all(ConditionReport::holds), "{reports:#?}");
    let checked: Vec<u64> = reports.iter().map(|report| report.checked).collect();
    let lines = checked[6];
    // Two warehouses, twenty districts, 600 orders of 5 to 15 lines, 600 customers.
    assert_eq!(checked, [2, 20, 20, 20, 600, 600, lines, 2, 20, 600, 20, 600]);
    assert!((5_400..6_600).contains(&lines), "{lines}");
}

#[test]
fn condition_1_warehouse_against_its_districts() {
    let report = expect_only(1, |txn, tables| {
        change(txn, &tables.warehouse, &keys::warehouse(1), |row| {
            let mut warehouse = Warehouse::parse(row).expect("a warehouse");
            warehouse.set_year_to_date(warehouse.year_to_date() + 500);
        });
        pay(txn, tables, NOWHERE, 500);
    });
    assert_eq!(report.examples, ["W 1: W_YTD is 3005.00, sum(D_YTD) is 3000.00"]);
}

#[test]
fn condition_2_next_order_number() {
    let report = expect_only(2, |txn, tables| {
        change(txn, &tables.district, &HERE.key(), |row| {
            District::parse(row).expect("a district").set_next_order(33);
        });
    });
    assert_eq!(report.examples, ["(W 1, D 3): D_NEXT_O_ID is 33, max(O_ID) is 30, max(NO_O_ID) is 30"]);
}

#[test]
fn condition_3_new_orders_have_no_holes() {
    let report = expect_only(3, |txn, tables| {
        let customer = deliver(txn, tables, UNDELIVERED);
        change_customer(txn, tables, customer, |customer| customer.set_delivery_count(1));
        assert!(txn.delete(&tables.new_order, keys::order(HERE, UNDELIVERED)).expect("writable"));
    });
    assert_eq!(
        report.examples,
        ["(W 1, D 3): NO_O_ID goes from 22 to 30, which are 9, and NEW_ORDER has 8 rows"]
    );
}

#[test]
fn condition_4_lines_of_no_order() {
    let report = expect_only(4, |txn, tables| {
        let mut row = Vec::new();
        let values = OrderLineValues {
            item: 1,
            supply_warehouse: 1,
            delivered: 0,
            quantity: 1,
            amount: 100,
            district_info: [b'x'; 24],
        };
        values.encode(&mut row);
        txn.insert(&tables.order_line, keys::order_line(HERE, 1_000_000, 1), &row).expect("writable");
    });
    assert!(report.examples[0].starts_with("(W 1, D 3): sum(O_OL_CNT) is "), "{:?}", report.examples);
}

#[test]
fn condition_5_carrier_and_new_order() {
    let report = expect_only(5, |txn, tables| {
        deliver(txn, tables, UNDELIVERED);
    });
    assert_eq!(report.examples, ["(W 1, D 3) order 25: O_CARRIER_ID is 4, and it is in NEW_ORDER"]);
}

#[test]
fn condition_6_lines_of_each_order() {
    let report = expect_only(6, |txn, tables| {
        change_order(txn, tables, DELIVERED, |order| order.set_line_count(order.line_count() + 1));
        change_order(txn, tables, DELIVERED + 1, |order| order.set_line_count(order.line_count() - 1));
    });
    assert_eq!(report.violations, 2);
    assert!(report.examples[0].starts_with("(W 1, D 3) order 5: O_OL_CNT is "), "{:?}", report.examples);
}

#[test]
fn condition_7_delivery_of_each_line() {
    let report = expect_only(7, |txn, tables| {
        // Initially delivered lines are free of charge, so that no sum of money changes.
        change(txn, &tables.order_line, &keys::order_line(HERE, DELIVERED, 2), |row| {
            OrderLine::parse(row).expect("a line").set_delivered(0);
        });
    });
    assert!(
        report.examples[0].starts_with("(W 1, D 3) order 5 line 2: OL_DELIVERY_D is 0, and O_CARRIER_ID is "),
        "{:?}",
        report.examples
    );
}

#[test]
fn condition_8_payments_of_a_warehouse() {
    let report = expect_only(8, |txn, tables| pay(txn, tables, NOWHERE, 700));
    assert_eq!(report.examples, ["W 1: W_YTD is 3000.00, sum(H_AMOUNT) is 3007.00"]);
}

#[test]
fn condition_9_payments_of_a_district() {
    let report = expect_only(9, |txn, tables| {
        let other = DistrictId { district: 4, ..HERE };
        for (district, cents) in [(HERE, 50), (other, -50)] {
            change(txn, &tables.district, &district.key(), |row| {
                let mut district = District::parse(row).expect("a district");
                district.set_year_to_date(district.year_to_date() + cents);
            });
        }
    });
    assert_eq!(
        report.examples,
        [
            "(W 1, D 3): D_YTD is 300.50, sum(H_AMOUNT) is 300.00",
            "(W 1, D 4): D_YTD is 299.50, sum(H_AMOUNT) is 300.00"
        ]
    );
}

#[test]
fn condition_10_payments_of_a_customer() {
    let report = expect_only(10, |txn, tables| {
        change_customer(txn, tables, 8, |customer| {
            customer.set_balance(customer.balance() - 300);
            customer.set_year_to_date_payment(customer.year_to_date_payment() + 300);
        });
    });
    assert_eq!(
        report.examples,
        ["(W 1, D 3) customer 8: C_BALANCE is -13.00, delivered OL_AMOUNT is 0.00, sum(H_AMOUNT) is 10.00"]
    );
}

#[test]
fn condition_11_number_of_deliveries() {
    let report = expect_only(11, |txn, tables| {
        change_customer(txn, tables, 8, |customer| customer.set_delivery_count(1));
    });
    assert_eq!(
        report.examples,
        [
            "(W 1, D 3): count(ORDER) is 30, count(NEW_ORDER) is 9, sum(C_DELIVERY_CNT) is 1: that leaves 20, not 21"
        ]
    );
}

#[test]
fn condition_12_balance_and_payments_of_a_customer() {
    let report = expect_only(12, |txn, tables| {
        change_customer(txn, tables, 8, |customer| customer.set_year_to_date_payment(900));
    });
    assert_eq!(
        report.examples,
        ["(W 1, D 3) customer 8: C_BALANCE is -10.00, C_YTD_PAYMENT is 9.00, delivered OL_AMOUNT is 0.00"]
    );
}
