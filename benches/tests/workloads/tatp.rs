//! A telephone network's register.

use crate::harness::{ALL, Loaded, Tampering, first_row, goes_red, holds_everywhere, is_refused, shares};
use synod::{Isolation, Mode};
use synod_bench::target::{Outcome, Stop, Target, Txn, name_of};
use synod_bench::workload::tatp::{Settings, Tatp, Transaction};
use synod_bench::workload::{Answer, Job, Workload};

const SUBSCRIBER: usize = 0;
const ACCESS: usize = 1;
const FACILITY: usize = 2;
const FORWARDING: usize = 3;
const NUMBER: usize = 4;

fn tatp(subscribers: u32) -> Tatp {
    Tatp::new(Settings { subscribers, ..Settings::default() }).expect("settings in range")
}

#[test]
fn the_rules_hold_under_every_mode() {
    holds_everywhere(&tatp(21), 3_000, true);
}

#[test]
fn the_rules_hold_where_subscribers_are_looked_at_in_parts() {
    let tatp = tatp(20_001);
    let mut loaded = Loaded::new(&tatp, (Mode::Optimistic, Isolation::Serializable));
    loaded.run(5_000);
    assert!(loaded.broken().is_empty(), "{:?}", loaded.broken());
    // Of the last part.
    loaded.tamper(|txn| txn.delete(NUMBER, b"000000000020001"));
    assert_eq!(loaded.broken().len(), 2, "{:?}", loaded.broken());
}

#[test]
fn each_rule_goes_red() {
    let (rows, parents) = ("no other row", "each forwarding has");
    let tamperings: [Tampering<'_>; 10] = [
        (
            "a forwarding removed",
            vec!["as many forwardings"],
            Box::new(|loaded| {
                loaded.without_a_row(FORWARDING);
            }),
        ),
        (
            "a facility removed",
            vec![rows, parents],
            Box::new(|loaded| {
                loaded.tamper(|txn| {
                    let (key, _) = first_row(txn, FORWARDING)?;
                    txn.delete(FACILITY, &key[..5])
                });
            }),
        ),
        (
            "a forwarding without a facility",
            vec![parents],
            Box::new(|loaded| {
                loaded.tamper(|txn| {
                    // Another one makes way for it.
                    let (key, value) = first_row(txn, FORWARDING)?;
                    txn.delete(FORWARDING, &key)?;
                    let [a, b, c, d, kind] = missing_facility(txn)?;
                    txn.put(FORWARDING, &[a, b, c, d, kind, 8], &value)
                });
            }),
        ),
        ("an access removed", vec![rows], Box::new(|loaded| loaded.without_a_row(ACCESS))),
        (
            "a subscriber removed",
            vec![rows, "the index"],
            Box::new(|loaded| {
                loaded.without_a_row(SUBSCRIBER);
            }),
        ),
        ("a number removed", vec![rows, "the index"], Box::new(|loaded| loaded.without_a_row(NUMBER))),
        (
            "a number that is another's",
            vec!["the index"],
            Box::new(|loaded| {
                loaded.with_value(NUMBER, |value| value[3] += 1);
            }),
        ),
        (
            "a subscriber with another's row",
            vec!["well-formed"],
            Box::new(|loaded| {
                loaded.with_value(SUBSCRIBER, |value| value[14] = b'9');
            }),
        ),
        (
            "an access that is none",
            vec!["well-formed"],
            Box::new(|loaded| {
                loaded.with_value(ACCESS, |value| value[2] = b'a');
            }),
        ),
        (
            "a forwarding that never ends",
            vec!["well-formed"],
            Box::new(|loaded| {
                loaded.with_value(FORWARDING, |value| value[0] = 25);
            }),
        ),
    ];
    goes_red(&tatp(30), 300, &tamperings);
}

/// The key of a facility that some subscriber doesn't have.
fn missing_facility(txn: &mut dyn Txn) -> Result<[u8; 5], Stop> {
    let mut known = Vec::new();
    txn.scan(FACILITY, &[], &[], &mut |key, _| {
        known.push(key.to_vec());
        true
    })?;
    let mut all = (1..=30).flat_map(|subscriber| (1..=4).map(move |kind| [0, 0, 0, subscriber, kind]));
    Ok(all.find(|key| !known.contains(&key.to_vec())).expect("not all have all four"))
}

