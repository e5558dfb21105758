//! What the commands do. Each returns whether everything it checked was in order.

pub(crate) mod anomalies;
pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod checkpoint;
pub(crate) mod compare;
pub(crate) mod contest;
pub(crate) mod dump;
pub(crate) mod gc;
mod history;
pub(crate) mod load;
pub(crate) mod micro;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod stats;
pub(crate) mod tpcc;
pub(crate) mod verify;

use crate::{Error, Result, output};
use std::path::Path;
use synod::{Engine, Options};

/// The directories whose files show that there is, or was, a database.
const PARTS: [&str; 2] = ["checkpoints", "wal"];

/// What standard output is called in errors.
const STANDARD_OUTPUT: &str = "standard output";

/// The file that makes a directory a backup.
const BACKUP_FILE: &str = "BACKUP";

/// Checks that there is a database in `directory`, damaged or not: opening would create one.
fn require_database(directory: &Path) -> Result<()> {
    // A backup gets its note first.
    for file in ["DATABASE", BACKUP_FILE] {
        if exists(&directory.join(file))? {
            return Ok(());
        }
    }
    if PARTS.iter().any(|part| has_files(&directory.join(part))) {
        return Ok(());
    }
    let inside = directory.join("data");
    let hint = match exists(&inside.join("DATABASE"))? {
        true => format!("; did you mean {}?", inside.display()),
        false => String::new(),
    };
    Err(Error::NoDatabase { path: directory.to_path_buf(), hint })
}

/// Checks that `directory` is no backup: opening would make a database of it.
fn refuse_backup(directory: &Path) -> Result<()> {
    if directory.join(BACKUP_FILE).is_file() {
        return Err(Error::IsBackup { path: directory.to_path_buf() });
    }
    Ok(())
}

/// Opens the database in `directory`, which must be there, to read it: no checkpoint is taken.
fn open_existing(directory: &Path) -> Result<Engine> {
    require_database(directory)?;
    refuse_backup(directory)?;
    Ok(Engine::open(directory, options().checkpoint_log_bytes(u64::MAX))?)
}

/// The options that every command begins with: they know the procedures of the benchmarks, without which a database that
/// has some of them in its log can't be opened.
fn options() -> Options {
    synod_bench::register(Options::new())
}

/// Writes a result to standard output.
fn show(text: &str) -> Result<()> {
    output::print(text).map_err(|source| Error::io("cannot write to", Path::new(STANDARD_OUTPUT), source))
}

/// Writes a part of a benchmark's result to standard output.
fn show_part(text: &str) -> synod_bench::Result<()> {
    let cannot = |source| synod_bench::Error::io("cannot write to", Path::new(STANDARD_OUTPUT), source);
    output::print(text).map_err(cannot)
}

fn exists(path: &Path) -> Result<bool> {
    match path.try_exists() {
        // A file where a directory should be: nothing can be in it.
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => Ok(false),
        outcome => outcome.map_err(|source| Error::io("cannot look at", path, source)),
    }
}

fn has_files(directory: &Path) -> bool {
    std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some())
}
