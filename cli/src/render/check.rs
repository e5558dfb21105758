//! What `synod check` shows.

use super::table;
use super::units::plural;
use synod_checker::{Anomaly, Level, Verdict};

/// What was found; with a table of all levels, unless one was asked for.
pub(crate) fn page(file: &str, verdict: &Verdict, level: Level, is_asked_for: bool) -> String {
    let mut parts = vec![transactions(file, verdict)];
    parts.extend(verdict.anomalies.iter().map(anomaly));
    if !is_asked_for {
        parts.push(levels(verdict));
    }
    parts.push(summary(file, verdict, level));
    parts.join("\n\n")
}

fn transactions(file: &str, verdict: &Verdict) -> String {
    let mut text = format!("{file}: {} committed", plural(verdict.committed as u64, "transaction"));
    if verdict.aborted > 0 {
        text += &format!(", {} aborted", verdict.aborted);
    }
    if verdict.unknown > 0 {
        text +=
            &format!(", {} of unknown outcome, of which {} were seen", verdict.unknown, verdict.unknown_seen);
    }
    text + &format!("; {}", plural(verdict.edges as u64, "dependency").replace("dependencys", "dependencies"))
}

fn anomaly(anomaly: &Anomaly) -> String {
    let mut lines = vec![anomaly.name()];
    for participant in &anomaly.transactions {
        let line = participant.line.map(|line| format!(" (line {line})")).unwrap_or_default();
        lines.push(format!("  {}{line}: {}", participant.label, participant.summary));
    }
    for edge in &anomaly.edges {
        let name = |place: usize| &anomaly.transactions[place].label;
        lines.push(format!(
            "  {} → {}  {:<14}  {}",
            name(edge.from),
            name(edge.to),
            edge.reason.short(),
            edge.text
        ));
    }
    lines.push(format!("  {}", anomaly.conclusion()));
    lines.join("\n")
}

fn levels(verdict: &Verdict) -> String {
    let mut shown = table(&["level", "satisfied", "because of"], 3);
    for found in &verdict.levels {
        let because: Vec<String> = found.because.iter().map(ToString::to_string).collect();
        let satisfied = if because.is_empty() { satisfied(verdict) } else { "no" };
        shown.add_row([found.level.to_string(), satisfied.to_owned(), because.join(", ")]);
    }
    shown.to_string()
}

fn satisfied(verdict: &Verdict) -> &'static str {
    if verdict.is_exact { "yes" } else { "as far as can be told" }
}

fn summary(file: &str, verdict: &Verdict, level: Level) -> String {
    if verdict.satisfies(level) {
        let hedge = if verdict.is_exact { "" } else { ", as far as can be told" };
        return format!("{file} satisfies {level}{hedge}");
    }
    let kinds = verdict.counts.keys().filter(|kind| level.forbids(**kind));
    let kinds: Vec<String> = kinds.map(|kind| format!("{kind} ({})", kind.meaning())).collect();
    format!("{file} does NOT satisfy {level}, because of {}", kinds.join(", "))
}
