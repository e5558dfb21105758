//! What `synod bench micro` shows.

use super::table;
use super::units::{count, number, plural, time};
use synod_bench::micro::{Figure, MicroReport, Unit};

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
    let options = &report.options;
    let flush = report.calibration.flush_ns.map_or_else(|| "unknown".to_string(), time);
    format!(
        "{} records of 8 + 100 bytes, Zipf 0.9, {modes}, {} on {}, medians of {} interleaved rounds\n\
         L (one look-up in a BTreeMap of a million) {}, F (one flush) {flush}",
        count(options.records),
        plural(options.threads as u64, "thread"),
        plural(report.cores as u64, "core"),
        options.rounds,
        time(report.calibration.lookup_ns),
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
