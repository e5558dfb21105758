//! All runs of a comparison, in turn.

use super::live::Live;
use super::loaded::{Loaded, wait_until_quiet};
use super::plan::{Plan, PlannedPoint};
use super::report::{FORMAT, Machine, Point, PointReport, Report, Setting, TargetReport};
use super::run::{RunOptions, run};
use crate::calibrate;
use crate::error::{Error, Result};
use crate::machine;
use crate::progress::Progress;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Runs everything, or what can be run until `stop` is set. Calls `begun` with what is known when all is loaded, before
/// the first run.
///
/// # Errors
///
/// If the plan is senseless, or it is ended before all targets are loaded; if an engine or the disk fails before anything
/// was measured: later, the report tells it, with what was measured until then. A rule that is broken is no error: the
/// report tells it.
pub fn contest(
    plan: &Plan,
    stop: &AtomicBool,
    progress: &mut Progress,
    begun: &mut dyn FnMut(&Report) -> Result<()>,
) -> Result<Report> {
    plan.check()?;
    let mut report = empty_report(plan, measure_machine(plan, progress)?);
    let mut loaded = Vec::new();
    for contestant in &plan.contestants {
        let one =
            Loaded::new(contestant, plan, stop, progress).map_err(|error| error.of(&contestant.name))?;
        report.targets.push(TargetReport {
            about: one.target.about().clone(),
            load_seconds: one.load_seconds,
            memory_bytes: one.memory_bytes,
            database_bytes: 0,
            points: vec![PointReport::default(); plan.points.len()],
        });
        loaded.push(one);
    }
    if is_set(stop) {
        return Err(Error::Interrupted);
    }
    progress.suspended(|| begun(&report))?;
    let ran = run_all(plan, &mut loaded, &mut report, stop, progress);
    for (target, loaded) in report.targets.iter_mut().zip(&loaded) {
        target.database_bytes = loaded.database_bytes();
    }
    match ran {
        Err(error) if report.has_figures() => report.failure = Some(error.to_string()),
        Err(error) => return Err(error),
        Ok(()) => {}
    }
    Ok(report)
}

fn is_set(stop: &AtomicBool) -> bool {
    // Relaxed: the flag says nothing about other data.
    stop.load(Ordering::Relaxed)
}

/// One run of one target.
struct Turn {
    repetition: u32,
    point: usize,
    target: usize,
}

/// All runs in their order: at each point all targets, beginning with another one in each repetition.
fn turns(plan: &Plan) -> Vec<Turn> {
    let (points, targets) = (plan.points.len(), plan.contestants.len());
    let all = (0..plan.repetitions).flat_map(|repetition| {
        (0..points).flat_map(move |point| {
            (0..targets).map(move |turn| Turn {
                repetition,
                point,
                target: (repetition as usize + turn) % targets,
            })
        })
    });
    all.collect()
}

fn run_all(
    plan: &Plan,
    loaded: &mut [Loaded],
    report: &mut Report,
    stop: &AtomicBool,
    progress: &mut Progress,
) -> Result<()> {
    let turns = turns(plan);
    for (number, turn) in turns.iter().enumerate() {
        if is_set(stop) {
            report.ended_early = true;
            break;
        }
        let target = &mut report.targets[turn.target];
        // Data that are wrong stay so: later runs would be blamed for it.
        if target.points.iter().any(|point| !point.broken.is_empty()) {
            continue;
        }
        let label = format!("run {} of {}: {}", number + 1, turns.len(), label(plan, turn));
        let live = Live::new(progress, label);
        let is_whole =
            turn_of(&mut loaded[turn.target], plan, turn, &mut target.points[turn.point], stop, live)
                .map_err(|error| error.of(&label_of_target(plan, turn)))?;
        report.ended_early |= !is_whole;
    }
    Ok(())
}

