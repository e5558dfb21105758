//! `synod verify`.

use super::{options, require_database, show};
use crate::arguments::VerifyArguments;
use crate::render;
use crate::{Error, Result};
use synod::errors::StorageError;
use synod::{Damage, Verification};

/// Checks every byte of a database, and shows what is wrong; false if anything is. An error means that it
/// can't be told.
pub(crate) fn run(arguments: &VerifyArguments) -> Result<bool> {
    let directory = &arguments.directory;
    require_database(directory)?;
    let found = match synod::verify(directory, &options()) {
        Ok(found) => found,
        // There are files of a database, so what is missing is damage, which leaves nothing to be said of the rest.
        Err(synod::Error::Storage(StorageError::Corrupt { path, offset, reason })) => {
            Verification { damage: vec![Damage { path, offset, reason }], ..Verification::default() }
        }
        Err(error) => return Err(Error::Engine(error)),
    };
    show(&render::verify::page(&directory.display().to_string(), &found))?;
    Ok(found.damage.is_empty())
}
