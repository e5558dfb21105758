//! What `synod bench contention` shows.

use super::table;
use super::units::{count, number, plural};
use synod_bench::micro::{Contender, ContentionReport, Goodput, Keys};

/// The contenders side by side; the best of each row has a star.
pub(crate) fn page(report: &ContentionReport) -> String {
    let options = &report.options;
    let names: Vec<String> = report.contenders.iter().map(name).collect();
    let header: Vec<&str> = std::iter::once("keys").chain(names.iter().map(String::as_str)).collect();
    let mut shown = table(&header, 1);
    for row in &report.rows {
        let best = row.goodput.iter().map(|goodput| goodput.commits_per_second).fold(0.0, f64::max);
        let cells = row.goodput.iter().map(|goodput| cell(goodput, best));
        shown.add_row(std::iter::once(keys(row.keys)).chain(cells));
    }
    format!(
        "transactions of 5 reads and 5 updates, or 10 updates where some are hot, durability none; {} records of 8 + 100 bytes, {} on {}, medians of \
         {} interleaved rounds\ncommitted a second, and how often a transaction was aborted before that; * the best\n{shown}",
        count(options.records),
        plural(options.threads as u64, "thread"),
        plural(report.cores as u64, "core"),
        options.rounds,
    )
}

fn name(contender: &Contender) -> String {
    let Contender { mode, isolation, in_flight } = contender;
    match in_flight {
        1 => format!("{mode} {isolation}"),
        _ => format!("{mode}, {in_flight} in flight"),
    }
}

fn cell(goodput: &Goodput, best: f64) -> String {
    let star = if goodput.commits_per_second >= best { "*" } else { "" };
    format!("{star}{}/s {:>7.4}", number(goodput.commits_per_second), goodput.aborts_per_commit)
}

fn keys(keys: Keys) -> String {
    match keys {
        Keys::Zipf(theta) => format!("Zipf {theta}"),
        Keys::Among(records) => format!("uniform among {}", count(records)),
        Keys::Hot { hot, of_them } => format!("{of_them} of {} hot ones, {} cold", count(hot), 10 - of_them),
    }
}
