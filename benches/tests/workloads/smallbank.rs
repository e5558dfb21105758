//! SmallBank.

use crate::harness::{ALL, Loaded, Tampering, goes_red, holds_everywhere, is_refused, shares};
use std::collections::BTreeMap;
use synod_bench::target::{Outcome, name_of};
use synod_bench::workload::smallbank::{Settings, SmallBank, Transaction};
use synod_bench::workload::{Answer, Job, Workload};

const SAVINGS: usize = 1;
const CHECKING: usize = 2;

/// Few customers who move much, so that there isn't always enough.
fn small() -> SmallBank {
    let settings = Settings { customers: 60, hot_customers: 5, hot_percent: 80, amount_max: 3_000_000 };
    SmallBank::new(settings).expect("settings in range")
}

#[test]
fn the_rules_hold_under_every_mode() {
    holds_everywhere(&small(), 3_000, true);
}

fn cents(value: &[u8]) -> i64 {
    i64::from_le_bytes(value.try_into().expect("a balance"))
}

#[test]
fn each_rule_goes_red() {
    let tamperings: [Tampering<'_>; 6] = [
        (
            "money made",
            vec!["the bank has"],
            Box::new(|loaded| {
                loaded.with_value(CHECKING, |value| *value = (cents(value) + 1).to_le_bytes().to_vec());
            }),
        ),
        (
            "savings taken out too often",
            vec!["the bank has", "below zero"],
            Box::new(|loaded| {
                loaded.with_value(SAVINGS, |value| *value = (-1i64).to_le_bytes().to_vec());
            }),
        ),
        (
            "an empty account too many",
            vec!["each customer has"],
            Box::new(|loaded| {
                // It makes way for another one, so that only the number of rows is wrong.
                loaded.tamper(|txn| {
                    let (mut value, mut other) = (Vec::new(), Vec::new());
                    txn.get(CHECKING, &3u32.to_be_bytes(), &mut value)?;
                    txn.get(CHECKING, &4u32.to_be_bytes(), &mut other)?;
                    txn.put(CHECKING, &4u32.to_be_bytes(), &(cents(&value) + cents(&other)).to_le_bytes())?;
                    txn.delete(CHECKING, &3u32.to_be_bytes())
                });
            }),
        ),
        ("a customer without a name", vec!["each customer has"], Box::new(|loaded| loaded.without_a_row(0))),
        (
            "a name with another number",
            vec!["well-formed"],
            Box::new(|loaded| {
                loaded.with_value(0, |value| value[3] ^= 1);
            }),
        ),
        (
            "a balance that is none",
            vec!["well-formed", "the bank has"],
            Box::new(|loaded| {
                loaded.with_value(CHECKING, |value| {
                    assert_ne!(cents(value), 0, "or else nobody would miss it");
                    value.push(0);
                });
            }),
        ),
    ];
    goes_red(&small(), 50, &tamperings);
}

/// Runs a transaction; `None` where it was rejected.
fn sum_of(loaded: &Loaded<'_>, transaction: Transaction) -> Option<i64> {
    match loaded.execute(&Job::SmallBank(transaction)).expect("it runs") {
        Outcome::Committed(Answer { sum, rows: 0 }) => Some(sum),
        Outcome::Committed(other) => panic!("{other:?}"),
        Outcome::Rejected => None,
    }
}

/// What customers 0 and 1 have in savings and checking.
fn balances(loaded: &Loaded<'_>) -> [i64; 4] {
    let (mut all, mut value) = ([0; 4], Vec::new());
    let mut client = synod_bench::target::Target::client(&loaded.target).expect("a client");
    client
        .attempt(true, &mut |txn| {
            for (place, table) in [SAVINGS, CHECKING, SAVINGS, CHECKING].into_iter().enumerate() {
                txn.get(table, &(place as u32 / 2).to_be_bytes(), &mut value)?;
                all[place] = cents(&value);
            }
            Ok(())
        })
        .expect("readable");
    all
}