/// A row, if it is there.
fn row(loaded: &Loaded<'_>, table: usize, key: &[u8]) -> Option<Vec<u8>> {
    let (mut value, mut is_there) = (Vec::new(), false);
    let mut client = loaded.target.client().expect("a client");
    let read = client.attempt(true, &mut |txn| {
        is_there = txn.get(table, key, &mut value)?;
        Ok(())
    });
    read.expect("readable");
    is_there.then_some(value)
}

/// Subscriber 1 has access 2, and the facilities 1, which is active, and 2, which isn't; by the first calls are sent on from
/// 8 o'clock to 12.
fn with_known_rows(tatp: &Tatp, mode: (Mode, Isolation)) -> Loaded<'_> {
    let loaded = Loaded::new(tatp, mode);
    let facility =
        |kind, is_active| (FACILITY, vec![0, 0, 0, 1, kind], vec![is_active, 0, 0, 65, 65, 65, 65, 65]);
    let number = b"\x0c000000000000002".to_vec();
    let rows = [
        (ACCESS, vec![0, 0, 0, 1, 2], vec![65; 10]),
        facility(1, 1),
        facility(2, 0),
        (FORWARDING, vec![0, 0, 0, 1, 1, 8], number),
    ];
    loaded.target.client().expect("a client").load(&rows).expect("it loads");
    loaded
}

#[test]
fn each_transaction_does_what_it_should_under_every_mode() {
    use Transaction::{
        DeleteCallForwarding, GetAccessData, GetNewDestination, GetSubscriberData, InsertCallForwarding,
        UpdateLocation, UpdateSubscriberData,
    };
    let (tatp, subscriber, kind, missing) = (tatp(1), 1, 1, 5);
    let insert =
        |kind, start_hour| InsertCallForwarding { subscriber, kind, start_hour, end_hour: 24, to: 1 };
    let destination =
        |kind, start_hour, end_hour| GetNewDestination { subscriber, kind, start_hour, end_hour };
    let steps = [
        (GetSubscriberData { subscriber }, Some(0)),
        (destination(1, 8, 11), Some(0)),
        (destination(1, 16, 11), Some(0)),
        (destination(1, 8, 12), None),
        (destination(1, 0, 1), None),
        (destination(2, 8, 11), None),
        (insert(kind, 8), None),
        (insert(missing, 0), None),
        (DeleteCallForwarding { subscriber, kind, start_hour: 8 }, Some(-1)),
        (DeleteCallForwarding { subscriber, kind, start_hour: 8 }, None),
        (destination(1, 8, 11), None),
        (insert(kind, 8), Some(1)),
        (destination(1, 8, 23), Some(0)),
        (GetAccessData { subscriber, kind: 2 }, Some(0)),
        (GetAccessData { subscriber, kind: 5 }, None),
        (UpdateSubscriberData { subscriber, kind: missing, bit: true, data: 9 }, None),
        (UpdateSubscriberData { subscriber, kind: missing, bit: false, data: 9 }, None),
        (UpdateSubscriberData { subscriber, kind, bit: true, data: 9 }, Some(0)),
        (UpdateLocation { subscriber, location: 0x0102_0304 }, Some(0)),
    ];
    for (mode, isolation) in ALL {
        let loaded = with_known_rows(&tatp, (mode, isolation));
        let mut wanted = row(&loaded, SUBSCRIBER, &[0, 0, 0, 1]).expect("it is there");
        for (transaction, rows) in steps {
            let name = format!("{}: {transaction:?}", name_of(mode, isolation));
            let outcome = loaded.execute(&Job::Tatp(transaction)).expect("it runs");
            let rows = rows.map_or(Outcome::Rejected, |rows| Outcome::Committed(Answer { sum: 0, rows }));
            assert_eq!(outcome, rows, "{name}");
            match transaction {
                UpdateSubscriberData { bit: true, kind: 1, .. } => wanted[15] |= 1,
                UpdateLocation { .. } => wanted[41..].copy_from_slice(&[4, 3, 2, 1]),
                _ => {}
            }
            // What was rejected has left nothing behind.
            assert_eq!(row(&loaded, SUBSCRIBER, &[0, 0, 0, 1]), Some(wanted.clone()), "{name}");
        }
        let facility = row(&loaded, FACILITY, &[0, 0, 0, 1, 1]);
        assert_eq!(facility.as_deref(), Some(&[1, 0, 9, 65, 65, 65, 65, 65][..]));
        let forwarding = row(&loaded, FORWARDING, &[0, 0, 0, 1, 1, 8]);
        assert_eq!(forwarding.as_deref(), Some(&b"\x18000000000000001"[..]));
    }
}

