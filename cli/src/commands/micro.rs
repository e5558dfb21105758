//! `synod bench micro`.

use super::show_part;
use crate::arguments::{MicroArguments, Modes};
use crate::place::Place;
use crate::{json, render};
use std::path::Path;
use synod::Mode;
use synod_bench::Result;
use synod_bench::micro::{MicroOptions, measure, measure_modes};
use synod_bench::progress::Progress;

/// Measures single operations and shows them.
pub(crate) fn run(arguments: &MicroArguments) -> Result<bool> {
    json::check_writable(arguments.json.as_ref())?;
    let place = Place::on_disk(arguments.path.as_deref())?;
    let directory = place.directory().unwrap_or_else(|| Path::new("."));
    let mut progress = Progress::new("measure", u64::from(arguments.rounds));
    match arguments.mode {
        Modes::One(mode) => {
            let report = measure(directory, options(arguments, mode), &mut progress)?;
            show_part(&render::micro::page(&report))?;
            json::write(arguments.json.as_ref(), &report)?;
        }
        Modes::All => {
            let options = options(arguments, Mode::default());
            let modes = measure_modes(directory, &Mode::ALL, options, &mut progress)?;
            show_part(&render::compare::micro(&modes))?;
            json::write(arguments.json.as_ref(), &modes)?;
        }
    }
    Ok(true)
}

fn options(arguments: &MicroArguments, mode: Mode) -> MicroOptions {
    MicroOptions {
        mode,
        records: arguments.records,
        threads: usize::from(arguments.threads),
        rounds: usize::from(arguments.rounds),
        operations: arguments.operations as usize,
    }
}
