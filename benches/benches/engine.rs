//! Single operations of the engine under criterion: reads, scans, commits, locks, chains of versions, checkpoints.
//!
//! `synod bench micro` measures the same operations as multiples of what the machine charges; this is for
//! watching one of them closely while it is being worked on.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use synod::{
    Declaration, Durability, Engine, Mode, Options, Procedure, Snapshot, Table, Timestamp, TransactOptions,
    Transaction, TransactionOptions, View,
};
use synod_bench::random::Random;
use synod_bench::zipf::scattered_keys;
use synod_txn::Oracle;
use synod_txn::clock::SystemClock;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RECORDS: u64 = 1_000_000;
/// Where every record is written to the disk, again and again.
const FEW_RECORDS: u64 = 100_000;
const VALUE: [u8; 100] = [b'v'; 100];
const THETA: f64 = 0.9;
const LOAD_BATCH: u64 = 1_000;
const TABLE: &str = "bench";

/// A loaded table, and keys drawn by Zipf's law that are used one after another.
struct Bench {
    engine: Engine,
    table: Table,
    keys: Vec<[u8; 8]>,
    next: usize,
}

impl Bench {
    fn new(engine: Engine, records: u64) -> Bench {
        let table = engine.table(TABLE).expect("a table");
        for first in (0..records).step_by(LOAD_BATCH as usize) {
            let load = |txn: &Transaction| {
                (first..first + LOAD_BATCH).try_for_each(|key| txn.put(&table, key.to_be_bytes(), VALUE))
            };
            let options = at_level(Durability::Buffered);
            engine.transact_with(&options, load).expect("loaded").handle.wait().expect("written");
        }
        let keys = scattered_keys(records, THETA, 1 << 20, &mut Random::new(1, 0));
        Bench { engine, table, keys: keys.into_iter().map(u64::to_be_bytes).collect(), next: 0 }
    }

    fn in_memory(mode: Mode) -> Bench {
        Bench::new(Engine::in_memory(Options::new().mode(mode)).expect("an engine"), RECORDS)
    }

    fn next_key(&mut self) -> [u8; 8] {
        self.next_keys(1)[0]
    }

    fn next_keys(&mut self, count: usize) -> &[[u8; 8]] {
        self.next += count;
        if self.next > self.keys.len() {
            self.next = count;
        }
        &self.keys[self.next - count..self.next]
    }
}

fn at_level(level: Durability) -> TransactOptions {
    TransactOptions { transaction: TransactionOptions::new().durability(level), ..TransactOptions::default() }
}

/// Each mode's reads and commits, in memory.
fn modes(criterion: &mut Criterion) {
    for mode in Mode::INTERACTIVE {
        let mut bench = Bench::in_memory(mode);
        reads(criterion, &mut bench);
        commits_of(criterion, &mut bench);
        if mode == Mode::TwoPhaseLocking {
            locks(criterion, &mut bench);
        }
    }
}

fn reads(criterion: &mut Criterion, bench: &mut Bench) {
    let mode = bench.engine.mode();
    criterion.bench_function(&format!("get/{mode}"), |bencher| {
        bencher.iter(|| {
            let key = bench.next_key();
            let get = |txn: &Transaction| txn.get_with(&bench.table, key, |row| black_box(row).is_some());
            bench.engine.transact(get).expect("readable")
        });
    });
    criterion.bench_function(&format!("10 gets/{mode}"), |bencher| {
        bencher.iter(|| {
            let txn = bench.engine.begin(TransactionOptions::new()).expect("begun");
            for at in 0..10 {
                let key = bench.next_keys(10)[at];
                txn.get_with(&bench.table, key, |row| black_box(row).is_some()).expect("readable");
            }
            txn.commit().expect("nobody is in the way")
        });
    });
    criterion.bench_function(&format!("multi_get of 10/{mode}"), |bencher| {
        bencher.iter(|| {
            let txn = bench.engine.begin(TransactionOptions::new()).expect("begun");
            let table = bench.table.clone();
            let see = |_, row: Option<&[u8]>| _ = black_box(row);
            txn.multi_get_with(&table, bench.next_keys(10), see).expect("readable");
            txn.commit().expect("nobody is in the way")
        });
    });
    criterion.bench_function(&format!("scan of 100/{mode}"), |bencher| {
        bencher.iter(|| {
            let key = bench.next_key();
            let scan = |txn: &Transaction| {
                let mut scan = txn.scan(&bench.table, key..);
                let mut bytes = 0;
                for _ in 0..100 {
                    let Some((_, value)) = scan.next_ref()? else { break };
                    bytes += value.len();
                }
                Ok::<_, synod::Error>(bytes)
            };
            bench.engine.transact(scan).expect("readable")
        });
    });
}