fn kind(job: &Job) -> (&'static str, u32) {
    let Job::Tatp(transaction) = job else { panic!("{job:?}") };
    match *transaction {
        Transaction::GetSubscriberData { subscriber } => ("get subscriber", subscriber),
        Transaction::GetNewDestination { subscriber, .. } => ("get destination", subscriber),
        Transaction::GetAccessData { subscriber, .. } => ("get access", subscriber),
        Transaction::UpdateSubscriberData { subscriber, .. } => ("update subscriber", subscriber),
        Transaction::UpdateLocation { subscriber, .. } => ("update location", subscriber),
        Transaction::InsertCallForwarding { subscriber, .. } => ("insert", subscriber),
        Transaction::DeleteCallForwarding { subscriber, .. } => ("delete", subscriber),
    }
}

#[test]
fn shares_are_as_specified() {
    let shares = shares(&tatp(1_000), 100_000, |job| kind(job).0);
    let percent = [
        ("get subscriber", 35),
        ("get destination", 10),
        ("get access", 35),
        ("update subscriber", 2),
        ("update location", 14),
        ("insert", 2),
        ("delete", 2),
    ];
    for (kind, percent) in percent {
        // A standard deviation is 151 at most.
        assert!(shares[kind].abs_diff(percent * 1_000) < 600, "{kind}: {}", shares[kind]);
    }
}

#[test]
fn subscribers_are_drawn_as_specified() {
    let ones_of = |uniform| {
        let workload = Tatp::new(Settings { subscribers: 65_536, uniform }).expect("settings in range");
        let drawn = shares(&workload, 20_000, |job| kind(job).1);
        assert!(drawn.keys().all(|subscriber| (1..=65_536).contains(subscriber)));
        let ones = drawn.iter().map(|(subscriber, count)| u64::from((subscriber - 1).count_ones()) * count);
        ones.sum::<u64>() as f64 / 20_000.0
    };
    // Of sixteen bits half are ones; of those of an "or" of two numbers three quarters.
    let (alike, specified) = (ones_of(true), ones_of(false));
    assert!((7.9..8.1).contains(&alike), "{alike}");
    assert!((11.9..12.1).contains(&specified), "{specified}");
}

/// The shares of transactions that come to something follow from the population; the specification has them too.
#[test]
fn as_many_come_to_nothing_as_the_specification_says() {
    let workload = Tatp::new(Settings { subscribers: 4_000, uniform: true }).expect("settings in range");
    let mut loaded = Loaded::new(&workload, (Mode::MultiVersion, Isolation::Serializable));
    loaded.run(20_000);
    // 0.35 + 0.10 · 0.239 + 0.35 · 0.625 + 0.02 · 0.625 + 0.14 + 0.02 · 0.3125 + 0.02 · 0.3125
    let share = loaded.past.committed as f64 / 20_000.0;
    assert!((0.745..0.770).contains(&share), "{share}");
}

#[test]
fn settings_out_of_range_are_refused() {
    let none = Settings { subscribers: 0, ..Settings::default() };
    is_refused(Tatp::new(none), "subscribers must be 1 to 100000000, not 0");
    assert_eq!(Tatp::new(Settings::default()).expect("in range").rows(), 1_075_000);
}
