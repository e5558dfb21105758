//! `synod bench micro`.

use crate::arguments::MicroArguments;
use crate::place::Place;
use crate::{json, render};
use std::path::Path;
use synod_bench::Result;
use synod_bench::micro::{MicroOptions, measure};
use synod_bench::progress::Progress;

/// Measures single operations and shows them.
pub(crate) fn run(arguments: &MicroArguments) -> Result<bool> {
    json::check_writable(arguments.json.as_ref())?;
    let options = MicroOptions {
        mode: arguments.mode,
        records: arguments.records,
        threads: usize::from(arguments.threads),
        rounds: usize::from(arguments.rounds),
        operations: arguments.operations as usize,
    };
    let place = Place::on_disk(arguments.path.as_deref())?;
    let directory = place.directory().unwrap_or_else(|| Path::new("."));
    let report = measure(directory, options, &mut Progress::new("measure", u64::from(arguments.rounds)))?;
    println!("{}", render::micro::page(&report));
    json::write(arguments.json.as_ref(), &report)?;
    Ok(true)
}
