//! Why a command could not do what it was asked to.

use crate::anomalies::ParseError;
use crate::dump::{Amount, Counts, DumpError};
use std::path::{Path, PathBuf};

/// The result of a command's step.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A command failed. What a check finds is no error, but an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The engine failed.
    #[error("{0}")]
    Engine(#[from] synod::Error),

    /// A directory without a database.
    #[error("there is no Synod database at {}{hint}", path.display())]
    NoDatabase {
        /// The directory.
        path: PathBuf,
        /// What may have been meant, from a separator on; or nothing.
        hint: String,
    },

    /// A backup, which opening would make a database of its own.
    #[error(
        "{} is a backup, and would not stay one if it were opened: make a database of it with \
         \"synod restore\", and use that",
        path.display()
    )]
    IsBackup {
        /// The directory.
        path: PathBuf,
    },

    /// A table that isn't there.
    #[error("there is no table {name:?}; there are: {present}")]
    NoTable {
        /// The name.
        name: String,
        /// The names of all tables.
        present: String,
    },

    /// A file could not be used.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: "cannot write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },

    /// A file that is no history.
    #[error("{file}: {source}")]
    NoHistory {
        /// The file.
        file: String,
        /// What is wrong, and where.
        source: synod_checker::EdnError,
    },

    /// A history that makes no sense.
    #[error("{file}: {source}")]
    NoVerdict {
        /// The file.
        file: String,
        /// What is wrong.
        source: synod_checker::Error,
    },

    /// A history that says nothing.
    #[error("{file}: nothing can be told of this history: {reason}")]
    NothingTold {
        /// The file.
        file: String,
        /// Why.
        reason: synod_checker::NotTold,
    },

    /// A restoration that failed.
    #[error("{source}\n{} is not finished, and can't be opened; remove it before the next attempt", path.display())]
    Unfinished {
        /// The directory.
        path: PathBuf,
        /// What the engine said.
        source: synod::Error,
    },

    /// A scenario that isn't there.
    #[error("there is no scenario {name:?}, nor a file of this name; the scenarios are: {known}")]
    NoScenario {
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
    },

    /// A scenario that makes no sense.
    #[error("{file}, {source}")]
    Scenario {
        /// Its file.
        file: String,
        /// What is wrong, and where.
        source: ParseError,
    },

    /// A level that the mode doesn't have.
    #[error("{mode} has no level {level}; it has: {levels}")]
    NoLevel {
        /// The mode.
        mode: synod::Mode,
        /// The level.
        level: synod::Isolation,
        /// Those that it has.
        levels: String,
    },

    /// A file that is no comparison.
    #[error("{} is not what \"synod bench\" writes about a comparison: {problem}", path.display())]
    NoComparison {
        /// The file.
        path: PathBuf,
        /// What doesn't fit.
        problem: String,
    },

    /// A comparison that another version has written.
    #[error(
        "{} has format {found}, this program reads format {}: measure anew, or use the version that wrote it",
        path.display(),
        synod_bench::driver::report::FORMAT
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: String,
    },

    /// Two comparisons of different things.
    #[error(
        "the two don't measure the same, so their figures can't be compared (but with --anyway):\n{listed}"
    )]
    Different {
        /// What differs, a line each.
        listed: String,
    },

    /// Two comparisons that have nothing in common.
    #[error("there is nothing to compare: no target at any point is in both")]
    NothingShared,

    /// A workload, or what shows it, failed.
    #[error(transparent)]
    Bench(#[from] synod_bench::Error),

    /// A picture of an anomaly that did not happen.
    #[error("there is nothing to draw: the checker has found no anomaly")]
    NothingToDraw,

    /// A thread could not be started.
    #[error("cannot start a thread: {source}")]
    Thread {
        /// What the system said.
        source: std::io::Error,
    },

    /// What the engine recorded contradicts itself.
    #[error("the engine's recording makes no sense, which is a fault of the engine: {source}")]
    Recording {
        /// What the checker said.
        source: synod_checker::Error,
    },

    /// Ctrl-C.
    #[error("interrupted before the dump was whole")]
    Interrupted,

    /// A dump that can't be loaded, or not further.
    #[error("{input}: {source}\n{}", kept(*loaded, *line))]
    Load {
        /// The name of the dump.
        input: String,
        /// What is wrong.
        source: Box<LoadError>,
        /// What of it is in the database.
        loaded: Counts,
        /// The last line of it that is.
        line: u64,
    },
}

/// Why a dump can't be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The dump is at fault.
    #[error(transparent)]
    Dump(#[from] DumpError),
    /// A record is there already.
    #[error(
        "line {line}: table {table:?} has a record with the key {key} already, from before or from this dump; \
         load into a new database, or with --replace"
    )]
    KeyExists {
        /// The line's number.
        line: u64,
        /// The table.
        table: String,
        /// The key, as people can read it, or its beginning.
        key: String,
    },
    /// The engine failed.
    #[error("line {line}: {source}")]
    Engine {
        /// The line that it was busy with.
        line: u64,
        /// What it said.
        source: synod::Error,
    },
    /// Everything is loaded, and can't be made durable.
    #[error("what was loaded may not survive a crash: {0}")]
    NotDurable(synod::Error),
    /// Ctrl-C.
    #[error("line {line}: interrupted")]
    Interrupted {
        /// The line that it had come to.
        line: u64,
    },
}

impl Error {
    /// An I/O error with its path and what was tried.
    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Error {
        Error::Io { action, path: path.to_path_buf(), source }
    }
}

/// What a failed load has left in the database.
fn kept(loaded: Counts, line: u64) -> String {
    if loaded == Counts::default() {
        return "nothing was loaded".to_string();
    }
    format!(
        "the dump up to line {line} is in the database ({}), and no record that follows; once that is mended, \
         load all of it again with --replace, or into a new database",
        Amount(loaded)
    )
}
