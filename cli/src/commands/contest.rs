//! `synod bench ycsb` and the other workloads that run on many targets.

use super::show_part;
use crate::arguments::{ContestArguments, WorkloadArguments, conflict};
use crate::output::remark;
use crate::place::Place;
use crate::{interrupt, json, render};
use std::path::{Path, PathBuf};
use std::time::Duration;
use synod_bench::driver::report::Report;
use synod_bench::driver::{Contestant, Plan, PlannedPoint, THREADS_MAX, contest, csv};
use synod_bench::progress::Progress;
use synod_bench::workload::Workload;
use synod_bench::{Error, Result, html, machine};

/// How a comparison has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All runs were made, and kept the rules.
    Kept,
    /// A rule was broken, or a target has failed.
    Wrong,
    /// Ctrl-C.
    Interrupted,
}

/// Compares targets, and shows what came of it.
pub(crate) fn run<A: WorkloadArguments>(workload: &A, arguments: &ContestArguments) -> Result<Ending> {
    // End the program if the arguments contradict each other, before anything is loaded.
    let contestants = contestants(arguments);
    let points = points(workload, arguments);
    arguments.check_files();
    for file in [&arguments.json, &arguments.csv, &arguments.html] {
        json::check_writable(file.as_ref())?;
    }
    let stop = interrupt::flag();
    let place = Place::temporary(arguments.path.as_deref())?;
    let plan = Plan {
        command: command(),
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
    let begun = &mut |report: &Report| {
        show_part(&format!(
            "{}\n{}",
            render::comparison::header(report),
            render::comparison::estimate(plan.runs(), plan.estimate())
        ))
    };
    match contest(&plan, stop, &mut Progress::line("bench"), begun) {
        Ok(report) => {
            tell(&report, arguments)?;
            Ok(ending(&report))
        }
        Err(Error::Interrupted) => {
            remark("interrupted while loading: nothing was measured");
            Ok(Ending::Interrupted)
        }
        Err(error) => Err(error),
    }
}

fn ending(report: &Report) -> Ending {
    if let Some(failure) = &report.failure {
        remark(&format!("error: {failure}"));
        return Ending::Wrong;
    }
    match (report.keeps_rules(), report.ended_early) {
        (false, _) => Ending::Wrong,
        (true, true) => Ending::Interrupted,
        (true, false) => Ending::Kept,
    }
}

/// The command line, as a shell would understand it.
fn command() -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "@%+=:,./_-".contains(letter);
    let quoted = |word: std::ffi::OsString| match word.to_string_lossy() {
        plain if !plain.is_empty() && plain.chars().all(is_plain) => plain.into_owned(),
        other => format!("'{}'", other.replace('\'', "'\\''")),
    };
    std::env::args_os().map(quoted).collect::<Vec<_>>().join(" ")
}

fn contestants(arguments: &ContestArguments) -> Vec<Contestant> {
    let synod = arguments.contenders().into_iter().map(|(mode, level)| Contestant::synod(mode, level));
    synod.chain(arguments.peers().iter().map(|peer| Contestant::peer(*peer))).collect()
}

/// The points of the sweep, or the only one.
fn points<A: WorkloadArguments>(workload: &A, arguments: &ContestArguments) -> Vec<PlannedPoint> {
    let threads = arguments.threads.first().map_or_else(machine::cores, |threads| usize::from(*threads));
    let Some(sweep) = arguments.sweep() else {
        return vec![PlannedPoint { value: String::new(), threads, workload: made(workload) }];
    };
    let point = |value: &String| {
        let (mut varied, mut threads) = (workload.clone(), threads);
        let set = match &sweep.name[..] {
            "threads" => number_of_threads(value).map(|number| threads = number),
            name if A::NAMES.contains(&name) => varied.set(name, value),
            name => Err(format!("{name} can't be varied here; what can: threads, {}", A::NAMES.join(", "))),
        };
        if let Err(problem) = set {
            conflict(&format!("--sweep: {problem}"));
        }
        PlannedPoint { value: value.clone(), threads, workload: made(&varied) }
    };
    sweep.values.iter().map(point).collect()
}

/// The workload; ends the program if a setting is out of its range.
fn made(arguments: &impl WorkloadArguments) -> Box<dyn Workload> {
    arguments.workload().unwrap_or_else(|error| conflict(&error.to_string()))
}

fn number_of_threads(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=THREADS_MAX).contains(number));
    number.ok_or_else(|| format!("\"{text}\" is no number of threads from 1 to {THREADS_MAX}"))
}

/// Shows and writes all there is to show and to write, even if some of it fails.
fn tell(report: &Report, arguments: &ContestArguments) -> Result<()> {
    let write = |path: &Option<PathBuf>, page: &dyn Fn() -> Result<String>| match path {
        Some(path) => std::fs::write(path, page()?).map_err(|source| Error::io("cannot write", path, source)),
        None => Ok(()),
    };
    let told = [
        show_part(&render::comparison::page(report)),
        json::write(arguments.json.as_ref(), report),
        write(&arguments.csv, &|| Ok(csv::page(report))),
        write(&arguments.html, &|| html::page(report)),
    ];
    told.into_iter().collect()
}
