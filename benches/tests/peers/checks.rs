//! What every peer has to do.

use std::path::Path;
use synod::Durability;
use synod_bench::Result;
use synod_bench::peers::Peer;
use synod_bench::target::{Backoff, Client, OpenOptions, Outcome, Row, Stop, Tally, Target, Txn};
use synod_bench::workload::ycsb::{Preset, Settings, Ycsb};
use synod_bench::workload::{Answer, Past, Workload};

const TABLES: [&str; 3] = ["first", "second", "third"];
const LAST_TABLE: usize = TABLES.len() - 1;

fn options(directory: &Path, durability: Durability) -> OpenOptions {
    OpenOptions {
        directory: directory.to_path_buf(),
        tables: TABLES.to_vec(),
        durability,
        threads: 2,
        in_flight: 1,
    }
}

/// Runs `test` on a fresh one.
fn on_fresh(peer: Peer, test: impl FnOnce(&dyn Target)) {
    let directory = tempfile::tempdir().unwrap();
    let target = peer.open(&options(directory.path(), Durability::Buffered)).unwrap();
    assert_eq!(target.about().name, peer.name());
    test(&*target);
}

/// Runs a transaction that nothing may be in the way of.
fn transact(target: &dyn Target, mut work: impl FnMut(&mut dyn Txn) -> Result<(), Stop>) {
    target.client().unwrap().attempt(false, &mut work).unwrap();
}

fn look(target: &dyn Target, mut work: impl FnMut(&mut dyn Txn) -> Result<(), Stop>) {
    target.client().unwrap().attempt(true, &mut work).unwrap();
}

fn get(txn: &mut dyn Txn, table: usize, key: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
    let mut value = b"what was there before".to_vec();
    let is_there = txn.get(table, key, &mut value)?;
    assert!(is_there || value.is_empty());
    let mut again = b"something else".to_vec();
    assert_eq!(txn.get_for_update(table, key, &mut again)?, is_there);
    assert_eq!(again, value);
    Ok(is_there.then_some(value))
}

type Records = Vec<(Vec<u8>, Vec<u8>)>;

fn scan(txn: &mut dyn Txn, table: usize, from: &[u8], to: &[u8], most: usize) -> Result<Records, Stop> {
    let mut found = Vec::new();
    txn.scan(table, from, to, &mut |key, value| {
        found.push((key.to_vec(), value.to_vec()));
        found.len() < most
    })?;
    Ok(found)
}

fn record(key: &[u8], value: &[u8]) -> (Vec<u8>, Vec<u8>) {
    (key.to_vec(), value.to_vec())
}

pub(super) fn a_transaction_sees_its_own_writes_and_leaves_them(peer: Peer) {
    on_fresh(peer, |target| {
        transact(target, |txn| {
            txn.put(LAST_TABLE, b"older", b"1")?;
            txn.put(LAST_TABLE, b"kept", b"2")
        });
        transact(target, |txn| {
            assert_eq!(get(txn, LAST_TABLE, b"new")?, None);
            txn.put(LAST_TABLE, b"new", b"")?;
            assert_eq!(get(txn, LAST_TABLE, b"new")?, Some(vec![]));
            txn.put(LAST_TABLE, b"new", b"3")?;
            assert_eq!(get(txn, LAST_TABLE, b"new")?, Some(b"3".to_vec()));
            assert_eq!(get(txn, 0, b"new")?, None);
            txn.delete(LAST_TABLE, b"older")?;
            txn.delete(LAST_TABLE, b"never there")?;
            assert_eq!(get(txn, LAST_TABLE, b"older")?, None);
            let found = scan(txn, LAST_TABLE, b"", b"", usize::MAX)?;
            assert_eq!(found, [record(b"kept", b"2"), record(b"new", b"3")]);
            Ok(())
        });
        look(target, |txn| {
            assert_eq!(get(txn, LAST_TABLE, b"older")?, None);
            let found = scan(txn, LAST_TABLE, b"", b"", usize::MAX)?;
            assert_eq!(found, [record(b"kept", b"2"), record(b"new", b"3")]);
            assert_eq!(scan(txn, 0, b"", b"", usize::MAX)?, []);
            Ok(())
        });
    });
}

