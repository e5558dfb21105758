//! `synod bench micro`.

use super::{history, show_part};
use crate::arguments::{MicroArguments, Modes};
use crate::place::Place;
use crate::{json, render};
use std::path::Path;
use synod::{Isolation, Mode};
use synod_bench::Result;
use synod_bench::micro::{ModeReport, measure, measure_audit};
use synod_bench::progress::Progress;

/// Measures single operations and shows them.
pub(crate) fn run(arguments: &MicroArguments) -> Result<bool> {
    // Ends the program if the arguments contradict each other, before anything is loaded.
    arguments.check();
    json::check_writable(arguments.json.as_ref())?;
    history::check_writable(arguments.history.as_ref(), arguments.modes())?;
    let place = Place::on_disk(arguments.path.as_deref())?;
    let directory = place.directory().unwrap_or_else(|| Path::new("."));
    let mut progress = Progress::new("measure", u64::from(arguments.rounds));
    let options = arguments.options(Mode::default());
    if arguments.audit {
        let report = measure_audit(directory, options, &mut progress)?;
        show_part(&render::micro::audit(&report))?;
        json::write(arguments.json.as_ref(), &report)?;
        return Ok(true);
    }
    let modes = measure(directory, arguments.modes().list(), options, &mut progress)?;
    match (arguments.modes(), &modes[..]) {
        (Modes::One(_), [one]) => {
            show_part(&render::micro::page(&one.report))?;
            json::write(arguments.json.as_ref(), &one.report)?;
        }
        _ => {
            show_part(&render::compare::micro(&modes))?;
            json::write(arguments.json.as_ref(), &modes)?;
        }
    }
    modes.iter().try_for_each(|mode| write_history(arguments, mode))?;
    Ok(true)
}

fn write_history(arguments: &MicroArguments, of: &ModeReport) -> Result<()> {
    let Some(path) = &arguments.history else { return Ok(()) };
    let file = history::file(path, arguments.modes(), of.report.options.mode);
    show_part(&history::write(&of.recorded, &file, Isolation::Serializable)?)
}
