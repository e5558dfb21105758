//! Runs random transactions on many threads.

use std::sync::atomic::{AtomicU64, Ordering};

use synod::{Bytes, Engine, Result, Table, Transaction, TransactionOptions};

use super::record::{Answer, Committed, Request};
use crate::random::Random;

/// How a history is made.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// The same seed draws the same transactions; how they interleave is up to the machine.
    pub seed: u64,
    /// How many threads run at the same time.
    pub threads: u64,
    /// How many transactions each of them commits.
    pub transactions: u64,
    /// How many keys there are.
    pub keys: u8,
}

/// Runs the workload on a table that nobody else uses; returns the committed transactions.
///
/// # Panics
/// If anything but an abort goes wrong.
pub fn run(engine: &Engine, table: &Table, workload: Workload) -> Vec<Committed> {
    let clock = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workload.threads)
            .map(|thread| {
                let client = Client { engine, table, clock: &clock, workload, thread, writes: 0 };
                scope.spawn(|| client.run())
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a client has panicked")).collect()
    })
}

struct Client<'a> {
    engine: &'a Engine,
    table: &'a Table,
    clock: &'a AtomicU64,
    workload: Workload,
    thread: u64,
    writes: u64,
}

impl Client<'_> {
    fn run(mut self) -> Vec<Committed> {
        let mut random = Random::new(self.workload.seed << 8 | self.thread);
        let mut committed = Vec::new();
        for _ in 0..self.workload.transactions {
            let is_read_only = random.below(8) == 0;
            let requests = self.draw(&mut random, is_read_only);
            committed.push(self.commit(&requests, is_read_only));
        }
        committed
    }

    fn draw(&mut self, random: &mut Random, is_read_only: bool) -> Vec<Request> {
        let keys = u64::from(self.workload.keys);
        let count = 1 + random.below(5);
        (0..count)
            .map(|_| {
                let key = random.below(keys) as u8;
                let other = random.below(keys) as u8;
                let (from, to) = (key.min(other), key.max(other));
                match random.below(if is_read_only { 6 } else { 14 }) {
                    0 | 1 => Request::Get(key),
                    2 | 3 => Request::Scan(from, to),
                    4 => Request::ScanBackward(from, to),
                    5 => Request::First(from, to),
                    6 => Request::GetForUpdate(key),
                    7..=9 => Request::Put(key, self.fresh_value()),
                    10 | 11 => Request::Insert(key, self.fresh_value()),
                    _ => Request::Delete(key),
                }
            })
            .collect()
    }

    fn fresh_value(&mut self) -> u64 {
        self.writes += 1;
        self.writes * self.workload.threads + self.thread
    }

    /// Runs the requests until they commit.
    fn commit(&self, requests: &[Request], is_read_only: bool) -> Committed {
        let options = TransactionOptions::new();
        let options = if is_read_only { options.read_only() } else { options };
        loop {
            let began = self.clock.fetch_add(1, Ordering::SeqCst);
            let txn = self.engine.begin(options).expect("there are free slots");
            let step = |&request: &Request| {
                // Few steps would fall between those of others, if all of them ran in one go.
                std::thread::yield_now();
                Ok((request, answer(&txn, self.table, request)?))
            };
            let answers: Result<Vec<_>> = requests.iter().map(step).collect();
            let outcome = answers.and_then(|steps| Ok((txn.commit()?, steps)));
            match outcome {
                Ok((timestamp, steps)) => {
                    let ended = self.clock.fetch_add(1, Ordering::SeqCst);
                    let wrote_at = Committed::writes(&steps).then_some(timestamp);
                    return Committed { steps, began, ended, wrote_at };
                }
                Err(error) if error.abort().is_some() => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn answer(txn: &Transaction, table: &Table, request: Request) -> Result<Answer> {
    Ok(match request {
        Request::Get(key) => Answer::Value(txn.get(table, [key])?.map(number)),
        Request::GetForUpdate(key) => Answer::Value(txn.get_for_update(table, [key])?.map(number)),
        Request::Scan(from, to) => records(txn.scan(table, [from]..=[to]))?,
        Request::ScanBackward(from, to) => records(txn.scan_rev(table, [from]..=[to]))?,
        Request::First(from, to) => records(txn.scan(table, [from]..=[to]).take(1))?,
        Request::Put(key, value) => {
            txn.put(table, [key], value.to_le_bytes())?;
            Answer::Done
        }
        Request::Insert(key, value) => match txn.insert(table, [key], value.to_le_bytes()) {
            Ok(()) => Answer::Success(true),
            Err(error) if error.is_key_exists() => Answer::Success(false),
            Err(error) => return Err(error),
        },
        Request::Delete(key) => Answer::Success(txn.delete(table, [key])?),
    })
}

fn number(value: Bytes) -> u64 {
    u64::from_le_bytes(value[..].try_into().expect("values are eight bytes"))
}

fn records(scan: impl Iterator<Item = Result<(Bytes, Bytes)>>) -> Result<Answer> {
    let records: Result<_> = scan.map(|record| record.map(|(key, value)| (key[0], number(value)))).collect();
    Ok(Answer::Records(records?))
}
