//! What `synod compare` shows.

use super::table;
use super::units::{number, time};
use synod_bench::driver::change::{Change, Changes, Difference, PointChange, TargetChange, Verdict};
use synod_bench::driver::report::{Point, Report};
use synod_bench::driver::summary::point_name;

/// What differs, a line each.
pub(crate) fn differences(differences: &[Difference]) -> String {
    let line = |(name, before, after): &Difference| format!("  {name}: {before} before, {after} after");
    differences.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A table for each point.
pub(crate) fn page(before: &Report, changes: &Changes<'_>) -> String {
    let mut parts: Vec<String> = changes.points.iter().map(|at| point(before, at, changes)).collect();
    let only = |names: &[&str], when: &str| format!("only {when}: {}", names.join(", "));
    if !changes.only_before.is_empty() {
        parts.push(only(&changes.only_before, "before"));
    }
    if !changes.only_after.is_empty() {
        parts.push(only(&changes.only_after, "after"));
    }
    if changes.repetitions < 3 {
        parts.push("with fewer than three repetitions, little is known of the noise".to_string());
    }
    parts.join("\n\n")
}

/// What is worse than it may be.
pub(crate) fn judgement(worse: &[(&Point, &TargetChange<'_>)], percent: f64) -> String {
    if worse.is_empty() {
        return format!("\nno target is slower by more than {percent} %, beyond the noise");
    }
    let line = |(point, change): &(&Point, &TargetChange<'_>)| match point.value.is_empty() {
        true => format!("  {}: {}", change.target, words(change.verdict)),
        false => format!("  {} at {}: {}", change.target, point.value, words(change.verdict)),
    };
    let lines: Vec<String> = worse.iter().map(line).collect();
    format!("\nWORSE by more than {percent} %:\n{}", lines.join("\n"))
}

fn point(before: &Report, at: &PointChange<'_>, changes: &Changes<'_>) -> String {
    let is_scaled = !changes.machine.is_empty();
    let mut header = vec!["target", "committed/s", "ratio"];
    if is_scaled {
        header.extend(["× L / threads", "ratio"]);
    }
    header.extend(["p99", "ratio", "processor time", "ratio", "verdict"]);
    let mut shown = table(&header, 1);
    for change in &at.targets {
        let mut cells = vec![change.target.to_string()];
        cells.extend(cell(change.goodput, number));
        if is_scaled {
            cells.extend(cell(change.in_lookups, |value| format!("{value:.5}")));
        }
        cells.extend(cell(change.p99, time));
        cells.extend(cell(change.cpu, time));
        cells.push(words(change.verdict).to_string());
        shown.add_row(cells);
    }
    match point_name(before, at.point) {
        name if name.is_empty() => shown.to_string(),
        name => format!("{name}\n{shown}"),
    }
}

/// Before and after, and the ratio; which has a `~` if it is within the noise.
fn cell(change: Option<Change>, show: fn(f64) -> String) -> [String; 2] {
    match change {
        None => ["–", "–"].map(str::to_string),
        Some(change) => {
            let hedge = if change.is_beyond_noise { "" } else { "~" };
            let ratio = format!("{hedge}{:.2} ×", change.ratio());
            [format!("{} → {}", show(change.before.median), show(change.after.median)), ratio]
        }
    }
}

fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Faster => "faster",
        Verdict::Slower => "SLOWER",
        Verdict::Same => "no difference beyond the noise",
        Verdict::Broken => "BREAKS A RULE now",
        Verdict::Mended => "broke a rule before",
        Verdict::StillBroken => "BREAKS A RULE as before",
        Verdict::Missing => "not measured in both",
    }
}
