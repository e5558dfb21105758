//! Whether a target has become faster or slower between two comparisons.
//!
//! Runs differ by themselves. So a figure counts as changed only if all runs after it lie on one side of all runs before;
//! and with three repetitions or more, which show how much they differ, only if the medians are further from each other
//! than the runs of either side are.
//!
//! ```text
//!   before  ├──┼────┤                       before  ├──┼──┤
//!   after        ├──┼────┤  noise           after                 ├──┼──┤  changed
//! ```
//!
//! On another machine everything has changed. There the goodput is taken in look-ups: goodput × L / threads, which is how
//! many transactions a thread commits in the time in which it could do one look-up.

use super::figures::{CPU, Figure, GOODPUT, P99};
use super::report::{Point, PointReport, Report, Spread, TargetReport};
use super::summary::overlap;

/// A figure before and after.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// What it was.
    pub before: Spread,
    /// What it is.
    pub after: Spread,
    /// Whether the difference is more than noise.
    pub is_beyond_noise: bool,
}

impl Change {
    /// The median after, as a multiple of that before.
    pub fn ratio(&self) -> f64 {
        self.after.median / self.before.median
    }

    fn between(before: Spread, after: Spread, repetitions: usize) -> Change {
        let spread = f64::max(before.max - before.min, after.max - after.min);
        let is_far = repetitions < 3 || (after.median - before.median).abs() > spread;
        Change { before, after, is_beyond_noise: !overlap(before, after) && is_far }
    }

    /// The same change in another unit on each side.
    fn scaled(&self, before: f64, after: f64, repetitions: usize) -> Change {
        let scale = |of: Spread, by| Spread { median: of.median * by, min: of.min * by, max: of.max * by };
        Change::between(scale(self.before, before), scale(self.after, after), repetitions)
    }
}

/// What is said of a target at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It commits more a second.
    Faster,
    /// It commits less a second.
    Slower,
    /// No difference beyond the noise.
    Same,
    /// It breaks a rule of the workload, and didn't before.
    Broken,
    /// It broke a rule of the workload, and does so no more.
    Mended,
    /// It broke a rule of the workload, and still does.
    StillBroken,
    /// There are no runs before, or none after.
    Missing,
}

/// A target at a point, in both comparisons.
#[derive(Clone, Debug)]
pub struct TargetChange<'r> {
    /// The name of the target.
    pub target: &'r str,
    /// Transactions that committed, a second.
    pub goodput: Option<Change>,
    /// The same in look-ups: goodput × L / threads.
    pub in_lookups: Option<Change>,
    /// The latency that 99 of a hundred keep.
    pub p99: Option<Change>,
    /// Processor time for each transaction.
    pub cpu: Option<Change>,
    /// What is said of it.
    pub verdict: Verdict,
}

/// A point that both comparisons have.
#[derive(Clone, Debug)]
pub struct PointChange<'r> {
    /// The point, as it was before.
    pub point: &'r Point,
    /// The targets that both have, in the order of the first.
    pub targets: Vec<TargetChange<'r>>,
}

/// Something in which two comparisons differ: what, before, after.
pub type Difference = (String, String, String);

/// One comparison against another.
#[derive(Clone, Debug)]
pub struct Changes<'r> {
    /// In what the machines differ. If they do, verdicts are about look-ups.
    pub machine: Vec<Difference>,
    /// The points that both have.
    pub points: Vec<PointChange<'r>>,
    /// The targets that only the first has.
    pub only_before: Vec<&'r str>,
    /// The targets that only the second has.
    pub only_after: Vec<&'r str>,
    /// The least number of repetitions.
    pub repetitions: u32,
}

impl Changes<'_> {
    /// The targets that are slower by more than so many percent, beyond the noise, or newly break a rule: each with its
    /// point.
    pub fn worse_by(&self, percent: f64) -> Vec<(&Point, &TargetChange<'_>)> {
        let is_scaled = !self.machine.is_empty();
        let is_worse = |change: &TargetChange<'_>| match change.verdict {
            Verdict::Broken => true,
            Verdict::Slower => {
                let judged = if is_scaled { change.in_lookups } else { change.goodput };
                judged.is_some_and(|change| (1.0 - change.ratio()) * 100.0 > percent)
            }
            _ => false,
        };
        let all = self.points.iter().flat_map(|at| at.targets.iter().map(|change| (at.point, change)));
        all.filter(|(_, change)| is_worse(change)).collect()
    }
}

