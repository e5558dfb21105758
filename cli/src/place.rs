//! Where a database lies: in a directory that stays, in one that goes, or in memory only.

use std::path::{Path, PathBuf};
use synod::{Engine, Options};
use synod_bench::{Error, Result};
use tempfile::TempDir;

/// The place of a database. Dropping it removes a temporary directory.
#[derive(Debug)]
pub(crate) enum Place {
    Memory,
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Place {
    /// The directory at `path`, created if need be; without a path, a temporary one.
    pub(crate) fn on_disk(path: Option<&Path>) -> Result<Place> {
        let Some(path) = path else { return Place::temporary(None) };
        std::fs::create_dir_all(path).map_err(|source| Error::io("cannot create", path, source))?;
        Ok(Place::Kept(path.to_path_buf()))
    }

    /// A temporary directory in `parent`, which is created if need be; without one, where temporary files go.
    pub(crate) fn temporary(parent: Option<&Path>) -> Result<Place> {
        let base = parent.map_or_else(std::env::temp_dir, Path::to_path_buf);
        std::fs::create_dir_all(&base).map_err(|source| Error::io("cannot create", &base, source))?;
        let directory = tempfile::Builder::new().prefix("synod-").tempdir_in(&base);
        let directory =
            directory.map_err(|source| Error::io("cannot create a directory in", &base, source))?;
        Ok(Place::Temporary(directory))
    }

    /// The directory, if there is one.
    pub(crate) fn directory(&self) -> Option<&Path> {
        match self {
            Place::Memory => None,
            Place::Kept(path) => Some(path),
            Place::Temporary(directory) => Some(directory.path()),
        }
    }

    /// Opens an engine there.
    pub(crate) fn open(&self, options: Options) -> Result<Engine> {
        let engine = match self.directory() {
            Some(directory) => Engine::open(directory.join("data"), options)?,
            None => Engine::in_memory(options)?,
        };
        Ok(engine)
    }

    /// The place in words.
    pub(crate) fn describe(&self) -> String {
        match self {
            Place::Memory => "in memory, without a log".to_string(),
            Place::Kept(path) => path.display().to_string(),
            Place::Temporary(directory) => {
                format!("{} (temporary, removed at the end)", directory.path().display())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_directories_go_and_others_stay() {
        let base = tempfile::tempdir().expect("a temporary directory");
        let kept = Place::on_disk(Some(&base.path().join("a/b"))).expect("created");
        let temporary = Place::on_disk(None).expect("created");
        let paths = [&kept, &temporary].map(|place| place.directory().expect("on disk").to_path_buf());
        assert!(paths.iter().all(|path| path.is_dir()));
        drop((kept, temporary));
        assert_eq!(paths.map(|path| path.is_dir()), [true, false]);
        assert!(Place::Memory.directory().is_none());
    }
}
