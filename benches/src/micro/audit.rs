//! What the audit of isolation costs: transactions of the multi-version mode at the snapshot level, the same with the
//! audit ([`Options::audit`](synod::Options::audit)), and at the serializable level.
//!
//! The three take turns in each round, each time beginning with another one. Throughput is that of all threads by
//! wall time; processor time counts only what the threads use themselves, so it says more on a busy machine. A ratio
//! is the median of the ratios within each round.

use super::operations::{mixed, read_in_chunks, scans};
use super::store::{Store, at_level, usual_keys};
use super::{MicroOptions, OPERATIONS_OF_TRANSACTION};
use crate::calibrate::median;
use crate::error::Result;
use crate::machine;
use crate::progress::Progress;
use serde::Serialize;
use std::path::Path;
use std::time::{Duration, Instant};
use synod::{Durability, Isolation, Mode, TransactOptions};

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// The snapshot level.
    Snapshot,
    /// The snapshot level, with the audit.
    AuditedSnapshot,
    /// The serializable level.
    Serializable,
}

impl Setting {
    /// All of them; what the others are compared with comes first.
    pub const ALL: [Setting; 3] = [Setting::Snapshot, Setting::AuditedSnapshot, Setting::Serializable];

    fn options(self) -> TransactOptions {
        let options = at_level(Durability::None);
        let transaction = match self {
            Setting::Snapshot => options.transaction.isolation(Isolation::Snapshot),
            Setting::AuditedSnapshot => options.transaction.isolation(Isolation::Snapshot).audit(true),
            Setting::Serializable => options.transaction.isolation(Isolation::Serializable),
        };
        TransactOptions { transaction, ..options }
    }
}

/// A kind of transactions under one setting: medians over the rounds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cost {
    /// The setting.
    pub setting: Setting,
    /// Transactions of all threads in a second.
    pub transactions_per_second: f64,
    /// The same as a multiple of what there is without the audit, at the snapshot level.
    pub throughput_ratio: f64,
    /// Processor time of a transaction, in nanoseconds.
    pub cpu_ns: f64,
    /// The same as a multiple.
    pub cpu_ratio: f64,
}

/// A kind of transactions under all settings.
#[derive(Clone, Debug, Serialize)]
pub struct Workload {
    /// What a transaction does.
    pub name: &'static str,
    /// What it costs, in the order of [`Setting::ALL`].
    pub costs: Vec<Cost>,
}

/// What the audit costs.
#[derive(Clone, Debug, Serialize)]
pub struct AuditReport {
    /// How it was measured.
    pub options: MicroOptions,
    /// Processors that the process may use.
    pub cores: usize,
    /// The kinds of transactions.
    pub workloads: Vec<Workload>,
    /// How many transactions were audited.
    pub audited: u64,
    /// How many of those the serializable level would have aborted.
    pub unserializable: u64,
}

/// A kind of transactions: how to run it, and how many transactions that is.
struct Kind {
    name: &'static str,
    run: fn(&Store, &TransactOptions) -> Result<Duration>,
    count: fn(&Store) -> usize,
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "10 reads",
        run: |store, options| read_in_chunks(store, OPERATIONS_OF_TRANSACTION, options),
        count: |store| store.operations().div_ceil(OPERATIONS_OF_TRANSACTION),
    },
    Kind {
        name: "5 reads + 5 updates",
        run: mixed,
        count: |store| store.operations() / OPERATIONS_OF_TRANSACTION,
    },
    Kind { name: "scan of 100", run: super::operations::scan_with, count: scans },
];

/// A setting's share of a round.
#[derive(Clone, Copy, Default)]
struct Sample {
    per_second: f64,
    cpu_ns: f64,
}