/// In what two comparisons differ, so that their figures don't mean the same: workload, settings, what is varied.
pub fn differences(before: &Report, after: &Report) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut compare = |name: &str, one: String, other: String| {
        if one != other {
            found.push((name.to_string(), one, other));
        }
    };
    compare("workload", before.workload.clone(), after.workload.clone());
    let varied = |report: &Report| report.sweep.clone().unwrap_or_else(|| "nothing".to_string());
    compare("varied", varied(before), varied(after));
    let points = |report: &Report| {
        let one = |point: &Point| format!("{} ({} threads)", point.value, point.threads).trim().to_string();
        report.points.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    compare("points", points(before), points(after));
    compare("seconds of each run", before.seconds.to_string(), after.seconds.to_string());
    let value = |report: &Report, name: &str| {
        let setting = report.settings.iter().find(|setting| setting.name == name);
        setting.map_or("not set".to_string(), |setting| setting.value.clone())
    };
    let names = before.settings.iter().map(|setting| &setting.name[..]);
    let more = after.settings.iter().map(|setting| &setting.name[..]);
    let more = more.filter(|name| before.settings.iter().all(|setting| setting.name != *name));
    for name in names.chain(more) {
        compare(name, value(before, name), value(after, name));
    }
    found
}

/// In what the machines differ, but for what was measured of them.
fn machine_differences(before: &Report, after: &Report) -> Vec<Difference> {
    let facts = |report: &Report| {
        let machine = &report.machine;
        [
            ("processor", machine.processor.clone()),
            ("cores", machine.cores.to_string()),
            ("memory", crate::units::bytes(machine.memory_bytes)),
            ("system", machine.system.clone()),
        ]
    };
    let both = facts(before).into_iter().zip(facts(after));
    let differ = both.filter(|((_, one), (_, other))| one != other);
    differ.map(|((name, one), (_, other))| (name.to_string(), one, other)).collect()
}

/// Compares what both have.
pub fn changes<'r>(before: &'r Report, after: &'r Report) -> Changes<'r> {
    let machine = machine_differences(before, after);
    let mut points = Vec::new();
    for (place, point) in before.points.iter().enumerate() {
        let same = |other: &Point| other.value == point.value && before.sweep == after.sweep;
        let Some(other) = after.points.iter().position(same) else { continue };
        let mut targets = Vec::new();
        for (one, two) in before.targets.iter().filter_map(|one| Some((one, twin(one, after)?))) {
            let sides = Sides { reports: (before, after), places: (place, other) };
            targets.push(sides.change(one, two, !machine.is_empty()));
        }
        points.push(PointChange { point, targets });
    }
    Changes {
        machine,
        points,
        only_before: without_twin(before, after),
        only_after: without_twin(after, before),
        repetitions: before.repetitions.min(after.repetitions),
    }
}

/// The target of the same name.
fn twin<'r>(target: &TargetReport, report: &'r Report) -> Option<&'r TargetReport> {
    report.targets.iter().find(|other| other.about.name == target.about.name)
}

fn without_twin<'r>(report: &'r Report, other: &Report) -> Vec<&'r str> {
    let alone = report.targets.iter().filter(|target| twin(target, other).is_none());
    alone.map(|target| &target.about.name[..]).collect()
}

/// Where to look on both sides.
struct Sides<'r> {
    reports: (&'r Report, &'r Report),
    places: (usize, usize),
}

impl Sides<'_> {
    fn change<'t>(&self, one: &'t TargetReport, two: &TargetReport, is_scaled: bool) -> TargetChange<'t> {
        let nothing = PointReport::default();
        let before = one.points.get(self.places.0).unwrap_or(&nothing);
        let after = two.points.get(self.places.1).unwrap_or(&nothing);
        let repetitions = before.samples.len().min(after.samples.len());
        let change = |figure: Figure| {
            Some(Change::between(figure.spread(before)?, figure.spread(after)?, repetitions))
        };
        let goodput = change(GOODPUT);
        let lookups = |report: &Report, place: usize| {
            report.machine.lookup_ns / 1e9 / report.points[place].threads.max(1) as f64
        };
        let by = (lookups(self.reports.0, self.places.0), lookups(self.reports.1, self.places.1));
        let in_lookups = goodput.map(|change| change.scaled(by.0, by.1, repetitions));
        let verdict = match (before.broken.is_empty(), after.broken.is_empty()) {
            (true, true) => verdict(if is_scaled { in_lookups } else { goodput }),
            (true, false) => Verdict::Broken,
            (false, true) => Verdict::Mended,
            (false, false) => Verdict::StillBroken,
        };
        TargetChange {
            target: &one.about.name,
            goodput,
            in_lookups,
            p99: change(P99),
            cpu: change(CPU),
            verdict,
        }
    }
}

fn verdict(change: Option<Change>) -> Verdict {
    match change {
        None => Verdict::Missing,
        Some(change) if !change.is_beyond_noise => Verdict::Same,
        Some(change) if change.after.median > change.before.median => Verdict::Faster,
        Some(_) => Verdict::Slower,
    }
}
