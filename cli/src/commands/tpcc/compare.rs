//! All modes in turn, each on a database of its own that was loaded anew from the same seed.

use super::trial::{Ended, Trial};
use crate::arguments::TpccArguments;
use crate::commands::show_part;
use crate::place::Place;
use crate::{json, render};
use std::sync::atomic::{AtomicBool, Ordering};
use synod::Mode;
use synod_bench::tpcc::compare::{Comparison, ModeReport};
use synod_bench::{Error, Result};

/// Runs all modes, as many rounds as were asked for, and shows them side by side. Ctrl-C ends the run that goes on, and
/// shows what there is.
pub(super) fn run(arguments: &TpccArguments, stop: &AtomicBool) -> Result<bool> {
    let mut modes: Vec<ModeReport> = arguments.mode.list().iter().copied().map(ModeReport::new).collect();
    let mut is_first = true;
    for round in 1..=arguments.repeat {
        for mode in &mut modes {
            // Relaxed: the flag says nothing about other data.
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let ended = match try_one(arguments, mode.mode, round, stop) {
                Err(Error::Interrupted) if !is_first => break,
                ended => ended?,
            };
            if is_first {
                show_part(&render::compare::tpcc_header(&ended.report, arguments.repeat))?;
                is_first = false;
            }
            show_part(&render::compare::tpcc_run(&ended.report))?;
            ended.history.iter().try_for_each(|line| show_part(line))?;
            mode.add(ended.figures.unwrap_or_default(), ended.report);
        }
    }
    let comparison = Comparison::new(modes);
    show_part(&render::compare::tpcc(&comparison))?;
    json::write(arguments.json.as_ref(), &comparison)?;
    Ok(comparison.passed)
}

/// One run of one mode.
fn try_one(arguments: &TpccArguments, mode: Mode, round: u16, stop: &AtomicBool) -> Result<Ended> {
    let place = match arguments.in_memory {
        true => Place::Memory,
        false => Place::temporary(arguments.path.as_deref())?,
    };
    let turn = match arguments.repeat {
        1 => String::new(),
        repeat => format!("{round} of {repeat}, "),
    };
    let trial = Trial { arguments, mode, label: format!("{turn}{mode} "), is_told: false, stop };
    trial.run(&place)
}
