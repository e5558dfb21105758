//! What `synod bench checkpoint` shows.

use super::table;
use super::units::{bytes, number, plural, time};
use synod_bench::checkpoints::{CheckpointsReport, Rate};

/// The whole page.
pub(crate) fn page(report: &CheckpointsReport) -> String {
    let options = &report.options;
    let mut rates = table(&["", "records/s", "records/s of processor time", "bytes/s"], 1);
    let mut row = |name: &str, rate: &Rate| {
        rates.add_row([
            name.to_string(),
            number(rate.records_per_s),
            number(rate.records_per_cpu_s),
            bytes(rate.bytes_per_s as u64),
        ]);
    };
    row("write a checkpoint", &report.write);
    row("load it", &report.load);
    row("replay the log instead", &report.replay);
    let mut updates = table(&["updates", "commits/s", "p99"], 1);
    for (name, measured) in [("alone", report.alone), ("beside checkpoints", report.beside)] {
        updates.add_row([name.to_string(), number(measured.commits_per_s), time(measured.p99_ns)]);
    }
    format!(
        "{} of 8 + {} bytes, medians of {}\n\
         a checkpoint has {}; the disk takes as much at {} a second\n\
         {rates}\n{updates}\n\
         beside checkpoints, {} commit {} times as much, with a p99 {} times as long; {} finished meanwhile\n\
         bytes written for each byte updated, with a checkpoint whenever the log has grown by the length of two: {} to the \
         log, {} with checkpoints (predicted: {})",
        plural(options.records, "record"),
        options.value_bytes,
        plural(options.rounds as u64, "round"),
        bytes(report.checkpoint_bytes),
        bytes(report.disk_bytes_per_s as u64),
        plural(options.threads as u64, "thread"),
        number(report.beside.commits_per_s / report.alone.commits_per_s),
        number(report.beside.p99_ns / report.alone.p99_ns),
        plural(report.taken_beside, "checkpoint"),
        number(report.write_cost.log),
        number(report.write_cost.all),
        number(report.write_cost.predicted),
    )
}
