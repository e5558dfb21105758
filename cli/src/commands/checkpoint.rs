//! `synod bench checkpoint`.

use super::show_part;
use crate::arguments::CheckpointArguments;
use crate::{json, render};
use std::time::Duration;
use synod_bench::checkpoints::{CheckpointsOptions, measure};
use synod_bench::progress::Progress;
use synod_bench::{Error, Result, machine};

/// Measures checkpoints in a temporary database and shows what they cost.
pub(crate) fn run(arguments: &CheckpointArguments) -> Result<bool> {
    json::check_writable(arguments.json.as_ref())?;
    let options = CheckpointsOptions {
        records: arguments.records,
        value_bytes: arguments.value_bytes as usize,
        threads: arguments.threads.map_or_else(machine::cores, usize::from),
        rounds: usize::from(arguments.rounds),
        window: Duration::from_secs_f64(arguments.seconds),
    };
    let base = arguments.path.clone().unwrap_or_else(std::env::temp_dir);
    let directory = tempfile::Builder::new().prefix("synod-").tempdir_in(&base);
    let directory = directory.map_err(|source| Error::io("cannot create a directory in", &base, source))?;
    let report = measure(directory.path(), options, &mut Progress::line("measure"))?;
    show_part(&render::checkpoint::page(&report))?;
    json::write(arguments.json.as_ref(), &report)?;
    Ok(true)
}
