//! Footprints as bytes, for the log.
//!
//! ```text
//!  tables: varint │ { number: varint }*
//!  keys:   varint │ { place × 2 + is written: varint │ length: varint │ key }*
//!  ranges: varint │ { place × 2 + is written: varint │ length: varint │ lower │ length + 1: varint │ upper }*
//! ```
//!
//! A *place* is that of a table in the list of tables. Ranges have the keys from `lower` on that are below
//! `upper`; a length field of 0 says that there is no upper bound.

use std::sync::Arc;

use synod_storage::{Catalog, KEY_BYTES_MAX, Table, TableId};

use super::Footprint;
use super::range::Range;

/// Why bytes are no footprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FootprintError {
    /// They weren't written by [`Footprint::encode`].
    #[error("the bytes aren't those of a footprint")]
    Malformed,
    /// A table isn't there: it was dropped since, or never was.
    #[error("the footprint names table {}, which doesn't exist", .0.0)]
    UnknownTable(TableId),
}

impl Footprint {
    /// Appends the footprint to `bytes`, as [`Footprint::decode`] takes it.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        push_varint(bytes, self.tables().len() as u64);
        for table in self.tables() {
            push_varint(bytes, u64::from(table.id().0));
        }
        push_varint(bytes, self.len() as u64);
        for (place, key) in self.keys() {
            push_varint(bytes, u64::from(place));
            push_slice(bytes, key, 0);
        }
        push_varint(bytes, self.ranges().len() as u64);
        for (place, range) in self.ranges() {
            push_varint(bytes, u64::from(place));
            push_slice(bytes, range.lower(), 0);
            match range.upper() {
                Some(upper) => push_slice(bytes, upper, 1),
                None => bytes.push(0),
            }
        }
    }

    /// The footprint, sealed, that these bytes are all of. Whatever the bytes, takes memory in proportion to
    /// them.
    pub fn decode(mut bytes: &[u8], catalog: &Catalog) -> Result<Footprint, FootprintError> {
        let bytes = &mut bytes;
        let tables = take_tables(bytes, catalog)?;
        let mut footprint = Footprint::new();
        for _ in 0..take_number(bytes)? {
            let (table, write) = take_place(bytes, &tables)?;
            let length = take_number(bytes)?;
            let key = take_slice(bytes, length, KEY_BYTES_MAX)?;
            footprint.add_key(table, key, write);
        }
        for _ in 0..take_number(bytes)? {
            let (table, write) = take_place(bytes, &tables)?;
            footprint.add_range(table, take_range(bytes)?, write);
        }
        if !bytes.is_empty() {
            return Err(FootprintError::Malformed);
        }
        footprint.seal();
        Ok(footprint)
    }
}

fn take_tables(bytes: &mut &[u8], catalog: &Catalog) -> Result<Vec<Arc<Table>>, FootprintError> {
    let mut tables = Vec::new();
    for _ in 0..take_number(bytes)? {
        let id = u32::try_from(take_number(bytes)?).map_err(|_| FootprintError::Malformed)?;
        tables.push(catalog.by_id(TableId(id)).ok_or(FootprintError::UnknownTable(TableId(id)))?);
    }
    Ok(tables)
}

/// A table, and whether something is written there.
fn take_place<'t>(
    bytes: &mut &[u8],
    tables: &'t [Arc<Table>],
) -> Result<(&'t Arc<Table>, bool), FootprintError> {
    let place = take_number(bytes)?;
    let table = tables.get(place >> 1).ok_or(FootprintError::Malformed)?;
    Ok((table, place & 1 == 1))
}

fn take_range(bytes: &mut &[u8]) -> Result<Range, FootprintError> {
    // The longest key has a next one, which can be a bound.
    const BOUND_BYTES_MAX: usize = KEY_BYTES_MAX + 1;
    let length = take_number(bytes)?;
    let lower = take_slice(bytes, length, BOUND_BYTES_MAX)?.to_vec();
    let upper = match take_number(bytes)? {
        0 => None,
        length => Some(take_slice(bytes, length - 1, BOUND_BYTES_MAX)?.to_vec()),
    };
    Ok(Range::from_parts(lower, upper))
}

/// Appends the length, plus `extra`, and the slice.
fn push_slice(bytes: &mut Vec<u8>, slice: &[u8], extra: u64) {
    push_varint(bytes, slice.len() as u64 + extra);
    bytes.extend_from_slice(slice);
}

fn take_slice<'a>(bytes: &mut &'a [u8], length: usize, max: usize) -> Result<&'a [u8], FootprintError> {
    match bytes.split_at_checked(length) {
        Some((slice, rest)) if length <= max => {
            *bytes = rest;
            Ok(slice)
        }
        _ => Err(FootprintError::Malformed),
    }
}

/// Appends a number, seven bits a byte, lowest first.
fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a number off the front. All of them are lengths, counts and places: none passes 35 bits.
fn take_number(bytes: &mut &[u8]) -> Result<usize, FootprintError> {
    let mut number = 0;
    for shift in (0..35).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(FootprintError::Malformed)?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(number).map_err(|_| FootprintError::Malformed);
        }
    }
    Err(FootprintError::Malformed)
}
