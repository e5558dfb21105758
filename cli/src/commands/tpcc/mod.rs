//! `synod bench tpcc`: calibrate, load, run, check, show; under one mode, or under all in turn.

mod compare;
mod trial;

use super::{history, show_part};
use crate::arguments::{Modes, TpccArguments};
use crate::place::Place;
use crate::{interrupt, json, render};
use std::sync::atomic::AtomicBool;
use synod::Mode;
use synod_bench::Result;
use trial::Trial;

/// Runs the workload and shows what came out; false if a condition or a rule of the audit is violated.
pub(crate) fn run(arguments: &TpccArguments) -> Result<bool> {
    // Ends the program if the arguments contradict each other, before anything is loaded.
    arguments.check();
    json::check_writable(arguments.json.as_ref())?;
    history::check_writable(arguments.history.as_ref(), arguments.mode)?;
    let stop = interrupt::flag();
    match arguments.mode {
        Modes::One(mode) => run_one(arguments, mode, stop),
        Modes::All => compare::run(arguments, stop),
    }
}

fn run_one(arguments: &TpccArguments, mode: Mode, stop: &AtomicBool) -> Result<bool> {
    let place = if arguments.in_memory { Place::Memory } else { Place::on_disk(arguments.path.as_deref())? };
    let trial = Trial { arguments, mode, label: String::new(), is_told: true, stop };
    let ended = trial.run(&place)?;
    show_part(&render::tpcc::results(&ended.report))?;
    ended.history.iter().try_for_each(|line| show_part(line))?;
    json::write(arguments.json.as_ref(), &ended.report)?;
    Ok(ended.report.passed)
}
