//! Several modes beside each other, on the same data and inputs.
//!
//! Each run starts from a database that was loaded anew from the same seed. Where there are several rounds, the modes
//! take turns in each, so that a machine that becomes slower or faster meanwhile does so for all of them; a figure is
//! the median over the rounds.

use super::deck::Kind;
use super::driver::RunResult;
use super::report::{NOTICE, Report, RunReport};
use crate::calibrate::median;
use crate::latency::Latencies;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use synod::Mode;

/// What is compared: of one run, or the medians of several.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Transactions of all kinds in a second.
    pub transactions_per_second: f64,
    /// Committed New-Orders in a minute. Not tpmC.
    pub new_orders_per_minute: f64,
    /// Half of all transactions took at most so long, in nanoseconds.
    pub p50_ns: f64,
    /// 95 of a hundred.
    pub p95_ns: f64,
    /// 99 of a hundred.
    pub p99_ns: f64,
    /// Processor time of the whole process for each transaction, in microseconds.
    pub cpu_us_per_transaction: f64,
    /// Log bytes for each commit.
    pub log_bytes_per_commit: f64,
    /// Flushes for each commit.
    pub fsyncs_per_commit: f64,
    /// Attempts that were tried again, for a thousand transactions.
    pub retries_per_thousand: f64,
    /// The same by the engine's reason.
    pub aborts_per_thousand: BTreeMap<&'static str, f64>,
}

impl Figures {
    /// Those of one run.
    pub fn new(result: &RunResult, report: &RunReport) -> Figures {
        let mut latencies = Latencies::default();
        let (mut retries, mut aborts) = (0, BTreeMap::<&str, u64>::new());
        for kind in Kind::ALL.map(|kind| result.statistics.of(kind)) {
            latencies.merge(&kind.latencies);
            retries += kind.retries;
            for (reason, count) in &kind.aborts {
                *aborts.entry(reason).or_default() += count;
            }
        }
        let per_thousand = |count: u64| count as f64 * 1e3 / report.transactions.max(1) as f64;
        let at = |quantile| latencies.at_quantile(quantile) as f64;
        Figures {
            transactions_per_second: report.transactions_per_second,
            new_orders_per_minute: report.new_orders_per_minute,
            p50_ns: at(0.50),
            p95_ns: at(0.95),
            p99_ns: at(0.99),
            cpu_us_per_transaction: report.cpu_us_per_transaction,
            log_bytes_per_commit: report.log_bytes_per_commit,
            fsyncs_per_commit: report.fsyncs_per_commit,
            retries_per_thousand: per_thousand(retries),
            aborts_per_thousand: aborts
                .into_iter()
                .map(|(reason, count)| (reason, per_thousand(count)))
                .collect(),
        }
    }

    /// The median of each figure; a reason that a run doesn't have counts as 0 there.
    pub fn medians(runs: &[Figures]) -> Figures {
        let of = |figure: fn(&Figures) -> f64| median(runs.iter().map(figure).collect());
        let reasons: BTreeSet<&str> =
            runs.iter().flat_map(|run| run.aborts_per_thousand.keys().copied()).collect();
        let aborts_of = |reason: &str| {
            let of_run = |run: &Figures| run.aborts_per_thousand.get(reason).copied().unwrap_or(0.0);
            median(runs.iter().map(of_run).collect())
        };
        Figures {
            transactions_per_second: of(|run| run.transactions_per_second),
            new_orders_per_minute: of(|run| run.new_orders_per_minute),
            p50_ns: of(|run| run.p50_ns),
            p95_ns: of(|run| run.p95_ns),
            p99_ns: of(|run| run.p99_ns),
            cpu_us_per_transaction: of(|run| run.cpu_us_per_transaction),
            log_bytes_per_commit: of(|run| run.log_bytes_per_commit),
            fsyncs_per_commit: of(|run| run.fsyncs_per_commit),
            retries_per_thousand: of(|run| run.retries_per_thousand),
            aborts_per_thousand: reasons.into_iter().map(|reason| (reason, aborts_of(reason))).collect(),
        }
    }
}

/// The runs of one mode.
#[derive(Clone, Debug, Serialize)]
pub struct ModeReport {
    /// The mode.
    pub mode: Mode,
    /// The medians over its runs.
    pub medians: Figures,
    /// The figures of each run.
    pub figures: Vec<Figures>,
    /// Everything about each run.
    pub runs: Vec<Report>,
}

impl ModeReport {
    /// A mode that has not run yet.
    pub fn new(mode: Mode) -> ModeReport {
        ModeReport { mode, medians: Figures::default(), figures: Vec::new(), runs: Vec::new() }
    }

    /// Adds a run.
    pub fn add(&mut self, figures: Figures, report: Report) {
        self.figures.push(figures);
        self.runs.push(report);
        self.medians = Figures::medians(&self.figures);
    }
}

/// All modes beside each other.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// That these are no TPC-C results.
    pub notice: &'static str,
    /// Each mode, in the order in which they took turns.
    pub modes: Vec<ModeReport>,
    /// Whether after each run all conditions held and all audited rules were kept.
    pub passed: bool,
}

impl Comparison {
    /// Puts the modes beside each other.
    pub fn new(modes: Vec<ModeReport>) -> Comparison {
        let passed = modes.iter().flat_map(|mode| &mode.runs).all(|run| run.passed);
        Comparison { notice: NOTICE, modes, passed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_taken_figure_by_figure() {
        let run = |rate: f64, p99_ns: f64, aborts: &[(&'static str, f64)]| Figures {
            transactions_per_second: rate,
            p99_ns,
            aborts_per_thousand: aborts.iter().copied().collect(),
            ..Figures::default()
        };
        let runs = [
            run(10.0, 3.0, &[("deadlock", 4.0)]),
            run(30.0, 1.0, &[("deadlock", 2.0), ("wounded", 9.0)]),
            run(20.0, 2.0, &[]),
        ];
        let medians = Figures::medians(&runs);
        assert_eq!((medians.transactions_per_second, medians.p99_ns), (20.0, 2.0));
        assert_eq!(medians.aborts_per_thousand, [("deadlock", 2.0), ("wounded", 0.0)].into());
    }
}
