//! `--history` of the benchmarks: what transactions did, in a file for `synod check`.

use crate::arguments::Modes;
use crate::json;
use crate::render::units::{bytes, count, plural};
use std::path::{Path, PathBuf};
use synod::{Isolation, Mode};
use synod_bench::Result;
use synod_bench::recording::{RECORDED_STEPS_MAX, Recorded};
use synod_checker::Level;

/// The file of a mode's history: the one that was asked for, or one beside it for each of several modes.
pub(super) fn file(path: &Path, modes: Modes, mode: Mode) -> PathBuf {
    if modes != Modes::All {
        return path.to_path_buf();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map_or_else(String::new, |text| format!(".{}", text.to_string_lossy()));
    path.with_file_name(format!("{stem}-{mode}{extension}"))
}

/// Checks that all files can be written, before a long run and not after it.
pub(super) fn check_writable(path: Option<&PathBuf>, modes: Modes) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    modes.list().iter().try_for_each(|mode| json::check_writable(Some(&file(path, modes, *mode))))
}

/// Writes a history; returns what there is to say of it.
pub(super) fn write(recorded: &Recorded, file: &Path, level: Isolation) -> Result<String> {
    let written = recorded.write(file)?;
    let limit = match recorded.steps() >= RECORDED_STEPS_MAX {
        true => format!("; the run was ended there, at the limit of {}", count(RECORDED_STEPS_MAX)),
        false => String::new(),
    };
    Ok(format!(
        "history    {}: {}, {}, {}{limit}\n           synod check {} --level {}",
        file.display(),
        plural(recorded.transactions() as u64, "transaction"),
        plural(recorded.steps(), "step"),
        bytes(written),
        file.display(),
        promised(level).id()
    ))
}

/// The checker's name of what a level promises.
fn promised(level: Isolation) -> Level {
    match level {
        Isolation::ReadUncommitted => Level::ReadUncommitted,
        Isolation::ReadCommitted => Level::ReadCommitted,
        Isolation::RepeatableRead => Level::RepeatableRead,
        Isolation::Snapshot => Level::StrongSnapshotIsolation,
        Isolation::Serializable => Level::StrictSerializable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_several_modes_has_a_file() {
        let of = |path: &str, modes| file(Path::new(path), modes, Mode::Optimistic).display().to_string();
        assert_eq!(of("a/b.edn", Modes::One(Mode::Optimistic)), "a/b.edn");
        assert_eq!(of("a/b.edn", Modes::All), "a/b-occ.edn");
        assert_eq!(of("b", Modes::All), "b-occ");
    }
}
