//! The arguments of `synod compare` and `synod report`.

use clap::Args;
use std::path::PathBuf;

/// Which measurements to compare.
#[derive(Args, Clone, Debug)]
pub struct CompareArguments {
    /// The measurement before
    #[arg(value_name = "BEFORE.json")]
    pub before: PathBuf,

    /// The measurement after
    #[arg(value_name = "AFTER.json")]
    pub after: PathBuf,

    /// Compare them even if they have different workloads or settings
    #[arg(long)]
    pub anyway: bool,

    /// Exit with status 1 if a target is slower by more than so many percent, beyond the noise
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub fail_above: Option<f64>,
}

/// Which measurement to show.
#[derive(Args, Clone, Debug)]
pub struct ReportArguments {
    /// The measurement
    #[arg(value_name = "FILE.json")]
    pub file: PathBuf,

    /// Write it as one page of HTML, with charts
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// Write all runs as comma-separated values
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
}

fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse() {
        Ok(percent) if (0.0..100.0).contains(&percent) => Ok(percent),
        _ => Err("a number of percent, at least 0 and less than 100".to_string()),
    }
}
