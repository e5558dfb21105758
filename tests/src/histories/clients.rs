//! Threads that run small transactions at the same time.

use synod::{Bytes, Engine, Result, Timestamp, Transaction, TransactionOptions};

use crate::random::Random;

/// How many threads there are.
pub const THREADS: u64 = 4;

/// One of the threads.
#[derive(Debug)]
pub struct Client<'a> {
    /// Whose transactions it runs.
    pub engine: &'a Engine,
    /// Which one it is, counted from 0.
    pub number: u64,
    /// What it decides by.
    pub random: Random,
}

/// Runs `work` on [`THREADS`] threads; returns all that they have seen.
///
/// # Panics
/// If one of them does.
pub fn together<T: Send>(
    engine: &Engine,
    seed: u64,
    work: impl Fn(&mut Client<'_>) -> Vec<T> + Sync,
) -> Vec<T> {
    so_many(THREADS, engine, seed, work)
}

/// The same on another number of threads.
///
/// # Panics
/// If one of them does.
pub fn so_many<T: Send>(
    threads: u64,
    engine: &Engine,
    seed: u64,
    work: impl Fn(&mut Client<'_>) -> Vec<T> + Sync,
) -> Vec<T> {
    let work = &work;
    std::thread::scope(|scope| {
        let client = |number| Client { engine, number, random: Random::new(seed << 8 | number) };
        let spawn = |number| scope.spawn(move || work(&mut client(number)));
        let threads: Vec<_> = (0..threads).map(spawn).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a client has panicked")).collect()
    })
}

impl Client<'_> {
    /// Runs `work` in transactions until one commits; returns what that one returned, and its timestamp.
    ///
    /// # Panics
    /// If anything but an abort goes wrong.
    pub fn commit<T>(&self, work: impl Fn(&Transaction) -> Result<T>) -> (T, Timestamp) {
        loop {
            let txn = self.engine.begin(TransactionOptions::new()).expect("there are free slots");
            match work(&txn).and_then(|seen| Ok((seen, txn.commit()?))) {
                Ok(committed) => return committed,
                Err(error) if error.abort().is_some() => pause(),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Lets others come in between two steps; few would, if all of a transaction ran in one go.
pub fn pause() {
    std::thread::yield_now();
}

/// A value that is a number.
///
/// # Panics
/// If it isn't one of eight bytes.
pub fn number(value: &Bytes) -> u64 {
    u64::from_le_bytes(value[..].try_into().expect("values are eight bytes"))
}
