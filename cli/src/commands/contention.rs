//! `synod bench contention`.

use super::show_part;
use crate::arguments::ContentionArguments;
use crate::place::Place;
use crate::{json, render};
use std::path::Path;
use synod_bench::Result;
use synod_bench::micro::{KEYS, measure_contention};
use synod_bench::progress::Progress;

/// Measures the modes under more and more contention, and shows them side by side.
pub(crate) fn run(arguments: &ContentionArguments) -> Result<bool> {
    json::check_writable(arguments.json.as_ref())?;
    let place = Place::on_disk(arguments.path.as_deref())?;
    let directory = place.directory().unwrap_or_else(|| Path::new("."));
    let mut progress = Progress::new("measure", KEYS.len() as u64);
    let report = measure_contention(directory, arguments.options(), &mut progress)?;
    show_part(&render::contention::page(&report))?;
    json::write(arguments.json.as_ref(), &report)?;
    Ok(true)
}
