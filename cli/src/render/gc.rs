//! What `synod bench gc` shows.

use super::units::{bytes, count, number, plural};
use synod_bench::garbage::GarbageReport;

/// The whole page.
pub(crate) fn page(report: &GarbageReport) -> String {
    let options = &report.options;
    let tenth = options.updates / 10;
    let growth = report.resident_at_end_bytes as f64 / report.resident_after_tenth_bytes.max(1) as f64;
    format!(
        "{} of {} by {} in {:.1} s, {} a second\n\
         resident memory  {} at the start, {} after {} updates, {} at the end ({} times that after {})",
        plural(options.updates, "update"),
        plural(options.records, "record"),
        plural(options.threads as u64, "thread"),
        report.seconds,
        number(options.updates as f64 / report.seconds.max(1e-9)),
        bytes(report.resident_at_start_bytes),
        bytes(report.resident_after_tenth_bytes),
        count(tenth),
        bytes(report.resident_at_end_bytes),
        number(growth),
        count(tenth),
    )
}
