//! What `synod stats` shows.

use super::moment::moment;
use super::table;
use super::units::{bytes, count, plural, time};
use crate::commands::stats::{
    FileKind, FileReport, LogSegmentReport, RecoveryReport, StatsReport, TableReport,
};
use synod::Timestamp;

/// The whole page.
pub(crate) fn page(directory: &str, report: &StatsReport) -> String {
    let state = match report.timestamp {
        Timestamp::MIN => "no commits".to_string(),
        newest => format!("all commits up to {}", moment(newest)),
    };
    format!(
        "{directory}, with {state}\n\n{}\n\n{}\n\n{}\n\n{}",
        tables(&report.tables),
        log_segments(&report.log_segments),
        files(&report.files),
        recovery(&report.recovery)
    )
}

fn tables(reports: &[TableReport]) -> String {
    if reports.is_empty() {
        return "no tables".to_string();
    }
    let mut shown = table(&["table", "records", "key bytes", "value bytes"], 1);
    let mut add = |name: String, numbers: [u64; 3]| {
        shown.add_row(std::iter::once(name).chain(numbers.map(count)));
    };
    let mut sums = [0; 3];
    for report in reports {
        let numbers = [report.records, report.key_bytes, report.value_bytes];
        sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
        add(report.name.escape_debug().to_string(), numbers);
    }
    if reports.len() > 1 {
        add(plural(reports.len() as u64, "table"), sums);
    }
    shown.to_string()
}

fn log_segments(reports: &[LogSegmentReport]) -> String {
    let mut shown = table(&["log segment", "bytes in use", "commits after", "up to"], 1);
    for report in reports {
        let (after, up_to) = match (report.commits_after, report.commits_up_to) {
            (_, None) => ("no commits".to_string(), String::new()),
            (None, Some(up_to)) => ("the beginning".to_string(), moment(up_to)),
            (Some(after), Some(up_to)) => (moment(after), moment(up_to)),
        };
        shown.add_row([report.path.clone(), count(report.bytes), after, up_to]);
    }
    if reports.len() > 1 {
        let bytes = reports.iter().map(|report| report.bytes).sum();
        shown.add_row([plural(reports.len() as u64, "segment"), count(bytes)]);
    }
    shown.to_string()
}

fn files(reports: &[FileReport]) -> String {
    let mut shown = table(&["file", "what", "bytes", "written", "holds all commits up to"], 2);
    for report in reports {
        let what = match report.kind {
            FileKind::Checkpoint => "checkpoint",
            FileKind::DamagedCheckpoint => "damaged checkpoint, set aside",
            FileKind::LogSegment => "log segment",
            FileKind::Other => "none of Synod's",
        };
        let at = |timestamp: Option<_>| timestamp.map_or_else(String::new, moment);
        let path = report.path.escape_debug().to_string();
        shown.add_row([path, what.into(), count(report.bytes), at(report.written), at(report.commits_up_to)]);
    }
    shown.to_string()
}

fn recovery(report: &RecoveryReport) -> String {
    let base = match report.checkpoint {
        Some(timestamp) => format!(
            "opened by loading the checkpoint of {}, {} in {}, in {}, and",
            moment(timestamp),
            plural(report.checkpoint_records, "record"),
            bytes(report.checkpoint_bytes),
            time(report.load_seconds * 1e9)
        ),
        None => "opened without a checkpoint, by".to_string(),
    };
    let damaged = match report.damaged_checkpoints {
        0 => String::new(),
        damaged => format!("\n{} DAMAGED and set aside", plural(damaged as u64, "newer checkpoint")),
    };
    format!(
        "{base} replaying {} from {} of log, in {}{damaged}",
        plural(report.commits, "commit"),
        bytes(report.log_bytes),
        time(report.replay_seconds * 1e9)
    )
}
