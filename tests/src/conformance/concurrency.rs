//! Many threads at once: what must add up in the end does.

use std::sync::atomic::{AtomicBool, Ordering};

use synod::{
    Bytes, Engine, Error, Isolation, Result, Table, TransactOptions, Transaction, TransactionOptions,
};

use super::Mode;

const THREADS: u64 = 4;

fn number(bytes: Option<&Bytes>) -> u64 {
    bytes.map_or(0, |bytes| u64::from_be_bytes(bytes[..].try_into().expect("eight bytes")))
}

fn add(engine: &Engine, table: &Table, rounds: u64, increment: impl Fn(&Transaction) -> Result<()> + Sync) {
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope
                .spawn(|| (0..rounds).for_each(|_| engine.transact(&increment).expect("retried until done")));
        }
    });
    let sum = engine.snapshot().unwrap().get(table, "n").unwrap();
    assert_eq!(number(sum.as_ref()), THREADS * rounds);
}

fn counter(mode: &Mode) -> (Engine, Table) {
    let sum = |_: &[u8], old: Option<&[u8]>, operand: &[u8]| {
        let number =
            |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).map_err(|_| "no number".to_owned());
        Ok((old.map_or(Ok(0), number)? + number(operand)?).to_be_bytes().to_vec())
    };
    let engine = mode.in_memory(synod::Options::new().merge("counters", sum));
    let table = engine.table("counters").unwrap();
    (engine, table)
}

/// Each of N threads adds one, k times: the sum is N × k.
pub fn counters_count_with_plain_reads_and_writes(mode: &Mode) {
    let (engine, table) = counter(mode);
    add(&engine, &table, 100, |txn| {
        let old = number(txn.get(&table, "n")?.as_ref());
        txn.put(&table, "n", (old + 1).to_be_bytes())
    });
}

/// As above.
pub fn counters_count_with_reads_for_update(mode: &Mode) {
    let (engine, table) = counter(mode);
    add(&engine, &table, 200, |txn| {
        let old = number(txn.get_for_update(&table, "n")?.as_ref());
        txn.put(&table, "n", (old + 1).to_be_bytes())
    });
}

/// As above.
pub fn counters_count_with_merges(mode: &Mode) {
    let (engine, table) = counter(mode);
    add(&engine, &table, 200, |txn| txn.merge(&table, "n", 1u64.to_be_bytes()));
}

const ACCOUNTS: u64 = 8;
const OPENING_BALANCE: u64 = 100;

/// Transfers between random accounts; accounts that become empty are closed and opened again.
fn transfer(engine: &Engine, table: &Table, seed: u64) {
    let mut random = crate::random::Random::new(seed);
    for _ in 0..150 {
        let (from, to) = (random.below(ACCOUNTS), random.below(ACCOUNTS));
        let wish = random.below(60) + 1;
        let work = |txn: &Transaction| {
            if from == to {
                return Ok(());
            }
            let available = number(txn.get(table, from.to_be_bytes())?.as_ref());
            let amount = wish.min(available);
            if amount == available {
                txn.delete(table, from.to_be_bytes())?;
            } else {
                txn.put(table, from.to_be_bytes(), (available - amount).to_be_bytes())?;
            }
            let old = number(txn.get(table, to.to_be_bytes())?.as_ref());
            if old + amount > 0 {
                txn.put(table, to.to_be_bytes(), (old + amount).to_be_bytes())?;
            }
            Ok::<_, Error>(())
        };
        engine.transact(work).expect("retried until done");
    }
}

