//! What a comparison says, in sentences: who is the fastest at each point, and whether that is more than noise.

use super::figures::GOODPUT;
use super::report::{Point, Report, Sample, Spread, TargetReport};
use crate::units::number;

/// `theta = 0.9`; empty if nothing is varied.
pub fn point_name(report: &Report, point: &Point) -> String {
    match &report.sweep {
        Some(parameter) => format!("{parameter} = {}", point.value),
        None => point.value.clone(),
    }
}

/// A sentence for each point.
pub fn sentences(report: &Report) -> Vec<String> {
    let sentence = |(place, point)| {
        let name = point_name(report, point);
        let found = fastest(report, place);
        if name.is_empty() { found } else { format!("{name}: {found}") }
    };
    report.points.iter().enumerate().map(sentence).collect()
}

/// What should be known before any figure is believed.
pub fn warnings(report: &Report) -> Vec<String> {
    let mut warnings = Vec::new();
    match &report.failure {
        Some(failure) => {
            warnings.push(format!("It was ended by a failure ({failure}): later runs are missing."));
        }
        None if report.ended_early => {
            warnings.push("It was ended before its time: later runs are missing.".to_string());
        }
        None => {}
    }
    for target in report.targets.iter().filter(|target| target.points.len() > 1) {
        if let Some(place) = target.points.iter().position(|point| !point.broken.is_empty()) {
            let (name, point) = (&target.about.name, point_name(report, &report.points[place]));
            warnings.push(format!("{name} didn't run any more after it had broken a rule at {point}."));
        }
    }
    if let Some(rate) = report.rate {
        warnings.extend(late(report, rate));
        warnings.push(
            "In an open loop the processor time has some waiting in it: a thread looks at the clock until its \
             transaction is due."
                .to_string(),
        );
    }
    if report.repetitions < 3 {
        warnings.push(format!(
            "With {}, little can be told of the noise; three and more show it.",
            if report.repetitions == 1 { "one run each" } else { "two runs each" }
        ));
    }
    warnings
}

/// Who doesn't answer as many as are due.
fn late(report: &Report, rate: f64) -> Vec<String> {
    let mut late = Vec::new();
    for target in &report.targets {
        for (point, found) in report.points.iter().zip(&target.points) {
            let behind = found.samples.iter().filter(|sample| is_behind(sample, rate)).count();
            let Some(answered) =
                found.spread(Sample::throughput).filter(|_| behind * 2 > found.samples.len())
            else {
                continue;
            };
            let (name, answered) = (&target.about.name, number(answered.median));
            let at = if point.value.is_empty() {
                String::new()
            } else {
                format!(" at {}", point_name(report, point))
            };
            late.push(format!(
                "{name} can't keep up{at}: {} a second are due, {answered} are answered; its latencies are those of a \
                 queue that grows as long as it is measured.",
                number(rate)
            ));
        }
    }
    late
}

/// Whether fewer were answered than were due, by more than chance: their number has a standard deviation of its root.
fn is_behind(sample: &Sample, rate: f64) -> bool {
    let (due, answered) = (rate * sample.seconds, (sample.committed + sample.rejected) as f64);
    answered < due * 0.95 - 3.0 * due.sqrt()
}

/// The rules that each target has broken, with the point where it did: target, point, rule.
pub fn broken(report: &Report) -> Vec<(&str, String, &str)> {
    let mut all = Vec::new();
    for target in &report.targets {
        for (point, found) in report.points.iter().zip(&target.points) {
            let place = point_name(report, point);
            all.extend(
                found.broken.iter().map(|rule| (&target.about.name[..], place.clone(), rule.as_str())),
            );
        }
    }
    all
}

/// The targets that have figures at a point, the fastest first.
fn ranking(report: &Report, place: usize) -> Vec<(&TargetReport, Spread)> {
    let figure = |target: &TargetReport| target.points.get(place).and_then(|point| GOODPUT.spread(point));
    let mut ranking: Vec<_> =
        report.targets.iter().filter_map(|target| Some((target, figure(target)?))).collect();
    ranking.sort_by(|one, other| other.1.median.total_cmp(&one.1.median));
    ranking
}

fn fastest(report: &Report, place: usize) -> String {
    let ranking = ranking(report, place);
    let Some(((first, best), others)) = ranking.split_first() else {
        return "nothing was measured.".to_string();
    };
    let rate = format!("{} committed transactions a second", number(best.median));
    let close: Vec<String> = others
        .iter()
        .filter(|(_, spread)| overlap(*best, *spread))
        .map(|(target, _)| named(target))
        .collect();
    let Some((second, next)) = others.first() else {
        return format!("{} commits {rate}.", named(first));
    };
    if close.is_empty() {
        let ratio = best.median / next.median.max(f64::MIN_POSITIVE);
        let beyond = if report.repetitions > 1 { ", beyond the noise" } else { "" };
        return format!(
            "{} is the fastest with {rate}, {ratio:.2} × {}{beyond}.",
            named(first),
            named(second)
        );
    }
    format!("{} is ahead with {rate}, but within the noise of {}.", named(first), listed(&close))
}

/// Whether two ranges have a value in common.
pub(super) fn overlap(one: Spread, other: Spread) -> bool {
    one.min <= other.max && other.min <= one.max
}

/// A target's name, and what it gains its speed by.
fn named(target: &TargetReport) -> String {
    match &target.about.allows[..] {
        [] => target.about.name.clone(),
        allows => format!("{} (which allows {})", target.about.name, listed(allows)),
    }
}

/// `a`, `a and b`, `a, b and c`.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}
