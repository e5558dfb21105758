//! Who wins where: the same transactions under every mode, from hardly any contention to a lot of it.
//!
//! A transaction reads five records and updates five others, or, where some records are hot, updates all ten. What
//! differs is how likely two transactions at work at the same time are to meet. Contenders take turns in each round, each
//! time beginning with another one. *Goodput* is what has committed, of all threads by wall time; what was aborted is
//! tried again until it commits.
//!
//! Under the deterministic mode a thread may wait for each transaction, as under the others, or have several in flight:
//! then their order is decided, and their conflicts are found, many at a time. For the others, which have run when they
//! are handed in, that would make no difference.

use super::operations::SHORT_IN_FLIGHT;
use super::store::{Store, at_level};
use super::work::Pattern;
use super::{MicroOptions, OPERATIONS_OF_TRANSACTION};
use crate::calibrate::median;
use crate::error::Result;
use crate::machine;
use crate::progress::Progress;
use crate::random::Random;
use crate::zipf::scattered_keys;
use serde::Serialize;
use std::path::Path;
use std::time::Instant;
use synod::{Durability, Isolation, Mode, TransactOptions};

/// How often a key is drawn at most until it is one that a transaction doesn't have.
const DRAWS_MAX: usize = 100;

/// A mode at a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Contender {
    /// The concurrency-control mode.
    pub mode: Mode,
    /// The isolation level.
    pub isolation: Isolation,
    /// How many transactions a thread has in flight.
    pub in_flight: usize,
}

impl Contender {
    const fn new(mode: Mode, isolation: Isolation, in_flight: usize) -> Contender {
        Contender { mode, isolation, in_flight }
    }
}

/// All contenders: each mode at the serializable level, and the one that has it at the snapshot level.
pub const CONTENDERS: [Contender; 6] = [
    Contender::new(Mode::TwoPhaseLocking, Isolation::Serializable, 1),
    Contender::new(Mode::Optimistic, Isolation::Serializable, 1),
    Contender::new(Mode::MultiVersion, Isolation::Snapshot, 1),
    Contender::new(Mode::MultiVersion, Isolation::Serializable, 1),
    Contender::new(Mode::Deterministic, Isolation::Serializable, 1),
    Contender::new(Mode::Deterministic, Isolation::Serializable, SHORT_IN_FLIGHT),
];

/// How the keys of transactions are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Keys {
    /// By Zipf's law with this exponent, among all records.
    Zipf(f64),
    /// Each of so many records is as likely as any other.
    Among(u64),
    /// Some of a transaction's records are hot ones, and the others cold ones; each is as likely as any other of its kind.
    Hot {
        /// How many records are hot; at most half of them.
        hot: u64,
        /// How many of a transaction's are.
        of_them: usize,
    },
}

/// From hardly any contention to a lot of it; then hot records among cold ones, the first of which are like those of
/// the microbenchmark in "Calvin" (Thomson et al., SIGMOD 2012).
pub const KEYS: [Keys; 8] = [
    Keys::Zipf(0.5),
    Keys::Zipf(0.9),
    Keys::Zipf(0.99),
    Keys::Among(1_000),
    Keys::Among(100),
    Keys::Among(20),
    Keys::Hot { hot: 10_000, of_them: 1 },
    Keys::Hot { hot: 10, of_them: 2 },
];

impl Keys {
    /// What is done with them.
    pub fn pattern(self) -> Pattern {
        match self {
            Keys::Zipf(_) | Keys::Among(_) => Pattern::ReadsAndUpdates,
            Keys::Hot { .. } => Pattern::Updates,
        }
    }

    fn draw(self, options: &MicroOptions) -> Vec<u64> {
        let mut random = Random::new(0xC047, 0);
        let count = options.operations * options.threads;
        match self {
            Keys::Zipf(theta) => scattered_keys(options.records, theta, count, &mut random),
            Keys::Among(keys) => (0..count).map(|_| random.below(keys.min(options.records))).collect(),
            Keys::Hot { hot, of_them } => {
                let hot = HotKeys { hot: hot.min(options.records / 2).max(1), records: options.records };
                let of_thread = || hot.draw(of_them, options.operations, &mut random);
                std::iter::repeat_with(of_thread).take(options.threads).flatten().collect()
            }
        }
    }
}

