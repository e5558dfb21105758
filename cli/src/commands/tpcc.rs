//! `synod bench tpcc`: calibrate, load, run, check, show.

use crate::arguments::TpccArguments;
use crate::place::Place;
use crate::{interrupt, json, render};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use synod::{Engine, Options};
use synod_bench::calibrate::{self, Calibration};
use synod_bench::progress::Progress;
use synod_bench::tpcc::report::{LoadReport, MachineReport, Report, RunReport, Settings};
use synod_bench::tpcc::{
    Database, LoadOptions, RunOptions, Scale, audit, consistency, load, run as run_terminals,
};
use synod_bench::{Error, Result, machine};

/// Runs the workload and shows what came out; false if a condition or a rule of the audit is violated.
pub(crate) fn run(arguments: &TpccArguments) -> Result<bool> {
    // Both checks end the program if the arguments contradict each other, before anything is loaded.
    let (durability, in_flight) = (arguments.durability(), arguments.in_flight());
    json::check_writable(arguments.json.as_ref())?;
    let stop = interrupt::flag();
    let place = if arguments.in_memory { Place::Memory } else { Place::on_disk(arguments.path.as_deref())? };
    let engine_options = Options::new()
        .durability(durability)
        .isolation(arguments.isolation)
        .mode(arguments.mode)
        .deadlock_policy(arguments.deadlock);
    let engine = place.open(engine_options)?;
    let existing = existing_database(&engine, arguments)?;
    let scale = existing.as_ref().map_or_else(|| wanted_scale(arguments), |database| database.scale);
    let options = run_options(arguments, scale, in_flight);
    let path = place.directory().map(|path| path.display().to_string());
    let settings = Settings::new(scale, &options, (arguments.mode, arguments.deadlock), path);
    let mut report = Report::new(settings, calibrate(&place)?);
    println!("{}", render::tpcc::header(&report, &place.describe()));
    let database = match existing {
        Some(database) => database,
        None => {
            let (database, loaded) = load_database(&engine, scale, arguments, stop)?;
            println!("{}", render::tpcc::load(&loaded));
            report.load = Some(loaded);
            database
        }
    };
    if !arguments.load_only {
        run_and_audit(&database, &options, stop, &mut report)?;
    }
    check_conditions(&database, &mut report)?;
    println!("{}", render::tpcc::results(&report));
    json::write(arguments.json.as_ref(), &report)?;
    Ok(report.passed)
}

/// What lies at the place already, after a check that it is what was asked for.
fn existing_database(engine: &Engine, arguments: &TpccArguments) -> Result<Option<Database>> {
    let existing = Database::open(engine)?;
    if let Some(database) = &existing {
        let warehouses = arguments.warehouses.unwrap_or(database.scale.warehouses);
        let wanted = match arguments.scale {
            Some(fraction) => Scale::fraction(warehouses, fraction),
            None => Scale { warehouses, ..database.scale },
        };
        database.require_scale(wanted)?;
        if arguments.load_only {
            return Err(Error::Settings(
                "the database there is loaded already: leave --load-only out".to_string(),
            ));
        }
    }
    Ok(existing)
}

/// The scale of a new database.
fn wanted_scale(arguments: &TpccArguments) -> Scale {
    let warehouses = arguments.warehouses.unwrap_or(1);
    arguments.scale.map_or_else(|| Scale::full(warehouses), |fraction| Scale::fraction(warehouses, fraction))
}

fn run_options(arguments: &TpccArguments, scale: Scale, in_flight: usize) -> RunOptions {
    let default_threads = || {
        // Ten terminals for each warehouse (clause 4.2.2), each of them a thread.
        if arguments.think { usize::from(scale.warehouses) * 10 } else { machine::cores() }
    };
    RunOptions {
        threads: arguments.threads.map_or_else(default_threads, usize::from),
        duration: Duration::from_secs_f64(arguments.seconds),
        mix: arguments.mix,
        in_flight,
        isolation: arguments.isolation,
        durability: arguments.durability(),
        think: arguments.think,
        seed: arguments.seed,
    }
}

fn calibrate(place: &Place) -> Result<MachineReport> {
    let flush_ns = place.directory().map(calibrate::flush_ns).transpose()?;
    let calibration = Calibration { lookup_ns: calibrate::lookup_ns(), flush_ns };
    Ok(MachineReport { cores: machine::cores(), calibration })
}

fn load_database(
    engine: &Engine,
    scale: Scale,
    arguments: &TpccArguments,
    stop: &AtomicBool,
) -> Result<(Database, LoadReport)> {
    let options =
        LoadOptions { scale, threads: machine::cores(), seed: arguments.seed, durable: !arguments.in_memory };
    let started = Instant::now();
    let database = load(engine, options, stop, &mut Progress::new("load", scale.rows()))?;
    let seconds = started.elapsed().as_secs_f64();
    Ok((database, LoadReport { rows: scale.rows(), seconds }))
}

fn run_and_audit(
    database: &Database,
    options: &RunOptions,
    stop: &AtomicBool,
    report: &mut Report,
) -> Result<()> {
    let result = run_terminals(database, options, stop, &mut Progress::line("run"))?;
    report.audit = audit::audit(&result.statistics, options.mix, database.scale);
    report.run = Some(RunReport::new(&result, options, &report.machine.calibration));
    Ok(())
}

fn check_conditions(database: &Database, report: &mut Report) -> Result<()> {
    let started = Instant::now();
    let conditions = consistency::check(database, machine::cores())?;
    report.conclude(conditions, started.elapsed().as_secs_f64());
    Ok(())
}
