//! The ordered index beside others: one million keys, in random order.
//!
//!     cargo bench -p synod-bench --bench index
//!
//! All keys are byte strings of any length (the map with *inline* keys is the exception: it shows what a
//! map gains that knows the length beforehand). All values are pointers to eight bytes on the heap, and every
//! lookup and scan reads them, as whoever looks a record up does. Each operation stands alone: it takes its own
//! lock or epoch guard, but for the line *pinned*, where a thousand lookups share one, as those of a
//! transaction do. Prints the index's memory per record first.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::ops::Bound;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use crossbeam_epoch::pin;
use parking_lot::RwLock;
use scc::{Guard, TreeIndex};
use synod_bench::random::Random;
use synod_storage::Record;
use synod_storage::index::{Batch, Index};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KEYS: usize = 1_000_000;
const SCAN_ENTRIES: usize = 100;

/// What is compared.
trait Ordered: Sync + Default {
    fn insert(&self, key: &[u8]);
    fn get(&self, key: &[u8]) -> u64;
    /// Reads the values of the first `entries` keys from `start` on; returns how many there were.
    fn scan(&self, start: &[u8], entries: usize) -> usize;
}

impl Ordered for Index {
    fn insert(&self, key: &[u8]) {
        Index::insert(self, key, || Record::allocate(key, 0, 0), |_| true, &pin());
    }

    fn get(&self, key: &[u8]) -> u64 {
        let guard = pin();
        Index::get(self, key, &guard).expect("present").word().load(Ordering::Relaxed)
    }

    fn scan(&self, start: &[u8], entries: usize) -> usize {
        let guard = pin();
        let mut batch = Batch::new();
        self.leaf_from(Bound::Included(start), &mut batch, &guard);
        let mut seen = 0;
        loop {
            for record in batch.records().iter().take(entries - seen) {
                black_box(record.word().load(Ordering::Relaxed));
                seen += 1;
            }
            match batch.fence() {
                Some(fence) if seen < entries => self.leaf_from(Bound::Included(fence), &mut batch, &guard),
                _ => return seen,
            }
        }
    }
}

impl Ordered for TreeIndex<Box<[u8]>, Box<u64>> {
    fn insert(&self, key: &[u8]) {
        self.insert_sync(key.into(), Box::new(0)).expect("absent");
    }

    fn get(&self, key: &[u8]) -> u64 {
        self.peek_with(key, |_, value| **value).expect("present")
    }

    fn scan(&self, start: &[u8], entries: usize) -> usize {
        let guard = Guard::new();
        let range = self.range::<[u8], _>((Bound::Included(start), Bound::Unbounded), &guard);
        range.take(entries).fold(0, |count, (_, value)| {
            black_box(**value);
            count + 1
        })
    }
}

/// A map whose keys are of type `K`.
struct LockedMap<K>(RwLock<BTreeMap<K, Box<u64>>>);

impl<K> Default for LockedMap<K> {
    fn default() -> Self {
        LockedMap(RwLock::new(BTreeMap::new()))
    }
}

impl Ordered for LockedMap<Box<[u8]>> {
    fn insert(&self, key: &[u8]) {
        self.0.write().insert(key.into(), Box::new(0));
    }

    fn get(&self, key: &[u8]) -> u64 {
        **self.0.read().get(key).expect("present")
    }

    fn scan(&self, start: &[u8], entries: usize) -> usize {
        let map = self.0.read();
        let range = map.range::<[u8], _>((Bound::Included(start), Bound::Unbounded));
        range.take(entries).fold(0, |count, (_, value)| {
            black_box(**value);
            count + 1
        })
    }
}

impl<const N: usize> Ordered for LockedMap<[u8; N]> {
    fn insert(&self, key: &[u8]) {
        self.0.write().insert(key.try_into().expect("N bytes"), Box::new(0));
    }

    fn get(&self, key: &[u8]) -> u64 {
        let key: [u8; N] = key.try_into().expect("N bytes");
        **self.0.read().get(&key).expect("present")
    }

    fn scan(&self, start: &[u8], entries: usize) -> usize {
        let start: [u8; N] = start.try_into().expect("N bytes");
        self.0.read().range(start..).take(entries).fold(0, |count, (_, value)| {
            black_box(**value);
            count + 1
        })
    }
}

fn random_keys<const N: usize>(seed: u64) -> Vec<[u8; N]> {
    let mut random = Random::new(seed, 0);
    (0..KEYS).map(|_| std::array::from_fn(|_| random.next_u64() as u8)).collect()
}

fn filled<T: Ordered, const N: usize>(keys: &[[u8; N]]) -> T {
    let index = T::default();
    keys.iter().for_each(|key| index.insert(key));
    index
}

type Group<'c> = BenchmarkGroup<'c, WallTime>;

