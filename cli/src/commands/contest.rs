//! `synod bench ycsb` and the other workloads that run on many targets.

use super::show_part;
use crate::arguments::{ContestArguments, WorkloadArguments, conflict};
use crate::place::Place;
use crate::{interrupt, json, render};
use std::path::Path;
use std::time::Duration;
use synod_bench::driver::report::Report;
use synod_bench::driver::{Contestant, Plan, PlannedPoint, contest, csv};
use synod_bench::progress::Progress;
use synod_bench::{Error, Result, html, machine};

/// Compares targets, and shows what came of it. Returns whether every run has kept the rules.
pub(crate) fn run<A: WorkloadArguments>(workload: &A, arguments: &ContestArguments) -> Result<bool> {
    let contestants = contestants(arguments);
    let points = points(workload, arguments)?;
    for file in [&arguments.json, &arguments.csv, &arguments.html] {
        json::check_writable(file.as_ref())?;
    }
    let place = Place::temporary(arguments.path.as_deref())?;
    let plan = Plan {
        command: std::env::args().collect::<Vec<_>>().join(" "),
        sweep: arguments.sweep().map(|sweep| sweep.name),
        points,
        contestants,
        durability: arguments.durability,
        duration: Duration::from_secs_f64(arguments.seconds),
        warmup: Duration::from_secs_f64(arguments.warmup),
        repetitions: arguments.repeat,
        in_flight: arguments.in_flight as usize,
        rate: arguments.rate,
        directory: place.directory().unwrap_or_else(|| Path::new(".")).to_path_buf(),
        seed: arguments.seed,
    };
    let report = contest(&plan, interrupt::flag(), &mut Progress::line("bench"))?;
    tell(&report, arguments)?;
    let kept = |report: &Report| {
        let mut points = report.targets.iter().flat_map(|target| &target.points);
        points.all(|point| point.broken.is_empty())
    };
    Ok(kept(&report))
}

fn contestants(arguments: &ContestArguments) -> Vec<Contestant> {
    let synod = arguments.contenders().into_iter().map(|(mode, level)| Contestant::synod(mode, level));
    synod.chain(arguments.peers().iter().map(|peer| Contestant::peer(*peer))).collect()
}

/// The points of the sweep, or the only one.
fn points<A: WorkloadArguments>(workload: &A, arguments: &ContestArguments) -> Result<Vec<PlannedPoint>> {
    let threads = arguments.threads.first().map_or_else(machine::cores, |threads| usize::from(*threads));
    let Some(sweep) = arguments.sweep() else {
        return Ok(vec![PlannedPoint { value: String::new(), threads, workload: workload.workload()? }]);
    };
    let point = |value: &String| {
        let (mut varied, mut threads) = (workload.clone(), threads);
        let set = match &sweep.name[..] {
            "threads" => {
                value.parse().map(|number| threads = number).map_err(|_| format!("\"{value}\" is no number"))
            }
            name if A::NAMES.contains(&name) => varied.set(name, value),
            name => Err(format!("{name} can't be varied here; what can: threads, {}", A::NAMES.join(", "))),
        };
        if let Err(problem) = set {
            conflict(&format!("--sweep: {problem}"));
        }
        Ok(PlannedPoint { value: value.clone(), threads, workload: varied.workload()? })
    };
    sweep.values.iter().map(point).collect()
}

fn tell(report: &Report, arguments: &ContestArguments) -> Result<()> {
    show_part(&render::comparison::header(report))?;
    show_part(&render::comparison::page(report))?;
    json::write(arguments.json.as_ref(), report)?;
    let write = |path: &Path, text: String| {
        std::fs::write(path, text).map_err(|source| Error::io("cannot write", path, source))
    };
    if let Some(path) = &arguments.csv {
        write(path, csv::page(report))?;
    }
    match &arguments.html {
        Some(path) => write(path, html::page(report)?),
        None => Ok(()),
    }
}
