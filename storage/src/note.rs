//! Notes: files of one sector with a few numbers in them, written as a whole.
//!
//! ```text
//!  0          8         12    16                                                512
//!  ├─ magic ──┼ version ┼ crc ┼ numbers, eight bytes each ┼─ zeros ──────────────┤   little-endian
//! ```
//!
//! The CRC covers the whole sector, with zeros in its own place. A device tears no sector, so a note that is
//! overwritten in place holds either its old numbers or its new ones.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::device::{Device, DeviceFile, SECTOR_BYTES};
use crate::wal::crc32c;
use crate::{Error, Result};

const VERSION_OFFSET: usize = 8;
const CRC_OFFSET: usize = 12;
const NUMBERS_OFFSET: usize = 16;

/// The name that a note has until it is whole ends with this.
const UNFINISHED_EXTENSION: &str = "tmp";

/// How many numbers a note holds.
const NUMBERS: usize = 4;

/// A kind of note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoteFormat {
    /// The first bytes of each such file.
    pub magic: &'static [u8; 8],
    /// The version of what its numbers mean.
    pub version: u32,
}

type Sector = [u8; SECTOR_BYTES];

impl NoteFormat {
    /// Reads a note; `None` if there's no such file.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it isn't whole, [`Error::UnknownFormat`] if it has another version.
    pub fn read(&self, device: &dyn Device, path: &Path) -> Result<Option<[u64; NUMBERS]>> {
        match device.open(path) {
            Ok(file) => self.read_file(&*file, path).map(Some),
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read_file(&self, file: &dyn DeviceFile, path: &Path) -> Result<[u64; NUMBERS]> {
        let mut sector = [0; SECTOR_BYTES];
        let bytes = file.read_at(0, &mut sector)?;
        let size = file.size()?;
        let stored = u32::from_le_bytes(*sector[CRC_OFFSET..].first_chunk().expect("a sector is longer"));
        if bytes < SECTOR_BYTES
            || size != SECTOR_BYTES as u64
            || !sector.starts_with(self.magic)
            || stored != checksum(&sector)
        {
            let reason = "the file is damaged; restore it from a copy".to_owned();
            return Err(Error::Corrupt { path: path.to_owned(), offset: 0, reason });
        }
        let version =
            u32::from_le_bytes(*sector[VERSION_OFFSET..].first_chunk().expect("a sector is longer"));
        if version != self.version {
            return Err(Error::UnknownFormat { path: path.to_owned(), found: version, known: self.version });
        }
        let mut numbers = [0; NUMBERS];
        for (number, bytes) in numbers.iter_mut().zip(sector[NUMBERS_OFFSET..].chunks_exact(8)) {
            *number = u64::from_le_bytes(bytes.try_into().expect("chunks have eight bytes"));
        }
        Ok(numbers)
    }

    /// Creates or replaces a note, atomically and durably. Costs three syncs. A failure leaves nothing behind, if
    /// the device lets it.
    pub fn replace(&self, device: &dyn Device, path: &Path, numbers: [u64; NUMBERS]) -> Result<()> {
        let unfinished = Self::unfinished(path);
        match device.remove(&unfinished) {
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            removed => removed?,
        }
        let file = device.create(&unfinished)?;
        let renamed = self.write(&*file, numbers).and_then(|()| device.rename(&unfinished, path));
        drop(file);
        if let Err(error) = renamed {
            // The failure itself is what counts.
            let _ = device.remove(&unfinished);
            return Err(error);
        }
        device.sync_directory(path.parent().unwrap_or(Path::new(".")))
    }

    /// The file in which a note is written until it is whole, and which a crash may leave.
    pub fn unfinished(path: &Path) -> PathBuf {
        path.with_extension(UNFINISHED_EXTENSION)
    }

    /// Overwrites a note in place, durably: a crash leaves the old numbers or the new ones. Costs a sync.
    pub fn write(&self, file: &dyn DeviceFile, numbers: [u64; NUMBERS]) -> Result<()> {
        file.write_at(0, &self.encode(numbers))?;
        file.sync_data()
    }

    fn encode(&self, numbers: [u64; NUMBERS]) -> Sector {
        let mut sector = [0; SECTOR_BYTES];
        sector[..VERSION_OFFSET].copy_from_slice(self.magic);
        sector[VERSION_OFFSET..CRC_OFFSET].copy_from_slice(&self.version.to_le_bytes());
        for (bytes, number) in sector[NUMBERS_OFFSET..].chunks_exact_mut(8).zip(numbers) {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
        let crc = checksum(&sector);
        sector[CRC_OFFSET..NUMBERS_OFFSET].copy_from_slice(&crc.to_le_bytes());
        sector
    }
}

fn checksum(sector: &Sector) -> u32 {
    let mut rest = *sector;
    rest[CRC_OFFSET..NUMBERS_OFFSET].fill(0);
    crc32c(&rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{MemoryDevice, Survival};

    const FORMAT: NoteFormat = NoteFormat { magic: b"SYNODTST", version: 3 };

    fn device() -> (MemoryDevice, &'static Path) {
        let device = MemoryDevice::new();
        device.create_directory(Path::new("/db")).unwrap();
        (device, Path::new("/db/NOTE"))
    }

    #[test]
    fn a_note_is_read_back_and_any_changed_bit_or_length_is_noticed() {
        let (device, path) = device();
        assert_eq!(FORMAT.read(&device, path).unwrap(), None);
        FORMAT.replace(&device, path, [1, 2, 3, u64::MAX]).unwrap();
        FORMAT.replace(&device, path, [1, 2, 3, 4]).unwrap();
        let lost = device.crash(Survival::Nothing);
        assert_eq!(FORMAT.read(&lost, path).unwrap(), Some([1, 2, 3, 4]));
        let file = device.open(path).unwrap();
        for (offset, byte) in (0..).zip(FORMAT.encode([1, 2, 3, 4])) {
            for bit in 0..8 {
                file.write_at(offset, &[byte ^ 1 << bit]).unwrap();
                assert!(FORMAT.read(&device, path).is_err(), "offset {offset}");
            }
            file.write_at(offset, &[byte]).unwrap();
        }
        for size in [0, 511, 513] {
            file.set_size(size).unwrap();
            assert!(matches!(FORMAT.read(&device, path), Err(Error::Corrupt { .. })));
            file.set_size(512).unwrap();
            FORMAT.write(&*file, [1; 4]).unwrap();
        }
        let newer = NoteFormat { version: 4, ..FORMAT };
        assert!(matches!(newer.read(&device, path), Err(Error::UnknownFormat { found: 3, known: 4, .. })));
    }
}