/// Hot records, spread evenly among all.
#[derive(Clone, Copy)]
struct HotKeys {
    hot: u64,
    records: u64,
}

impl HotKeys {
    /// The distance from one hot record to the next.
    fn stride(self) -> u64 {
        self.records / self.hot
    }

    fn is_hot(self, key: u64) -> bool {
        key.is_multiple_of(self.stride()) && key / self.stride() < self.hot
    }

    /// Keys of a thread: of each transaction's, so many are hot, somewhere among the others. No transaction has a key
    /// twice, if there are enough.
    fn draw(self, of_them: usize, count: usize, random: &mut Random) -> Vec<u64> {
        let mut keys = Vec::with_capacity(count);
        while keys.len() < count {
            let mut own: Vec<u64> = Vec::with_capacity(OPERATIONS_OF_TRANSACTION);
            while own.len() < OPERATIONS_OF_TRANSACTION {
                let is_wanted = |key: &u64| {
                    let is_hot = own.len() < of_them;
                    is_hot == self.is_hot(*key) && !own.contains(key)
                };
                let mut candidates = std::iter::repeat_with(|| match own.len() < of_them {
                    true => random.below(self.hot) * self.stride(),
                    false => random.below(self.records),
                });
                // With very few records there may be no such key.
                let tried = candidates.by_ref().take(DRAWS_MAX).find(is_wanted);
                let key = tried.or_else(|| candidates.next());
                own.extend(key);
            }
            random.shuffle(&mut own);
            own.truncate(count - keys.len());
            keys.append(&mut own);
        }
        keys
    }
}

/// What one contender has come to: medians over the rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Goodput {
    /// Transactions of all threads that committed in a second.
    pub commits_per_second: f64,
    /// How often a transaction was aborted before it committed.
    pub aborts_per_commit: f64,
}

/// All contenders with keys chosen in one way.
#[derive(Clone, Debug, Serialize)]
pub struct ContentionRow {
    /// How.
    pub keys: Keys,
    /// In the order of [`CONTENDERS`].
    pub goodput: Vec<Goodput>,
}

/// Who wins where.
#[derive(Clone, Debug, Serialize)]
pub struct ContentionReport {
    /// How it was measured.
    pub options: MicroOptions,
    /// Processors that the process may use.
    pub cores: usize,
    /// The contenders.
    pub contenders: [Contender; CONTENDERS.len()],
    /// From hardly any contention to a lot of it.
    pub rows: Vec<ContentionRow>,
}

/// Measures all contenders, with a database for each mode in `directory`.
///
/// # Errors
///
/// If an option is zero, or the engine or the disk fails.
pub fn measure_contention(
    directory: &Path,
    options: MicroOptions,
    progress: &mut Progress,
) -> Result<ContentionReport> {
    options.check()?;
    let mut stores = Vec::new();
    for mode in Mode::ALL {
        progress.set(0, || format!("loading {} records, {mode}", options.records));
        let options = MicroOptions { mode, ..options };
        stores.push(Store::load(&directory.join(mode.to_string()), options)?.0);
    }
    let mut rows = Vec::new();
    for (done, keys) in KEYS.into_iter().enumerate() {
        let drawn = keys.draw(&options);
        stores.iter_mut().for_each(|store| store.use_keys(&drawn, options.operations));
        let mut rounds = Vec::new();
        for round in 0..options.rounds {
            progress.set(done as u64, || format!("round {} of {}: {keys:?}", round + 1, options.rounds));
            let mut samples = [Goodput::default(); CONTENDERS.len()];
            for turn in 0..CONTENDERS.len() {
                let place = (round + turn) % CONTENDERS.len();
                samples[place] = sample(&stores, CONTENDERS[place], keys.pattern())?;
            }
            rounds.push(samples);
        }
        rows.push(ContentionRow { keys, goodput: medians(&rounds) });
    }
    Ok(ContentionReport { options, cores: machine::cores(), contenders: CONTENDERS, rows })
}

