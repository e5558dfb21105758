//! Single operations of the engine, told as multiples of what the machine itself charges.
//!
//! A million records with keys of 8 and values of 100 bytes; keys drawn by Zipf's law with exponent 0.9, the
//! popular ones scattered. Each round measures every operation once, and right before each its unit: L or F
//! (see [`calibrate`]). A figure is the median over the rounds, and its multiple is the
//! median of the multiples within each round, so that a slow second of the machine weighs on both alike.
//!
//! What waits for no disk is told in *processor time* of the threads that do it (the engine's own threads not
//! included), so that other programs on the machine don't count; L is, too. What waits is told in wall time.

mod commits;
mod operations;
mod store;

use crate::calibrate::{self, Calibration, LOOKUP_ENTRIES, LOOKUP_THETA, Lookups, median};
use crate::error::{Error, Result};
use crate::machine;
use crate::progress::Progress;
use serde::Serialize;
use std::path::Path;
use store::Store;
use synod::Mode;

/// How to measure.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MicroOptions {
    /// The concurrency-control mode.
    pub mode: Mode,
    /// Records of the table.
    pub records: u64,
    /// Threads that run operations at the same time.
    pub threads: usize,
    /// Rounds; figures are medians over them.
    pub rounds: usize,
    /// Operations of each thread in each round; flushing ones do far fewer.
    pub operations: usize,
}

impl Default for MicroOptions {
    fn default() -> Self {
        MicroOptions {
            mode: Mode::default(),
            records: LOOKUP_ENTRIES,
            threads: 2,
            rounds: 5,
            operations: 200_000,
        }
    }
}

/// What a figure is a multiple of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Nanoseconds, and multiples of one look-up, L.
    Lookups,
    /// Nanoseconds, and multiples of one flush, F.
    Flushes,
    /// Commits that share one fsync.
    CommitsPerFsync,
    /// Bytes.
    Bytes,
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What was measured.
    pub name: &'static str,
    /// What the figure is.
    pub unit: Unit,
    /// The median, in nanoseconds, commits or bytes.
    pub value: f64,
    /// The median multiple of L or F, where the unit has one.
    pub multiple: Option<f64>,
}

/// All figures of one `synod bench micro`.
#[derive(Clone, Debug, Serialize)]
pub struct MicroReport {
    /// How they were measured.
    pub options: MicroOptions,
    /// Processors that the process may use.
    pub cores: usize,
    /// L and F, medians over the rounds.
    pub calibration: Calibration,
    /// The figures.
    pub figures: Vec<Figure>,
}

/// A way to measure: gives nanoseconds for an operation, or commits for a flush.
struct Measure {
    name: &'static str,
    unit: Unit,
    run: fn(&Store) -> Result<f64>,
}

const MEASURES: [Measure; 11] = [
    Measure { name: "point read, snapshot", unit: Unit::Lookups, run: operations::snapshot_read },
    Measure { name: "point read, serializable", unit: Unit::Lookups, run: operations::serializable_read },
    Measure { name: "10 reads, serializable", unit: Unit::Lookups, run: operations::ten_reads },
    Measure {
        name: "5 reads + 5 updates, durability none",
        unit: Unit::Lookups,
        run: operations::mixed_none,
    },
    Measure { name: "5 reads + 5 updates, buffered", unit: Unit::Lookups, run: operations::mixed_buffered },
    Measure { name: "scan of 100, snapshot", unit: Unit::Lookups, run: operations::snapshot_scan },
    Measure { name: "scan of 100, serializable", unit: Unit::Lookups, run: operations::serializable_scan },
    Measure { name: "commit, sync, one client", unit: Unit::Flushes, run: commits::sync_commit },
    Measure { name: "commit, group, one client", unit: Unit::Flushes, run: commits::group_commit },
    Measure { name: "group, 64 clients", unit: Unit::CommitsPerFsync, run: commits::many_clients },
    Measure { name: "group, one client, 64 deferred", unit: Unit::CommitsPerFsync, run: commits::deferred },
];

