//! Single operations of the engine under criterion: point reads, scans, short transactions, commits.
//!
//! `synod bench micro` measures the same operations as multiples of what the machine charges; this is for
//! watching one of them closely while it is being worked on.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use synod::{Durability, Engine, Options, Table, TransactOptions, TransactionOptions};
use synod_bench::random::Random;
use synod_bench::zipf::scattered_keys;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RECORDS: u64 = 1_000_000;
const VALUE: [u8; 100] = [b'v'; 100];
const THETA: f64 = 0.9;
const LOAD_BATCH: u64 = 1_000;

/// A loaded table, and keys drawn by Zipf's law that are used one after another.
struct Bench {
    engine: Engine,
    table: Table,
    keys: Vec<u64>,
    next: usize,
}

impl Bench {
    fn new(engine: Engine) -> Bench {
        let table = engine.table("bench").expect("a table");
        for first in (0..RECORDS).step_by(LOAD_BATCH as usize) {
            let load = |txn: &synod::Transaction| {
                (first..first + LOAD_BATCH).try_for_each(|key| txn.put(&table, key.to_be_bytes(), VALUE))
            };
            let options = at_level(Durability::Buffered);
            engine.transact_with(&options, load).expect("loaded").handle.wait().expect("written");
        }
        let keys = scattered_keys(RECORDS, THETA, 1 << 20, &mut Random::new(1, 0));
        Bench { engine, table, keys, next: 0 }
    }

    fn next_key(&mut self) -> [u8; 8] {
        self.next = (self.next + 1) % self.keys.len();
        self.keys[self.next].to_be_bytes()
    }
}

fn at_level(level: Durability) -> TransactOptions {
    TransactOptions { transaction: TransactionOptions::new().durability(level), ..TransactOptions::default() }
}

fn reads(criterion: &mut Criterion) {
    let mut bench = Bench::new(Engine::in_memory(Options::new()).expect("an engine"));
    let snapshot = bench.engine.snapshot().expect("a snapshot");
    criterion.bench_function("get/snapshot", |bencher| {
        bencher.iter(|| {
            let key = bench.next_key();
            snapshot.get_with(&bench.table, key, |row| black_box(row).is_some()).expect("readable")
        });
    });
    criterion.bench_function("scan 100/snapshot", |bencher| {
        bencher.iter(|| {
            let key = bench.next_key();
            snapshot
                .scan(&bench.table, key..)
                .take(100)
                .map(|row| row.expect("readable").1.len())
                .sum::<usize>()
        });
    });
    drop(snapshot);
    criterion.bench_function("transaction of 1 get/serializable", |bencher| {
        bencher.iter(|| {
            let key = bench.next_key();
            bench
                .engine
                .transact(|txn| txn.get_with(&bench.table, key, |row| row.is_some()))
                .expect("readable")
        });
    });
    criterion.bench_function("transaction of 1 put/none", |bencher| {
        let options = at_level(Durability::None);
        bencher.iter(|| {
            let key = bench.next_key();
            bench
                .engine
                .transact_with(&options, |txn| txn.put(&bench.table, key, VALUE))
                .expect("writable")
                .handle
        });
    });
}

fn commits(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut bench = Bench::new(Engine::open(directory.path(), Options::new()).expect("an engine"));
    for level in [Durability::Buffered, Durability::Group, Durability::Sync] {
        let options = at_level(level);
        criterion.bench_function(&format!("commit of 1 put/{level}"), |bencher| {
            bencher.iter(|| {
                let key = bench.next_key();
                let put = bench.engine.transact_with(&options, |txn| txn.put(&bench.table, key, VALUE));
                put.expect("writable").handle.wait().expect("durable")
            });
        });
    }
}

criterion_group! {
    name = engine;
    config = Criterion::default().sample_size(30).measurement_time(std::time::Duration::from_secs(2));
    targets = reads, commits
}
criterion_main!(engine);
