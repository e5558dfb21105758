//! A comparison as a table for other programs: a row for each run.

use super::figures::{COSTS, GOODPUT};
use super::report::{Point, PointReport, Report, Sample, TargetReport};

/// The columns before the figures.
const COLUMNS: [&str; 17] = [
    "workload",
    "target",
    "engine",
    "isolation",
    "parameter",
    "value",
    "threads",
    "repetition",
    "broken",
    "seconds",
    "committed",
    "rejected",
    "aborts",
    "bound_per_second",
    "load_seconds",
    "memory_bytes",
    "database_bytes",
];

/// The runs as comma-separated values (RFC 4180), with a header, a row for each target, point and repetition. A target
/// that broke a rule at a point has one row there, with the rules and without figures.
pub fn page(report: &Report) -> String {
    let mut columns: Vec<String> = COLUMNS.iter().map(ToString::to_string).collect();
    columns.push(GOODPUT.column.to_string());
    columns.push("share_of_bound".to_string());
    columns.extend(COSTS.iter().map(|figure| figure.column.to_string()));
    columns.push("aborts_by_reason".to_string());
    let mut text = line(&columns);
    for target in &report.targets {
        for (point, found) in report.points.iter().zip(&target.points) {
            let row = |repetition, sample| line(&row(report, target, (point, found), repetition, sample));
            if !found.broken.is_empty() {
                text += &row(0, None);
                continue;
            }
            text.extend(found.samples.iter().zip(1..).map(|(sample, place)| row(place, Some(sample))));
        }
    }
    text
}

/// The fields of a run, or of none.
fn row(
    report: &Report,
    target: &TargetReport,
    (point, found): (&Point, &PointReport),
    repetition: usize,
    sample: Option<&Sample>,
) -> Vec<String> {
    let run = |of: &dyn Fn(&Sample) -> String| sample.map(of).unwrap_or_default();
    let figure = |of: fn(&Sample) -> Option<f64>| run(&|sample| of(sample).map_or(String::new(), plain));
    let mut row = vec![
        report.workload.clone(),
        target.about.name.clone(),
        target.about.engine.clone(),
        target.about.isolation.clone(),
        report.sweep.clone().unwrap_or_default(),
        point.value.clone(),
        point.threads.to_string(),
        if sample.is_some() { repetition.to_string() } else { String::new() },
        found.broken.join("; "),
        run(&|sample| sample.seconds.to_string()),
        run(&|sample| sample.committed.to_string()),
        run(&|sample| sample.rejected.to_string()),
        run(&|sample| sample.aborts.values().sum::<u64>().to_string()),
        plain(point.bound_per_second),
        plain(target.load_seconds),
        target.memory_bytes.to_string(),
        target.database_bytes.to_string(),
        figure(GOODPUT.of),
        if point.bound_per_second > 0.0 {
            run(&|sample| plain(sample.goodput() / point.bound_per_second))
        } else {
            String::new()
        },
    ];
    row.extend(COSTS.iter().map(|cost| figure(cost.of)));
    row.push(run(&|sample| {
        let counts: Vec<String> =
            sample.aborts.iter().map(|(reason, count)| format!("{reason}={count}")).collect();
        counts.join("; ")
    }));
    row
}

/// A number that gives the same again when it is read.
fn plain(value: f64) -> String {
    value.to_string()
}

fn line(fields: &[String]) -> String {
    let fields: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
    fields.join(",") + "\r\n"
}

/// A field, in quotes if it has something that would end it.
fn quoted(field: &str) -> String {
    match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_string(),
    }
}
