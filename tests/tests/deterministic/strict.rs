//! What was answered is in everything that begins later, whoever else is still at work.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};
use serde::{Deserialize, Serialize};
use synod::{Declaration, Engine, Error, Options, Procedure, Result, TransactionOptions, View};
use synod_tests::conformance::durability::block_on;
use synod_tests::crash::failure::{in_time, wait_until};
use synod_tests::deterministic::perform::{Dump, number};
use synod_tests::deterministic::places::TABLES;
use synod_tests::deterministic::world::{contents_at, in_memory, options};
use synod_tests::random::Random;

/// The gates that are open, by number.
static OPEN_GATES: LazyLock<(Mutex<Vec<u64>>, Condvar)> = LazyLock::new(Default::default);

/// The gates before which somebody stands, or stood.
static REACHED: Mutex<Vec<u64>> = Mutex::new(Vec::new());

fn open_gate(gate: u64) {
    OPEN_GATES.0.lock().push(gate);
    OPEN_GATES.1.notify_all();
}

/// Writes a key, and waits before a gate; none has the number 0.
#[derive(Serialize, Deserialize)]
struct Gated {
    key: u64,
    gate: u64,
}

impl Procedure for Gated {
    const NAME: &'static str = "gated";
    type Output = ();

    fn declare(&self, footprint: &mut Declaration<'_>) -> Result<()> {
        footprint.write(TABLES[0], self.key.to_le_bytes())
    }

    fn run(&self, view: &View<'_>) -> Result<()> {
        view.put(view.table(TABLES[0])?, self.key.to_le_bytes(), "there")?;
        if self.gate != 0 {
            REACHED.lock().push(self.gate);
            let mut open = OPEN_GATES.0.lock();
            while !open.contains(&self.gate) {
                OPEN_GATES.1.wait(&mut open);
            }
        }
        Ok(())
    }
}

/// Whether a way of looking at the state shows a key.
type Sees = fn(&Engine, u64) -> Result<bool>;

fn by_snapshot(engine: &Engine, key: u64) -> Result<bool> {
    engine.snapshot()?.contains(&engine.table(TABLES[0])?, key.to_le_bytes())
}

fn by_read_only_transaction(engine: &Engine, key: u64) -> Result<bool> {
    let transaction = engine.begin(TransactionOptions::new().read_only())?;
    transaction.contains(&engine.table(TABLES[0])?, key.to_le_bytes())
}

fn by_query(engine: &Engine, key: u64) -> Result<bool> {
    Ok(engine.query(&Dump)?.iter().any(|(_, found, _)| found[..] == key.to_le_bytes()))
}

fn by_time_travel(engine: &Engine, key: u64) -> Result<bool> {
    let after = engine.execute(Gated { key: 1000 + key, gate: 0 })?.timestamp;
    engine.snapshot_at(after)?.contains(&engine.table(TABLES[0])?, key.to_le_bytes())
}

#[test]
fn whoever_looks_waits_for_what_comes_before_that_which_was_answered() {
    let ways: [Sees; 4] = [by_snapshot, by_read_only_transaction, by_query, by_time_travel];
    for (way, gate) in ways.into_iter().zip(1..) {
        in_time("a look at the state", move || {
            let engine = in_memory(options().procedure::<Gated>().workers(3));
            let has_begun = AtomicBool::new(false);
            std::thread::scope(|scope| {
                let slow = scope.spawn(|| engine.execute(Gated { key: 1, gate }));
                wait_until("the slow one runs", || REACHED.lock().contains(&gate));
                let fast = engine.execute(Gated { key: 2, gate: 0 }).unwrap();
                assert!(!slow.is_finished());
                let reader = scope.spawn(|| {
                    has_begun.store(true, Ordering::SeqCst);
                    (way(&engine, 2).unwrap(), way(&engine, 1).unwrap())
                });
                wait_until("the reader has begun", || has_begun.load(Ordering::SeqCst));
                open_gate(gate);
                assert_eq!(reader.join().unwrap(), (true, true));
                assert!(slow.join().unwrap().unwrap().timestamp < fast.timestamp);
            });
        });
    }
}

