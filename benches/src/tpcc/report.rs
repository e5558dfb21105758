//! What a run was, did, cost, and whether it was right: everything that is shown or written as JSON.

use super::audit::AuditItem;
use super::consistency::ConditionReport;
use super::constants::Constants;
use super::deck::{Kind, Mix};
use super::driver::{RunOptions, RunResult};
use super::scale::Scale;
use super::statistics::{AuditCounts, KindStatistics};
use crate::calibrate::Calibration;
use crate::latency::LatencySummary;
use crate::machine;
use serde::Serialize;
use std::collections::BTreeMap;
use synod::{DeadlockPolicy, IsolationCounts, LogStats, Mode, SequencingStats, Stats};

/// What every report says first.
pub const NOTICE: &str = "This workload follows TPC-C; the figures are not an audited TPC-C result.";

/// Everything about one `synod bench tpcc`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// That this is no TPC-C result.
    pub notice: &'static str,
    /// The settings of the run.
    pub settings: Settings,
    /// The machine, and what it charges.
    pub machine: MachineReport,
    /// The load, if this command loaded the database.
    pub load: Option<LoadReport>,
    /// The run; none if the command only loaded.
    pub run: Option<RunReport>,
    /// The twelve consistency conditions.
    pub conditions: Vec<ConditionReport>,
    /// How long their check took, in seconds.
    pub conditions_seconds: f64,
    /// The rules of mix and inputs.
    pub audit: Vec<AuditItem>,
    /// Whether all conditions hold and all audited rules were kept.
    pub passed: bool,
}

impl Report {
    /// A report of nothing yet.
    pub fn new(settings: Settings, machine: MachineReport) -> Report {
        Report {
            notice: NOTICE,
            settings,
            machine,
            load: None,
            run: None,
            conditions: Vec::new(),
            conditions_seconds: 0.0,
            audit: Vec::new(),
            passed: false,
        }
    }

    /// Adds what the check of the conditions has found, and the verdict.
    pub fn conclude(&mut self, conditions: Vec<ConditionReport>, seconds: f64) {
        self.conditions = conditions;
        self.conditions_seconds = seconds;
        self.passed =
            self.conditions.iter().all(ConditionReport::holds) && self.audit.iter().all(AuditItem::passes);
    }
}

/// The settings of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    /// The size of the database.
    pub scale: Scale,
    /// Where it lies; none for a database in memory only.
    pub path: Option<String>,
    /// Threads that ran transactions.
    pub threads: usize,
    /// Transactions that a thread may have committed without knowing them durable.
    pub in_flight: usize,
    /// The durability level.
    pub durability: String,
    /// The isolation level.
    pub isolation: String,
    /// The concurrency-control mode.
    pub mode: Mode,
    /// What the engine does about deadlocks, where there can be some.
    pub deadlock: Option<String>,
    /// The mix, in cards of the deck.
    pub mix: String,
    /// Whether terminals kept keying and think times.
    pub think: bool,
    /// The seed.
    pub seed: u64,
}

impl Settings {
    /// The settings that `options` and the rest of the command make.
    pub fn new(
        scale: Scale,
        options: &RunOptions,
        (mode, deadlock): (Mode, DeadlockPolicy),
        path: Option<String>,
    ) -> Settings {
        Settings {
            scale,
            path,
            threads: options.threads,
            in_flight: options.in_flight,
            durability: options.durability.to_string(),
            isolation: options.isolation.to_string(),
            mode,
            deadlock: matches!(mode, Mode::TwoPhaseLocking | Mode::MultiVersion)
                .then(|| deadlock.to_string()),
            mix: options.mix.to_string(),
            think: options.think,
            seed: options.seed,
        }
    }

    /// Whether the mix is the standard one.
    pub fn has_standard_mix(&self) -> bool {
        self.mix == Mix::STANDARD.to_string()
    }
}

/// The machine and what it charges.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MachineReport {
    /// Processors that the process may use.
    pub cores: usize,
    /// One look-up and one flush.
    pub calibration: Calibration,
}

/// The load.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LoadReport {
    /// About how many rows were written.
    pub rows: u64,
    /// How long it took.
    pub seconds: f64,
}

/// One kind of transaction.
#[derive(Clone, Debug, Serialize)]
pub struct KindReport {
    /// Which kind.
    pub kind: Kind,
    /// How many committed.
    pub committed: u64,
    /// How many rolled back because of an unused item.
    pub rolled_back: u64,
    /// Their share of all transactions, in percent.
    pub share_percent: f64,
    /// How many ended in a second.
    pub per_second: f64,
    /// From the terminal's input to the durable commit.
    pub latency: LatencySummary,
    /// Attempts that the engine aborted and that were tried again.
    pub retries: u64,
    /// The same by reason, as far as the engine told it.
    pub aborts: BTreeMap<&'static str, u64>,
}

impl KindReport {
    fn new(kind: Kind, statistics: &KindStatistics, all: u64, seconds: f64) -> KindReport {
        let completed = (statistics.committed + statistics.rolled_back) as f64;
        KindReport {
            kind,
            committed: statistics.committed,
            rolled_back: statistics.rolled_back,
            share_percent: per(100.0 * completed, all as f64),
            per_second: per(completed, seconds),
            latency: statistics.latencies.summary(),
            retries: statistics.retries,
            aborts: statistics.aborts.clone(),
        }
    }
}

