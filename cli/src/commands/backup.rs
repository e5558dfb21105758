//! `synod backup` and `synod restore`.

use super::{open_existing, options, show};
use crate::arguments::{BackupArguments, RestoreArguments};
use crate::render::moment::moment;
use crate::render::units::bytes;
use crate::{Error, Result};
use synod::{Backup, Restored};

/// Makes a backup, or brings one up to date.
pub(crate) fn backup(arguments: &BackupArguments) -> Result<bool> {
    let engine = open_existing(&arguments.directory)?;
    let Backup { timestamp, bytes: written, is_incremental } = engine.backup_to(&arguments.backup)?;
    engine.close()?;
    let how = match (is_incremental, written) {
        (true, 0) => "was up to date".to_string(),
        (true, _) => format!("got what was new, {}", bytes(written)),
        (false, _) => format!("was written whole, {}", bytes(written)),
    };
    show(&format!(
        "the backup {} {how}; it holds all commits up to {}",
        arguments.backup.display(),
        moment(timestamp)
    ))?;
    Ok(true)
}

/// Makes a database of a backup.
pub(crate) fn restore(arguments: &RestoreArguments) -> Result<bool> {
    let (backup, directory) = (&arguments.backup, &arguments.directory);
    let is_new = !directory.exists();
    let outcome = synod::restore(backup, directory, &options());
    let Restored { timestamp, bytes: copied } =
        outcome.map_err(|source| match is_new && directory.exists() {
            true => Error::Unfinished { path: directory.clone(), source },
            false => source.into(),
        })?;
    show(&format!(
        "restored {} from {}: {}, checked; it holds all commits up to {}",
        directory.display(),
        backup.display(),
        bytes(copied),
        moment(timestamp)
    ))?;
    Ok(true)
}
