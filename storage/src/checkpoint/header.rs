//! The two ends of a checkpoint: the page at its head, and the trailer.
//!
//! ```text
//! header   0          8         12    16                                                        4096
//!          ├─ magic ──┼ version ┼ crc ┼ identity, timestamp, horizon, log start, next table, epoch ┼ zeros ┤
//! trailer  0          8      16
//!          ├─ magic ──┼ crc ──┼ offset and length of the index, records, versions, file length, CRCs ┤
//! ```
//!
//! Each CRC covers all of its part, with zeros in its own place. The trailer has those of the header and of the
//! index, and the index has those of the blocks: a part of another checkpoint is whole, but not the one that is
//! asked for. Magic, version and CRC of the header keep their places in all future versions.

use std::path::Path;

use super::CheckpointHeader;
use crate::device::DeviceFile;
use crate::wal::{LogPosition, LogStart, SEGMENT_NUMBER_MAX, crc32c};
use crate::{Error, Identity, Result, TableId, Timestamp};

/// The header's length.
pub(super) const HEADER_BYTES: u64 = 4096;

/// The trailer's length.
pub(super) const TRAILER_BYTES: u64 = 64;

/// The version of the format.
const FORMAT_VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"SYNODCKP";
const TRAILER_MAGIC: &[u8; 8] = b"SYNODEND";
const VERSION_OFFSET: usize = 8;
const CRC_OFFSET: usize = 12;
const NUMBERS_OFFSET: usize = 16;
const TRAILER_CRC_OFFSET: usize = 8;

type Page = [u8; HEADER_BYTES as usize];
type TrailerBytes = [u8; TRAILER_BYTES as usize];

/// What the end of the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    pub(super) index_offset: u64,
    pub(super) index_bytes: u64,
    pub(super) records: u64,
    pub(super) versions: u64,
    pub(super) file_bytes: u64,
    pub(super) header_crc: u32,
    pub(super) index_crc: u32,
}

/// The header as it stands in the file, and its CRC.
pub(super) fn encode(header: &CheckpointHeader, identity: Identity) -> (Page, u32) {
    let mut page = [0; HEADER_BYTES as usize];
    page[..VERSION_OFFSET].copy_from_slice(MAGIC);
    page[VERSION_OFFSET..CRC_OFFSET].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    let numbers = [
        identity.0,
        header.timestamp.0,
        header.horizon.0,
        header.log.segment,
        header.log.after.0,
        header.log.reaches.segment,
        header.log.reaches.offset,
        u64::from(header.next_table.0),
        header.epoch,
    ];
    put_numbers(&mut page[NUMBERS_OFFSET..], &numbers);
    let crc = checksum(&page, CRC_OFFSET);
    page[CRC_OFFSET..NUMBERS_OFFSET].copy_from_slice(&crc.to_le_bytes());
    (page, crc)
}

/// Reads the header, with the identity and the CRC in it.
///
/// # Errors
/// [`Error::Corrupt`] if it isn't whole, [`Error::UnknownFormat`] if it has another version.
pub(super) fn read(file: &dyn DeviceFile, path: &Path) -> Result<(CheckpointHeader, Identity, u32)> {
    let mut page = [0; HEADER_BYTES as usize];
    let bytes = file.read_at(0, &mut page)?;
    let crc = u32::from_le_bytes([page[12], page[13], page[14], page[15]]);
    if bytes < page.len() || !page.starts_with(MAGIC) || crc != checksum(&page, CRC_OFFSET) {
        return Err(corrupt(path, 0, "the checkpoint's header is damaged"));
    }
    let version = u32::from_le_bytes([page[8], page[9], page[10], page[11]]);
    if version != FORMAT_VERSION {
        return Err(Error::UnknownFormat { path: path.to_owned(), found: version, known: FORMAT_VERSION });
    }
    let [identity, timestamp, horizon, segment, after, reaches_segment, reaches_offset, next_table, epoch] =
        numbers(&page[NUMBERS_OFFSET..]);
    let senseless = || corrupt(path, 0, "the header makes no sense");
    let next_table = u32::try_from(next_table).map_err(|_| senseless())?;
    let is_sensible = timestamp <= Timestamp::MAX.0
        && horizon <= timestamp
        && after <= timestamp
        && segment <= SEGMENT_NUMBER_MAX;
    if !is_sensible {
        return Err(senseless());
    }
    let reaches = LogPosition { segment: reaches_segment, offset: reaches_offset };
    let header = CheckpointHeader {
        timestamp: Timestamp(timestamp),
        horizon: Timestamp(horizon),
        log: LogStart { segment, after: Timestamp(after), reaches },
        next_table: TableId(next_table),
        epoch,
    };
    Ok((header, Identity(identity), crc))
}

