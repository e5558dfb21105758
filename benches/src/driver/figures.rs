//! The figures of a run, each with its name and unit: the same in the terminal, in the tables of the page, and in the
//! columns of the CSV file.

use super::report::{Point, PointReport, Report, Sample, Spread};
use crate::units::{bytes, number, time};

/// A figure that every run has, or none of a target's runs.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// Its column in a file: `cpu_us_per_transaction`.
    pub column: &'static str,
    /// What it is called.
    pub name: &'static str,
    /// Takes it from a run.
    pub of: fn(&Sample) -> Option<f64>,
    /// Writes it for people, with its unit.
    pub show: fn(f64) -> String,
}

/// Transactions that committed, a second.
pub const GOODPUT: Figure = Figure {
    column: "goodput_per_second",
    name: "committed/s",
    of: |sample| Some(sample.goodput()),
    show: number,
};

/// Attempts given up, for each thousand transactions that were answered.
pub const ABORTS: Figure = Figure {
    column: "aborts_per_thousand",
    name: "aborts per 1,000",
    of: |sample| Some(sample.aborts_per_transaction() * 1e3),
    show: number,
};

/// The latency that half of the transactions keep.
pub const P50: Figure = latency("p50_ns", "latency p50", |sample| Some(sample.latency.p50_ns as f64));

/// The latency that 99 of a hundred keep.
pub const P99: Figure = latency("p99_ns", "latency p99", |sample| Some(sample.latency.p99_ns as f64));

/// Processor time for each transaction.
pub const CPU: Figure = Figure {
    column: "cpu_ns_per_transaction",
    name: "processor time a transaction",
    of: |sample| Some(sample.cpu_ns_per_transaction()),
    show: time,
};

/// Everything but the goodput and its share of the bound, in the order in which it is shown.
pub const COSTS: [Figure; 12] = [
    ABORTS,
    Figure {
        column: "rejected_per_thousand",
        name: "refused per 1,000",
        of: |sample| Some(sample.rejected_per_transaction() * 1e3),
        show: number,
    },
    CPU,
    Figure {
        column: "allocations_per_transaction",
        name: "allocations a transaction",
        of: Sample::allocations_per_transaction,
        show: number,
    },
    Figure {
        column: "written_bytes_per_transaction",
        name: "written a transaction",
        of: |sample| Some(sample.written_bytes_per_transaction()),
        show: |value| bytes(value.round() as u64),
    },
    Figure {
        column: "memory_growth_bytes",
        name: "memory grown by, at most",
        of: |sample| sample.memory_growth_bytes.map(|bytes| bytes as f64),
        show: |value| bytes(value.round() as u64),
    },
    P50,
    latency("p90_ns", "latency p90", |sample| Some(sample.latency.p90_ns as f64)),
    P99,
    latency("p999_ns", "latency p99.9", |sample| Some(sample.latency.p999_ns as f64)),
    latency("p9999_ns", "latency p99.99", |sample| Some(sample.latency.p9999_ns as f64)),
    latency("max_ns", "latency max", |sample| Some(sample.latency.max_ns as f64)),
];

const fn latency(column: &'static str, name: &'static str, of: fn(&Sample) -> Option<f64>) -> Figure {
    Figure { column, name, of, show: time }
}

impl Figure {
    /// Over all repetitions; none if a rule was broken, there are no runs, or one of them lacks it.
    pub fn spread(&self, report: &PointReport) -> Option<Spread> {
        let has_all = report.samples.iter().all(|sample| (self.of)(sample).is_some());
        if has_all && report.broken.is_empty() {
            report.spread(|sample| (self.of)(sample).unwrap_or_default())
        } else {
            None
        }
    }

    /// The median, and behind it the least and the most: `1.25 (1.20–1.30) ms`.
    pub fn text(&self, report: &PointReport) -> Option<String> {
        let spread = self.spread(report)?;
        Some(if report.samples.len() > 1 { self.range(spread) } else { (self.show)(spread.median) })
    }

    fn range(&self, spread: Spread) -> String {
        let [median, min, max] = [spread.median, spread.min, spread.max].map(self.show);
        if min == max {
            return median;
        }
        let unit = |text: &str| text.split_once(' ').map(|(_, unit)| unit.to_string());
        let value =
            |text: &str| text.split_once(' ').map_or(text.to_string(), |(value, _)| value.to_string());
        match unit(&median) {
            Some(same) if [&min, &max].iter().all(|text| unit(text).as_deref() == Some(&same[..])) => {
                format!("{} ({}–{}) {same}", value(&median), value(&min), value(&max))
            }
            _ => format!("{median} ({min}–{max})"),
        }
    }
}

/// The median of the goodput as a multiple of what the machine could do at most.
pub fn share_of_bound(point: &Point, report: &PointReport) -> Option<f64> {
    let goodput = GOODPUT.spread(report)?.median;
    (point.bound_per_second > 0.0).then(|| goodput / point.bound_per_second)
}

