//! One file's bytes: what readers see, what a crash leaves for certain, and the changes in between.

use super::pages::Pages;
use super::survival::{Choice, Extent};
use crate::device::SECTOR_BYTES;

/// A change that was made but not synced.
#[derive(Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    SetSize(usize),
}

/// A file's bytes.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// With all changes.
    live: Pages,
    /// With the synced changes only.
    durable: Pages,
    /// The changes that lead from `durable` to `live`, in order.
    unsynced: Vec<Change>,
    /// How often a sync of this file failed; every open file reports each failure once.
    pub(super) failed_syncs: u64,
    /// How many have it open.
    pub(super) handles: usize,
}

impl Contents {
    /// Both seen and durable.
    fn settled(bytes: Pages) -> Self {
        Contents { live: bytes.clone(), durable: bytes, ..Contents::default() }
    }

    pub(super) fn size(&self) -> usize {
        self.live.size()
    }

    pub(super) fn read(&self, offset: usize, buffer: &mut [u8]) -> usize {
        self.live.read(offset, buffer)
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.live.write(offset, bytes);
        self.unsynced.push(Change::Write { offset, bytes: bytes.to_vec() });
    }

    pub(super) fn set_size(&mut self, size: usize) {
        self.live.set_size(size);
        self.unsynced.push(Change::SetSize(size));
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            match change {
                Change::Write { offset, bytes } => self.durable.write(offset, &bytes),
                Change::SetSize(size) => self.durable.set_size(size),
            }
        }
    }

    /// The disk refuses what it was given. As on Linux the bytes stay readable, but count as clean: no
    /// later sync writes them, and no crash leaves them.
    pub(super) fn fail_sync(&mut self) {
        self.unsynced.clear();
        self.failed_syncs += 1;
    }

    /// Flips a bit both of what is read and of what is durable; false if the file ends before it.
    pub(super) fn flip(&mut self, bit: u64) -> bool {
        self.durable.flip(bit);
        self.live.flip(bit)
    }

    /// The file as it is found after a crash.
    pub(super) fn after_crash(&self, choice: &mut Choice) -> Contents {
        let mut bytes = self.durable.clone();
        for change in &self.unsynced {
            match change {
                Change::Write { offset, bytes: written } => survive(&mut bytes, *offset, written, choice),
                Change::SetSize(size) if choice.survives() => bytes.set_size(*size),
                Change::SetSize(_) => {}
            }
        }
        Contents::settled(bytes)
    }
}

/// Applies what survives of one write. The file's new length may survive without the bytes: it reads
/// as zeros then.
fn survive(file: &mut Pages, offset: usize, written: &[u8], choice: &mut Choice) {
    let extent = choice.extent();
    let mut start = 0;
    while start < written.len() {
        let sector_end = (offset + start) / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES;
        let end = (sector_end - offset).min(written.len());
        let survives = match extent {
            Extent::Nothing => false,
            Extent::Whole => true,
            Extent::Torn => choice.survives(),
        };
        if survives {
            file.write(offset + start, &written[start..end]);
        }
        start = end;
    }
    let end = offset + written.len();
    if file.size() < end && choice.survives() {
        file.set_size(end);
    }
}