/// The run.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// How long it took.
    pub seconds: f64,
    /// Whether it was ended before its time.
    pub ended_early: bool,
    /// The kinds that were run.
    pub kinds: Vec<KindReport>,
    /// All transactions, committed or rolled back as the rules want it.
    pub transactions: u64,
    /// The same in a second.
    pub transactions_per_second: f64,
    /// Committed New-Orders in a minute. Not tpmC: see [`NOTICE`].
    pub new_orders_per_minute: f64,
    /// Processor time of the whole process for each transaction, in microseconds.
    pub cpu_us_per_transaction: f64,
    /// The same as a multiple of one look-up.
    pub cpu_lookups_per_transaction: f64,
    /// Wall time times threads, for each transaction, in microseconds.
    pub thread_us_per_transaction: f64,
    /// Log bytes for each commit that the engine counted.
    pub log_bytes_per_commit: f64,
    /// Flushes for each commit that the engine counted.
    pub fsyncs_per_commit: f64,
    /// How the engine's read-write transactions ended meanwhile, by isolation level.
    pub by_isolation: IsolationCounts,
    /// How procedures got their order, under the deterministic mode.
    pub sequencing: Option<SequencingReport>,
    /// The most memory that the process ever had, in bytes.
    pub peak_memory_bytes: u64,
    /// The constants C of NURand.
    pub constants: Constants,
    /// What the audit looked at.
    pub counts: AuditCounts,
}

impl RunReport {
    /// Puts the figures of a run together.
    pub fn new(result: &RunResult, options: &RunOptions, calibration: &Calibration) -> RunReport {
        let seconds = result.elapsed.as_secs_f64();
        let transactions = result.statistics.completed();
        let count = transactions as f64;
        let cpu_us = per(result.cpu.as_secs_f64() * 1e6, count);
        let (before, after) = (&result.stats_before, &result.stats_after);
        let commits = after.transactions.commits.saturating_sub(before.transactions.commits) as f64;
        let log_growth = |counter: fn(&LogStats) -> u64| {
            let of = |stats: &Stats| stats.log.as_ref().map_or(0, counter);
            of(after).saturating_sub(of(before)) as f64
        };
        let new_orders = result.statistics.of(Kind::NewOrder).committed as f64;
        RunReport {
            seconds,
            ended_early: result.ended_early,
            kinds: Kind::ALL
                .into_iter()
                .filter(|&kind| options.mix.cards_of(kind) > 0)
                .map(|kind| KindReport::new(kind, result.statistics.of(kind), transactions, seconds))
                .collect(),
            transactions,
            transactions_per_second: per(count, seconds),
            new_orders_per_minute: per(new_orders * 60.0, seconds),
            cpu_us_per_transaction: cpu_us,
            cpu_lookups_per_transaction: per(cpu_us * 1_000.0, calibration.lookup_ns),
            thread_us_per_transaction: per(seconds * 1e6 * options.threads as f64, count),
            log_bytes_per_commit: per(log_growth(|log| log.bytes), commits),
            fsyncs_per_commit: per(log_growth(|log| log.fsyncs), commits),
            sequencing: SequencingReport::new(before, after),
            by_isolation: after.transactions.by_isolation.since(&before.transactions.by_isolation),
            peak_memory_bytes: machine::memory().peak_bytes,
            constants: result.constants,
            counts: result.statistics.audit,
        }
    }
}

/// How procedures got their order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SequencingReport {
    /// Procedures that were executed, those that rejected included.
    pub procedures: u64,
    /// Those that rejected.
    pub rejected: u64,
    /// Epochs, each a piece of the log.
    pub epochs: u64,
    /// Procedures that shared an epoch.
    pub procedures_per_epoch: f64,
    /// Procedures that shared a flush.
    pub procedures_per_fsync: f64,
    /// Procedures whose footprint was found out on a snapshot.
    pub reconnaissances: u64,
    /// Procedures whose footprint had changed until they ran, so that they had to be put in order again.
    pub restarts: u64,
}

impl SequencingReport {
    /// What has happened between two moments; `None` in the other modes.
    fn new(before: &Stats, after: &Stats) -> Option<SequencingReport> {
        let (then, now) = (before.sequencing?, after.sequencing?);
        let growth = |counter: fn(&SequencingStats) -> u64| counter(&now) - counter(&then);
        let fsyncs = |stats: &Stats| stats.log.as_ref().map_or(0, |log| log.fsyncs);
        let (epochs, rejected) = (growth(|stats| stats.epochs), growth(|stats| stats.rejected));
        let procedures = growth(|stats| stats.committed) + rejected;
        Some(SequencingReport {
            procedures,
            rejected,
            epochs,
            procedures_per_epoch: per(procedures as f64, epochs as f64),
            procedures_per_fsync: per(procedures as f64, (fsyncs(after) - fsyncs(before)) as f64),
            reconnaissances: growth(|stats| stats.reconnaissances),
            restarts: growth(|stats| stats.restarted),
        })
    }
}

/// A quotient that is 0 where there is nothing to divide by.
fn per(value: f64, by: f64) -> f64 {
    if by > 0.0 { value / by } else { 0.0 }
}
