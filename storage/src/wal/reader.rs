//! Reads one segment's frames in order, in a buffer of bounded size.

use super::decode::{Flaw, Frame, check_length, decode};
use super::frame::FRAME_HEADER_BYTES;
use crate::device::DeviceFile;
use crate::{Result, Timestamp};

/// How much is read at once. A longer frame gets a buffer of its own length.
pub(super) const CHUNK_BYTES: usize = 1 << 20;

/// What stands next in a segment.
#[derive(Debug)]
pub(super) enum Next<'a> {
    Frame {
        timestamp: Timestamp,
        frame: Frame<'a>,
    },
    /// No whole frame; the reader doesn't move on.
    Flaw(Flaw),
    /// The segment's end.
    End,
}

/// Reads frames from a file.
#[derive(Debug)]
pub(super) struct FrameReader<'f> {
    file: &'f dyn DeviceFile,
    /// Where the next frame begins in the file.
    offset: u64,
    /// Where the last frame ends at most.
    end: u64,
    /// What was read: the bytes from `start` to `filled` are the file's from `offset` on.
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
}

impl<'f> FrameReader<'f> {
    /// Reads the frames between two places of a file.
    pub(super) fn new(file: &'f dyn DeviceFile, offset: u64, end: u64) -> Self {
        FrameReader { file, offset, end, buffer: Vec::new(), start: 0, filled: 0 }
    }

    /// Where the next frame begins; after a flaw, where the last whole frame ended.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Decodes the next frame. Costs one pass over its bytes, and a read for every [`CHUNK_BYTES`].
    pub(super) fn next(&mut self) -> Result<Next<'_>> {
        let remaining = self.end - self.offset;
        if remaining == 0 {
            return Ok(Next::End);
        }
        self.fill(FRAME_HEADER_BYTES)?;
        let length = match check_length(&self.buffer[self.start..self.filled], remaining) {
            Ok(length) => length,
            Err(flaw) => return Ok(Next::Flaw(flaw)),
        };
        self.fill(length)?;
        if self.filled - self.start < length {
            return Ok(Next::Flaw(Flaw::Torn("the file became shorter while it was read")));
        }
        match decode(&self.buffer[self.start..self.start + length]) {
            Ok((timestamp, frame)) => {
                self.start += length;
                self.offset += length as u64;
                Ok(Next::Frame { timestamp, frame })
            }
            Err(flaw) => Ok(Next::Flaw(flaw)),
        }
    }

    /// Makes the next `wanted` bytes available, as far as the file has them.
    fn fill(&mut self, wanted: usize) -> Result<()> {
        let unread = self.filled - self.start;
        if unread >= wanted {
            return Ok(());
        }
        self.buffer.copy_within(self.start..self.filled, 0);
        self.start = 0;
        self.filled = unread;
        // `wanted` was checked against the file's rest, so a damaged length allocates no more than that.
        let remaining = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX);
        let target = wanted.max(CHUNK_BYTES).min(remaining);
        if self.buffer.len() < target {
            self.buffer.resize(target, 0);
        }
        let position = self.offset + unread as u64;
        self.filled += self.file.read_at(position, &mut self.buffer[unread..target])?;
        Ok(())
    }
}