/// Measures everything, with a database in `directory`.
///
/// # Errors
///
/// If an option is zero, or the engine or the disk fails.
pub fn measure(directory: &Path, options: MicroOptions, progress: &mut Progress) -> Result<MicroReport> {
    if options.records == 0 || options.threads == 0 || options.rounds == 0 || options.operations == 0 {
        return Err(Error::Settings(
            "records, threads, rounds and operations must be at least 1".to_string(),
        ));
    }
    let lookups = Lookups::new(LOOKUP_ENTRIES, options.operations);
    progress.set(0, || format!("loading {} records", options.records));
    let (store, overhead_bytes) = Store::load(directory, options, LOOKUP_THETA)?;
    let bench = Bench { store, lookups, directory };
    let rounds = bench.rounds(options.rounds, progress)?;
    let mut figures: Vec<Figure> = MEASURES
        .iter()
        .enumerate()
        .map(|(index, measure)| figure(measure, rounds.iter().map(|samples| samples[index]).collect()))
        .collect();
    figures.push(Figure {
        name: "memory of a record beyond key and value",
        unit: Unit::Bytes,
        value: overhead_bytes,
        multiple: None,
    });
    let unit_of = |unit| {
        let of_round = |samples: &Vec<Sample>| {
            let of_unit = MEASURES.iter().zip(samples).filter(|(measure, _)| measure.unit == unit);
            of_unit.map(|(_, sample)| sample.unit_ns).collect::<Vec<f64>>()
        };
        median(rounds.iter().flat_map(of_round).collect())
    };
    let calibration =
        Calibration { lookup_ns: unit_of(Unit::Lookups), flush_ns: Some(unit_of(Unit::Flushes)) };
    Ok(MicroReport { options, cores: machine::cores(), calibration, figures })
}

/// What measures are run with.
struct Bench<'a> {
    store: Store,
    lookups: Lookups,
    directory: &'a Path,
}

/// One measurement, and its unit at that moment.
#[derive(Clone, Copy)]
struct Sample {
    value: f64,
    unit_ns: f64,
}

impl Bench<'_> {
    /// Samples of all measures, round by round.
    fn rounds(&self, count: usize, progress: &mut Progress) -> Result<Vec<Vec<Sample>>> {
        let mut rounds = Vec::new();
        for round in 0..count {
            let mut samples = Vec::new();
            for measure in &MEASURES {
                progress.set(round as u64, || format!("round {} of {count}: {}", round + 1, measure.name));
                samples.push(self.sample(measure)?);
            }
            rounds.push(samples);
        }
        Ok(rounds)
    }

    fn sample(&self, measure: &Measure) -> Result<Sample> {
        let unit_ns = match measure.unit {
            Unit::Lookups => self.lookups.measure_ns(),
            Unit::Flushes => calibrate::flush_ns(self.directory)?,
            Unit::CommitsPerFsync | Unit::Bytes => 1.0,
        };
        Ok(Sample { value: (measure.run)(&self.store)?, unit_ns })
    }
}

/// The medians of a measure's samples.
fn figure(measure: &Measure, samples: Vec<Sample>) -> Figure {
    let value = median(samples.iter().map(|sample| sample.value).collect());
    let multiple = match measure.unit {
        Unit::Lookups | Unit::Flushes => {
            Some(median(samples.iter().map(|sample| sample.value / sample.unit_ns).collect()))
        }
        Unit::CommitsPerFsync | Unit::Bytes => None,
    };
    Figure { name: measure.name, unit: measure.unit, value, multiple }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiples_are_medians_of_the_rounds_own_ratios() {
        let samples: Vec<Sample> = [(100.0, 200.0), (200.0, 400.0), (100.0, 900.0)]
            .into_iter()
            .map(|(unit_ns, value)| Sample { value, unit_ns })
            .collect();
        let measure = |unit| Measure { name: "x", unit, run: |_| Ok(0.0) };
        let in_lookups = figure(&measure(Unit::Lookups), samples.clone());
        assert_eq!((in_lookups.value, in_lookups.multiple), (400.0, Some(2.0)));
        assert_eq!(figure(&measure(Unit::Flushes), samples.clone()).multiple, Some(2.0));
        assert_eq!(figure(&measure(Unit::Bytes), samples).multiple, None);
    }
}
