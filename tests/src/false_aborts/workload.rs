//! The transactions that are judged.

use std::collections::BTreeMap;

use synod::{Abort, Engine, Mode, Options, Result, Table, Transaction, TransactionId};

use super::judge::{Counts, judge};
use crate::histories::clients::{Client, pause, so_many};
use crate::random::Random;

/// How a history is made: of transactions each of which reads some keys and writes some others, any with the
/// same chance.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// How many keys there are: the fewer, the more contention.
    pub keys: u64,
    /// How many threads run at the same time.
    pub threads: u64,
    /// How many transactions each of them runs; those that are aborted count, too, and aren't tried again.
    pub transactions: u64,
    /// How many keys each reads.
    pub reads: u64,
    /// How many keys each writes, unless it only reads.
    pub writes: u64,
    /// How many of a hundred only read.
    pub readers_percent: u64,
}

/// Runs a history and counts it.
///
/// # Errors
/// If the history makes no sense to the checker.
///
/// # Panics
/// If anything but an abort goes wrong.
pub fn run(workload: &Workload, seed: u64) -> std::result::Result<Counts, synod_checker::Error> {
    let options = Options::new().mode(Mode::MultiVersion).record_history(true);
    let engine = Engine::in_memory(options).expect("an engine starts");
    let table = engine.table("t").expect("a table is created");
    let prepare =
        |txn: &Transaction| (0..workload.keys).try_for_each(|key| txn.put(&table, key.to_be_bytes(), []));
    engine.transact(prepare).expect("nobody is in the way");
    let aborts = so_many(workload.threads, &engine, seed, |client| {
        (0..workload.transactions).filter_map(|_| transaction(client, &table, workload)).collect()
    });
    let aborts: BTreeMap<TransactionId, Abort> = aborts.into_iter().collect();
    judge(&engine.take_history(), &aborts)
}

/// Runs a transaction; returns why it was aborted, if it was.
fn transaction(
    client: &mut Client<'_>,
    table: &Table,
    workload: &Workload,
) -> Option<(TransactionId, Abort)> {
    let random = &mut client.random;
    let only_reads = random.below(100) < workload.readers_percent;
    let reads = draw(random, workload.reads, workload.keys);
    let writes = draw(random, if only_reads { 0 } else { workload.writes }, workload.keys);
    let txn = client.engine.begin(Default::default()).expect("there are free slots");
    let id = txn.id().expect("it may write");
    let done = work(&txn, table, &reads, &writes).and_then(|()| txn.commit());
    match done {
        Ok(_) => None,
        Err(error) => match error.abort() {
            Some(abort) => Some((id, abort.clone())),
            None => panic!("{error}"),
        },
    }
}

fn work(txn: &Transaction, table: &Table, reads: &[[u8; 8]], writes: &[[u8; 8]]) -> Result<()> {
    for key in reads {
        pause();
        txn.contains(table, key)?;
    }
    for key in writes {
        pause();
        txn.put(table, key, [])?;
    }
    pause();
    Ok(())
}

fn draw(random: &mut Random, count: u64, keys: u64) -> Vec<[u8; 8]> {
    (0..count).map(|_| random.below(keys).to_be_bytes()).collect()
}
