//! Segments: the files of the log, their names, and the block at the head of each.
//!
//! A segment's header is written and synced before the segment gets its first frame, and is never
//! touched again. It says where the segment before it ended, so that a sealed segment that lost its
//! end, or a missing one, is noticed.
//!
//! ```text
//!  0          8         12    16       24             32                   40         48        4096
//!  ├─ magic ──┼ version ┼ crc ┼ number ┼ previous end ┼ previous timestamp ┼ identity ┼─ zeros ─┤ frames …
//! ```
//!
//! The CRC covers the whole block, with zeros in its own place. Magic, version and CRC keep their places in all future
//! versions, so that a newer file is told from a damaged one.

use std::path::{Path, PathBuf};

use super::frame::{crc32c, field};
use crate::device::{Device, DeviceFile};
use crate::{Error, Identity, Result, Timestamp};

/// The header's length: a page, so that no write of frames ever touches the header's sectors.
pub(super) const HEADER_BYTES: u64 = 4096;

/// The version of the log's format.
pub(super) const FORMAT_VERSION: u32 = 2;

/// The number of a log's first segment.
pub(super) const FIRST_NUMBER: u64 = 1;

/// No log comes to this number.
pub(crate) const NUMBER_MAX: u64 = u64::MAX / 2;

const MAGIC: &[u8; 8] = b"SYNODWAL";
const VERSION_OFFSET: usize = 8;
const CRC_OFFSET: usize = 12;
const FIELDS_OFFSET: usize = 16;
const NAME_DIGITS: usize = 16;
const NAME_EXTENSION: &str = ".log";

type HeaderBlock = [u8; HEADER_BYTES as usize];

/// What a segment's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// The segment's own number.
    pub(super) number: u64,
    /// Where the segment before it ended; 0 in the first.
    pub(super) previous_end: u64,
    /// The timestamp of the last frame before this segment; 0 if there is none.
    pub(super) previous_timestamp: Timestamp,
    /// The database that the segment belongs to.
    pub(super) identity: Identity,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> HeaderBlock {
        let mut block = [0; HEADER_BYTES as usize];
        block[..MAGIC.len()].copy_from_slice(MAGIC);
        block[VERSION_OFFSET..CRC_OFFSET].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        let numbers = [self.number, self.previous_end, self.previous_timestamp.0, self.identity.0];
        for (bytes, number) in block[FIELDS_OFFSET..].chunks_exact_mut(8).zip(numbers) {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
        let crc = checksum(&block);
        block[CRC_OFFSET..FIELDS_OFFSET].copy_from_slice(&crc.to_le_bytes());
        block
    }

    /// Reads the header of the segment at `path`; `None` if it is not whole.
    ///
    /// # Errors
    /// [`Error::UnknownFormat`] if it is whole, but of another version.
    pub(super) fn read(file: &dyn DeviceFile, path: &Path) -> Result<Option<SegmentHeader>> {
        let mut block = [0; HEADER_BYTES as usize];
        let bytes = file.read_at(0, &mut block)?;
        let crc = u32::from_le_bytes(field(&block, CRC_OFFSET));
        if bytes < block.len() || !block.starts_with(MAGIC) || crc != checksum(&block) {
            return Ok(None);
        }
        let version = u32::from_le_bytes(field(&block, VERSION_OFFSET));
        if version != FORMAT_VERSION {
            return Err(Error::UnknownFormat { path: path.into(), found: version, known: FORMAT_VERSION });
        }
        let number = |index: usize| u64::from_le_bytes(field(&block, FIELDS_OFFSET + index * 8));
        Ok(Some(SegmentHeader {
            number: number(0),
            previous_end: number(1),
            previous_timestamp: Timestamp(number(2)),
            identity: Identity(number(3)),
        }))
    }
}

/// The CRC of everything that stands around the CRC's own field.
fn checksum(block: &HeaderBlock) -> u32 {
    let mut rest = *block;
    rest[CRC_OFFSET..FIELDS_OFFSET].fill(0);
    crc32c(&rest)
}

/// The path of a segment's file.
pub(super) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:016x}{NAME_EXTENSION}"))
}

/// The number in a segment file's name; `None` for any other file.
fn number_of(path: &Path) -> Option<u64> {
    let digits = path.file_name()?.to_str()?.strip_suffix(NAME_EXTENSION)?;
    let is_number = digits.len() == NAME_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = if is_number { u64::from_str_radix(digits, 16).ok() } else { None };
    number.filter(|number| *number <= NUMBER_MAX)
}

/// The segments in a directory, in order: number and path. Files with other names are passed over.
///
/// # Errors
/// [`Error::Corrupt`] if a number occurs twice.
pub(super) fn list(device: &dyn Device, directory: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let mut segments: Vec<_> =
        device.list(directory)?.into_iter().filter_map(|path| Some((number_of(&path)?, path))).collect();
    segments.sort();
    for pair in segments.windows(2) {
        if pair[0].0 == pair[1].0 {
            let reason = format!("this is not the only file for segment {} of the log", pair[1].0);
            return Err(Error::Corrupt { path: pair[1].1.clone(), offset: 0, reason });
        }
    }
    Ok(segments)
}

/// Whether the log in a directory goes back to its beginning. One without files does, too.
///
/// # Errors
/// If the directory can't be read.
pub fn reaches_back_to_beginning(device: &dyn Device, directory: &Path) -> Result<bool> {
    Ok(list(device, directory)?.first().is_none_or(|(number, _)| *number == FIRST_NUMBER))
}

/// The error of a log that lacks a segment.
pub(super) fn missing(directory: &Path, number: u64, why: &str) -> Error {
    let reason = format!("this segment of the log is missing, though {why}; restore it from a copy");
    Error::Corrupt { path: path(directory, number), offset: 0, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::MemoryDevice;

    #[test]
    fn only_segment_names_have_numbers() {
        let home = Path::new("/db/wal");
        assert_eq!(number_of(&path(home, 0xab)), Some(0xab));
        assert_eq!(path(home, 0xab), home.join("00000000000000ab.log"));
        for other in ["ab.log", "00000000000000ab.log.bak", "+0000000000000ab.log", "00000000000000ag.log"] {
            assert_eq!(number_of(&home.join(other)), None, "{other}");
        }
    }

    #[test]
    fn a_header_is_read_back_and_any_changed_byte_is_noticed() {
        let device = MemoryDevice::new();
        let home = Path::new("/");
        device.create_directory(home).unwrap();
        let file = device.create(&path(home, 7)).unwrap();
        let (number, previous_end, previous_timestamp) = (7, 4711, Timestamp(12));
        let header = SegmentHeader { number, previous_end, previous_timestamp, identity: Identity(5) };
        let block = header.encode();
        file.write_at(0, &block).unwrap();
        assert_eq!(SegmentHeader::read(&*file, home).unwrap(), Some(header));
        for (offset, byte) in (0..).zip(block) {
            file.write_at(offset, &[byte ^ 0x10]).unwrap();
            assert_eq!(SegmentHeader::read(&*file, home).unwrap(), None, "offset {offset}");
            file.write_at(offset, &[byte]).unwrap();
        }
    }
}