fn commits_of(criterion: &mut Criterion, bench: &mut Bench) {
    let (mode, options) = (bench.engine.mode(), at_level(Durability::None));
    for writes in [0, 1, 10] {
        criterion.bench_function(&format!("commit of {writes} puts/{mode}"), |bencher| {
            bencher.iter(|| {
                let table = bench.table.clone();
                let keys = bench.next_keys(writes).to_vec();
                let puts = |txn: &Transaction| keys.iter().try_for_each(|key| txn.put(&table, key, VALUE));
                bench.engine.transact_with(&options, puts).expect("writable").handle
            });
        });
    }
}

fn locks(criterion: &mut Criterion, bench: &mut Bench) {
    criterion.bench_function("lock and release", |bencher| {
        bencher.iter(|| {
            let key = bench.next_key();
            let txn = bench.engine.begin(TransactionOptions::new()).expect("begun");
            txn.get_for_update_with(&bench.table, key, |row| row.is_some()).expect("nobody is in the way");
            txn.abort();
        });
    });
}

/// One update, as a procedure.
#[derive(Serialize, Deserialize)]
struct Put([u8; 8]);

impl Procedure for Put {
    const NAME: &'static str = "put";

    type Output = ();

    fn declare(&self, footprint: &mut Declaration<'_>) -> synod::Result<()> {
        footprint.write(TABLE, self.0)
    }

    fn run(&self, view: &View<'_>) -> synod::Result<()> {
        view.put(view.table(TABLE)?, self.0, VALUE)
    }
}

fn procedures(criterion: &mut Criterion) {
    let options = Options::new().mode(Mode::Deterministic).procedure::<Put>();
    let engine = Engine::in_memory(options).expect("an engine");
    engine.table(TABLE).expect("a table");
    let keys = scattered_keys(RECORDS, THETA, 1 << 20, &mut Random::new(1, 0));
    let mut keys = keys.iter().cycle();
    let mut next = || Put(keys.next().map_or([0; 8], |key| key.to_be_bytes()));
    criterion.bench_function("procedure of 1 put", |bencher| {
        bencher.iter(|| engine.execute(next()).expect("executed"));
    });
    criterion.bench_function("100 procedures of 1 put in flight", |bencher| {
        bencher.iter(|| {
            let tickets: Vec<_> = (0..100).map(|_| engine.submit(next()).expect("accepted")).collect();
            tickets.into_iter().for_each(|ticket| _ = ticket.wait().expect("executed"));
        });
    });
}

/// A commit at each level that is logged.
fn durability(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let engine = Engine::open(directory.path(), Options::new()).expect("an engine");
    let mut bench = Bench::new(engine, FEW_RECORDS);
    for level in [Durability::Buffered, Durability::Group, Durability::Sync] {
        let options = at_level(level);
        criterion.bench_function(&format!("commit of 1 put, {level}"), |bencher| {
            bencher.iter(|| {
                let key = bench.next_key();
                let put = bench.engine.transact_with(&options, |txn| txn.put(&bench.table, key, VALUE));
                put.expect("writable").handle.wait().expect("durable")
            });
        });
    }
    let mut group = criterion.benchmark_group("checkpoint");
    group.throughput(Throughput::Bytes(FEW_RECORDS * (8 + VALUE.len() as u64))).sample_size(10);
    group.bench_function("100,000 records", |bencher| {
        // Without a commit in between there would be nothing new to write.
        let commit = || _ = bench.engine.transact(|txn| txn.put(&bench.table, [0; 8], VALUE));
        let checkpoint = |()| bench.engine.checkpoint().expect("a checkpoint");
        bencher.iter_batched(commit, checkpoint, BatchSize::PerIteration);
    });
    group.finish();
}

/// A reader of the past goes along the versions that are newer than its snapshot.
fn chains(criterion: &mut Criterion) {
    let engine = Engine::in_memory(Options::new()).expect("an engine");
    let table = engine.table(TABLE).expect("a table");
    for newer in [1, 10, 100] {
        let put = || engine.transact(|txn| txn.put(&table, "key", VALUE)).expect("writable");
        put();
        let past: Snapshot = engine.snapshot().expect("a snapshot");
        (0..newer).for_each(|_| put());
        criterion.bench_function(&format!("get behind {newer} newer versions"), |bencher| {
            bencher.iter(|| past.get_with(&table, "key", |row| black_box(row).is_some()).expect("readable"));
        });
    }
}

fn oracle(criterion: &mut Criterion) {
    let oracle = Oracle::new(Arc::new(SystemClock), Timestamp::MIN);
    criterion
        .bench_function("oracle/the newest timestamp", |bencher| bencher.iter(|| black_box(&oracle).last()));
    criterion.bench_function("oracle/a new timestamp", |bencher| bencher.iter(|| black_box(&oracle).next()));
}

criterion_group! {
    name = engine;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(500));
    targets = modes, procedures, durability, chains, oracle
}
criterion_main!(engine);
