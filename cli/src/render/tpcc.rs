//! What `synod bench tpcc` shows.

use super::table;
use super::units::{bytes, count, number, plural, time};
use synod::{Isolation, IsolationCounts, LevelCounts};
use synod_bench::tpcc::audit::AuditItem;
use synod_bench::tpcc::consistency::ConditionReport;
use synod_bench::tpcc::report::{KindReport, LoadReport, Report, RunReport, SequencingReport, Settings};

/// What is known before the run.
pub(crate) fn header(report: &Report, place: &str) -> String {
    format!(
        "TPC-C-like order entry. {}\n\
         database   {place}; {}\n\
         settings   {}\n\
         machine    {}",
        report.notice,
        size(&report.settings),
        settings(&report.settings),
        machine(report),
    )
}

pub(super) fn machine(report: &Report) -> String {
    let calibration = &report.machine.calibration;
    let flush = calibration.flush_ns.map_or_else(String::new, |ns| format!(", F (one flush) {}", time(ns)));
    let cores = plural(report.machine.cores as u64, "core");
    format!("{cores}, L (one look-up) {}{flush}", time(calibration.lookup_ns))
}

pub(super) fn size(settings: &Settings) -> String {
    let scale = settings.scale;
    let size = if scale.is_full() {
        "full size".to_string()
    } else {
        format!(
            "scaled down to {} items, {} customers a district",
            count(scale.items.into()),
            scale.customers
        )
    };
    format!("{}, {size}", plural(scale.warehouses.into(), "warehouse"))
}

fn settings(settings: &Settings) -> String {
    let deadlock =
        settings.deadlock.as_ref().map_or_else(String::new, |policy| format!(", deadlocks: {policy}"));
    settings_with(settings, &format!("{} {}{deadlock}", settings.mode, settings.isolation))
}

/// The settings that all modes share.
pub(super) fn settings_of_all(settings: &Settings) -> String {
    let deadlock =
        settings.deadlock.as_ref().map_or_else(String::new, |policy| format!(", deadlocks: {policy}"));
    settings_with(settings, &format!("{}{deadlock}", settings.isolation))
}

fn settings_with(settings: &Settings, concurrency: &str) -> String {
    let waiting = match (settings.think, settings.in_flight) {
        (true, _) => "each one terminal with keying and think times".to_string(),
        (false, 1) => "each waits for its commit".to_string(),
        (false, in_flight) => format!("each stands for {in_flight} terminals that wait for their commits"),
    };
    let mix = if settings.has_standard_mix() { String::new() } else { format!(", mix {}", settings.mix) };
    format!(
        "{}, {waiting}; durability {}, {concurrency}{mix}, seed {}",
        plural(settings.threads as u64, "thread"),
        settings.durability,
        settings.seed
    )
}

/// The load.
pub(crate) fn load(load: &LoadReport) -> String {
    format!(
        "loaded     about {} rows in {:.1} s, {} rows/s",
        count(load.rows),
        load.seconds,
        number(load.rows as f64 / load.seconds.max(1e-9))
    )
}

/// The run, the conditions, the audit.
pub(crate) fn results(report: &Report) -> String {
    let mut text = String::new();
    if let Some(run) = &report.run {
        text += &run_results(run);
        text += "\n";
    }
    text += &conditions(&report.conditions, report.conditions_seconds);
    if report.run.is_some() {
        text += "\n";
        text += &audit(&report.audit, report.settings.has_standard_mix());
    }
    text
}

fn run_results(run: &RunReport) -> String {
    let header = [
        "transaction",
        "committed",
        "rolled back",
        "share",
        "/s",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "retries",
        "aborts",
    ];
    let mut kinds = table(&header, 1);
    for kind in &run.kinds {
        kinds.add_row(kind_row(kind));
    }
    let early = if run.ended_early { " (ended early)" } else { "" };
    format!(
        "ran        {:.1} s{early}: {} transactions, {}/s, {} new orders/min\n{kinds}\n\
         cost       {} processor time a transaction = {} L; {} thread time\n\
         engine     {}\n\
         {}\
         log        {} and {} fsyncs a commit; peak memory {}",
        run.seconds,
        count(run.transactions),
        number(run.transactions_per_second),
        number(run.new_orders_per_minute),
        time(run.cpu_us_per_transaction * 1e3),
        number(run.cpu_lookups_per_transaction),
        time(run.thread_us_per_transaction * 1e3),
        levels(&run.by_isolation),
        run.sequencing.as_ref().map_or_else(String::new, sequencing),
        bytes(run.log_bytes_per_commit.round() as u64),
        fsyncs(run.fsyncs_per_commit),
        bytes(run.peak_memory_bytes),
    )
}

/// How procedures got their order, in a line.
fn sequencing(report: &SequencingReport) -> String {
    let flushed = match report.procedures_per_fsync {
        0.0 => String::new(),
        procedures => format!(", {} a flush", number(procedures)),
    };
    format!(
        "order      {} in {}: {} an epoch{flushed}; {}, {}\n",
        plural(report.procedures, "procedure"),
        plural(report.epochs, "epoch"),
        number(report.procedures_per_epoch),
        plural(report.reconnaissances, "reconnaissance"),
        plural(report.restarts, "restart"),
    )
}