/// One contender's share of a round.
fn sample(stores: &[Store], contender: Contender, pattern: Pattern) -> Result<Goodput> {
    let of_mode = stores.iter().find(|store| store.engine.mode() == contender.mode);
    let store = of_mode.expect("there is one for each mode");
    let options = at_level(Durability::None);
    let transaction = options.transaction.isolation(contender.isolation);
    let aborts = || -> u64 {
        store.engine.stats().transactions.aborts.by_reason().iter().map(|(_, aborts)| aborts).sum()
    };
    let (before, started) = (aborts(), Instant::now());
    let options = TransactOptions { transaction, ..options };
    store.short_transactions(pattern, contender.in_flight, &options)?;
    let (wall, after) = (started.elapsed().as_secs_f64().max(1e-9), aborts());
    let commits = (store.operations() / OPERATIONS_OF_TRANSACTION).max(1) as f64;
    Ok(Goodput { commits_per_second: commits / wall, aborts_per_commit: (after - before) as f64 / commits })
}

fn medians(rounds: &[[Goodput; CONTENDERS.len()]]) -> Vec<Goodput> {
    let of_place = |place: usize| {
        let over =
            |value: fn(&Goodput) -> f64| median(rounds.iter().map(|round| value(&round[place])).collect());
        Goodput {
            commits_per_second: over(|goodput| goodput.commits_per_second),
            aborts_per_commit: over(|goodput| goodput.aborts_per_commit),
        }
    };
    (0..CONTENDERS.len()).map(of_place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_that_were_asked_for() {
        let options = MicroOptions { records: 50, threads: 2, operations: 5_000, ..MicroOptions::default() };
        for (keys, different) in [(Keys::Among(20), 20), (Keys::Among(1_000), 50), (Keys::Zipf(0.5), 50)] {
            let mut drawn = keys.draw(&options);
            assert_eq!(drawn.len(), 10_000);
            drawn.sort_unstable();
            drawn.dedup();
            assert_eq!(drawn.len(), different, "{keys:?}");
            assert!(drawn.iter().all(|key| *key < 50));
        }
    }

    #[test]
    fn transactions_have_as_many_hot_keys_as_were_asked_for() {
        let options =
            MicroOptions { records: 1_000, threads: 3, operations: 2_005, ..MicroOptions::default() };
        for (hot, of_them) in [(10, 2), (400, 1), (10_000, 3)] {
            let drawn = Keys::Hot { hot, of_them }.draw(&options);
            assert_eq!(drawn.len(), 3 * 2_005);
            let stride = 1_000 / hot.min(500);
            let is_hot = |key: &&u64| key.is_multiple_of(stride) && **key / stride < hot;
            let mut places = [0; OPERATIONS_OF_TRANSACTION];
            for keys in drawn.chunks(2_005).flat_map(|of_thread| of_thread.as_chunks::<10>().0) {
                assert_eq!(keys.iter().filter(is_hot).count(), of_them, "{keys:?}");
                assert_eq!(keys.iter().collect::<std::collections::BTreeSet<_>>().len(), 10, "{keys:?}");
                places.iter_mut().zip(keys).for_each(|(count, key)| *count += usize::from(is_hot(&key)));
            }
            assert!(places.iter().all(|count| *count > 0), "they come at any place: {places:?}");
            let hottest: std::collections::BTreeSet<_> = drawn.iter().filter(is_hot).collect();
            assert!(hottest.len() as u64 > hot.min(500) / 2, "most of them are drawn: {hottest:?}");
        }
        let few = MicroOptions { records: 3, threads: 1, operations: 50, ..MicroOptions::default() };
        assert_eq!(Keys::Hot { hot: 10, of_them: 2 }.draw(&few).len(), 50, "it ends");
    }

    #[test]
    fn every_contender_is_measured_at_its_level() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let options =
            MicroOptions { records: 500, threads: 2, rounds: 2, operations: 500, ..MicroOptions::default() };
        let report =
            measure_contention(directory.path(), options, &mut Progress::hidden()).expect("measured");
        assert_eq!(report.rows.len(), KEYS.len());
        let goodput = report.rows.iter().flat_map(|row| &row.goodput);
        assert_eq!(goodput.clone().count(), KEYS.len() * CONTENDERS.len());
        assert!(goodput.clone().all(|goodput| goodput.commits_per_second > 0.0));
    }
}
