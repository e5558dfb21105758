//! `synod bench gc`.

use super::show_part;
use crate::arguments::GcArguments;
use crate::{json, render};
use synod_bench::garbage::{GarbageOptions, measure};
use synod_bench::progress::Progress;
use synod_bench::{Result, machine};

/// Measures memory under updates and shows it.
pub(crate) fn run(arguments: &GcArguments) -> Result<bool> {
    json::check_writable(arguments.json.as_ref())?;
    let options = GarbageOptions {
        updates: arguments.updates,
        records: arguments.records,
        threads: arguments.threads.map_or_else(machine::cores, usize::from),
    };
    let report = measure(options, &mut Progress::new("update", arguments.updates))?;
    show_part(&render::gc::page(&report))?;
    json::write(arguments.json.as_ref(), &report)?;
    Ok(true)
}
