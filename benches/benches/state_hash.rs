//! What it costs a transaction of the deterministic mode to keep the hash of the state.
//!
//! `cargo bench -p synod-bench --bench state_hash`, a few seconds. Transactions read ten records of a million, each as likely
//! as any other, and update five of them, which have keys of 8 bytes and values of 100. They run in one thread and in one
//! store, in turns with the hash and without. (Two stores, or two engines, won't do: where their memory happens to lie makes
//! more of a difference than the hash.)

use std::sync::Arc;
use std::time::Instant;

use crossbeam_epoch::pin;
use synod_bench::calibrate::median;
use synod_bench::random::Random;
use synod_storage::{Table, TableId, Timestamp, Version};
use synod_txn::clock::SystemClock;
use synod_txn::{ActiveTransaction, Execution, Expect, Footprint, Intent, Store, StoreOptions};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const READS: usize = 10;
const UPDATES: usize = 5;
const KEYS_PER_LOAD: u64 = 100;
const TRANSACTIONS_PER_TURN: usize = 1_000;

type Value = [u8; 100];

struct Bench {
    store: Arc<Store>,
    table: Arc<Table>,
    at: Timestamp,
}

impl Bench {
    fn new(records: u64) -> Bench {
        let store = Arc::new(Store::new(StoreOptions::empty(Arc::new(SystemClock))));
        let table = store.catalog().create(TableId(0), "records");
        let mut bench = Bench { store, table, at: Timestamp::MIN };
        for first in (0..records).step_by(KEYS_PER_LOAD as usize) {
            let keys: Vec<_> = (first..first + KEYS_PER_LOAD).map(u64::to_be_bytes).collect();
            bench.run(&[], &keys, true);
        }
        bench
    }

    /// A transaction that reads keys, and writes keys.
    fn run(&mut self, reads: &[[u8; 8]], writes: &[[u8; 8]], is_hashed: bool) {
        let mut footprint = Footprint::new();
        reads.iter().for_each(|key| footprint.read(&self.table, key));
        writes.iter().for_each(|key| footprint.write(&self.table, key));
        footprint.seal();
        let (guard, mut replaced) = (pin(), Vec::new());
        let mut execution = Execution::new(self.store.clone());
        self.at = Timestamp(self.at.0 + 1);
        // SAFETY: it ends before the guard, on this thread, which is the only one.
        unsafe { execution.begin(&Arc::new(footprint), self.at, &guard) }.expect("there are free slots");
        let mut value: Value = [0; 100];
        for key in reads {
            let mut visit = |version: Option<Version<'_>>| {
                value.copy_from_slice(version.and_then(Version::value).expect("it was loaded"));
            };
            execution.read(&self.table, key, Intent::Read, &mut visit).expect("it is in the footprint");
        }
        for key in writes {
            value[0] = value[0].wrapping_add(1);
            let written = execution.write(&self.table, key, Some(&value), Expect::Anything);
            written.expect("it is in the footprint");
        }
        execution.commit(is_hashed, &mut replaced, &guard);
        self.store.oracle().observe(self.at);
        self.store.discard(execution.shard(), &mut replaced, &guard);
    }

    /// Nanoseconds a transaction, of one turn.
    fn turn(&mut self, records: u64, random: &mut Random, is_hashed: bool) -> f64 {
        let started = Instant::now();
        for _ in 0..TRANSACTIONS_PER_TURN {
            let keys: [_; READS] = std::array::from_fn(|_| random.below(records).to_be_bytes());
            self.run(&keys, &keys[..UPDATES], is_hashed);
        }
        started.elapsed().as_nanos() as f64 / TRANSACTIONS_PER_TURN as f64
    }
}

fn main() {
    // What `cargo bench -- --test` asks for: only to see whether it works.
    let is_test = std::env::args().any(|argument| argument == "--test");
    let (turns, records) = if is_test { (1, 10_000) } else { (1_001, 1_000_000) };
    let (mut bench, mut random) = (Bench::new(records), Random::new(1, 0));
    let (mut with, mut without, mut differences) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..turns {
        let times = [true, false].map(|is_hashed| bench.turn(records, &mut random, is_hashed));
        with.push(times[0]);
        without.push(times[1]);
        differences.push(times[0] - times[1]);
    }
    let (with, without, difference) = (median(with), median(without), median(differences));
    println!("{with:.0} ns with the hash, {without:.0} ns without; difference: {difference:.0} ns");
}
