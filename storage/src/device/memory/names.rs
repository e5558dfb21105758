//! The entries of all directories: which path names which file, now and after a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::survival::Choice;

/// A file's number on its device. Never used again.
pub(super) type FileNumber = u64;

/// One change to a directory: what each of the paths names afterwards. Atomic, like a rename.
#[derive(Debug)]
struct Change {
    directory: PathBuf,
    assignments: Vec<(PathBuf, Option<FileNumber>)>,
}

/// All names. Directories are durable from the start (see `Device::create_directory`).
#[derive(Debug, Default)]
pub(super) struct Names {
    directories: BTreeSet<PathBuf>,
    live: BTreeMap<PathBuf, FileNumber>,
    durable: BTreeMap<PathBuf, FileNumber>,
    unsynced: Vec<Change>,
}

impl Names {
    pub(super) fn create_directory(&mut self, path: &Path) {
        self.directories.extend(path.ancestors().map(Path::to_path_buf));
    }

    pub(super) fn has_directory(&self, path: &Path) -> bool {
        self.directories.contains(path)
    }

    pub(super) fn get(&self, path: &Path) -> Option<FileNumber> {
        self.live.get(path).copied()
    }

    /// The files directly in a directory.
    pub(super) fn list(&self, directory: &Path) -> Vec<PathBuf> {
        self.live.keys().filter(|path| path.parent() == Some(directory)).cloned().collect()
    }

    /// Changes what paths name. All of them lie in one directory.
    pub(super) fn change(&mut self, assignments: Vec<(PathBuf, Option<FileNumber>)>) {
        let directory = assignments[0].0.parent().unwrap_or(Path::new("")).to_path_buf();
        assign(&mut self.live, &assignments);
        self.unsynced.push(Change { directory, assignments });
    }

    pub(super) fn sync(&mut self, directory: &Path) {
        let durable = &mut self.durable;
        self.unsynced.retain(|change| {
            if change.directory == directory {
                assign(durable, &change.assignments);
            }
            change.directory != directory
        });
    }

    /// The files that have a name, or may have one after a crash.
    pub(super) fn reachable(&self) -> BTreeSet<FileNumber> {
        let changed = self.unsynced.iter().flat_map(|change| &change.assignments);
        let changed = changed.filter_map(|(_, file)| file.as_ref());
        self.live.values().chain(self.durable.values()).chain(changed).copied().collect()
    }

    /// The names as they are found after a crash.
    pub(super) fn after_crash(&self, choice: &mut Choice) -> Names {
        let mut names = self.durable.clone();
        for change in &self.unsynced {
            if choice.survives() {
                assign(&mut names, &change.assignments);
            }
        }
        Names {
            directories: self.directories.clone(),
            live: names.clone(),
            durable: names,
            unsynced: Vec::new(),
        }
    }
}

fn assign(names: &mut BTreeMap<PathBuf, FileNumber>, assignments: &[(PathBuf, Option<FileNumber>)]) {
    for (path, file) in assignments {
        match file {
            Some(file) => names.insert(path.clone(), *file),
            None => names.remove(path),
        };
    }
}
