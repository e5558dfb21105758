//! What a comparison of targets shows: one table for one point, a few for a sweep.

use super::table;
use super::units::{bytes, number, plural, time};
use std::time::Duration;
use synod_bench::driver::figures::{
    ABORTS, COSTS, Figure, GOODPUT, P50, P99, goodput_or_why_not, multiple, rows, share_of_bound,
};
use synod_bench::driver::report::{PointReport, Report, TargetReport};
use synod_bench::driver::summary::{broken, point_name, sentences, warnings};

/// More targets than this have a row each; fewer a column each.
const COLUMNS_MAX: usize = 6;

/// What stands where there is no figure.
const NONE: &str = "–";

/// What is known before the runs.
pub(crate) fn header(report: &Report) -> String {
    let names: Vec<&str> = report.targets.iter().map(|target| &target.about.name[..]).collect();
    let settings: Vec<String> =
        report.settings.iter().map(|setting| format!("{} {}", setting.name, setting.value)).collect();
    let varied = report.sweep.as_ref().map_or(String::new(), |parameter| {
        let values: Vec<&str> = report.points.iter().map(|point| &point.value[..]).collect();
        format!("\nvaried     {parameter}: {}", values.join(", "))
    });
    let machine = &report.machine;
    format!(
        "workload   {}\n\
         targets    {}\n\
         settings   {}{varied}\n\
         runs       {}, each of {} s\n\
         machine    {}, {}; L (one look-up) {}, F (one flush) {}, an atomic addition {}, a loopback round trip {}",
        report.workload,
        names.join(", "),
        settings.join("; "),
        plural(report.repetitions.into(), "repetition"),
        report.seconds,
        machine.processor,
        plural(machine.cores as u64, "core"),
        time(machine.lookup_ns),
        time(machine.flush_ns),
        time(machine.atomic_ns),
        time(machine.round_trip_ns),
    )
}

/// How long the runs will take.
pub(crate) fn estimate(runs: u64, time: Duration) -> String {
    let time = match time.as_secs_f64() {
        short if short < 120.0 => format!("{} s", number(short)),
        long if long < 7_200.0 => format!("{} min", number(long / 60.0)),
        long => format!("{} h", number(long / 3_600.0)),
    };
    format!("time       {time} at least, for {}", plural(runs, "run"))
}

/// All that came out.
pub(crate) fn page(report: &Report) -> String {
    let mut parts = vec![];
    if report.sweep.is_some() {
        for figure in [GOODPUT, ABORTS, P50, P99] {
            parts.push(sweep(report, figure));
        }
        parts.push(sizes(report));
    } else if report.targets.len() <= COLUMNS_MAX {
        parts.push(columns(report));
    } else {
        parts.push(across(report));
        parts.push(sizes(report));
    }
    if report.repetitions > 1 {
        parts.push(format!(
            "medians of {}, and in parentheses the least and the most",
            plural(report.repetitions.into(), "repetition")
        ));
    }
    let broken = rules(report);
    if !broken.is_empty() {
        parts
            .push(format!("RULES WERE BROKEN; what is fast and wrong has no figures\n{}", broken.join("\n")));
    }
    let remarks: Vec<String> = warnings(report).into_iter().chain(sentences(report)).collect();
    parts.push(remarks.join("\n"));
    parts.join("\n\n")
}

/// The rules that were broken, a line each.
fn rules(report: &Report) -> Vec<String> {
    let line = |(target, point, rule): (&str, String, &str)| match point.is_empty() {
        true => format!("  {target}: {rule}"),
        false => format!("  {target}, {point}: {rule}"),
    };
    broken(report).into_iter().map(line).collect()
}

/// A row for each figure, a column for each target.
fn columns(report: &Report) -> String {
    let names = report.targets.iter().map(|target| &target.about.name[..]);
    let header: Vec<&str> = std::iter::once("").chain(names).collect();
    let mut shown = table(&header, 1);
    let mut add = |name: &str, cells: Vec<String>| {
        shown.add_row(std::iter::once(name.to_string()).chain(cells));
    };
    for place in 0..report.points.len() {
        for (name, cells) in rows(report, place) {
            add(&name, cells);
        }
    }
    for (place, name) in SIZES.iter().enumerate() {
        add(name, report.targets.iter().map(|target| size_cells(target)[place].clone()).collect());
    }
    shown.to_string()
}

/// A row for each target, a column for each figure; the least and the most of the goodput only.
fn across(report: &Report) -> String {
    let header = ["target", GOODPUT.name, "× of the bound"];
    let header: Vec<&str> = header.into_iter().chain(COSTS.iter().map(|figure| figure.name)).collect();
    let mut shown = table(&header, 1);
    for target in &report.targets {
        for (point, found) in report.points.iter().zip(&target.points) {
            let share = share_of_bound(point, found).map_or(NONE.to_string(), multiple);
            let costs = COSTS.iter().map(|figure| median(figure, found));
            let cells = [target.about.name.clone(), goodput_or_why_not(found), share];
            shown.add_row(cells.into_iter().chain(costs));
        }
    }
    shown.to_string()
}

fn median(figure: &Figure, found: &PointReport) -> String {
    figure.spread(found).map_or(NONE.to_string(), |spread| (figure.show)(spread.median))
}

/// A figure over the points: a row for each point and a column for each target; for many targets it is the other way
/// round, with medians only.
fn sweep(report: &Report, figure: Figure) -> String {
    let cell = |found: &PointReport| match figure.spread(found) {
        Some(_) if report.targets.len() > COLUMNS_MAX => median(&figure, found),
        Some(_) => figure.text(found).unwrap_or_default(),
        None => goodput_or_why_not(found),
    };
    let names: Vec<&str> = report.targets.iter().map(|target| &target.about.name[..]).collect();
    let points: Vec<String> = report.points.iter().map(|point| point_name(report, point)).collect();
    let is_wide = names.len() > COLUMNS_MAX;
    let columns: Vec<&str> =
        if is_wide { points.iter().map(String::as_str).collect() } else { names.clone() };
    let mut shown = table(&std::iter::once(figure.name).chain(columns).collect::<Vec<_>>(), 1);
    if is_wide {
        for target in &report.targets {
            shown.add_row(std::iter::once(target.about.name.clone()).chain(target.points.iter().map(cell)));
        }
    } else {
        for (place, name) in points.iter().enumerate() {
            let found = report.targets.iter().map(|target| target.points.get(place));
            let cells = found.map(|found| found.map_or(NONE.to_string(), cell));
            shown.add_row(std::iter::once(name.clone()).chain(cells));
        }
    }
    shown.to_string()
}

/// What a target costs outside the runs.
const SIZES: [&str; 3] = ["load", "memory, loaded", "database at the end"];

fn size_cells(target: &TargetReport) -> [String; 3] {
    [time(target.load_seconds * 1e9), bytes(target.memory_bytes), bytes(target.database_bytes)]
}

fn sizes(report: &Report) -> String {
    let header: Vec<&str> = std::iter::once("target").chain(SIZES).collect();
    let mut shown = table(&header, 1);
    for target in &report.targets {
        shown.add_row(std::iter::once(target.about.name.clone()).chain(size_cells(target)));
    }
    shown.to_string()
}