#[test]
fn each_transaction_does_what_it_should_under_every_mode() {
    use Transaction::{Amalgamate, Balance, DepositChecking, SendPayment, TransactSavings, WriteCheck};
    let (bank, customer, from, to) = (small(), 0, 0, 1);
    for (mode, isolation) in ALL {
        let loaded = Loaded::new(&bank, (mode, isolation));
        let [savings, checking, others, other] = balances(&loaded);
        let all = savings + checking;
        let steps = [
            (Balance { customer }, Some(0), [savings, checking, others, other]),
            (DepositChecking { customer, amount: 50 }, Some(50), [savings, checking + 50, others, other]),
            (SendPayment { from, to, amount: checking + 51 }, None, [savings, checking + 50, others, other]),
            (SendPayment { from, to, amount: 50 }, Some(0), [savings, checking, others, other + 50]),
            (
                TransactSavings { customer, amount: -savings - 1 },
                None,
                [savings, checking, others, other + 50],
            ),
            (TransactSavings { customer, amount: 7 }, Some(7), [savings + 7, checking, others, other + 50]),
            (TransactSavings { customer, amount: -7 }, Some(-7), [savings, checking, others, other + 50]),
            (WriteCheck { customer, amount: all }, Some(-all), [savings, -savings, others, other + 50]),
            (WriteCheck { customer, amount: 1 }, Some(-101), [savings, -savings - 101, others, other + 50]),
            (Amalgamate { from, to }, Some(0), [0, 0, others, other - 51]),
        ];
        for (transaction, sum, wanted) in steps {
            let name = name_of(mode, isolation);
            assert_eq!(sum_of(&loaded, transaction), sum, "{name}: {transaction:?}");
            assert_eq!(balances(&loaded), wanted, "{name}: {transaction:?}");
        }
    }
}

fn kind(job: &Job) -> (&'static str, u32, Option<u32>) {
    match job {
        Job::SmallBank(Transaction::Balance { customer }) => ("balance", *customer, None),
        Job::SmallBank(Transaction::DepositChecking { customer, .. }) => ("deposit", *customer, None),
        Job::SmallBank(Transaction::TransactSavings { customer, .. }) => ("savings", *customer, None),
        Job::SmallBank(Transaction::WriteCheck { customer, .. }) => ("check", *customer, None),
        Job::SmallBank(Transaction::Amalgamate { from, to }) => ("amalgamate", *from, Some(*to)),
        Job::SmallBank(Transaction::SendPayment { from, to, .. }) => ("payment", *from, Some(*to)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn shares_and_hotspot_are_as_they_should_be() {
    let settings = Settings { customers: 10_000, hot_customers: 100, ..Settings::default() };
    let bank = SmallBank::new(settings).expect("settings in range");
    let (mut kinds, mut of_customer) = (BTreeMap::new(), BTreeMap::new());
    for ((kind, one, other), count) in shares(&bank, 100_000, kind) {
        assert_ne!(Some(one), other);
        *kinds.entry(kind).or_insert(0) += count;
        [Some(one), other].into_iter().flatten().for_each(|customer| {
            *of_customer.entry(customer).or_insert(0) += count;
        });
    }
    // A standard deviation is 113, and 137.
    for (kind, count) in kinds {
        let wanted = if kind == "payment" { 25_000 } else { 15_000u64 };
        assert!(count.abs_diff(wanted) < 600, "{kind}: {count}");
    }
    let mut counts: Vec<u64> = of_customer.values().copied().collect();
    counts.sort_unstable_by(|one, other| other.cmp(one));
    let (hot, all) = (counts[..100].iter().sum::<u64>(), counts.iter().sum::<u64>());
    let share = hot as f64 / all as f64;
    assert!((0.895..0.905).contains(&share), "{share} of the customers are hot");
    assert!(counts[99] > 20 * counts[100], "{} and {}", counts[99], counts[100]);
    // Both of a pair are hot, or neither.
    let is_hot = |customer: &u32| of_customer[customer] > counts[100];
    let mixed = shares(&bank, 10_000, |job| {
        let (_, one, other) = kind(job);
        other.is_some_and(|other| is_hot(&one) != is_hot(&other))
    });
    assert!(!mixed.contains_key(&true), "{mixed:?}");
}

#[test]
fn settings_out_of_range_are_refused() {
    let small = Settings { customers: 10, hot_customers: 2, hot_percent: 50, amount_max: 1 };
    assert_eq!(SmallBank::new(small.clone()).expect("in range").rows(), 30);
    is_refused(SmallBank::new(Settings { customers: 1, ..small.clone() }), "customers must be 2 to");
    is_refused(SmallBank::new(Settings { hot_percent: 101, ..small.clone() }), "must be 0 to 100, not 101");
    is_refused(SmallBank::new(Settings { amount_max: 0, ..small.clone() }), "must be 1 to");
    is_refused(SmallBank::new(Settings { hot_customers: 1, ..small.clone() }), "must be 2 to 10, not 1");
    is_refused(SmallBank::new(Settings { hot_customers: 9, ..small.clone() }), "must be 0 to 8, not 9");
    SmallBank::new(Settings { hot_customers: 10, hot_percent: 100, ..small }).expect("all are hot");
}
