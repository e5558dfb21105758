//! Reading frames back. Any bytes at all may come in here: nothing panics, and nothing is allocated.

use super::frame::{FRAME_HEADER_BYTES, Kind, SyncMark, checksum, claimed_length, header_fields};
use crate::{TableId, Timestamp};

/// What one frame of the log says, as recovery hands it on.
#[derive(Clone, Debug)]
pub enum Entry<'a> {
    /// A transaction committed.
    Commit {
        /// When, in the order of commits.
        timestamp: Timestamp,
        /// What it wrote.
        writes: Writes<'a>,
    },
    /// A table was created.
    CreateTable {
        /// When.
        timestamp: Timestamp,
        /// Its number.
        table: TableId,
        /// Its name.
        name: &'a str,
    },
    /// A table was dropped.
    DropTable {
        /// When.
        timestamp: Timestamp,
        /// Its number.
        table: TableId,
    },
    /// A batch of transactions, which mean something to a higher layer only.
    Batch {
        /// When the last of them was, in the order of commits.
        timestamp: Timestamp,
        /// What was put into the frame.
        body: &'a [u8],
    },
}

/// The writes of one commit, in the order in which they were put into the frame: table, key, and value,
/// or `None` for a tombstone. Costs a few nanoseconds a step; nothing is copied.
#[derive(Clone, Debug)]
pub struct Writes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Writes<'a> {
    type Item = (TableId, &'a [u8], Option<&'a [u8]>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        // The bytes were walked through once when the frame was decoded, so `None` means their end.
        let (write, rest) = split_write(self.rest)?;
        self.rest = rest;
        Some(write)
    }
}

impl<'a> Writes<'a> {
    /// Checks that a body is a list of writes.
    fn check(body: &'a [u8]) -> Option<Writes<'a>> {
        let mut rest = body;
        while !rest.is_empty() {
            rest = split_write(rest)?.1;
        }
        Some(Writes { rest: body })
    }
}

/// A whole, undamaged frame.
#[derive(Clone, Debug)]
pub(super) enum Frame<'a> {
    Entry(Entry<'a>),
    Mark(SyncMark),
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// A write that a crash interrupted can look like this.
    Torn(&'static str),
    /// The checksum is right, so this was written on purpose, and never by this version.
    Malformed(&'static str),
}

const MALFORMED: Flaw = Flaw::Malformed("a frame's checksum is right but its contents are malformed");

/// Checks the length that a frame claims against the `available` bytes behind its start.
#[inline]
pub(super) fn check_length(bytes: &[u8], available: u64) -> Result<usize, Flaw> {
    match claimed_length(bytes) {
        None => Err(Flaw::Torn("the file ends within a frame's length")),
        Some(0) => Err(Flaw::Torn("there are zeros where a frame should begin")),
        Some(length) if length < FRAME_HEADER_BYTES => Err(Flaw::Torn("a frame is shorter than its header")),
        Some(length) if length as u64 > available => {
            Err(Flaw::Torn("a frame reaches beyond the end of the file"))
        }
        Some(length) => Ok(length),
    }
}

/// Decodes the frame that fills `bytes`, which hold at least a header.
#[inline]
pub(super) fn decode(bytes: &[u8]) -> Result<(Timestamp, Frame<'_>), Flaw> {
    let (crc, kind, timestamp) = header_fields(bytes);
    if crc != checksum(bytes) {
        return Err(Flaw::Torn("a frame's checksum is wrong"));
    }
    if timestamp > Timestamp::MAX {
        return Err(Flaw::Malformed("a frame's timestamp is out of range"));
    }
    let frame = decode_body(kind, timestamp, &bytes[FRAME_HEADER_BYTES..])?;
    Ok((timestamp, frame))
}

/// Decodes a frame whose checksum was found right before.
#[inline]
pub(super) fn decode_checked(bytes: &[u8]) -> Result<Frame<'_>, Flaw> {
    let (_, kind, timestamp) = header_fields(bytes);
    decode_body(kind, timestamp, &bytes[FRAME_HEADER_BYTES..])
}

/// Decodes what stands behind a frame's header.
#[inline]
fn decode_body(kind: u8, timestamp: Timestamp, body: &[u8]) -> Result<Frame<'_>, Flaw> {
    let kind = Kind::from_byte(kind)
        .ok_or(Flaw::Malformed("a frame's checksum is right but its kind is unknown to this version"))?;
    let entry = match kind {
        Kind::Commit => Entry::Commit { timestamp, writes: Writes::check(body).ok_or(MALFORMED)? },
        Kind::CreateTable => {
            let (table, name) = split_varint(body).ok_or(MALFORMED)?;
            let name = std::str::from_utf8(name).map_err(|_| MALFORMED)?;
            Entry::CreateTable { timestamp, table: TableId(table), name }
        }
        Kind::DropTable => match split_varint(body) {
            Some((table, [])) => Entry::DropTable { timestamp, table: TableId(table) },
            _ => return Err(MALFORMED),
        },
        Kind::Batch => Entry::Batch { timestamp, body },
        Kind::SyncMark => return SyncMark::from_body(body).map(Frame::Mark).ok_or(MALFORMED),
    };
    Ok(Frame::Entry(entry))
}

/// A write: table, key, and value or tombstone.
type Write<'a> = (TableId, &'a [u8], Option<&'a [u8]>);

/// Takes one write off the front; `None` if there is no whole one.
#[inline]
fn split_write(bytes: &[u8]) -> Option<(Write<'_>, &[u8])> {
    let (table, rest) = split_varint(bytes)?;
    let (key_length, rest) = split_varint(rest)?;
    let (value_field, rest) = split_varint(rest)?;
    let (key, rest) = rest.split_at_checked(key_length as usize)?;
    let Some(value_length) = value_field.checked_sub(1) else {
        return Some(((TableId(table), key, None), rest));
    };
    let (value, rest) = rest.split_at_checked(value_length as usize)?;
    Some(((TableId(table), key, Some(value)), rest))
}

/// Takes a number off the front; `None` if it isn't whole or passes 32 bits.
#[inline]
fn split_varint(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((u32::from(first), rest));
    }
    split_long_varint(bytes)
}

fn split_long_varint(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut number = 0_u64;
    for (index, &byte) in bytes.iter().take(5).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Some((u32::try_from(number).ok()?, &bytes[index + 1..]));
        }
    }
    None
}
