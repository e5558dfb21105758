//! What a comparison has measured: everything that is shown, drawn, or written as JSON, and read again to be compared.

use crate::latency::LatencySummary;
use crate::target::About;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The layout of the JSON; a file with another one isn't read.
pub const FORMAT: u32 = 1;

/// Everything about one `synod bench WORKLOAD`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of this program.
    pub version: String,
    /// The command that gives such figures again.
    pub command: String,
    /// When it began, in seconds since 1970, UTC.
    pub started_unix_s: u64,
    /// The workload: `ycsb-t`.
    pub workload: String,
    /// The settings of workload and runs, in the order in which they are shown.
    pub settings: Vec<Setting>,
    /// Where it was measured.
    pub machine: Machine,
    /// What was varied, `theta` say; none if there is one point only.
    pub sweep: Option<String>,
    /// How often each target ran at each point.
    pub repetitions: u32,
    /// Seconds of each run.
    pub seconds: f64,
    /// The points of the sweep.
    pub points: Vec<Point>,
    /// What was compared.
    pub targets: Vec<TargetReport>,
    /// In an open loop: transactions a second that were due, of all threads together.
    #[serde(default)]
    pub rate: Option<f64>,
    /// Whether it was ended before its time: then later runs are missing.
    pub ended_early: bool,
    /// What failed, if something did: then later runs are missing.
    #[serde(default)]
    pub failure: Option<String>,
}

impl Report {
    /// Whether anything was measured.
    pub fn has_figures(&self) -> bool {
        self.targets.iter().flat_map(|target| &target.points).any(|point| !point.samples.is_empty())
    }

    /// Whether no run has broken a rule.
    pub fn keeps_rules(&self) -> bool {
        self.targets.iter().flat_map(|target| &target.points).all(|point| point.broken.is_empty())
    }
}

/// A name and what it is set to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// The name, in words.
    pub name: String,
    /// The value, in words.
    pub value: String,
}

/// The machine, and what it charges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// What the processor calls itself.
    pub processor: String,
    /// Processors that the process may use.
    pub cores: usize,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// The operating system and its version.
    pub system: String,
    /// An atomic addition that nobody else wants, in nanoseconds.
    pub atomic_ns: f64,
    /// L: a look-up in a map of a million entries, in nanoseconds of processor time.
    pub lookup_ns: f64,
    /// F: a flush of 4 KiB on the disk where the databases lie, in nanoseconds.
    pub flush_ns: f64,
    /// A byte to another thread and back, over a loopback connection, in nanoseconds.
    pub round_trip_ns: f64,
}

/// One point of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The value of what is varied, as it was given; empty if nothing is.
    pub value: String,
    /// Threads that ran transactions.
    pub threads: usize,
    /// Transactions a second that this machine could do at most, were there nothing to do but the look-ups that each
    /// needs, on all cores, and the flush that it has to wait for.
    pub bound_per_second: f64,
}

/// One target's figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetReport {
    /// What it is.
    pub about: About,
    /// How long the load took, in seconds.
    pub load_seconds: f64,
    /// By how much the resident memory of the process had grown when everything was loaded.
    pub memory_bytes: u64,
    /// The bytes of its files at the end.
    pub database_bytes: u64,
    /// For each point of the sweep, in its order.
    pub points: Vec<PointReport>,
}

/// One target at one point.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PointReport {
    /// The rules that a run has broken, in words. Then there are no figures.
    pub broken: Vec<String>,
    /// What each repetition measured; empty if rules were broken.
    pub samples: Vec<Sample>,
}

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Transactions that committed.
    pub committed: u64,
    /// Transactions that their own rules refused.
    pub rejected: u64,
    /// Attempts that the engine gave up and that were made again, by reason.
    pub aborts: BTreeMap<String, u64>,
    /// Latencies, from the moment that a transaction was due to its answer.
    pub latency: LatencySummary,
    /// Processor time of the whole process, in nanoseconds.
    pub cpu_ns: u64,
    /// Allocations of memory, where they are counted: not those of engines in other languages.
    pub allocations: Option<u64>,
    /// Bytes that the process has handed to the system to be written.
    pub written_bytes: u64,
    /// By how much more memory of the process was resident at most than when it began; none where the system doesn't tell.
    #[serde(default)]
    pub memory_growth_bytes: Option<u64>,
}

impl Sample {
    /// Transactions a second that committed.
    pub fn goodput(&self) -> f64 {
        self.committed as f64 / self.seconds
    }

    /// Transactions a second that were answered, by a commit or a refusal.
    pub fn throughput(&self) -> f64 {
        self.answered() / self.seconds
    }

    /// Refusals for each transaction that was answered.
    pub fn rejected_per_transaction(&self) -> f64 {
        self.rejected as f64 / self.answered()
    }

    /// Attempts given up for each transaction that was answered.
    pub fn aborts_per_transaction(&self) -> f64 {
        self.aborts.values().sum::<u64>() as f64 / self.answered()
    }

    /// Processor time for each transaction that was answered, in nanoseconds.
    pub fn cpu_ns_per_transaction(&self) -> f64 {
        self.cpu_ns as f64 / self.answered()
    }

    /// Allocations for each transaction that was answered.
    pub fn allocations_per_transaction(&self) -> Option<f64> {
        self.allocations.map(|allocations| allocations as f64 / self.answered())
    }

    /// Bytes written for each transaction that was answered.
    pub fn written_bytes_per_transaction(&self) -> f64 {
        self.written_bytes as f64 / self.answered()
    }

    fn answered(&self) -> f64 {
        (self.committed + self.rejected).max(1) as f64
    }
}

/// A figure over all repetitions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The median: the middle one, the upper one of two.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl PointReport {
    /// A figure over all repetitions; none if there are no runs.
    pub fn spread(&self, figure: impl Fn(&Sample) -> f64) -> Option<Spread> {
        let mut values: Vec<f64> = self.samples.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        Some(Spread { median: values[values.len() / 2], min, max })
    }
}
