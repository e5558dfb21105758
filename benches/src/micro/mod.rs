//! Single operations of the engine, told as multiples of what the machine itself charges.
//!
//! A million records with keys of 8 and values of 100 bytes; keys drawn by Zipf's law with exponent 0.9, the
//! popular ones scattered. Each round measures every operation once, and right before each its unit: L or F
//! (see [`calibrate`]). A figure is the median over the rounds, and its multiple is the
//! median of the multiples within each round, so that a slow second of the machine weighs on both alike.
//!
//! What waits for no disk is told in *processor time* of the threads that do it (the engine's own threads not
//! included), so that other programs on the machine don't count; L is, too. What waits is told in wall time.

mod audit;
mod commits;
mod operations;
mod store;
mod work;

pub use audit::{AuditReport, Cost, Setting, Workload, measure_audit};
pub use work::Pattern;
pub(crate) use work::register;

use crate::calibrate::{self, Calibration, LOOKUP_ENTRIES, Lookups, median};
use crate::error::{Error, Result};
use crate::machine;
use crate::progress::Progress;
use crate::recording::Recorded;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use store::{Store, usual_keys};
use synod::Mode;

/// Operations of a mixed transaction, half reads, half updates, and of a short one that reads.
const OPERATIONS_OF_TRANSACTION: usize = 10;

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
    /// Whether the engine records what transactions do.
    #[serde(skip)]
    pub records_history: bool,
}

impl MicroOptions {
    fn check(&self) -> Result<()> {
        if self.records == 0 || self.threads == 0 || self.rounds == 0 || self.operations == 0 {
            return Err(Error::Settings(
                "records, threads, rounds and operations must be at least 1".to_string(),
            ));
        }
        Ok(())
    }

    /// About how many steps of transactions are recorded, if they are: those of attempts that are aborted come on top.
    pub fn recorded_steps(&self) -> u64 {
        let keys = self.operations as u64 * self.threads as u64;
        self.rounds as u64 * (keys * operations::RECORDED_STEPS_FOR_A_KEY + commits::RECORDED_STEPS)
    }
}

