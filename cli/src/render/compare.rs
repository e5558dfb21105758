//! What `--mode all` shows: the modes side by side.

use super::micro::{header, multiple, value};
use super::table;
use super::tpcc::{audit, conditions, machine, settings_of_all, size};
use super::units::{bytes, count, number, time};
use std::collections::BTreeSet;
use synod_bench::micro;
use synod_bench::tpcc::audit::AuditItem;
use synod_bench::tpcc::compare::{Comparison, Figures, ModeReport};
use synod_bench::tpcc::consistency::ConditionReport;
use synod_bench::tpcc::report::Report;

/// A table with a row for each figure and a column for each mode.
fn side_by_side(modes: &[String], rows: Vec<(String, Vec<String>)>) -> String {
    let header: Vec<&str> = std::iter::once("").chain(modes.iter().map(String::as_str)).collect();
    let mut shown = table(&header, 1);
    for (name, cells) in rows {
        shown.add_row(std::iter::once(name).chain(cells));
    }
    shown.to_string()
}

/// What is known once the first mode has run.
pub(crate) fn tpcc_header(first: &Report, repeat: u16) -> String {
    let rounds = match repeat {
        1 => String::new(),
        repeat => format!(", {repeat} rounds, in each of which the modes take turns"),
    };
    let place = match first.settings.path {
        Some(_) => "a temporary one for each run",
        None => "in memory, without a log, a new one for each run",
    };
    format!(
        "TPC-C-like order entry. {}\n\
         databases  {place}, all loaded from the same seed; {}\n\
         settings   {}{rounds}\n\
         machine    {}",
        first.notice,
        size(&first.settings),
        settings_of_all(&first.settings),
        machine(first),
    )
}

/// A run, in a line; in more if anything is wrong.
pub(crate) fn tpcc_run(report: &Report) -> String {
    let mode = report.settings.mode;
    let mut text = match &report.run {
        Some(run) => format!(
            "{mode:<14}{:.1} s{}: {} transactions/s, {} new orders/min",
            run.seconds,
            if run.ended_early { " (ended early)" } else { "" },
            number(run.transactions_per_second),
            number(run.new_orders_per_minute)
        ),
        None => format!("{mode:<14}not run"),
    };
    text += &match report.passed {
        true => format!("; {}", verdict(report)),
        false => format!(
            "\n{}\n{}",
            conditions(&report.conditions, report.conditions_seconds),
            audit(&report.audit, report.settings.has_standard_mix())
        ),
    };
    text
}

/// What is said of a run that passed.
fn verdict(report: &Report) -> String {
    format!("{} conditions hold, {} rules kept", report.conditions.len(), report.audit.len())
}

/// All modes beside each other.
pub(crate) fn tpcc(comparison: &Comparison) -> String {
    let modes = &comparison.modes;
    let names: Vec<String> = modes.iter().map(|mode| mode.mode.to_string()).collect();
    let mut rows = Vec::new();
    let mut add = |name: &str, cell: &dyn Fn(&Figures) -> String| {
        let cell = |mode: &ModeReport| if mode.runs.is_empty() { "–".into() } else { cell(&mode.medians) };
        rows.push((name.to_string(), modes.iter().map(cell).collect()));
    };
    add("transactions/s", &|of| number(of.transactions_per_second));
    add("new orders/min", &|of| number(of.new_orders_per_minute));
    add("latency p50", &|of| time(of.p50_ns));
    add("latency p95", &|of| time(of.p95_ns));
    add("latency p99", &|of| time(of.p99_ns));
    add("processor time a transaction", &|of| time(of.cpu_us_per_transaction * 1e3));
    add("log a commit", &|of| bytes(of.log_bytes_per_commit.round() as u64));
    add("fsyncs a commit", &|of| format!("{:.4}", of.fsyncs_per_commit));
    add("retries per 1,000 transactions", &|of| number(of.retries_per_thousand));
    for reason in reasons(modes) {
        let abort = |of: &Figures| of.aborts_per_thousand.get(reason).copied().map_or("–".into(), number);
        add(&format!("  aborted: {reason}"), &abort);
    }
    let all = |what: fn(&Report) -> usize| {
        let cell = |mode: &ModeReport| mode.runs.iter().map(what).sum::<usize>();
        modes.iter().map(|mode| broken(cell(mode), mode.runs.len())).collect::<Vec<_>>()
    };
    rows.push(("consistency conditions broken".to_string(), all(broken_conditions)));
    rows.push(("rules of the audit violated".to_string(), all(violated_rules)));
    let caption = match modes.iter().map(|mode| mode.runs.len()).max() {
        Some(rounds) if rounds > 1 => format!("\nmedians of {rounds} rounds"),
        _ => String::new(),
    };
    format!("{}{caption}", side_by_side(&names, rows))
}

/// The reasons of all modes' aborts.
fn reasons(modes: &[ModeReport]) -> BTreeSet<&'static str> {
    modes.iter().flat_map(|mode| mode.medians.aborts_per_thousand.keys().copied()).collect()
}

fn broken(found: usize, runs: usize) -> String {
    match (found, runs) {
        (_, 0) => "–".to_string(),
        (0, _) => "0".to_string(),
        (found, _) => format!("{} FAIL", count(found as u64)),
    }
}

fn broken_conditions(report: &Report) -> usize {
    report.conditions.iter().filter(|condition| !ConditionReport::holds(condition)).count()
}

fn violated_rules(report: &Report) -> usize {
    report.audit.iter().filter(|item| !AuditItem::passes(item)).count()
}

/// The figures of `micro` for all modes beside each other.
pub(crate) fn micro(modes: &[micro::ModeReport]) -> String {
    let Some(first) = modes.first() else { return String::new() };
    let names: Vec<String> = modes.iter().map(|mode| mode.report.options.mode.to_string()).collect();
    let mut rows = Vec::new();
    for (index, figure) in first.report.figures.iter().enumerate() {
        let cell = |mode: &micro::ModeReport| {
            let figure = &mode.report.figures[index];
            format!("{} {:>7}", value(figure), multiple(figure)).trim_end().to_string()
        };
        rows.push((figure.name.to_string(), modes.iter().map(cell).collect()));
    }
    let reasons: BTreeSet<&str> = modes.iter().flat_map(|mode| mode.aborts.keys().copied()).collect();
    for reason in reasons {
        let cell =
            |mode: &micro::ModeReport| mode.aborts.get(reason).map_or("–".into(), |aborts| count(*aborts));
        rows.push((format!("aborted in all rounds: {reason}"), modes.iter().map(cell).collect()));
    }
    format!("{}\n{}", header(&first.report, "all modes in turn"), side_by_side(&names, rows))
}