pub(super) fn scans_keep_to_their_bounds(peer: Peer) {
    on_fresh(peer, |target| {
        let keys: [&[u8]; 5] = [b"a", b"b", b"b\0", b"c", b"\xff\xff"];
        transact(target, |txn| {
            txn.put(0, b"z", b"of the table before")?;
            txn.put(2, b"a", b"of the table behind")?;
            // Not in their order.
            keys.iter().rev().try_for_each(|key| txn.put(1, key, key))
        });
        target.settle().unwrap();
        let bounds = |txn: &mut dyn Txn| {
            let mut check = |from: &[u8], to: &[u8], most: usize, wanted: &[&[u8]]| -> Result<(), Stop> {
                let wanted: Records = wanted.iter().map(|key| record(key, key)).collect();
                assert_eq!(scan(txn, 1, from, to, most)?, wanted, "{from:?} to {to:?}");
                Ok(())
            };
            check(b"", b"", usize::MAX, &keys)?;
            check(b"b", b"c", usize::MAX, &keys[1..3])?;
            check(b"b", b"", usize::MAX, &keys[1..])?;
            check(b"", b"b\0", usize::MAX, &keys[..2])?;
            check(b"aa", b"bb", usize::MAX, &keys[1..3])?;
            check(b"b", b"b", usize::MAX, &[])?;
            check(b"d", b"e", usize::MAX, &[])?;
            check(b"b", b"", 2, &keys[1..3])?;
            check(b"", b"c", 1, &keys[..1])
        };
        look(target, bounds);
        transact(target, bounds);
    });
}

pub(super) fn what_fails_leaves_nothing(peer: Peer) {
    on_fresh(peer, |target| {
        transact(target, |txn| txn.put(0, b"key", b"before"));
        let mut client = target.client().unwrap();
        let outcome = client.attempt(false, &mut |txn| {
            txn.put(0, b"key", b"after")?;
            txn.put(1, b"other", b"after")?;
            txn.delete(0, b"key")?;
            Err(Stop::Rejected("by its own rules"))
        });
        assert!(matches!(outcome, Err(Stop::Rejected("by its own rules"))), "{outcome:?}");
        // The same client goes on.
        let after = client.attempt(false, &mut |txn| {
            assert_eq!(get(txn, 0, b"key")?, Some(b"before".to_vec()));
            assert_eq!(get(txn, 1, b"other")?, None);
            txn.put(1, b"later", b"1")
        });
        after.unwrap();
        look(target, |txn| {
            assert_eq!(get(txn, 1, b"later")?, Some(b"1".to_vec()));
            Ok(())
        });
    });
}

pub(super) fn a_transaction_that_only_reads_sees_one_state_and_may_not_write(peer: Peer) {
    on_fresh(peer, |target| {
        let set = |value: &'static [u8]| {
            transact(target, |txn| {
                txn.put(0, b"left", value)?;
                txn.put(1, b"right", value)
            });
        };
        set(b"old");
        look(target, |txn| {
            assert_eq!(get(txn, 0, b"left")?, Some(b"old".to_vec()));
            std::thread::scope(|scope| scope.spawn(|| set(b"new")).join().unwrap());
            assert_eq!(get(txn, 1, b"right")?, Some(b"old".to_vec()));
            assert_eq!(scan(txn, 1, b"", b"", usize::MAX)?, [record(b"right", b"old")]);
            Ok(())
        });
        look(target, |txn| {
            assert_eq!(get(txn, 0, b"left")?, Some(b"new".to_vec()));
            Ok(())
        });
        let mut client = target.client().unwrap();
        assert!(matches!(client.attempt(true, &mut |txn| txn.put(0, b"k", b"v")), Err(Stop::Failed(_))));
        assert!(matches!(client.attempt(true, &mut |txn| txn.delete(0, b"k")), Err(Stop::Failed(_))));
    });
}

/// Both read two records, and each writes one of them: write skew, if both commit.
pub(super) fn of_two_that_read_the_same_and_write_one_is_given_up(peer: Peer) {
    on_fresh(peer, |target| {
        if !target.about().has_concurrent_writers {
            return;
        }
        let run = |written: &'static [u8], between: &dyn Fn()| {
            target.client().unwrap().attempt(false, &mut |txn| {
                let mut value = Vec::new();
                txn.get(0, b"left", &mut value)?;
                txn.get(0, b"right", &mut value)?;
                between();
                txn.put(0, written, b"1")
            })
        };
        let inner = std::sync::Mutex::new(None);
        let outer = run(b"left", &|| {
            let ran = std::thread::scope(|scope| scope.spawn(|| run(b"right", &|| ())).join().unwrap());
            *inner.lock().unwrap() = Some(ran);
        });
        let inner = inner.into_inner().unwrap().unwrap();
        assert!(
            matches!((&outer, &inner), (Ok(()), Err(Stop::Conflict(_))) | (Err(Stop::Conflict(_)), Ok(()))),
            "{outer:?} and {inner:?}"
        );
    });
}

