//! Reports as files.

use serde::Serialize;
use std::path::{Path, PathBuf};
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

/// Checks that `path` can be written, before a long run and not after it.
pub(crate) fn check_writable(path: Option<&PathBuf>) -> Result<()> {
    let Some(path) = path else {
        return Ok(());
    };
    let open = |path: &Path| std::fs::OpenOptions::new().create(true).append(true).open(path);
    open(path).map(drop).map_err(|source| Error::io("cannot write", path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_written_and_bad_paths_told() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("report.json");
        check_writable(Some(&path)).expect("writable");
        write(Some(&path), &[1, 2]).expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), "[\n  1,\n  2\n]\n");
        let bad = directory.path().join("missing").join("report.json");
        let error = check_writable(Some(&bad)).expect_err("the directory is missing");
        assert!(error.to_string().contains("missing"), "{error}");
    }
}
