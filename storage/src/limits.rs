//! The sizes of keys and values that the store accepts.

use crate::{Error, Result};

/// The longest key, in bytes (64 KiB).
pub const KEY_BYTES_MAX: usize = 64 * 1024;

/// The longest value, in bytes (16 MiB).
pub const VALUE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Checks a key against [`KEY_BYTES_MAX`]. The empty key is a key like any other.
#[inline]
pub fn check_key(key: &[u8]) -> Result<()> {
    if key.len() > KEY_BYTES_MAX {
        return Err(Error::KeyTooLong { bytes: key.len() });
    }
    Ok(())
}

/// Checks a value against [`VALUE_BYTES_MAX`].
#[inline]
pub fn check_value(value: &[u8]) -> Result<()> {
    if value.len() > VALUE_BYTES_MAX {
        return Err(Error::ValueTooLong { bytes: value.len() });
    }
    Ok(())
}