/// Measures all kinds of transactions under all settings, with a database in `directory`.
///
/// # Errors
///
/// If an option is zero, or the engine or the disk fails.
pub fn measure_audit(
    directory: &Path,
    options: MicroOptions,
    progress: &mut Progress,
) -> Result<AuditReport> {
    options.check()?;
    let options = MicroOptions { mode: Mode::MultiVersion, ..options };
    progress.set(0, || format!("loading {} records", options.records));
    let (mut store, _) = Store::load(&directory.join("micro"), options)?;
    store.use_keys(&usual_keys(&options), options.operations);
    let mut rounds = Vec::new();
    for round in 0..options.rounds {
        let mut samples = [[Sample::default(); Setting::ALL.len()]; KINDS.len()];
        for (kind, samples) in KINDS.iter().zip(&mut samples) {
            progress
                .set(round as u64, || format!("round {} of {}: {}", round + 1, options.rounds, kind.name));
            for turn in 0..Setting::ALL.len() {
                let place = (round + turn) % Setting::ALL.len();
                samples[place] = sample(&store, kind, Setting::ALL[place])?;
            }
        }
        rounds.push(samples);
    }
    let workload = |(place, kind): (usize, &Kind)| Workload {
        name: kind.name,
        costs: costs(&rounds.iter().map(|samples| samples[place]).collect::<Vec<_>>()),
    };
    let audit = store.engine.audit();
    Ok(AuditReport {
        options,
        cores: machine::cores(),
        workloads: KINDS.iter().enumerate().map(workload).collect(),
        audited: audit.transactions,
        unserializable: audit.unserializable,
    })
}

fn sample(store: &Store, kind: &Kind, setting: Setting) -> Result<Sample> {
    let started = Instant::now();
    let cpu = (kind.run)(store, &setting.options())?;
    let wall = started.elapsed();
    let count = (kind.count)(store).max(1) as f64;
    Ok(Sample { per_second: count / wall.as_secs_f64().max(1e-9), cpu_ns: cpu.as_nanos() as f64 / count })
}

/// The medians of a kind's rounds, setting by setting.
fn costs(rounds: &[[Sample; Setting::ALL.len()]]) -> Vec<Cost> {
    let of_setting = |(place, setting): (usize, Setting)| {
        let over =
            |value: &dyn Fn(&[Sample]) -> f64| median(rounds.iter().map(|round| value(&round[..])).collect());
        Cost {
            setting,
            transactions_per_second: over(&|round| round[place].per_second),
            throughput_ratio: over(&|round| round[place].per_second / round[0].per_second),
            cpu_ns: over(&|round| round[place].cpu_ns),
            cpu_ratio: over(&|round| round[place].cpu_ns / round[0].cpu_ns),
        }
    };
    Setting::ALL.into_iter().enumerate().map(of_setting).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_medians_of_the_rounds_own_ratios() {
        let sample = |per_second| Sample { per_second, cpu_ns: 1e9 / per_second };
        let rounds = [[8.0, 4.0, 2.0], [16.0, 8.0, 8.0], [32.0, 16.0, 4.0]].map(|round| round.map(sample));
        let costs = costs(&rounds);
        assert_eq!(costs.iter().map(|cost| cost.throughput_ratio).collect::<Vec<_>>(), [1.0, 0.5, 0.25]);
        assert_eq!(costs.iter().map(|cost| cost.cpu_ratio).collect::<Vec<_>>(), [1.0, 2.0, 4.0]);
        assert_eq!(costs[0].transactions_per_second, 16.0);
    }

    #[test]
    fn only_the_audited_setting_is_audited() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let options =
            MicroOptions { records: 500, threads: 2, rounds: 2, operations: 500, ..MicroOptions::default() };
        let report = measure_audit(directory.path(), options, &mut Progress::hidden()).expect("measured");
        // Each round has 2 × 50 of the first two kinds, and 2 × 10 scans.
        assert_eq!(report.audited, 2 * (100 + 100 + 20));
        assert!(report.workloads.iter().all(|workload| workload.costs.len() == 3));
    }
}
