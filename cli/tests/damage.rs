//! A database that breaks a consistency condition fails the command, and the command says which rows.

use std::process::Command;
use synod::{Engine, Options};
use synod_bench::tpcc::rows::Customer;
use synod_bench::tpcc::{Database, keys};

fn tpcc(arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_synod"));
    command.args(["bench", "tpcc", "--seconds", "0.2"]).args(arguments).output().expect("the binary starts")
}

#[test]
fn a_violated_condition_fails_the_command_and_names_the_row() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().to_str().expect("a temporary path is plain text");
    assert!(tpcc(&["--path", path, "--scale", "0.01", "--load-only"]).status.success());

    // Customer 7 is said to have paid a cent more than the history knows. Its Payments go on from there.
    let engine = Engine::open(directory.path().join("data"), Options::new()).expect("opens");
    let tables = Database::open(&engine).expect("readable").expect("loaded").tables;
    let key = keys::customer(keys::DistrictId { warehouse: 1, district: 2 }, 7);
    engine
        .transact(|txn| {
            let mut row = txn.get(&tables.customer, key)?.expect("there").to_vec();
            let mut customer = Customer::parse(&mut row).expect("a customer");
            customer.set_year_to_date_payment(customer.year_to_date_payment() + 1);
            txn.put(&tables.customer, key, &row)
        })
        .expect("damaged");
    drop(tables);
    engine.close().expect("closes");

    let output = tpcc(&["--path", path]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{shown}");
    assert!(shown.contains("1 of 12 consistency conditions FAIL"), "{shown}");
    assert!(shown.contains("3.3.2.12 ") && shown.contains("(W 1, D 2) customer 7: C_BALANCE is "), "{shown}");
}
