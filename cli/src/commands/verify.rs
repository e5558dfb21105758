//! `synod verify`.

use super::{PARTS, require_database, show};
use crate::arguments::VerifyArguments;
use crate::render;
use crate::{Error, Result};
use synod::errors::StorageError;
use synod::{Damage, Options, Verification};

/// Checks every byte of a database, and shows what is wrong; false if anything is. An error means that it
/// can't be told.
pub(crate) fn run(arguments: &VerifyArguments) -> Result<bool> {
    let directory = &arguments.directory;
    require_database(directory)?;
    let missing = PARTS.iter().map(|part| directory.join(part)).find(|part| !part.is_dir());
    let found = match missing {
        Some(path) => {
            let reason = "this directory is missing; restore it with the rest of the database".to_string();
            alone(Damage { path, offset: 0, reason })
        }
        None => match synod::verify(directory, &Options::new()) {
            Ok(found) => found,
            // There are files of a database, so what is missing is damage.
            Err(synod::Error::Storage(StorageError::Corrupt { path, offset, reason })) => {
                alone(Damage { path, offset, reason })
            }
            Err(error) => return Err(Error::Engine(error)),
        },
    };
    show(&render::verify::page(&directory.display().to_string(), &found))?;
    Ok(found.damage.is_empty())
}

/// Damage that leaves nothing to be said of the rest.
fn alone(damage: Damage) -> Verification {
    Verification { damage: vec![damage], ..Verification::default() }
}