impl Default for MicroOptions {
    fn default() -> Self {
        MicroOptions {
            mode: Mode::default(),
            records: LOOKUP_ENTRIES,
            threads: 2,
            rounds: 5,
            operations: 200_000,
            records_history: false,
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

const MEASURES: [Measure; 14] = [
    Measure { name: "point read, snapshot", unit: Unit::Lookups, run: operations::snapshot_read },
    Measure { name: "point read, serializable", unit: Unit::Lookups, run: operations::serializable_read },
    Measure { name: "10 reads, serializable", unit: Unit::Lookups, run: operations::ten_reads },
    Measure { name: "the same, keys together", unit: Unit::Lookups, run: operations::ten_reads_together },
    Measure {
        name: "5 reads + 5 updates, durability none",
        unit: Unit::Lookups,
        run: operations::mixed_none,
    },
    Measure { name: "the same, keys together", unit: Unit::Lookups, run: operations::mixed_together },
    Measure { name: "5 reads + 5 updates, buffered", unit: Unit::Lookups, run: operations::mixed_buffered },
    Measure { name: "the same, 16 in flight", unit: Unit::Lookups, run: operations::mixed_in_flight },
    Measure { name: "scan of 100, snapshot", unit: Unit::Lookups, run: operations::snapshot_scan },
    Measure { name: "scan of 100, serializable", unit: Unit::Lookups, run: operations::serializable_scan },
    Measure { name: "commit, sync, one client", unit: Unit::Flushes, run: commits::sync_commit },
    Measure { name: "commit, group, one client", unit: Unit::Flushes, run: commits::group_commit },
    Measure { name: "group, 64 clients", unit: Unit::CommitsPerFsync, run: commits::many_clients },
    Measure { name: "group, one client, 64 deferred", unit: Unit::CommitsPerFsync, run: commits::deferred },
];

/// One mode among several.
#[derive(Debug, Serialize)]
pub struct ModeReport {
    /// Its figures; they say which mode it is.
    #[serde(flatten)]
    pub report: MicroReport,
    /// Transactions that the engine aborted and that were tried again, in all rounds, by reason.
    pub aborts: BTreeMap<&'static str, u64>,
    /// What was recorded.
    #[serde(skip)]
    pub recorded: Recorded,
}

/// Measures everything under each of `modes`, with databases in `directory`, on equal data. Several modes take turns at
/// each measure of each round, so that a slow second of the machine weighs on all of them alike.
///
/// # Errors
///
/// If an option is zero, or the engine or the disk fails.
pub fn measure(
    directory: &Path,
    modes: &[Mode],
    options: MicroOptions,
    progress: &mut Progress,
) -> Result<Vec<ModeReport>> {
    let mut bench = Bench::new(directory, options)?;
    for &mode in modes {
        let name = if modes.len() == 1 { "micro".to_string() } else { format!("micro-{mode}") };
        bench.load(mode, &name, progress)?;
    }
    bench.measure(progress)?;
    Ok(bench.reports())
}

/// What is measured: a mode's store, and what has come out so far, round by round.
struct Subject {
    mode: Mode,
    store: Store,
    overhead_bytes: f64,
    rounds: Vec<Vec<Sample>>,
    recorded: Recorded,
}

impl Subject {
    fn aborts(&self) -> BTreeMap<&'static str, u64> {
        let aborts = self.store.engine.stats().transactions.aborts;
        aborts.by_reason().into_iter().filter(|(_, count)| *count > 0).collect()
    }

    fn figures(&self) -> Vec<Figure> {
        let samples = |index: usize| self.rounds.iter().map(|samples| samples[index]).collect();
        let mut figures: Vec<Figure> =
            MEASURES.iter().enumerate().map(|(index, measure)| figure(measure, samples(index))).collect();
        figures.push(Figure {
            name: "memory of a record beyond key and value",
            unit: Unit::Bytes,
            value: self.overhead_bytes,
            multiple: None,
        });
        figures
    }

    /// The median of a unit, L or F, over the rounds.
    fn unit_ns(&self, unit: Unit) -> f64 {
        let of_round = |samples: &Vec<Sample>| {
            let of_unit = MEASURES.iter().zip(samples).filter(|(measure, _)| measure.unit == unit);
            of_unit.map(|(_, sample)| sample.unit_ns).collect::<Vec<f64>>()
        };
        median(self.rounds.iter().flat_map(of_round).collect())
    }
}

/// What measures are run with.
struct Bench<'a> {
    subjects: Vec<Subject>,
    options: MicroOptions,
    keys: Vec<u64>,
    lookups: Lookups,
    directory: &'a Path,
}

impl<'a> Bench<'a> {
    fn new(directory: &'a Path, options: MicroOptions) -> Result<Bench<'a>> {
        options.check()?;
        let lookups = Lookups::new(LOOKUP_ENTRIES, options.operations);
        let keys = usual_keys(&options);
        Ok(Bench { subjects: Vec::new(), options, keys, lookups, directory })
    }

    /// Adds a mode, with a database of this name.
    fn load(&mut self, mode: Mode, name: &str, progress: &mut Progress) -> Result<()> {
        progress.set(0, || format!("{mode}: loading {} records", self.options.records));
        let options = MicroOptions { mode, ..self.options };
        let (mut store, overhead_bytes) = Store::load(&self.directory.join(name), options)?;
        store.use_keys(&self.keys, options.operations);
        self.subjects.push(Subject {
            mode,
            store,
            overhead_bytes,
            rounds: Vec::new(),
            recorded: Recorded::default(),
        });
        Ok(())
    }

    /// Takes samples of all measures, round by round.
    fn measure(&mut self, progress: &mut Progress) -> Result<()> {
        let count = self.options.rounds;
        for round in 0..count {
            self.subjects.iter_mut().for_each(|subject| subject.rounds.push(Vec::new()));
            for measure in &MEASURES {
                for index in 0..self.subjects.len() {
                    let mode = self.subjects[index].mode;
                    let text = || format!("{mode}, round {} of {count}: {}", round + 1, measure.name);
                    progress.set(round as u64, text);
                    let sample = self.sample(measure, &self.subjects[index].store)?;
                    let subject = &mut self.subjects[index];
                    subject.rounds[round].push(sample);
                    subject.recorded.take_from(&subject.store.engine);
                }
            }
        }
        Ok(())
    }

    fn sample(&self, measure: &Measure, store: &Store) -> Result<Sample> {
        let unit_ns = match measure.unit {
            Unit::Lookups => self.lookups.measure_ns(),
            Unit::Flushes => calibrate::flush_ns(self.directory)?,
            Unit::CommitsPerFsync | Unit::Bytes => 1.0,
        };
        Ok(Sample { value: (measure.run)(store)?, unit_ns })
    }

    fn reports(self) -> Vec<ModeReport> {
        let reports: Vec<_> =
            self.subjects.iter().map(|subject| (self.report(subject), subject.aborts())).collect();
        let recorded = self.subjects.into_iter().map(|subject| subject.recorded);
        let reports = reports.into_iter().zip(recorded);
        reports.map(|((report, aborts), recorded)| ModeReport { report, aborts, recorded }).collect()
    }

    fn report(&self, subject: &Subject) -> MicroReport {
        let calibration = Calibration {
            lookup_ns: subject.unit_ns(Unit::Lookups),
            flush_ns: Some(subject.unit_ns(Unit::Flushes)),
        };
        let options = MicroOptions { mode: subject.mode, ..self.options };
        MicroReport { options, cores: machine::cores(), calibration, figures: subject.figures() }
    }
}

/// One measurement, and its unit at that moment.
#[derive(Clone, Copy)]
struct Sample {
    value: f64,
    unit_ns: f64,
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