/// Inserts all keys; the time is that of one insertion.
fn insertions<T: Ordered, const N: usize>(group: &mut Group<'_>, name: &str, keys: &[[u8; N]]) {
    group.throughput(Throughput::Elements(KEYS as u64));
    group.bench_function(format!("insert 1M/{name}"), |bencher| {
        bencher.iter_custom(|rounds| {
            let mut elapsed = Duration::ZERO;
            for _ in 0..rounds {
                let start = Instant::now();
                let index: T = filled(keys);
                elapsed += start.elapsed();
                drop(index);
            }
            elapsed
        });
    });
}

/// Looks up `count` keys, one after the other from position `from` on. The keys come in another random order
/// than they were inserted in, and lie in that order in memory, so that fetching them costs little.
fn look_up(keys: &[impl AsRef<[u8]>], from: usize, count: u64, get: impl FnMut(&[u8])) {
    keys.iter().cycle().skip(from).take(count as usize).map(AsRef::as_ref).for_each(get);
}

fn lookups<T: Ordered, const N: usize>(group: &mut Group<'_>, name: &str, keys: &[[u8; N]], index: &T) {
    group.throughput(Throughput::Elements(1));
    group.bench_function(format!("get/{name}"), |bencher| {
        bencher.iter_custom(|count| {
            let start = Instant::now();
            look_up(keys, 0, count, |key| {
                black_box(index.get(key));
            });
            start.elapsed()
        });
    });
    group.bench_function(format!("get, 2 threads/{name}"), |bencher| {
        bencher.iter_custom(|count| {
            let start = Instant::now();
            std::thread::scope(|scope| {
                for from in [0, KEYS / 2] {
                    scope.spawn(move || {
                        look_up(keys, from, count, |key| {
                            black_box(index.get(key));
                        });
                    });
                }
            });
            start.elapsed()
        });
    });
}

fn scans<T: Ordered, const N: usize>(group: &mut Group<'_>, name: &str, keys: &[[u8; N]], index: &T) {
    group.throughput(Throughput::Elements(SCAN_ENTRIES as u64));
    group.bench_function(format!("scan 100/{name}"), |bencher| {
        bencher.iter_custom(|count| {
            let start = Instant::now();
            look_up(keys, 0, count, |key| {
                black_box(index.scan(key, SCAN_ENTRIES));
            });
            start.elapsed()
        });
    });
}

/// Lookups that share an epoch guard, as those of a transaction do.
fn pinned_lookups<const N: usize>(group: &mut Group<'_>, keys: &[[u8; N]], index: &Index) {
    group.throughput(Throughput::Elements(1));
    group.bench_function("get, pinned/synod", |bencher| {
        bencher.iter_custom(|count| {
            let start = Instant::now();
            let mut guard = pin();
            let mut left = 1000;
            look_up(keys, 0, count, |key| {
                black_box(index.get(key, &guard).expect("present").word().load(Ordering::Relaxed));
                left -= 1;
                if left == 0 {
                    guard.repin();
                    left = 1000;
                }
            });
            start.elapsed()
        });
    });
}

fn all<T: Ordered, const N: usize>(
    group: &mut Group<'_>,
    name: &str,
    keys: &[[u8; N]],
    shuffled: &[[u8; N]],
) -> T {
    insertions::<T, N>(group, name, keys);
    let index = filled(keys);
    lookups(group, name, shuffled, &index);
    scans(group, name, shuffled, &index);
    index
}

fn compare<const N: usize>(criterion: &mut Criterion) {
    let keys = random_keys::<N>(42);
    print_memory(&keys);
    let mut shuffled = keys.clone();
    Random::new(43, 0).shuffle(&mut shuffled);
    let mut group = criterion.benchmark_group(format!("index, {N}-byte keys"));
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    let index: Index = all(&mut group, "synod", &keys, &shuffled);
    pinned_lookups(&mut group, &shuffled, &index);
    drop(index);
    all::<TreeIndex<Box<[u8]>, Box<u64>>, N>(&mut group, "scc TreeIndex", &keys, &shuffled);
    all::<LockedMap<Box<[u8]>>, N>(&mut group, "RwLock BTreeMap", &keys, &shuffled);
    all::<LockedMap<[u8; N]>, N>(&mut group, "RwLock BTreeMap, inline keys", &keys, &shuffled);
    group.finish();
}

fn print_memory<const N: usize>(keys: &[[u8; N]]) {
    let per_record = |keys: &[[u8; N]]| {
        let index: Index = filled(keys);
        index.statistics().bytes as f64 / keys.len() as f64
    };
    let random = per_record(keys);
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    println!("{N}-byte keys: {random:.1} index bytes a record, {:.1} if they ascend", per_record(&keys));
}

fn benchmark(criterion: &mut Criterion) {
    compare::<16>(criterion);
    compare::<8>(criterion);
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
