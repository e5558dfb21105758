//! What `synod bench micro` shows.

use super::table;
use super::units::{count, number, plural, time};
use synod_bench::micro::{AuditReport, Cost, Figure, MicroOptions, MicroReport, Setting, Unit};

/// What one mode has come to.
pub(crate) fn page(report: &MicroReport) -> String {
    let options = &report.options;
    let mut figures = table(&["measure", "median", "multiple"], 1);
    for figure in &report.figures {
        figures.add_row([figure.name.to_string(), value(figure), multiple(figure)]);
    }
    format!("{}\n{figures}", header(report, &format!("mode {}", options.mode)))
}

/// What was measured, and with which units.
pub(super) fn header(report: &MicroReport, modes: &str) -> String {
    let flush = report.calibration.flush_ns.map_or_else(|| "unknown".to_string(), time);
    format!(
        "{}\nL (one look-up in a BTreeMap of a million) {}, F (one flush) {flush}",
        setting(&report.options, report.cores, modes),
        time(report.calibration.lookup_ns),
    )
}

fn setting(options: &MicroOptions, cores: usize, modes: &str) -> String {
    format!(
        "{} records of 8 + 100 bytes, Zipf 0.9, {modes}, {} on {}, medians of {} interleaved rounds",
        count(options.records),
        plural(options.threads as u64, "thread"),
        plural(cores as u64, "core"),
        options.rounds,
    )
}

/// What the audit costs.
pub(crate) fn audit(report: &AuditReport) -> String {
    let names = Setting::ALL.map(|setting| match setting {
        Setting::Snapshot => "snapshot",
        Setting::AuditedSnapshot => "snapshot, audited",
        Setting::Serializable => "serializable",
    });
    let header: Vec<&str> = std::iter::once("transaction").chain(names).collect();
    let mut shown = table(&header, 1);
    for workload in &report.workloads {
        let row = |name: String, cell: fn(&Cost) -> String| {
            std::iter::once(name).chain(workload.costs.iter().map(cell)).collect::<Vec<_>>()
        };
        let throughput = |cost: &Cost| {
            format!("{}/s {:>5.2} ×", number(cost.transactions_per_second), cost.throughput_ratio)
        };
        let cpu = |cost: &Cost| format!("{} {:>5.2} ×", time(cost.cpu_ns), cost.cpu_ratio);
        shown.add_row(row(workload.name.to_string(), throughput));
        shown.add_row(row("  processor time".to_string(), cpu));
    }
    format!(
        "{}\n{shown}\n{} audited, of which the serializable level would have aborted {}",
        setting(&report.options, report.cores, &format!("mode {}", report.options.mode)),
        plural(report.audited, "transaction"),
        count(report.unserializable)
    )
}

pub(super) fn value(figure: &Figure) -> String {
    match figure.unit {
        Unit::Lookups | Unit::Flushes => time(figure.value),
        Unit::CommitsPerFsync => format!("{} commits/fsync", number(figure.value)),
        Unit::Bytes => format!("{:.0} B", figure.value),
    }
}

pub(super) fn multiple(figure: &Figure) -> String {
    let letter = if figure.unit == Unit::Flushes { "F" } else { "L" };
    figure.multiple.map_or_else(String::new, |multiple| format!("{} {letter}", number(multiple)))
}