#[test]
fn the_unfinished_and_what_comes_behind_it_is_not_seen() {
    in_time("a look at the state", || {
        let engine = in_memory(options().procedure::<Gated>().workers(2));
        engine.execute(Gated { key: 0, gate: 0 }).unwrap();
        std::thread::scope(|scope| {
            let slow = scope.spawn(|| engine.execute(Gated { key: 1, gate: 100 }));
            wait_until("the slow one runs", || REACHED.lock().contains(&100));
            // It has written, and nothing was answered since; so nobody has to wait for it.
            let before = engine.snapshot().unwrap();
            assert_eq!(contents_at(&engine, &before).unwrap().len(), 1);
            open_gate(100);
            let written_at = slow.join().unwrap().unwrap().timestamp;
            assert!(before.timestamp() < written_at);
            assert_eq!(contents_at(&engine, &before).unwrap().len(), 1, "a snapshot has changed");
            assert!(by_snapshot(&engine, 1).unwrap());
        });
    });
}

/// Adds to a counter.
#[derive(Serialize, Deserialize)]
struct Count(u8);

impl Procedure for Count {
    const NAME: &'static str = "count";
    type Output = u64;

    fn declare(&self, footprint: &mut Declaration<'_>) -> Result<()> {
        footprint.write(TABLES[0], [self.0])
    }

    fn run(&self, view: &View<'_>) -> Result<u64> {
        let table = view.table(TABLES[0])?;
        let count = number(view.get(table, [self.0])?.as_deref()) + 1;
        view.put(table, [self.0], count.to_le_bytes())?;
        synod_tests::deterministic::trouble::pause();
        Ok(count)
    }
}

const COUNTERS: usize = 5;

/// All counters, looked at in some way.
fn counts(engine: &Engine, way: u64) -> Vec<u64> {
    let dump = match way {
        0 => engine.query(&Dump).unwrap(),
        1 => engine.execute(Dump).unwrap().output,
        _ => {
            let snapshot = engine.snapshot().unwrap();
            let records = contents_at(engine, &snapshot).unwrap().into_iter();
            records.map(|((table, key), value)| (table, key, value)).collect()
        }
    };
    let mut counts = vec![0; COUNTERS];
    dump.iter().for_each(|(_, key, value)| counts[usize::from(key[0])] = number(Some(value)));
    counts
}

#[test]
fn counters_never_fall_behind_what_was_answered() {
    in_time("counting", || {
        for workers in [1, 2, 4] {
            let engine = in_memory(options().procedure::<Count>().workers(workers));
            let answered: [AtomicU64; COUNTERS] = Default::default();
            std::thread::scope(|scope| {
                let (engine, answered) = (&engine, &answered);
                for counter in 0..COUNTERS as u8 {
                    scope.spawn(move || {
                        for expected in 1..=100 {
                            let ticket = engine.submit(Count(counter)).unwrap();
                            let executed = if counter == 0 { block_on(ticket) } else { ticket.wait() };
                            assert_eq!(executed.unwrap().output, expected);
                            answered[usize::from(counter)].store(expected, Ordering::SeqCst);
                        }
                    });
                }
                for way in 0..3 {
                    scope.spawn(move || {
                        let mut last = vec![0; COUNTERS];
                        while last.iter().any(|count| *count < 100) {
                            let before: Vec<u64> =
                                answered.iter().map(|count| count.load(Ordering::SeqCst)).collect();
                            let seen = counts(engine, way);
                            let is_behind =
                                |floor: &[u64]| seen.iter().zip(floor).any(|(seen, floor)| seen < floor);
                            assert!(!is_behind(&before), "{seen:?} was seen after {before:?} was answered");
                            assert!(!is_behind(&last), "{seen:?} was seen after {last:?}");
                            last = seen;
                        }
                    });
                }
            });
        }
    });
}

const ACCOUNTS: u64 = 8;
const BALANCE: u64 = 100;

/// Moves money; what there isn't is refused.
#[derive(Serialize, Deserialize)]
struct Transfer {
    from: u64,
    to: u64,
    amount: u64,
    is_declared: bool,
}

impl Procedure for Transfer {
    const NAME: &'static str = "transfer";
    type Output = ();

