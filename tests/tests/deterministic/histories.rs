//! Histories of procedures, judged by the checker: strictly serializable, by what the engine recorded and by what clients
//! saw.

use std::fmt::Write;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use synod::{Declaration, Engine, Isolation, Options, Procedure, Result, View};
use synod_bench::history::checkable;
use synod_checker::{History, Options as Checking, check, read_edn};
use synod_tests::conformance::durability::block_on;
use synod_tests::crash::failure::in_time;
use synod_tests::deterministic::clients::run;
use synod_tests::deterministic::places::TABLES;
use synod_tests::deterministic::trouble;
use synod_tests::deterministic::world::{in_memory, options};
use synod_tests::histories::promise;
use synod_tests::random::Random;

use crate::scripts::draw;

/// So many histories of each kind.
const HISTORIES: u64 = 12;

const CLIENTS: u64 = 5;

fn judge(history: &History, is_exact: bool, what: &str) -> usize {
    let checking = Checking { linearizable_registers: !is_exact, ..Checking::default() };
    let verdict = check(history, &checking).unwrap();
    assert_eq!(verdict.is_exact, is_exact);
    if let Some(anomaly) = verdict.against(promise(Isolation::Serializable)).next() {
        panic!("{what}: {}\n{}", anomaly.name(), anomaly.explanation());
    }
    verdict.committed
}

#[test]
fn what_the_engine_records_is_strictly_serializable() {
    in_time("histories", || {
        for seed in 0..HISTORIES {
            let engine = in_memory(options().workers(1 + seed as usize % 4).record_history(true));
            run(&engine, &draw(seed, CLIENTS as usize, 24), 2);
            let recorded = engine.take_history();
            assert!(recorded.iter().any(|transaction| transaction.steps.len() > 3));
            assert!(judge(&checkable(&recorded), true, &format!("seed {seed}")) > 30);
        }
    });
}

/// Reads and writes of single keys, which are lists or registers.
#[derive(Clone, Serialize, Deserialize)]
struct Operations {
    are_lists: bool,
    is_declared: bool,
    /// A key, and the value to be written; `None` for reading.
    operations: Vec<(u64, Option<u64>)>,
}

impl Procedure for Operations {
    const NAME: &'static str = "operations";
    /// What was read.
    type Output = Vec<Option<Vec<u64>>>;

    fn declare(&self, footprint: &mut Declaration<'_>) -> Result<()> {
        if !self.is_declared {
            footprint.unknown();
        }
        self.operations.iter().try_for_each(|(key, write)| match write {
            Some(_) => footprint.write(TABLES[0], key.to_le_bytes()),
            None => footprint.read(TABLES[0], key.to_le_bytes()),
        })
    }

    fn run(&self, view: &View<'_>) -> Result<Self::Output> {
        let table = view.table(TABLES[0])?;
        let mut seen = Vec::new();
        for (key, write) in &self.operations {
            trouble::pause();
            let Some(value) = write else {
                let numbers = |bytes: &[u8]| {
                    bytes.chunks(8).map(|chunk| u64::from_le_bytes(chunk.try_into().unwrap())).collect()
                };
                seen.push(view.get(table, key.to_le_bytes())?.map(|bytes| numbers(&bytes)));
                continue;
            };
            match self.are_lists {
                true => view.merge(table, key.to_le_bytes(), value.to_le_bytes())?,
                false => view.put(table, key.to_le_bytes(), value.to_le_bytes())?,
            }
            seen.push(None);
        }
        Ok(seen)
    }
}

impl Operations {
    fn draw(random: &mut Random, are_lists: bool, next_value: &mut u64) -> Operations {
        let count = 1 + random.below(4);
        let mut operation = |_| {
            let key = random.below(3);
            *next_value += CLIENTS;
            (key, (random.below(2) == 0).then_some(*next_value))
        };
        let operations = (0..count).map(&mut operation).collect();
        Operations { are_lists, is_declared: random.below(3) > 0, operations }
    }

    /// As EDN, with what was read.
    fn said(&self, seen: Option<&Vec<Option<Vec<u64>>>>) -> String {
        let mut said = String::new();
        for (index, (key, write)) in self.operations.iter().enumerate() {
            let read = seen.and_then(|seen| seen[index].as_ref());
            let read = read.map_or_else(
                || "nil".to_owned(),
                |numbers| {
                    let numbers: Vec<_> = numbers.iter().map(u64::to_string).collect();
                    if self.are_lists { format!("[{}]", numbers.join(" ")) } else { numbers.join(" ") }
                },
            );
            let verb = if self.are_lists { "append" } else { "w" };
            match write {
                Some(value) => write!(said, "[:{verb} {key} {value}]").unwrap(),
                None => write!(said, "[:r {key} {read}]").unwrap(),
            }
        }
        said
    }
}

/// One client's part of a history. The lock makes the order of events that of real time.
fn client(engine: &Engine, events: &Mutex<String>, are_lists: bool, (seed, number): (u64, u64)) {
    let mut random = Random::new(seed << 8 | number);
    let mut next_value = number;
    let note = |what: &str, said: &str| {
        let event = format_args!("{{:type :{what}, :process {number}, :f :txn, :value [{said}]}}");
        writeln!(events.lock(), "{event}").unwrap();
    };
    for _ in 0..30 {
        let operations = Operations::draw(&mut random, are_lists, &mut next_value);
        note("invoke", &operations.said(None));
        let reads_only = operations.operations.iter().all(|(_, write)| write.is_none());
        let seen = match random.below(3) {
            0 if reads_only => engine.query(&operations).unwrap(),
            1 => block_on(engine.submit(operations.clone()).unwrap()).unwrap().output,
            _ => engine.execute(operations.clone()).unwrap().output,
        };
        note("ok", &operations.said(Some(&seen)));
    }
}

fn judge_black_boxes(are_lists: bool) {
    in_time("histories", move || {
        let append = |_: &[u8], old: Option<&[u8]>, by: &[u8]| Ok([old.unwrap_or_default(), by].concat());
        for seed in 0..HISTORIES {
            let options: Options = options().procedure::<Operations>().merge(TABLES[0], append);
            let engine = in_memory(options.workers(1 + seed as usize % 4));
            let events = Mutex::new(String::new());
            std::thread::scope(|scope| {
                for number in 0..CLIENTS {
                    let (engine, events) = (&engine, &events);
                    scope.spawn(move || client(engine, events, are_lists, (seed, number)));
                }
            });
            let events = events.into_inner();
            let history = read_edn(events.as_bytes(), |_| ()).unwrap();
            assert_eq!(judge(&history, false, &events), 30 * CLIENTS as usize);
        }
    });
}

#[test]
fn lists_are_strictly_serializable_to_their_clients() {
    judge_black_boxes(true);
}

#[test]
fn registers_are_strictly_serializable_to_their_clients() {
    judge_black_boxes(false);
}
