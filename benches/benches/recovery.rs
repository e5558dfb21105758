//! How fast a log is replayed, and what a record costs in memory.
//!
//! `cargo bench -p synod-bench --bench recovery`. Everything goes through `Engine::open`: reading the log,
//! checking and decoding it, and putting a million records of 8-byte keys and 100-byte values into the index, on
//! all cores. What is measured is wall time. (The logs are in the page cache, as they were just written; `TMPDIR`
//! says where.) First printed is the memory that a record takes beyond its key and value. How fast checkpoints are
//! loaded is what `synod bench checkpoint` measures.
//!
//! | log | contents |
//! | --- | --- |
//! | bulk load | all keys in ascending order, 100 to a transaction |
//! | updates | the bulk load, and then twice as many updates of random keys, 5 to a transaction |

use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use synod::{Durability, Engine, Options, TransactOptions, TransactionOptions};
use synod_bench::machine;
use synod_bench::random::Random;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RECORDS: u64 = 1_000_000;
const VALUE_BYTES: usize = 100;
const PAYLOAD_BYTES: u64 = 8 + VALUE_BYTES as u64;
const LOADS_PER_TRANSACTION: u64 = 100;
const UPDATES: u64 = 2 * RECORDS;
const UPDATES_PER_TRANSACTION: u64 = 5;

/// Commits one transaction that sets keys to values that follow from `seed`.
fn put_all(engine: &Engine, level: Durability, seed: u64, keys: impl Iterator<Item = u64> + Clone) {
    let table = engine.table("records").expect("the table opens");
    let options = TransactOptions {
        transaction: TransactionOptions::new().durability(level),
        ..TransactOptions::default()
    };
    let committed = engine.transact_with(&options, |txn| {
        keys.clone().try_for_each(|key| txn.put(&table, key.to_be_bytes(), [(key ^ seed) as u8; VALUE_BYTES]))
    });
    committed.and_then(|committed| committed.handle.wait()).expect("nothing conflicts");
}

fn load(engine: &Engine, level: Durability) {
    for first in (0..RECORDS).step_by(LOADS_PER_TRANSACTION as usize) {
        put_all(engine, level, 0, first..first + LOADS_PER_TRANSACTION);
    }
}

fn update(engine: &Engine, level: Durability) {
    let mut random = Random::new(1, 0);
    for transaction in 0..UPDATES / UPDATES_PER_TRANSACTION {
        let keys: Vec<u64> = (0..UPDATES_PER_TRANSACTION).map(|_| random.below(RECORDS)).collect();
        put_all(engine, level, transaction, keys.into_iter());
    }
}

fn log_bytes(home: &Path) -> u64 {
    let files = std::fs::read_dir(home.join("wal")).expect("the log is there");
    files.map(|file| file.and_then(|file| file.metadata()).expect("a file of the log").len()).sum()
}

/// Prints the resident memory of a million records, without what their keys and values take themselves.
fn print_memory() {
    let before = machine::memory().resident_bytes;
    let engine = Engine::in_memory(Options::new()).expect("an engine in memory");
    load(&engine, Durability::None);
    let grown = machine::memory().resident_bytes - before;
    let overhead = grown as f64 / RECORDS as f64 - PAYLOAD_BYTES as f64;
    println!("memory: {overhead:.1} bytes a record beyond its {PAYLOAD_BYTES} bytes of key and value");
}

/// A database that keeps its log.
fn open(home: &Path) -> Engine {
    Engine::open(home, Options::new().checkpoint_log_bytes(u64::MAX)).expect("the database opens")
}

/// The time that opening takes; closing is not counted.
fn time_opening(home: &Path, times: u64) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..times {
        let started = Instant::now();
        let engine = open(home);
        total += started.elapsed();
        let table = engine.table("records").expect("the table is there");
        let snapshot = engine.snapshot().expect("few snapshots are open");
        assert!(snapshot.contains(&table, (RECORDS - 1).to_be_bytes()).expect("the key is short"));
    }
    total
}

fn bench_opening(criterion: &mut Criterion) {
    print_memory();
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut group = criterion.benchmark_group("recovery");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_secs(5));
    for (name, write) in [("bulk load", load as fn(&Engine, Durability)), ("updates", update)] {
        let engine = open(home.path());
        write(&engine, Durability::Buffered);
        engine.close().expect("the log can be written");
        group.throughput(Throughput::BytesDecimal(log_bytes(home.path())));
        group.bench_function(name, |bencher| bencher.iter_custom(|times| time_opening(home.path(), times)));
    }
    group.finish();
}

criterion_group!(benches, bench_opening);
criterion_main!(benches);