    fn declare(&self, footprint: &mut Declaration<'_>) -> Result<()> {
        if !self.is_declared {
            footprint.unknown();
            return Ok(());
        }
        footprint.write(TABLES[1], self.from.to_le_bytes())?;
        footprint.write(TABLES[1], self.to.to_le_bytes())
    }

    fn run(&self, view: &View<'_>) -> Result<()> {
        let table = view.table(TABLES[1])?;
        let balance = |account: u64| -> Result<u64> {
            Ok(view.get(table, account.to_le_bytes())?.map_or(BALANCE, |value| number(Some(&value))))
        };
        let put = |account: u64, balance: u64| view.put(table, account.to_le_bytes(), balance.to_le_bytes());
        // First the one, then the other: whoever came in between would see a wrong total.
        put(self.to, balance(self.to)? + self.amount)?;
        synod_tests::deterministic::trouble::pause();
        let left = balance(self.from)?.checked_sub(self.amount);
        put(self.from, left.ok_or_else(|| Error::rejected("there is not enough"))?)
    }
}

#[test]
fn the_total_of_all_accounts_stays_what_it_is() {
    in_time("transfers", || {
        for workers in [1, 3] {
            let engine = in_memory(options().procedure::<Transfer>().workers(workers));
            let is_over = AtomicBool::new(false);
            std::thread::scope(|scope| {
                let (engine, is_over) = (&engine, &is_over);
                let transfer = move |client: u64| {
                    let mut random = Random::new(client);
                    for _ in 0..120 {
                        let from = random.below(ACCOUNTS);
                        let to = (from + 1 + random.below(ACCOUNTS - 1)) % ACCOUNTS;
                        let (amount, is_declared) = (random.below(60), random.below(3) > 0);
                        match engine.execute(Transfer { from, to, amount, is_declared }) {
                            Ok(_) | Err(Error::Rejected { .. }) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                };
                let clients: Vec<_> = (0..4).map(|client| scope.spawn(move || transfer(client))).collect();
                for way in 0..3 {
                    scope.spawn(move || {
                        while !is_over.load(Ordering::Relaxed) {
                            check_total(engine, way);
                        }
                    });
                }
                let ended: Vec<_> = clients.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
                is_over.store(true, Ordering::Relaxed);
                assert!(ended.iter().all(std::result::Result::is_ok));
            });
            (0..3).for_each(|way| check_total(&engine, way));
            assert!(engine.stats().sequencing.unwrap().rejected > 0);
        }
    });
}

fn check_total(engine: &Engine, way: u64) {
    let balances: Vec<u64> = match way {
        0 => engine.query(&Dump).unwrap().iter().map(|(_, _, value)| number(Some(value))).collect(),
        1 => engine.execute(Dump).unwrap().output.iter().map(|(_, _, value)| number(Some(value))).collect(),
        _ => {
            let snapshot = engine.snapshot().unwrap();
            contents_at(engine, &snapshot).unwrap().values().map(|value| number(Some(value))).collect()
        }
    };
    // Accounts that were never touched have no record.
    let missing = ACCOUNTS - balances.len() as u64;
    assert_eq!(balances.iter().sum::<u64>() + missing * BALANCE, ACCOUNTS * BALANCE, "{balances:?}");
}

#[test]
fn a_lone_client_runs_its_procedures_itself() {
    // Whoever waits does the work: no other thread is needed, nor woken.
    let engine = in_memory(Options::new().procedure::<Whose>().mode(synod::Mode::Deterministic));
    for _ in 0..20 {
        let whose = engine.execute(Whose).unwrap().output;
        assert_eq!(whose, format!("{:?}", std::thread::current().id()));
    }
}

/// Answers which thread runs it.
#[derive(Serialize, Deserialize)]
struct Whose;

impl Procedure for Whose {
    const NAME: &'static str = "whose";
    type Output = String;

    fn declare(&self, _footprint: &mut Declaration<'_>) -> Result<()> {
        Ok(())
    }

    fn run(&self, _view: &View<'_>) -> Result<String> {
        Ok(format!("{:?}", std::thread::current().id()))
    }
}
