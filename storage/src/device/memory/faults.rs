//! Failures on order, and a count of what was asked of the device.

use std::io;
use std::time::Duration;

/// A failure to come. Numbers count from the moment of [`MemoryDevice::inject`]; the first operation
/// from then on is number 1.
///
/// [`MemoryDevice::inject`]: super::MemoryDevice::inject
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The n-th write to a file fails, with half of its bytes written.
    Write(u64),
    /// The n-th sync of a file or directory fails, and later ones succeed. Of a file, what it should have
    /// made durable is lost for good, though it can still be read; of a directory, it stays unsynced.
    Sync(u64),
    /// The n-th sync of a directory fails, and its names stay unsynced.
    DirectorySync(u64),
    /// The n-th creation of a file fails, and there is no such file.
    Create(u64),
    /// The n-th removal of a file fails, and the file stays.
    Remove(u64),
    /// The n-th rename fails, and both names stay as they are.
    Rename(u64),
    /// The n-th change of a file's size fails, and the size stays.
    SetSize(u64),
    /// The n-th read fails.
    Read(u64),
    /// The n-th read returns only half of the bytes that are there.
    ShortRead(u64),
    /// The n-th read returns one wrong bit; the file itself is as it was. Nothing is wrong with a read
    /// that returns nothing.
    FlippedRead {
        /// Which read.
        nth: u64,
        /// Which bit of what it returns: this one, modulo their number.
        bit: u64,
    },
    /// The n-th operation that changes anything waits before it takes place; others overtake it.
    Delay {
        /// Which operation.
        nth: u64,
        /// For how long.
        by: Duration,
    },
    /// The power goes out in the middle of the n-th operation that changes anything: this one and all
    /// operations after it fail. What the n-th should have changed is there, unsynced, so that a crash
    /// may leave it whole, torn or not at all.
    PowerCut(u64),
}

/// How many operations a device was asked for, failed ones included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    /// Reads of files.
    pub reads: u64,
    /// Writes to files.
    pub writes: u64,
    /// The bytes of these writes.
    pub bytes_written: u64,
    /// Syncs of files.
    pub syncs: u64,
    /// Syncs of directories.
    pub directory_syncs: u64,
    /// Creations of files.
    pub creations: u64,
    /// Removals of files.
    pub removals: u64,
    /// Renames of files.
    pub renames: u64,
    /// Changes of size.
    pub size_changes: u64,
    /// Everything that changes something: all of these but reads, and creations of directories too.
    pub changes: u64,
}

/// What is asked of the device, as far as faults care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Write { bytes: usize },
    Sync,
    DirectorySync,
    Create,
    Remove,
    Rename,
    SetSize,
    CreateDirectory,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Succeeds,
    /// Succeeds, or whatever becomes of it, after a while.
    IsDelayed(Duration),
    /// Fails by itself; the device goes on.
    Fails,
    /// The power goes out while it is under way.
    IsInterrupted,
    /// The power is out.
    NeverStarts,
}

/// What becomes of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadVerdict {
    Succeeds,
    Fails,
    /// Half of it is missing.
    IsShort,
    /// One bit of it is wrong.
    IsFlipped(u64),
}

/// Counts requests and decides which of them fail.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) operations: Operations,
    pending: Vec<Fault>,
    power_is_out: bool,
}

impl Faults {
    pub(super) fn inject(&mut self, fault: Fault) {
        let done = self.operations;
        // Kept as absolute numbers, so that nothing has to be counted down.
        self.pending.push(match fault {
            Fault::Write(n) => Fault::Write(done.writes + n),
            Fault::Sync(n) => Fault::Sync(done.syncs + done.directory_syncs + n),
            Fault::DirectorySync(n) => Fault::DirectorySync(done.directory_syncs + n),
            Fault::Create(n) => Fault::Create(done.creations + n),
            Fault::Remove(n) => Fault::Remove(done.removals + n),
            Fault::Rename(n) => Fault::Rename(done.renames + n),
            Fault::SetSize(n) => Fault::SetSize(done.size_changes + n),
            Fault::Read(n) => Fault::Read(done.reads + n),
            Fault::ShortRead(n) => Fault::ShortRead(done.reads + n),
            Fault::FlippedRead { nth, bit } => Fault::FlippedRead { nth: done.reads + nth, bit },
            Fault::Delay { nth, by } => Fault::Delay { nth: done.changes + nth, by },
            Fault::PowerCut(n) => Fault::PowerCut(done.changes + n),
        });
    }

    /// Counts one request and decides on it.
    pub(super) fn decide(&mut self, request: Request) -> Verdict {
        if self.power_is_out {
            return Verdict::NeverStarts;
        }
        self.operations.count(request);
        let done = &self.operations;
        if self.pending.contains(&Fault::PowerCut(done.changes)) {
            self.power_is_out = true;
            return Verdict::IsInterrupted;
        }
        let syncs = done.syncs + done.directory_syncs;
        let faults: &[Fault] = match request {
            Request::Write { .. } => &[Fault::Write(done.writes)],
            Request::Sync => &[Fault::Sync(syncs)],
            Request::DirectorySync => &[Fault::Sync(syncs), Fault::DirectorySync(done.directory_syncs)],
            Request::Create => &[Fault::Create(done.creations)],
            Request::Remove => &[Fault::Remove(done.removals)],
            Request::Rename => &[Fault::Rename(done.renames)],
            Request::SetSize => &[Fault::SetSize(done.size_changes)],
            Request::CreateDirectory => &[],
        };
        if faults.iter().any(|fault| self.pending.contains(fault)) {
            return Verdict::Fails;
        }
        let delay = self.pending.iter().find_map(|fault| match fault {
            Fault::Delay { nth, by } if *nth == done.changes => Some(*by),
            _ => None,
        });
        delay.map_or(Verdict::Succeeds, Verdict::IsDelayed)
    }

    /// What becomes of a delayed request now that its time has come.
    pub(super) fn decide_after_delay(&self) -> Verdict {
        if self.power_is_out { Verdict::NeverStarts } else { Verdict::Succeeds }
    }

    /// Counts one read and decides on it.
    pub(super) fn decide_read(&mut self) -> ReadVerdict {
        self.operations.reads += 1;
        let number = self.operations.reads;
        if self.power_is_out || self.pending.contains(&Fault::Read(number)) {
            return ReadVerdict::Fails;
        }
        if self.pending.contains(&Fault::ShortRead(number)) {
            return ReadVerdict::IsShort;
        }
        let flip = self.pending.iter().find_map(|fault| match fault {
            Fault::FlippedRead { nth, bit } if *nth == number => Some(*bit),
            _ => None,
        });
        flip.map_or(ReadVerdict::Succeeds, ReadVerdict::IsFlipped)
    }
}

impl Operations {
    fn count(&mut self, request: Request) {
        self.changes += 1;
        match request {
            Request::Write { bytes } => {
                self.writes += 1;
                self.bytes_written += bytes as u64;
            }
            Request::Sync => self.syncs += 1,
            Request::DirectorySync => self.directory_syncs += 1,
            Request::Create => self.creations += 1,
            Request::Remove => self.removals += 1,
            Request::Rename => self.renames += 1,
            Request::SetSize => self.size_changes += 1,
            Request::CreateDirectory => {}
        }
    }
}

/// The error of a request that was made to fail.
pub(super) fn injected() -> io::Error {
    io::Error::other("a fault that the test asked for")
}
