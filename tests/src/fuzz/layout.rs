//! Numbers and checksums at places in files, little-endian.

use std::path::Path;
use std::sync::Arc;

use synod::Options;
use synod::device::{Device, MemoryDevice};
use synod_storage::NoteFormat;

/// Where the databases of the targets are.
pub const HOME: &str = "/db";

/// The note of a database.
pub const DATABASE_NOTE: NoteFormat = NoteFormat { magic: b"SYNOD-DB", version: 1 };

/// CRC-32C.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

/// The number of four bytes at a place; 0 if there are fewer.
pub fn number32(bytes: &[u8], offset: usize) -> u32 {
    bytes.get(offset..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// The number of eight bytes at a place; 0 if there are fewer.
pub fn number64(bytes: &[u8], offset: usize) -> u64 {
    bytes.get(offset..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Overwrites bytes at a place, as far as there are any.
pub fn put(bytes: &mut [u8], offset: usize, new: &[u8]) {
    for (byte, new) in bytes.iter_mut().skip(offset).zip(new) {
        *byte = *new;
    }
}

/// Sets a CRC of four bytes that covers its whole page, with zeros in its own place.
pub fn seal_page(page: &mut [u8], crc_offset: usize) {
    put(page, crc_offset, &[0; 4]);
    let crc = crc32c(page);
    put(page, crc_offset, &crc.to_le_bytes());
}

/// Takes a number of seven bits a byte off the front of some bytes, at `position`.
pub fn take_varint(bytes: &[u8], position: &mut usize) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*position)?;
        *position += 1;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// Writes a file, with its directory.
pub fn write(device: &MemoryDevice, path: &Path, bytes: &[u8]) {
    device.create_directory(path.parent().expect("the path is absolute")).expect("create the directory");
    let file = device.create(path).expect("create the file");
    file.write_at(0, bytes).expect("write the file");
    file.sync_data().expect("sync the file");
}

/// The bytes of a file.
pub fn read(device: &MemoryDevice, path: &Path) -> Vec<u8> {
    let file = device.open(path).expect("open the file");
    let mut bytes = vec![0; file.size().expect("measure the file") as usize];
    file.read_at(0, &mut bytes).expect("read the file");
    bytes
}

/// A device with the note of a database in it, which has this identity and knows nothing of a log.
pub fn device_of(identity: u64) -> MemoryDevice {
    let device = MemoryDevice::new();
    let home = Path::new(HOME);
    device.create_directory(home).expect("create the directory");
    DATABASE_NOTE.replace(&device, &home.join("DATABASE"), [identity, 0, 0, 0]).expect("write the note");
    device
}

/// How the databases are opened: small, and nothing happens by the clock.
pub fn options(device: MemoryDevice) -> Options {
    Options::new().device(Arc::new(device)).log_segment_bytes(8 << 10).checkpoint_log_bytes(u64::MAX)
}
