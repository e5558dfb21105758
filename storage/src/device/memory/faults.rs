//! Failures on order, and a count of what was asked of the device.

use std::io;

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
    /// Everything that changes something: writes, changes of size, syncs, creations, removals, renames.
    pub changes: u64,
}

/// What is asked of the device, as far as faults care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Write {
        bytes: usize,
    },
    Sync,
    DirectorySync,
    /// A change of size, or of a directory's entries.
    Other,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Succeeds,
    /// Fails by itself; the device goes on.
    Fails,
    /// The power goes out while it is under way.
    IsInterrupted,
    /// The power is out.
    NeverStarts,
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
            Fault::PowerCut(n) => Fault::PowerCut(done.changes + n),
        });
    }

    /// Counts one request and decides on it.
    pub(super) fn decide(&mut self, request: Request) -> Verdict {
        if self.power_is_out {
            return Verdict::NeverStarts;
        }
        let done = &mut self.operations;
        done.changes += 1;
        match request {
            Request::Write { bytes } => {
                done.writes += 1;
                done.bytes_written += bytes as u64;
            }
            Request::Sync => done.syncs += 1,
            Request::DirectorySync => done.directory_syncs += 1,
            Request::Other => {}
        }
        let is_write = matches!(request, Request::Write { .. });
        let is_sync = matches!(request, Request::Sync | Request::DirectorySync);
        if self.pending.contains(&Fault::PowerCut(done.changes)) {
            self.power_is_out = true;
            return Verdict::IsInterrupted;
        }
        let fails = is_write && self.pending.contains(&Fault::Write(done.writes))
            || is_sync && self.pending.contains(&Fault::Sync(done.syncs + done.directory_syncs));
        if fails { Verdict::Fails } else { Verdict::Succeeds }
    }

    /// Counts one read.
    pub(super) fn decide_read(&mut self) -> Verdict {
        self.operations.reads += 1;
        if self.power_is_out { Verdict::NeverStarts } else { Verdict::Succeeds }
    }
}

/// The error of a request that was made to fail.
pub(super) fn injected() -> io::Error {
    io::Error::other("a fault that the test asked for")
}