impl Trailer {
    pub(super) fn encode(&self) -> TrailerBytes {
        let mut bytes = [0; TRAILER_BYTES as usize];
        bytes[..TRAILER_CRC_OFFSET].copy_from_slice(TRAILER_MAGIC);
        let crcs = u64::from(self.index_crc) << 32 | u64::from(self.header_crc);
        let numbers =
            [self.index_offset, self.index_bytes, self.records, self.versions, self.file_bytes, crcs];
        put_numbers(&mut bytes[NUMBERS_OFFSET..], &numbers);
        let crc = u64::from(checksum(&bytes, TRAILER_CRC_OFFSET));
        bytes[TRAILER_CRC_OFFSET..NUMBERS_OFFSET].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the end of a file of this length.
    pub(super) fn read(file: &dyn DeviceFile, path: &Path, size: u64) -> Result<Trailer> {
        let offset = size.checked_sub(TRAILER_BYTES).filter(|offset| *offset >= HEADER_BYTES);
        let offset = offset.ok_or_else(|| corrupt(path, size, "the checkpoint ends too early"))?;
        let mut bytes = [0; TRAILER_BYTES as usize];
        let read = file.read_at(offset, &mut bytes)?;
        let [crc] = numbers(&bytes[TRAILER_CRC_OFFSET..]);
        let is_whole = read == bytes.len() && bytes.starts_with(TRAILER_MAGIC);
        if !is_whole || crc != u64::from(checksum(&bytes, TRAILER_CRC_OFFSET)) {
            return Err(corrupt(path, offset, "the checkpoint's end is damaged or missing"));
        }
        let [index_offset, index_bytes, records, versions, file_bytes, crcs] =
            numbers(&bytes[NUMBERS_OFFSET..]);
        let (header_crc, index_crc) = (crcs as u32, (crcs >> 32) as u32);
        let trailer =
            Trailer { index_offset, index_bytes, records, versions, file_bytes, header_crc, index_crc };
        let is_consistent = file_bytes == size
            && index_offset >= HEADER_BYTES
            && index_offset.checked_add(index_bytes) == Some(offset);
        if is_consistent {
            Ok(trailer)
        } else {
            Err(corrupt(path, offset, "the checkpoint's end makes no sense"))
        }
    }
}

fn put_numbers(bytes: &mut [u8], numbers: &[u64]) {
    for (bytes, number) in bytes.chunks_exact_mut(8).zip(numbers) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
}

fn numbers<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut numbers = [0; N];
    for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(8)) {
        *number = u64::from_le_bytes(bytes.try_into().expect("chunks have eight bytes"));
    }
    numbers
}

/// The CRC of everything but the field at `offset`, which ends at [`NUMBERS_OFFSET`].
fn checksum<const N: usize>(bytes: &[u8; N], offset: usize) -> u32 {
    let mut rest = *bytes;
    rest[offset..NUMBERS_OFFSET].fill(0);
    crc32c(&rest)
}

pub(super) fn corrupt(path: &Path, offset: u64, reason: &str) -> Error {
    Error::Corrupt { path: path.to_owned(), offset, reason: reason.to_owned() }
}
