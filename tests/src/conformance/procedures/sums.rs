//! Many threads at once: what must add up in the end does.

use std::sync::atomic::{AtomicBool, Ordering};

use synod::{Engine, Procedure, Table};

use super::super::Mode;
use super::options;
use super::teller::{ACCOUNTS, Add, Append, Leave, TABLE, Take, Total, Transfer, add, number};
use crate::random::Random;

const THREADS: u64 = 4;
const OPENING_BALANCE: u64 = 100;

fn engine(mode: &Mode) -> (Engine, Table) {
    let engine = mode.in_memory(options().merge(TABLE, add));
    let table = engine.table(TABLE).unwrap();
    (engine, table)
}

/// Executes a procedure, which does not fail.
fn execute<P: Procedure>(engine: &Engine, procedure: P) -> P::Output {
    engine.execute(procedure).expect("tried until it is done").output
}

/// Each of N threads adds one, k times: the answers are 1 to N × k, each once.
fn count(mode: &Mode, merges: bool) {
    const ROUNDS: u64 = 100;
    let (engine, table) = engine(mode);
    let mut counts: Vec<u64> = std::thread::scope(|scope| {
        let adder = |thread: u64| {
            let engine = &engine;
            move || {
                let add = |round: u64| {
                    let is_declared = (thread + round).is_multiple_of(2);
                    execute(engine, Add { account: 0, by: 1, merges, is_declared })
                };
                (0..ROUNDS).map(add).collect::<Vec<_>>()
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(adder(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    counts.sort_unstable();
    assert_eq!(counts, (1..=THREADS * ROUNDS).collect::<Vec<_>>());
    let last = engine.snapshot().unwrap().get(&table, 0u64.to_be_bytes()).unwrap();
    assert_eq!(number(last.as_deref()), THREADS * ROUNDS);
}

/// Declared and not.
pub fn counters_count_with_procedures(mode: &Mode) {
    count(mode, false);
}

/// As above.
pub fn counters_count_with_merging_procedures(mode: &Mode) {
    count(mode, true);
}

fn transfer(engine: &Engine, seed: u64) {
    let mut random = Random::new(seed);
    for _ in 0..150 {
        let (from, to) = (random.below(ACCOUNTS), random.below(ACCOUNTS));
        if from != to {
            execute(engine, Transfer { from, to, wish: random.below(60) + 1 });
        }
    }
}

/// Runs transfers, and `audit` beside them, which finds the total.
fn bank(mode: &Mode, audit: impl Fn(&Engine, &Table, u64) -> u64 + Sync) {
    let (engine, table) = engine(mode);
    for account in 0..ACCOUNTS {
        execute(&engine, Add { account, by: OPENING_BALANCE, merges: true, is_declared: true });
    }
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let auditor = scope.spawn(|| {
            for round in 0.. {
                assert_eq!(audit(&engine, &table, round), ACCOUNTS * OPENING_BALANCE);
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        let engine = &engine;
        let tellers: Vec<_> = (0..3).map(|seed| scope.spawn(move || transfer(engine, seed))).collect();
        let are_well: Vec<bool> = tellers.into_iter().map(|teller| teller.join().is_ok()).collect();
        is_over.store(true, Ordering::SeqCst);
        assert!(are_well.into_iter().all(|is_well| is_well), "a teller has panicked");
        auditor.join().expect("the auditor is content");
    });
}

/// Procedures that scan, in both directions.
pub fn transfers_conserve_the_total_under_procedures(mode: &Mode) {
    bank(mode, |engine, _, round| execute(engine, Total { is_backward: round % 2 == 1 }));
}

/// Snapshots, and procedures that only read, beside the others.
pub fn transfers_conserve_the_total_under_snapshots_and_queries(mode: &Mode) {
    bank(mode, |engine, table, round| match round % 2 {
        0 => engine.query(&Total { is_backward: round % 4 == 2 }).unwrap(),
        _ => {
            let snapshot = engine.snapshot().unwrap();
            snapshot.scan(table, ..).map(|record| number(Some(&record.unwrap().1))).sum()
        }
    });
}

/// Each doctor leaves if another one stays; one must always be left.
pub fn on_call_doctors_never_all_leave(mode: &Mode) {
    let (engine, table) = engine(mode);
    for doctor in 0..THREADS as u8 {
        execute(&engine, Leave { doctor, comes_back: true });
    }
    std::thread::scope(|scope| {
        for doctor in 0..THREADS as u8 {
            let (engine, table) = (&engine, &table);
            scope.spawn(move || {
                for _ in 0..60 {
                    assert!(execute(engine, Leave { doctor, comes_back: false }) >= 1, "nobody is on call");
                    let left = engine.snapshot().unwrap().scan(table, ..).count();
                    assert!(left >= 1, "nobody is on call");
                    execute(engine, Leave { doctor, comes_back: true });
                }
            });
        }
    });
}

/// Several consumers take the first item of a queue; several producers append to it. What they touch is found out.
pub fn queues_hand_out_each_item_once(mode: &Mode) {
    const ITEMS: u64 = 40;
    let (engine, table) = engine(mode);
    let mut taken: Vec<u64> = std::thread::scope(|scope| {
        let produce = || (0..ITEMS).map(|_| execute(&engine, Append)).collect::<Vec<_>>();
        let consume = || {
            let takes = std::iter::repeat_with(|| execute(&engine, Take));
            takes.flatten().take(ITEMS as usize - 1).collect::<Vec<_>>()
        };
        let producers = [scope.spawn(produce), scope.spawn(produce)];
        let consumers = [scope.spawn(consume), scope.spawn(consume)];
        let mut appended = producers.map(|producer| producer.join().unwrap()).concat();
        appended.sort_unstable();
        assert_eq!(appended, (0..2 * ITEMS).collect::<Vec<_>>());
        consumers.map(|consumer| consumer.join().unwrap()).concat()
    });
    taken.sort_unstable();
    assert_eq!(taken, (0..2 * ITEMS - 2).collect::<Vec<_>>());
    assert_eq!(engine.snapshot().unwrap().scan(&table, ..).count(), 2);
}
