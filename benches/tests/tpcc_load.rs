//! The population: deterministic, complete, and recognised when it isn't.

mod common;

use common::{in_memory, load_into, small};
use std::sync::atomic::AtomicBool;
use synod::{Engine, Options, Table};
use synod_bench::Error;
use synod_bench::progress::Progress;
use synod_bench::tpcc::rows::{Customer, Order};
use synod_bench::tpcc::{Database, LoadOptions, Scale, keys, load};

fn rows(database: &Database, table: &Table) -> Vec<(Vec<u8>, Vec<u8>)> {
    let snapshot = database.engine.snapshot().expect("a snapshot");
    let rows = snapshot.scan(table, ..).map(|row| row.expect("readable"));
    rows.map(|(key, row)| (key.to_vec(), row.to_vec())).collect()
}

fn load_with(threads: usize, seed: u64) -> Database {
    let engine = Engine::in_memory(Options::new()).expect("an engine");
    let options = LoadOptions { scale: small(2), threads, seed, durable: false };
    load(&engine, options, &AtomicBool::new(false), &mut Progress::hidden()).expect("the load succeeds")
}

#[test]
fn the_data_follow_from_the_seed_alone() {
    let [one, two, other] = [load_with(1, 5), load_with(3, 5), load_with(3, 6)];
    assert_eq!(rows(&one, &one.tables.stock), rows(&two, &two.tables.stock));
    assert_eq!(rows(&one, &one.tables.item), rows(&two, &two.tables.item));
    assert_eq!(one.last_name_constant, two.last_name_constant);
    assert_ne!(rows(&one, &one.tables.stock), rows(&other, &other.tables.stock));
}

#[test]
fn every_table_has_its_number_of_rows() {
    let scale = Scale { customers: 60, undelivered: 18, ..small(2) };
    let database = in_memory(scale);
    let tables = &database.tables;
    let count = |table| rows(&database, table).len();
    assert_eq!((count(&tables.warehouse), count(&tables.district)), (2, 20));
    assert_eq!((count(&tables.item), count(&tables.stock)), (100, 200));
    assert_eq!((count(&tables.customer), count(&tables.customer_by_name)), (1_200, 1_200));
    assert_eq!((count(&tables.order), count(&tables.order_by_customer)), (1_200, 1_200));
    assert_eq!((count(&tables.history), count(&tables.new_order)), (1_200, 360));
    let lines = count(&tables.order_line);
    assert!((11_000..13_000).contains(&lines), "{lines}");
}

#[test]
fn each_customer_has_one_order_and_bad_credit_is_rare() {
    let database = in_memory(small(2));
    let mut owners: Vec<(keys::DistrictId, u16)> = rows(&database, &database.tables.order)
        .iter()
        .map(|(key, row)| (keys::district_of(key), Order::parse(row).expect("an order").customer()))
        .collect();
    owners.sort_unstable();
    owners.dedup();
    assert_eq!(owners.len(), 600);
    let bad = rows(&database, &database.tables.customer)
        .iter()
        .filter(|(_, row)| Customer::parse(row).expect("a customer").credit() == *b"BC")
        .count();
    assert!((30..100).contains(&bad), "{bad} of 600");
}

#[test]
fn a_load_that_was_cut_short_is_refused() {
    let engine = Engine::in_memory(Options::new()).expect("an engine");
    let options = LoadOptions { scale: small(1), threads: 2, seed: 1, durable: false };
    let stopped = load(&engine, options, &AtomicBool::new(true), &mut Progress::hidden());
    assert!(matches!(stopped, Err(Error::Interrupted)));
    let error = Database::open(&engine).err().expect("half a population is none");
    assert!(error.to_string().contains("never finished"), "{error}");
}

#[test]
fn foreign_databases_and_other_sizes_are_refused() {
    let engine = Engine::in_memory(Options::new()).expect("an engine");
    assert!(Database::open(&engine).expect("readable").is_none(), "an empty engine holds nothing");
    engine.table("something").expect("a table");
    let error = Database::open(&engine).err().expect("not ours");
    assert!(error.to_string().contains("something"), "{error}");

    let engine = Engine::in_memory(Options::new()).expect("an engine");
    let database = load_into(&engine, small(2), false);
    database.require_scale(small(2)).expect("what it is");
    let error = database.require_scale(small(3)).expect_err("another size");
    assert!(
        error.to_string().contains("has 2 warehouses") && error.to_string().contains("3 warehouses"),
        "{error}"
    );
    assert_eq!([1, 2], [(); 2].map(|()| database.start_run(synod::Durability::None).expect("counted")));
}
