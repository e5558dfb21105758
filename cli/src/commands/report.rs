//! `synod report`: a measurement that was made before.

use super::show;
use crate::arguments::ReportArguments;
use crate::{Error, Result, render};
use serde_json::Value;
use std::path::Path;
use synod_bench::driver::csv;
use synod_bench::driver::report::{FORMAT, Report};
use synod_bench::html;

/// Shows a measurement, and writes it as what else it should be.
pub(crate) fn run(arguments: &ReportArguments) -> Result<bool> {
    let report = read(&arguments.file)?;
    let write = |path: &Path, text: String| {
        std::fs::write(path, text).map_err(|source| Error::io("cannot write", path, source))
    };
    if let Some(path) = &arguments.html {
        write(path, html::page(&report)?)?;
    }
    if let Some(path) = &arguments.csv {
        write(path, csv::page(&report))?;
    }
    show(&render::comparison::header(&report))?;
    show(&render::comparison::page(&report))?;
    Ok(true)
}

/// Reads a measurement; says what is wrong with it, if anything is.
pub(super) fn read(path: &Path) -> Result<Report> {
    let text = std::fs::read(path).map_err(|source| Error::io("cannot read", path, source))?;
    let no_comparison = |problem: String| Error::NoComparison { path: path.to_path_buf(), problem };
    let value: Value = serde_json::from_slice(&text).map_err(|error| no_comparison(error.to_string()))?;
    let format = value.get("format").filter(|_| value.get("targets").is_some());
    match format {
        None => return Err(no_comparison("it has no format and targets".to_string())),
        Some(format) if *format != FORMAT => {
            return Err(Error::OtherFormat { path: path.to_path_buf(), found: format.to_string() });
        }
        Some(_) => {}
    }
    let report: Report = serde_json::from_value(value).map_err(|error| no_comparison(error.to_string()))?;
    let points = report.points.len();
    match report.targets.iter().find(|target| target.points.len() != points) {
        None => Ok(report),
        Some(target) => Err(no_comparison(format!(
            "target {} has figures for {} points of {points}",
            target.about.name,
            target.points.len()
        ))),
    }
}