/// `0.42 ×`; with more digits if it is little.
pub fn multiple(value: f64) -> String {
    match value {
        little if little < 0.01 => format!("{little:.4} ×"),
        little if little < 0.1 => format!("{little:.3} ×"),
        value => format!("{value:.2} ×"),
    }
}

/// A row of a table with a column for each target: its name, and the cells.
pub type Row = (String, Vec<String>);

/// All figures of all targets at a point, aborts by reason too. A target that broke a rule has none.
pub fn rows(report: &Report, place: usize) -> Vec<Row> {
    let cells = |cell: &dyn Fn(&PointReport) -> Option<String>| -> Vec<String> {
        let found = report.targets.iter().map(|target| target.points.get(place));
        found.map(|found| found.and_then(cell).unwrap_or("–".to_string())).collect()
    };
    let mut rows = vec![(GOODPUT.name.to_string(), cells(&|found| Some(goodput_or_why_not(found))))];
    let point = &report.points[place];
    rows.push(("  × of the bound".to_string(), cells(&|found| share_of_bound(point, found).map(multiple))));
    for figure in COSTS {
        rows.push((figure.name.to_string(), cells(&|found| figure.text(found))));
        if figure.column == ABORTS.column {
            for reason in reasons(report.targets.iter().filter_map(|target| target.points.get(place))) {
                let row = cells(&|found| aborts_of(found, reason));
                rows.push((format!("  {reason}"), row));
            }
        }
    }
    rows
}

/// The goodput; else why there is none.
pub fn goodput_or_why_not(found: &PointReport) -> String {
    match GOODPUT.text(found) {
        Some(text) => text,
        None if found.broken.is_empty() => "not measured".to_string(),
        None => BROKEN.to_string(),
    }
}

/// What stands in the place of a figure, if a rule was broken.
pub const BROKEN: &str = "✗ BROKE A RULE";

/// As [`aborts_per_thousand`], for people; none if there are no figures.
pub fn aborts_of(found: &PointReport, reason: &str) -> Option<String> {
    GOODPUT.spread(found).map(|_| number(aborts_per_thousand(found, reason)))
}

/// Attempts given up for one reason, for each thousand transactions that were answered: the mean of all runs, so that the
/// reasons add up.
pub fn aborts_per_thousand(report: &PointReport, reason: &str) -> f64 {
    let aborts = report.samples.iter().map(|sample| sample.aborts.get(reason).copied().unwrap_or(0));
    let answered: u64 = report.samples.iter().map(|sample| sample.committed + sample.rejected).sum();
    aborts.sum::<u64>() as f64 / answered.max(1) as f64 * 1e3
}

/// The reasons of these runs' aborts, the most frequent first.
pub fn reasons<'r>(reports: impl Iterator<Item = &'r PointReport>) -> Vec<&'r str> {
    let mut counts = std::collections::BTreeMap::<&str, u64>::new();
    for sample in reports.flat_map(|report| &report.samples) {
        for (reason, count) in &sample.aborts {
            *counts.entry(reason).or_default() += count;
        }
    }
    let mut reasons: Vec<(&str, u64)> = counts.into_iter().collect();
    reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
    reasons.into_iter().map(|(reason, _)| reason).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(latencies_ns: &[u64]) -> PointReport {
        let run = |p50_ns| {
            let mut sample = Sample { committed: 500, seconds: 1.0, ..Sample::default() };
            sample.latency.p50_ns = p50_ns;
            sample.aborts.insert("deadlock".to_string(), p50_ns / 1_000);
            sample
        };
        PointReport { samples: latencies_ns.iter().copied().map(run).collect(), ..PointReport::default() }
    }

    #[test]
    fn units_are_said_once_if_they_are_the_same() {
        assert_eq!(P50.text(&runs(&[1_250, 1_300, 1_200])).as_deref(), Some("1.25 (1.20–1.30) µs"));
        assert_eq!(P50.text(&runs(&[900, 1_300])).as_deref(), Some("1.30 µs (900 ns–1.30 µs)"));
        assert_eq!(P50.text(&runs(&[900])).as_deref(), Some("900 ns"));
        assert_eq!(P50.text(&runs(&[900, 900])).as_deref(), Some("900 ns"));
        assert_eq!(P50.text(&runs(&[])), None);
    }

    #[test]
    fn what_one_run_lacks_is_no_figure() {
        let mut report = runs(&[1, 2]);
        report.samples[0].allocations = Some(5_000);
        let allocations = COSTS[3];
        assert!(allocations.spread(&report).is_none());
        report.samples[1].allocations = Some(10_000);
        assert_eq!(allocations.text(&report).as_deref(), Some("20.0 (10.0–20.0)"));
    }

    #[test]
    fn reasons_add_up() {
        let report = runs(&[2_000, 4_000]);
        assert_eq!(aborts_per_thousand(&report, "deadlock"), 6.0);
        assert_eq!(aborts_per_thousand(&report, "other"), 0.0);
        assert_eq!(reasons([&report].into_iter()), ["deadlock"]);
    }
}
