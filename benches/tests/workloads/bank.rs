//! Transfers and audits.

use crate::harness::{ALL, Loaded, Tampering, first_row, goes_red, holds_everywhere, is_refused, shares};
use synod_bench::Error;
use synod_bench::target::name_of;
use synod_bench::workload::Job;
use synod_bench::workload::bank::{Bank, Settings, Transaction};

/// Few accounts with little money: transfers meet, and empty accounts.
fn small() -> Settings {
    Settings { accounts: 50, first_balance: 100, amount_max: 200, audits_percent: 5.0, ..Settings::default() }
}

fn bank(settings: Settings) -> Bank {
    Bank::new(settings).expect("settings in range")
}

#[test]
fn the_rules_hold_under_every_mode() {
    for theta in [0.0, 0.99] {
        holds_everywhere(&bank(Settings { theta, ..small() }), 2_000, true);
    }
}

#[test]
fn each_rule_goes_red() {
    let add = |cents: i64| {
        move |value: &mut Vec<u8>| {
            let balance = i64::from_le_bytes(value.as_slice().try_into().expect("a balance"));
            *value = (balance + cents).to_le_bytes().to_vec();
        }
    };
    let tamperings: [Tampering<'_>; 5] = [
        ("money made", vec!["no money comes"], Box::new(move |loaded| loaded.with_value(0, add(1)))),
        (
            "money lost",
            vec!["no money comes", "below zero"],
            Box::new(move |loaded| {
                loaded.with_value(0, add(-1_000_000));
            }),
        ),
        (
            "an empty account too many",
            vec!["too many or too few"],
            Box::new(|loaded| {
                loaded.tamper(|txn| txn.put(0, &50u32.to_be_bytes(), &[0; 8]));
            }),
        ),
        (
            "a row that is none",
            vec!["well-formed", "too many or too few"],
            Box::new(|loaded| {
                loaded.tamper(|txn| txn.put(0, b"surplus", &[0; 8]));
            }),
        ),
        (
            "an account removed",
            vec!["too many or too few"],
            Box::new(|loaded| {
                loaded.tamper(|txn| {
                    // What it has goes to another one.
                    let (key, value) = first_row(txn, 0)?;
                    let (there, mut other) =
                        (i64::from_le_bytes(value.try_into().expect("a balance")), Vec::new());
                    txn.get(0, &7u32.to_be_bytes(), &mut other)?;
                    let has = i64::from_le_bytes(other.try_into().expect("a balance"));
                    txn.put(0, &7u32.to_be_bytes(), &(there + has).to_le_bytes())?;
                    txn.delete(0, &key)
                });
            }),
        ),
    ];
    goes_red(&bank(small()), 300, &tamperings);
}

#[test]
fn an_audit_finds_a_wrong_total_under_every_mode() {
    let bank = bank(small());
    for (mode, isolation) in ALL {
        let loaded = Loaded::new(&bank, (mode, isolation));
        let name = name_of(mode, isolation);
        loaded.execute(&Job::Bank(Transaction::Audit { total: 5_000 })).expect("the total is right");
        match loaded.execute(&Job::Bank(Transaction::Audit { total: 5_001 })) {
            Err(Error::Violated { seen: 5_000, expected: 5_001, .. }) => {}
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_transfer_moves_what_is_there_and_no_more() {
    let bank = bank(small());
    let loaded = Loaded::new(&bank, ALL[0]);
    let transfer = Job::Bank(Transaction::Transfer { from: 0, to: 1, amount: 130 });
    let outcomes: Vec<bool> = (0..2)
        .map(|_| matches!(loaded.execute(&transfer), Ok(synod_bench::target::Outcome::Committed(_))))
        .collect();
    assert_eq!(outcomes, [true, false], "it has 100 at first, and then nothing");
    loaded.tamper(|txn| {
        let mut value = Vec::new();
        for (account, cents) in [(0u32, 0i64), (1, 200)] {
            txn.get(0, &account.to_be_bytes(), &mut value)?;
            assert_eq!(value, cents.to_le_bytes());
        }
        Ok(())
    });
}

#[test]
fn jobs_are_as_the_settings_say() {
    let settings = Settings { accounts: 1_000, audits_percent: 2.5, theta: 0.99, ..Settings::default() };
    let of_account = shares(&bank(settings), 40_000, |job| match job {
        Job::Bank(Transaction::Transfer { from, to, amount }) => {
            assert!(from != to && *from < 1_000 && *to < 1_000 && (1..=1_000).contains(amount));
            Some(*from)
        }
        Job::Bank(Transaction::Audit { total: 10_000_000 }) => None,
        other => panic!("{other:?}"),
    });
    // A standard deviation is 31.
    assert!((850..1_150).contains(&of_account[&None]), "{}", of_account[&None]);
    // The first of a thousand by Zipf 0.99 gets 13 percent, and lies at the start.
    let hottest = of_account[&Some(0)];
    assert!((4_700..5_500).contains(&hottest), "{hottest}");
}

#[test]
fn settings_out_of_range_are_refused() {
    is_refused(Bank::new(Settings { accounts: 1, ..small() }), "accounts must be 2 to");
    is_refused(Bank::new(Settings { first_balance: -1, ..small() }), "at first must be 0 to");
    is_refused(Bank::new(Settings { amount_max: 0, ..small() }), "cents of a transfer must be 1 to");
    is_refused(Bank::new(Settings { audits_percent: 101.0, ..small() }), "audits must be 0 to 100, not 101");
    is_refused(Bank::new(Settings { theta: f64::NAN, ..small() }), "theta must be 0 to 2, not NaN");
}