pub(super) fn no_increment_is_lost(peer: Peer) {
    const INCREMENTS: u64 = 1000;
    on_fresh(peer, |target| {
        let increment = |is_announced: bool, txn: &mut dyn Txn| {
            let mut value = Vec::new();
            match is_announced {
                true => txn.get_for_update(0, b"counter", &mut value)?,
                // With locks, two of these wait for each other: a deadlock.
                false => txn.get(0, b"counter", &mut value)?,
            };
            let before = value.as_slice().try_into().map_or(0, u64::from_be_bytes);
            txn.put(0, b"counter", &(before + 1).to_be_bytes())
        };
        std::thread::scope(|scope| {
            for thread in 0..2 {
                scope.spawn(move || {
                    let mut client = target.client().unwrap();
                    let mut backoff = Backoff::new(thread);
                    for round in 0..INCREMENTS {
                        until_committed(&mut *client, &mut backoff, &mut |txn| {
                            increment(round % 2 == 0, txn)
                        });
                    }
                });
            }
        });
        look(target, |txn| {
            assert_eq!(get(txn, 0, b"counter")?, Some((2 * INCREMENTS).to_be_bytes().to_vec()));
            Ok(())
        });
    });
}

fn until_committed(
    client: &mut dyn Client,
    backoff: &mut Backoff,
    work: &mut dyn FnMut(&mut dyn Txn) -> Result<(), Stop>,
) {
    loop {
        match client.attempt(false, work) {
            Ok(()) => return,
            Err(Stop::Conflict(_)) => backoff.wait(),
            Err(other) => panic!("{other:?}"),
        }
    }
}

pub(super) fn what_was_committed_is_there_when_it_is_opened_again(peer: Peer) {
    let directory = tempfile::tempdir().unwrap();
    for (round, durability) in [Durability::Sync, Durability::Group, Durability::Sync].into_iter().enumerate()
    {
        let target = peer.open(&options(directory.path(), durability)).unwrap();
        look(&*target, |txn| {
            let found = scan(txn, 1, b"", b"", usize::MAX)?;
            let wanted: Records = (0..round as u8).map(|key| record(&[key], b"value")).collect();
            assert_eq!(found, wanted);
            Ok(())
        });
        transact(&*target, |txn| txn.put(1, &[round as u8], b"value"));
    }
}

pub(super) fn the_rules_of_workloads_hold(peer: Peer) {
    for preset in [Preset::A, Preset::D, Preset::E, Preset::F, Preset::T] {
        let workload = Ycsb::new(Settings { records: 2_000, ..preset.settings() }).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let options = OpenOptions {
            in_flight: 1,
            tables: workload.tables().to_vec(),
            ..options(directory.path(), Durability::Buffered)
        };
        let target = peer.open(&options).unwrap();
        load(&workload, &mut *target.client().unwrap());
        target.settle().unwrap();
        let mut past = Past::default();
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let threads = [1, 2].map(|seed| {
                let (workload, target, past) = (&workload, &*target, &past);
                scope.spawn(move || run(workload, target, past, seed))
            });
            threads.map(|thread| thread.join().unwrap()).to_vec()
        });
        answers.into_iter().for_each(|answer| past.answers += answer);
        let rules = workload.check(&mut *target.client().unwrap(), &past).unwrap();
        assert!(!rules.is_empty());
        for (rule, broken) in rules {
            assert_eq!(broken, None, "{peer} under {}: {rule}", workload.name());
        }
    }
}

fn load(workload: &Ycsb, client: &mut dyn Client) {
    let mut rows: Vec<Row> = Vec::new();
    workload.load(0..workload.rows(), &mut |table, key, value| {
        rows.push((table, key.to_vec(), value.to_vec()));
    });
    rows.chunks(500).for_each(|rows| client.load(rows).unwrap());
}

fn run(workload: &Ycsb, target: &dyn Target, past: &Past, seed: u64) -> Answer {
    let mut client = target.client().unwrap();
    let mut generator = workload.generator(past, seed);
    let (mut tally, mut sum) = (Tally::default(), Answer::default());
    for _ in 0..300 {
        match client.execute(&generator.next(), &mut tally).unwrap() {
            Outcome::Committed(answer) => sum += answer,
            Outcome::Rejected => panic!("no job of this workload is refused"),
        }
    }
    sum
}
