//! Single operations of the engine, told as multiples of what the machine itself charges.
//!
//! A million records with keys of 8 and values of 100 bytes; keys drawn by Zipf's law with exponent 0.9, the
//! popular ones scattered. Each round measures L (see [`calibrate`](crate::calibrate)) and then every
//! operation once; a figure is the median over the rounds, and its multiple of L is the median of the
//! multiples within each round, so that a slow second of the machine weighs on both alike.
//!
//! Times are *thread times*: wall time times threads, divided by the operations of all threads.

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

/// How to measure.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MicroOptions {
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
        MicroOptions { records: LOOKUP_ENTRIES, threads: 2, rounds: 5, operations: 200_000 }
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

const MEASURES: [Measure; 10] = [
    Measure { name: "point read, snapshot", unit: Unit::Lookups, run: operations::snapshot_read },
    Measure { name: "point read, serializable 2PL", unit: Unit::Lookups, run: operations::locking_read },
    Measure {
        name: "5 reads + 5 updates, durability none",
        unit: Unit::Lookups,
        run: operations::mixed_none,
    },
    Measure { name: "5 reads + 5 updates, buffered", unit: Unit::Lookups, run: operations::mixed_buffered },
    Measure { name: "scan of 100, snapshot", unit: Unit::Lookups, run: operations::snapshot_scan },
    Measure { name: "scan of 100, serializable 2PL", unit: Unit::Lookups, run: operations::locking_scan },
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
    let mut rounds = Vec::new();
    for round in 0..options.rounds {
        let mut values = Vec::new();
        let (lookup_ns, flush_ns) = (lookups.measure_ns(), calibrate::flush_ns(directory)?);
        for measure in &MEASURES {
            progress
                .set(round as u64, || format!("round {} of {}: {}", round + 1, options.rounds, measure.name));
            values.push((measure.run)(&store)?);
        }
        rounds.push(Round { lookup_ns, flush_ns, values });
    }
    let mut figures: Vec<Figure> =
        MEASURES.iter().enumerate().map(|(index, measure)| figure(measure, index, &rounds)).collect();
    figures.push(Figure {
        name: "memory of a record beyond key and value",
        unit: Unit::Bytes,
        value: overhead_bytes,
        multiple: None,
    });
    let over_rounds = |pick: fn(&Round) -> f64| median(rounds.iter().map(pick).collect());
    let calibration = Calibration {
        lookup_ns: over_rounds(|round| round.lookup_ns),
        flush_ns: Some(over_rounds(|round| round.flush_ns)),
    };
    Ok(MicroReport { options, cores: machine::cores(), calibration, figures })
}

/// What one round has measured.
struct Round {
    lookup_ns: f64,
    flush_ns: f64,
    values: Vec<f64>,
}

/// The medians of measure number `index` over all rounds.
fn figure(measure: &Measure, index: usize, rounds: &[Round]) -> Figure {
    let over_rounds = |pick: &dyn Fn(&Round) -> f64| median(rounds.iter().map(pick).collect());
    let multiple = match measure.unit {
        Unit::Lookups => Some(over_rounds(&|round| round.values[index] / round.lookup_ns)),
        Unit::Flushes => Some(over_rounds(&|round| round.values[index] / round.flush_ns)),
        Unit::CommitsPerFsync | Unit::Bytes => None,
    };
    let value = over_rounds(&|round| round.values[index]);
    Figure { name: measure.name, unit: measure.unit, value, multiple }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiples_are_medians_of_the_rounds_own_ratios() {
        let rounds: Vec<Round> = [(100.0, 200.0), (200.0, 400.0), (100.0, 900.0)]
            .into_iter()
            .map(|(lookup_ns, value)| Round { lookup_ns, flush_ns: 50.0, values: vec![value] })
            .collect();
        let measure = |unit| Measure { name: "x", unit, run: |_| Ok(0.0) };
        let in_lookups = figure(&measure(Unit::Lookups), 0, &rounds);
        assert_eq!((in_lookups.value, in_lookups.multiple), (400.0, Some(2.0)));
        assert_eq!(figure(&measure(Unit::Flushes), 0, &rounds).multiple, Some(8.0));
        assert_eq!(figure(&measure(Unit::Bytes), 0, &rounds).multiple, None);
    }
}
