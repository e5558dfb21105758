//! All runs of a comparison, in turn.

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

/// Runs everything, or what can be run until `stop` is set.
///
/// # Errors
///
/// If the plan is senseless, an engine or the disk fails, or it is ended before all targets are loaded. A rule that is
/// broken is no error: the report tells it.
pub fn contest(plan: &Plan, stop: &AtomicBool, progress: &mut Progress) -> Result<Report> {
    plan.check()?;
    let mut report = empty_report(plan, measure_machine(plan, progress)?);
    let mut loaded = Vec::new();
    for contestant in &plan.contestants {
        loaded.push(Loaded::new(contestant, plan, stop, progress)?);
    }
    let mut points: Vec<Vec<PointReport>> =
        loaded.iter().map(|_| vec![PointReport::default(); plan.points.len()]).collect();
    'runs: for repetition in 0..plan.repetitions {
        for (place, point) in plan.points.iter().enumerate() {
            for turn in 0..loaded.len() {
                let index = (repetition as usize + turn) % loaded.len();
                let label = label(plan, repetition, point, index);
                turn_of(
                    &mut loaded[index],
                    plan,
                    (point, repetition),
                    &mut points[index][place],
                    stop,
                    (&label, progress),
                )?;
                // Relaxed: the flag says nothing about other data.
                if stop.load(Ordering::Relaxed) {
                    report.ended_early = true;
                    break 'runs;
                }
            }
        }
    }
    for (loaded, points) in loaded.iter().zip(points) {
        report.targets.push(TargetReport {
            about: loaded.target.about().clone(),
            load_seconds: loaded.load_seconds,
            memory_bytes: loaded.memory_bytes,
            database_bytes: loaded.database_bytes()?,
            points,
        });
    }
    Ok(report)
}

/// One run of a target, and the check of its rules.
fn turn_of(
    loaded: &mut Loaded,
    plan: &Plan,
    (point, repetition): (&PlannedPoint, u32),
    report: &mut PointReport,
    stop: &AtomicBool,
    (label, progress): (&str, &mut Progress),
) -> Result<()> {
    if !report.broken.is_empty() {
        return Ok(());
    }
    let options = RunOptions {
        threads: point.threads,
        duration: plan.duration,
        warmup: plan.warmup,
        rate: plan.rate,
        seed: plan.seed + u64::from(repetition),
    };
    progress.set(0, || format!("{label}: waiting for a quiet process"));
    wait_until_quiet(stop);
    let outcome = run(&*loaded.target, &*point.workload, &mut loaded.past, &options, stop, (label, progress));
    let sample = match outcome {
        Ok(sample) => sample,
        // The engine has broken the rules before the eyes of a transaction.
        Err(
            error @ (Error::Violated { .. }
            | Error::ProcedureFailed(_)
            | Error::MissingRow { .. }
            | Error::MalformedRow { .. }),
        ) => {
            report.broken.push(error.to_string());
            report.samples.clear();
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    progress.set(0, || format!("{label}: checking"));
    let rules = point.workload.check(&mut *loaded.target.client()?, &loaded.past)?;
    let broken = rules.into_iter().filter_map(|(rule, broken)| Some(format!("{rule}: {}", broken?)));
    report.broken.extend(broken);
    match report.broken.is_empty() {
        true if sample.seconds > 0.0 => report.samples.push(sample),
        true => {}
        false => report.samples.clear(),
    }
    Ok(())
}

fn label(plan: &Plan, repetition: u32, point: &PlannedPoint, index: usize) -> String {
    let name = &plan.contestants[index].name;
    let at = match &plan.sweep {
        Some(sweep) => format!(", {sweep} {}", point.value),
        None => String::new(),
    };
    format!("{name}{at}, {} of {}", repetition + 1, plan.repetitions)
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
        ended_early: false,
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
    Point {
        value: point.value.clone(),
        threads: point.threads,
        bound_per_second: by_cores.min(by_waiting) * 1e9,
    }
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