/// One run of a target, and the check of its rules. Returns whether it has run to its end.
fn turn_of(
    loaded: &mut Loaded,
    plan: &Plan,
    turn: &Turn,
    report: &mut PointReport,
    stop: &AtomicBool,
    mut live: Live<'_>,
) -> Result<bool> {
    let point = &plan.points[turn.point];
    let options = RunOptions {
        threads: point.threads,
        duration: plan.duration,
        warmup: plan.warmup,
        rate: plan.rate,
        seed: plan.seed.wrapping_add(turn.repetition.into()),
    };
    live.step("waiting for a quiet process");
    wait_until_quiet(stop);
    let workload = &*point.workload;
    let judged =
        run(&*loaded.target, workload, &mut loaded.past, &options, stop, &mut live).and_then(|sample| {
            live.step("checking the rules");
            Ok((sample, workload.check(&mut *loaded.target.client()?, &loaded.past)?))
        });
    let (sample, rules) = match judged {
        Ok(judged) => judged,
        Err(error) if error.is_broken_rule() => {
            *report = PointReport { broken: vec![error.to_string()], samples: Vec::new() };
            return Ok(true);
        }
        Err(error) => return Err(error),
    };
    let is_whole = sample.seconds >= options.duration.as_secs_f64();
    report.broken =
        rules.into_iter().filter_map(|(rule, broken)| Some(format!("{rule}: {}", broken?))).collect();
    if !report.broken.is_empty() {
        report.samples.clear();
    } else if is_whole || (sample.committed > 0 && report.samples.is_empty()) {
        // One that was cut short is better than none, and worse than others.
        report.samples.push(sample);
    }
    Ok(is_whole)
}

fn label(plan: &Plan, turn: &Turn) -> String {
    format!("{}, repetition {} of {}", label_of_target(plan, turn), turn.repetition + 1, plan.repetitions)
}

/// `occ`, `occ, theta 0.9`.
fn label_of_target(plan: &Plan, turn: &Turn) -> String {
    let name = &plan.contestants[turn.target].name;
    match &plan.sweep {
        Some(sweep) => format!("{name}, {sweep} {}", plan.points[turn.point].value),
        None => name.clone(),
    }
}

fn empty_report(plan: &Plan, machine: Machine) -> Report {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let workload = &*plan.points[0].workload;
    Report {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_string(),
        command: plan.command.clone(),
        started_unix_s: started,
        workload: workload.name(),
        settings: settings(plan),
        sweep: plan.sweep.clone(),
        repetitions: plan.repetitions,
        seconds: plan.duration.as_secs_f64(),
        points: plan.points.iter().map(|point| planned(plan, point, &machine)).collect(),
        machine,
        targets: Vec::new(),
        rate: plan.rate,
        ended_early: false,
        failure: None,
    }
}

/// The settings that all points have in common.
fn settings(plan: &Plan) -> Vec<Setting> {
    let of_point = |point: &PlannedPoint| {
        let mut settings = point.workload.settings();
        settings.push(("threads", point.threads.to_string()));
        settings
    };
    let mut settings = of_point(&plan.points[0]);
    for other in &plan.points[1..] {
        let other = of_point(other);
        settings.retain(|setting| other.contains(setting));
    }
    settings.push(("durability", plan.durability.to_string()));
    let load = match plan.rate {
        Some(rate) => format!("open loop, {rate} transactions a second"),
        None => "closed loop".to_string(),
    };
    settings.push(("load", load));
    if plan.in_flight > 1 {
        settings.push(("in flight, each thread", plan.in_flight.to_string()));
    }
    settings.push(("warm-up", format!("{} s", plan.warmup.as_secs_f64())));
    settings.push(("seed", plan.seed.to_string()));
    let set = |(name, value): (&str, String)| Setting { name: name.to_string(), value };
    settings.into_iter().map(set).collect()
}

fn planned(plan: &Plan, point: &PlannedPoint, machine: &Machine) -> Point {
    let work_ns = point.workload.lookups() * machine.lookup_ns;
    let by_cores = point.threads.min(machine.cores) as f64 / work_ns;
    let waits_ns = if plan.durability.waits() { machine.flush_ns } else { 0.0 };
    let by_waiting = point.threads as f64 / (work_ns + waits_ns);
    let bound = by_cores.min(by_waiting) * 1e9;
    // None is known of work that costs nothing; and a file has no infinity.
    let bound_per_second = if bound.is_finite() { bound } else { 0.0 };
    Point { value: point.value.clone(), threads: point.threads, bound_per_second }
}

fn measure_machine(plan: &Plan, progress: &mut Progress) -> Result<Machine> {
    progress.set(0, || "measuring the machine".to_string());
    let machine = machine::describe();
    Ok(Machine {
        processor: machine.processor,
        cores: machine::cores(),
        memory_bytes: machine.memory_bytes,
        system: machine.system,
        atomic_ns: calibrate::atomic_ns(),
        lookup_ns: calibrate::lookup_ns(),
        flush_ns: calibrate::flush_ns(&plan.directory)?,
        round_trip_ns: calibrate::round_trip_ns()?,
    })
}