/// How the engine's transactions ended, at each level that there were some at.
fn levels(counts: &IsolationCounts) -> String {
    let used = Isolation::ALL.into_iter().filter(|level| counts.of(*level).ended() > 0);
    let told = used.map(|level| {
        let LevelCounts { commits, rollbacks, aborts } = *counts.of(level);
        let [commits, rollbacks, aborts] = [commits, rollbacks, aborts].map(count);
        format!("{level}: {commits} committed, {rollbacks} rolled back, {aborts} aborted")
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() { "no transactions that could write".to_string() } else { told.join("; ") }
}

/// A small quotient: three significant digits.
fn fsyncs(per_commit: f64) -> String {
    if per_commit == 0.0 { "0".to_string() } else { format!("{per_commit:.4}") }
}

fn kind_row(kind: &KindReport) -> Vec<String> {
    let latency = &kind.latency;
    let aborts: Vec<String> =
        kind.aborts.iter().map(|(reason, n)| format!("{reason} {}", count(*n))).collect();
    let mut row = vec![
        kind.kind.name().to_string(),
        count(kind.committed),
        if kind.rolled_back > 0 { count(kind.rolled_back) } else { String::new() },
        format!("{:.2} %", kind.share_percent),
        number(kind.per_second),
    ];
    row.extend(
        [latency.p50_ns, latency.p90_ns, latency.p99_ns, latency.p999_ns]
            .map(|nanoseconds| time(nanoseconds as f64)),
    );
    row.push(count(kind.retries));
    row.push(aborts.join(", "));
    row
}

pub(super) fn conditions(conditions: &[ConditionReport], seconds: f64) -> String {
    let failing: Vec<&ConditionReport> = conditions.iter().filter(|condition| !condition.holds()).collect();
    if failing.is_empty() {
        let checked = conditions.iter().map(|condition| condition.checked).sum();
        return format!(
            "conditions all {} consistency conditions hold: {} checks in {seconds:.1} s",
            conditions.len(),
            count(checked)
        );
    }
    let mut text =
        format!("conditions {} of {} consistency conditions FAIL:", failing.len(), conditions.len());
    for condition in failing {
        text += &format!(
            "\n  3.3.2.{} {}: violated {} of {} times",
            condition.number,
            condition.statement,
            count(condition.violations),
            count(condition.checked)
        );
        for example in &condition.examples {
            text += &format!("\n      {example}");
        }
        if condition.violations > condition.examples.len() as u64 {
            text += "\n      …";
        }
    }
    text
}

/// Short when all rules were kept; a line for each when not.
pub(super) fn audit(items: &[AuditItem], standard_mix: bool) -> String {
    let failing = items.iter().filter(|item| !item.passes()).count();
    let mix = if standard_mix { "" } else { " (shares of a mix of its own aren't audited)" };
    let mut text = if failing == 0 {
        let lines: Vec<String> = items.iter().map(audit_line).collect();
        format!("audit      all {} rules kept{mix}:{}", items.len(), wrapped(&lines))
    } else {
        let mut text = format!("audit      {failing} of {} rules VIOLATED{mix}", items.len());
        for item in items {
            text += &format!("\n  {} {}", if item.passes() { "ok  " } else { "FAIL" }, audit_line(item));
        }
        text
    };
    if items.iter().any(|item| item.widened) {
        text += "\n           * widened to four standard deviations of so small a sample";
    }
    text
}

/// The parts as a paragraph, indented, two to a line.
fn wrapped(parts: &[String]) -> String {
    let lines: Vec<String> = parts.chunks(2).map(|line| line.join("; ")).collect();
    format!("\n           {}", lines.join(";\n           "))
}

/// The measured value, and the range that it must lie in.
fn audit_line(item: &AuditItem) -> String {
    let star = if item.widened { "*" } else { "" };
    let unit = if item.unit.is_empty() { String::new() } else { format!(" {}", item.unit) };
    let range = if item.high >= 100.0 {
        format!("at least {:.2}{star}", item.low)
    } else {
        format!("{:.2} to {:.2}{star}", item.low, item.high)
    };
    format!("{} {:.2}{unit} ({range})", item.name, item.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(number: usize, violations: u64) -> ConditionReport {
        let examples = (0..violations.min(5)).map(|row| format!("row {row}")).collect();
        ConditionReport { number, statement: "a = b".to_string(), checked: 1_000, violations, examples }
    }

    #[test]
    fn conditions_are_short_when_they_hold_and_told_when_not() {
        let text = conditions(&[condition(1, 0), condition(2, 0)], 1.5);
        assert_eq!(text, "conditions all 2 consistency conditions hold: 2,000 checks in 1.5 s");
        let text = conditions(&[condition(1, 0), condition(2, 7)], 1.5);
        assert!(text.contains("1 of 2 consistency conditions FAIL"), "{text}");
        assert!(text.contains("3.3.2.2 a = b: violated 7 of 1,000 times"), "{text}");
        assert!(text.contains("row 4\n      …") && !text.contains("row 5"), "{text}");
    }

    #[test]
    fn audit_lines_say_value_range_and_verdict() {
        let item = AuditItem {
            name: "Payments in the mix",
            value: 43.48,
            low: 43.0,
            high: 100.0,
            unit: "%",
            sample: 10,
            widened: false,
        };
        assert_eq!(audit_line(&item), "Payments in the mix 43.48 % (at least 43.00)");
        assert!(audit(std::slice::from_ref(&item), true).starts_with("audit      all 1 rules kept:"));
        let failing =
            AuditItem { name: "lines", value: 12.0, low: 9.5, high: 10.5, unit: "", widened: true, ..item };
        assert_eq!(audit_line(&failing), "lines 12.00 (9.50 to 10.50*)");
        let text = audit(&[failing], false);
        assert!(text.contains("1 of 1 rules VIOLATED") && text.contains("FAIL lines 12.00"), "{text}");
        assert!(text.contains("small a sample"), "{text}");
    }
}
