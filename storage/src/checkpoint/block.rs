//! Blocks: a portion of bytes with its length and a checksum, perhaps compressed.
//!
//! ```text
//!  0        4             8          12         13
//!  ├─ crc ──┼ stored len ─┼ raw len ─┼ how ─────┼─ stored bytes ─┤     numbers little-endian
//! ```
//!
//! The CRC-32C covers everything behind itself. Whoever points to a block knows its CRC too, so that another
//! block in its place, whole as it may be, isn't taken for it.

use super::Compression;
use crate::wal::crc32c;

/// What stands before a block's bytes.
pub(super) const BLOCK_HEADER_BYTES: usize = 13;

const RAW: u8 = 0;
const LZ4: u8 = 1;

/// LZ4 makes nothing smaller than by this factor (a run of 255 bytes takes one).
const LZ4_RATIO_MAX: usize = 255;

/// Appends a block that holds `raw`. Returns its length and its CRC.
pub(super) fn push_block(
    bytes: &mut Vec<u8>,
    raw: &[u8],
    compression: Compression,
    scratch: &mut Vec<u8>,
) -> (usize, u32) {
    let (how, stored) = match compression {
        Compression::None => (RAW, raw),
        Compression::Lz4 => compress(raw, scratch),
    };
    let start = bytes.len();
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&(stored.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&(raw.len() as u32).to_le_bytes());
    bytes.push(how);
    bytes.extend_from_slice(stored);
    let crc = crc32c(&bytes[start + 4..]);
    bytes[start..start + 4].copy_from_slice(&crc.to_le_bytes());
    (bytes.len() - start, crc)
}

fn compress<'a>(raw: &'a [u8], scratch: &'a mut Vec<u8>) -> (u8, &'a [u8]) {
    scratch.resize(lz4_flex::block::get_maximum_output_size(raw.len()), 0);
    match lz4_flex::block::compress_into(raw, scratch) {
        Ok(length) if length < raw.len() => (LZ4, &scratch[..length]),
        _ => (RAW, raw),
    }
}

/// What the block with this CRC holds: `bytes` are the whole block, and `scratch` is where it is unpacked.
///
/// # Errors
/// What is wrong with it.
pub(super) fn open_block<'a>(
    bytes: &'a [u8],
    crc: u32,
    scratch: &'a mut Vec<u8>,
) -> Result<&'a [u8], &'static str> {
    let Some((header, stored)) = bytes.split_at_checked(BLOCK_HEADER_BYTES) else {
        return Err("a block is shorter than its header");
    };
    let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    if number(0) != crc32c(&bytes[4..]) {
        return Err("a block's checksum is wrong");
    }
    if number(0) != crc {
        return Err("a whole block is here, but not the one that belongs here");
    }
    let (stored_length, raw_length) = (number(4) as usize, number(8) as usize);
    if stored_length != stored.len() {
        return Err("a block isn't as long as it says");
    }
    match header[12] {
        RAW if raw_length == stored.len() => Ok(stored),
        LZ4 if raw_length <= stored.len().saturating_mul(LZ4_RATIO_MAX) => {
            scratch.resize(raw_length, 0);
            match lz4_flex::block::decompress_into(stored, scratch) {
                Ok(length) if length == raw_length => Ok(scratch),
                _ => Err("a block can't be unpacked, though its checksum is right"),
            }
        }
        _ => Err("a block's checksum is right but its header makes no sense"),
    }
}
