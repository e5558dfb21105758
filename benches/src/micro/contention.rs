//! Who wins where: the same transactions under every mode, from hardly any contention to a lot of it.
//!
//! A transaction reads five records and updates five others. What differs is how likely two transactions at work at the
//! same time are to meet. Contenders take turns in each round, each time beginning with another one. *Goodput* is
//! what has committed, of all threads by wall time; what was aborted is tried again until it commits.

use super::operations::mixed;
use super::store::{Store, at_level};
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

/// A mode at a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Contender {
    /// The concurrency-control mode.
    pub mode: Mode,
    /// The isolation level.
    pub isolation: Isolation,
}

/// All contenders: each mode at the serializable level, and the one that has it at the snapshot level.
pub const CONTENDERS: [Contender; 4] = [
    Contender { mode: Mode::TwoPhaseLocking, isolation: Isolation::Serializable },
    Contender { mode: Mode::Optimistic, isolation: Isolation::Serializable },
    Contender { mode: Mode::MultiVersion, isolation: Isolation::Snapshot },
    Contender { mode: Mode::MultiVersion, isolation: Isolation::Serializable },
];

/// How the keys of transactions are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Keys {
    /// By Zipf's law with this exponent, among all records.
    Zipf(f64),
    /// Each of so many records is as likely as any other.
    Among(u64),
}

/// From hardly any contention to a lot of it.
pub const KEYS: [Keys; 6] = [
    Keys::Zipf(0.5),
    Keys::Zipf(0.9),
    Keys::Zipf(0.99),
    Keys::Among(1_000),
    Keys::Among(100),
    Keys::Among(20),
];

impl Keys {
    fn draw(self, options: &MicroOptions) -> Vec<u64> {
        let mut random = Random::new(0xC047, 0);
        let count = options.operations * options.threads;
        match self {
            Keys::Zipf(theta) => scattered_keys(options.records, theta, count, &mut random),
            Keys::Among(keys) => (0..count).map(|_| random.below(keys.min(options.records))).collect(),
        }
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
    for mode in [Mode::TwoPhaseLocking, Mode::Optimistic, Mode::MultiVersion] {
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
                samples[place] = sample(&stores, CONTENDERS[place])?;
            }
            rounds.push(samples);
        }
        rows.push(ContentionRow { keys, goodput: medians(&rounds) });
    }
    Ok(ContentionReport { options, cores: machine::cores(), contenders: CONTENDERS, rows })
}

/// One contender's share of a round.
fn sample(stores: &[Store], contender: Contender) -> Result<Goodput> {
    let of_mode = stores.iter().find(|store| store.engine.mode() == contender.mode);
    let store = of_mode.expect("there is one for each mode");
    let options = at_level(Durability::None);
    let transaction = options.transaction.isolation(contender.isolation);
    let aborts = || -> u64 {
        store.engine.stats().transactions.aborts.by_reason().iter().map(|(_, aborts)| aborts).sum()
    };
    let (before, started) = (aborts(), Instant::now());
    mixed(store, &TransactOptions { transaction, ..options })?;
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