/// Runs transfers, and `audit` beside them.
fn bank(mode: &Mode, audit: impl Fn(&Engine, &Table, u64) -> Result<u64> + Sync) {
    let engine = mode.in_memory(synod::Options::new());
    let table = engine.table("accounts").unwrap();
    let open = |txn: &Transaction| {
        (0..ACCOUNTS)
            .try_for_each(|account| txn.put(&table, account.to_be_bytes(), OPENING_BALANCE.to_be_bytes()))
    };
    engine.transact(open).unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let auditor = scope.spawn(|| {
            for round in 0.. {
                assert_eq!(audit(&engine, &table, round).unwrap(), ACCOUNTS * OPENING_BALANCE);
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        let (engine, table) = (&engine, &table);
        let tellers: Vec<_> = (0..3).map(|seed| scope.spawn(move || transfer(engine, table, seed))).collect();
        let are_well: Vec<bool> = tellers.into_iter().map(|teller| teller.join().is_ok()).collect();
        is_over.store(true, Ordering::SeqCst);
        assert!(are_well.into_iter().all(|is_well| is_well), "a teller has panicked");
        auditor.join().expect("the auditor is content");
    });
}

fn total(scan: impl Iterator<Item = Result<(Bytes, Bytes)>>) -> Result<u64> {
    scan.map(|record| Ok(number(Some(&record?.1)))).sum()
}

/// Serializable scans, in both directions.
pub fn transfers_conserve_the_total_under_scans(mode: &Mode) {
    bank(mode, |engine, table, round| {
        engine.transact(|txn| {
            if round % 2 == 0 { total(txn.scan(table, ..)) } else { total(txn.scan_rev(table, ..)) }
        })
    });
}

/// Snapshots, and read-only transactions.
pub fn transfers_conserve_the_total_under_snapshots(mode: &Mode) {
    bank(mode, |engine, table, round| match round % 3 {
        0 => total(engine.snapshot()?.scan(table, ..)),
        1 => total(engine.snapshot()?.scan_rev(table, ..)),
        _ => total(engine.begin(TransactionOptions::new().read_only())?.scan(table, ..)),
    });
}

/// Write skew under load: each doctor leaves if another one stays; one must always be left.
pub fn on_call_doctors_never_all_leave(mode: &Mode) {
    let engine = mode.in_memory(synod::Options::new());
    let table = engine.table("on call").unwrap();
    engine.transact(|txn| (0..THREADS as u8).try_for_each(|doctor| txn.put(&table, [doctor], ""))).unwrap();
    std::thread::scope(|scope| {
        for doctor in 0..THREADS as u8 {
            let (engine, table) = (&engine, &table);
            scope.spawn(move || {
                for _ in 0..60 {
                    let leave = |txn: &Transaction| {
                        if txn.scan(table, ..).count() > 1 {
                            txn.delete(table, [doctor])?;
                        }
                        Ok::<_, Error>(())
                    };
                    engine.transact(leave).expect("retried until done");
                    let left = engine.snapshot().unwrap().scan(table, ..).count();
                    assert!(left >= 1, "nobody is on call");
                    engine.transact(|txn| txn.put(table, [doctor], "")).expect("retried until done");
                }
            });
        }
    });
}

/// Several consumers take the first item of a queue; several producers append to it.
pub fn queues_hand_out_each_item_once(mode: &Mode) {
    const ITEMS: u64 = 60;
    let engine = mode.in_memory(synod::Options::new());
    let (queue, taken) = (engine.table("queue").unwrap(), engine.table("taken").unwrap());
    let options = TransactOptions {
        transaction: TransactionOptions::new().isolation(Isolation::Serializable),
        attempts_max: 100_000,
    };
    let run = |work: &dyn Fn(&Transaction) -> Result<bool>| {
        engine.transact_with(&options, work).expect("retried until done").value
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..ITEMS {
                    run(&|txn| {
                        let last = txn.scan_rev(&queue, ..).next().transpose()?;
                        let next = last.map_or(0, |(key, _)| number(Some(&key)) + 1);
                        txn.insert(&queue, next.to_be_bytes(), "").map(|()| true)
                    });
                }
            });
            scope.spawn(|| {
                let mut count = 0;
                while count < ITEMS {
                    count += u64::from(run(&|txn| {
                        let Some((key, _)) = txn.scan(&queue, ..).next().transpose()? else {
                            return Ok(false);
                        };
                        // The last item stays, so that the numbers go on.
                        if txn.scan(&queue, ..).nth(1).is_none() && number(Some(&key)) + 1 < 2 * ITEMS {
                            return Ok(false);
                        }
                        assert!(txn.delete(&queue, &key)?);
                        txn.insert(&taken, &key, "").map(|()| true)
                    }));
                }
            });
        }
    });
    let snapshot = engine.snapshot().unwrap();
    let items: Vec<u64> = snapshot.scan(&taken, ..).map(|record| number(Some(&record.unwrap().0))).collect();
    assert_eq!(items, (0..2 * ITEMS).collect::<Vec<_>>());
    assert_eq!(snapshot.scan(&queue, ..).count(), 0);
}
