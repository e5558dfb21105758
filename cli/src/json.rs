//! Reports as files.

use serde::Serialize;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::PathBuf;
use synod_bench::{Error, Result};

/// Writes `report` to `path`, if there is one.
pub(crate) fn write(path: Option<&PathBuf>, report: &impl Serialize) -> Result<()> {
    let Some(path) = path else {
        return Ok(());
    };
    let text = serde_json::to_string_pretty(report)
        .map_err(|error| Error::Settings(format!("cannot write the report as JSON: {error}")))?;
    std::fs::write(path, text + "\n").map_err(|source| Error::io("cannot write", path, source))
}

/// Checks that `path` can be written, before a long run and not after it. A file that isn't there isn't there afterwards.
pub(crate) fn check_writable(path: Option<&PathBuf>) -> Result<()> {
    let Some(path) = path else {
        return Ok(());
    };
    let failed = |source| Error::io("cannot write", path, source);
    let mut options = OpenOptions::new();
    match options.append(true).create_new(true).open(path) {
        Ok(_) => std::fs::remove_file(path).map_err(failed),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            options.create_new(false).open(path).map(drop).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_written_and_bad_paths_told() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("report.json");
        check_writable(Some(&path)).expect("writable");
        assert!(!path.exists(), "nothing is left of the attempt");
        write(Some(&path), &[1, 2]).expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), "[\n  1,\n  2\n]\n");
        check_writable(Some(&path)).expect("writable again");
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), "[\n  1,\n  2\n]\n", "as it was");
        let bad = directory.path().join("missing").join("report.json");
        let error = check_writable(Some(&bad)).expect_err("the directory is missing");
        assert!(error.to_string().contains("missing"), "{error}");
    }
}
