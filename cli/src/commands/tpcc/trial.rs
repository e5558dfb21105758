//! One database: opened, loaded if it is new, run, and checked.

use crate::arguments::TpccArguments;
use crate::commands::{history, options, show_part};
use crate::place::Place;
use crate::render;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use synod::{Engine, Mode, Options};
use synod_bench::calibrate::{self, Calibration};
use synod_bench::progress::Progress;
use synod_bench::recording::{RECORDED_STEPS_MAX, discard_while, record_while};
use synod_bench::tpcc::compare::Figures;
use synod_bench::tpcc::driver::RunResult;
use synod_bench::tpcc::report::{LoadReport, MachineReport, Report, RunReport, Settings};
use synod_bench::tpcc::{
    Database, LoadOptions, RunOptions, Scale, audit, consistency, load, run as run_terminals,
};
use synod_bench::{Error, Result, machine};

/// What is to be run.
pub(super) struct Trial<'a> {
    pub(super) arguments: &'a TpccArguments,
    pub(super) mode: Mode,
    /// What stands in front of the progress of each step.
    pub(super) label: String,
    /// Whether settings and load are shown as soon as they are known.
    pub(super) is_told: bool,
    pub(super) stop: &'a AtomicBool,
}

/// What came out.
pub(super) struct Ended {
    pub(super) report: Report,
    /// `None` if it was only loaded.
    pub(super) figures: Option<Figures>,
    /// What is to be said of its history, if it was recorded.
    pub(super) history: Option<String>,
}

impl Trial<'_> {
    /// Does all of it.
    pub(super) fn run(&self, place: &Place) -> Result<Ended> {
        let arguments = self.arguments;
        let engine = place.open(self.engine_options())?;
        let existing = existing_database(&engine, arguments)?;
        let scale = existing.as_ref().map_or_else(|| wanted_scale(arguments), |database| database.scale);
        let options = run_options(arguments, scale);
        let path = place.directory().map(|path| path.display().to_string());
        let settings = Settings::new(scale, &options, (self.mode, arguments.deadlock), path);
        let mut report = Report::new(settings, calibrate(place)?);
        self.tell(|| render::tpcc::header(&report, &place.describe()))?;
        let database = match existing {
            Some(database) => database,
            None => {
                let (database, loaded) = self.load(&engine, scale)?;
                self.tell(|| render::tpcc::load(&loaded))?;
                report.load = Some(loaded);
                database
            }
        };
        let (mut figures, mut history) = (None, None);
        if !arguments.load_only {
            let (result, told) = self.run_terminals(&database, &options)?;
            report.audit = audit::audit(&result.statistics, options.mix, database.scale);
            let run = RunReport::new(&result, &options, &report.machine.calibration);
            (figures, history) = (Some(Figures::new(&result, &run)), told);
            report.run = Some(run);
        }
        check_conditions(&database, &mut report)?;
        Ok(Ended { report, figures, history })
    }

    fn tell(&self, text: impl FnOnce() -> String) -> Result<()> {
        if self.is_told { show_part(&text()) } else { Ok(()) }
    }

    fn engine_options(&self) -> Options {
        options()
            .durability(self.arguments.durability())
            .isolation(self.arguments.isolation)
            .mode(self.mode)
            .deadlock_policy(self.arguments.deadlock)
            .record_history(self.arguments.history.is_some())
    }

    fn label(&self, step: &str) -> String {
        format!("{}{step}", self.label)
    }

    fn load(&self, engine: &Engine, scale: Scale) -> Result<(Database, LoadReport)> {
        let arguments = self.arguments;
        let options = LoadOptions {
            scale,
            threads: machine::cores(),
            seed: arguments.seed,
            durable: !arguments.in_memory,
        };
        let started = Instant::now();
        let mut progress = Progress::new(&self.label("load"), scale.rows());
        let database = discard_while(engine, || load(engine, options, self.stop, &mut progress))?;
        let seconds = started.elapsed().as_secs_f64();
        Ok((database, LoadReport { rows: scale.rows(), seconds }))
    }

    /// Runs the terminals; with `--history` also says what was recorded.
    fn run_terminals(
        &self,
        database: &Database,
        options: &RunOptions,
    ) -> Result<(RunResult, Option<String>)> {
        let mut progress = Progress::line(&self.label("run"));
        let Some(path) = &self.arguments.history else {
            return Ok((run_terminals(database, options, self.stop, &mut progress)?, None));
        };
        let run = |ends: &AtomicBool| run_terminals(database, options, ends, &mut progress);
        let (result, recorded) = record_while(&database.engine, self.stop, RECORDED_STEPS_MAX, run);
        let file = history::file(path, self.arguments.mode, self.mode);
        Ok((result?, Some(history::write(&recorded, &file, self.arguments.isolation)?)))
    }
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
        if arguments.history.is_some() {
            return Err(Error::Settings(
                "a history has to begin with a database that nothing was ever deleted from, and the one there may have \
                 seen other runs: choose another path for --history"
                    .to_string(),
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

fn run_options(arguments: &TpccArguments, scale: Scale) -> RunOptions {
    let default_threads = || {
        // Ten terminals for each warehouse (clause 4.2.2), each of them a thread.
        if arguments.think { usize::from(scale.warehouses) * 10 } else { machine::cores() }
    };
    RunOptions {
        threads: arguments.threads.map_or_else(default_threads, usize::from),
        duration: Duration::from_secs_f64(arguments.seconds),
        mix: arguments.mix,
        in_flight: arguments.in_flight(),
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

fn check_conditions(database: &Database, report: &mut Report) -> Result<()> {
    let started = Instant::now();
    let conditions = consistency::check(database, machine::cores())?;
    report.conclude(conditions, started.elapsed().as_secs_f64());
    Ok(())
}
