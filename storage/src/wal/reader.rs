//! Reads one segment's frames in order, in portions of bounded size.

use std::path::Path;
use std::sync::Arc;

use super::ahead::ReadAhead;
use super::decode::{Entry, Flaw, Frame, check_length, decode};
use super::frame::{FRAME_HEADER_BYTES, SyncMark};
use super::piece::{BatchPiece, Commits, Piece};
use super::position::LogPosition;
use crate::device::DeviceFile;
use crate::{Error, Result, Timestamp};

/// How much is read at once. A longer frame gets a buffer of its own length.
pub(super) const CHUNK_BYTES: usize = 1 << 20;

/// What stands next in a segment.
#[derive(Debug)]
pub(super) enum Next {
    Piece(Piece),
    /// No whole frame; the reader doesn't move on.
    Flaw(Flaw),
    /// The end of what was to be read.
    End,
}

/// Reads frames from a file.
#[derive(Debug)]
pub(super) struct PieceReader<'f> {
    file: &'f dyn DeviceFile,
    path: Arc<Path>,
    /// Where the next frame begins.
    at: LogPosition,
    /// Where the last frame ends at most.
    end: u64,
    /// Entries up to here aren't delivered.
    after: Timestamp,
    /// The timestamp of the last entry.
    last: Timestamp,
    /// Up to where a mark has said that the log is durable.
    durable: LogPosition,
    /// The bytes of the file from `at` on, as far as they were read.
    ahead: ReadAhead,
    /// How many bytes the next frame needs.
    wanted: usize,
}

impl<'f> PieceReader<'f> {
    /// Reads the frames from `at` to the offset `end`, and delivers those after the timestamp `after`.
    /// `last` is the timestamp of the frame before.
    pub(super) fn new(
        (file, path): (&'f dyn DeviceFile, Arc<Path>),
        at: LogPosition,
        end: u64,
        (last, after): (Timestamp, Timestamp),
    ) -> Self {
        PieceReader {
            file,
            path,
            at,
            end,
            after,
            last,
            durable: LogPosition::default(),
            ahead: ReadAhead::default(),
            wanted: FRAME_HEADER_BYTES,
        }
    }

    /// The same reader, which needn't read again what another one has read from `at` on.
    pub(super) fn with_ahead(self, ahead: ReadAhead) -> Self {
        PieceReader { ahead, ..self }
    }

    /// What was read behind what was delivered.
    pub(super) fn into_ahead(self) -> ReadAhead {
        self.ahead
    }

    /// Behind what was delivered; after a flaw, where the last whole frame ended.
    pub(super) fn position(&self) -> LogPosition {
        self.at
    }

    /// The timestamp of the last entry, delivered or passed over.
    pub(super) fn last_timestamp(&self) -> Timestamp {
        self.last
    }

    /// Up to where the marks so far have said that the log is durable.
    pub(super) fn durable(&self) -> LogPosition {
        self.durable
    }

    /// The next portion. Costs a read for every [`CHUNK_BYTES`], and one pass over the bytes.
    pub(super) fn next(&mut self) -> Result<Next> {
        while self.at.offset < self.end {
            self.fill()?;
            if let Some(next) = self.walk() {
                return Ok(next);
            }
        }
        Ok(Next::End)
    }

    /// Reads on if the next frame needs that: a chunk, or as much as the frame is long.
    fn fill(&mut self) -> Result<()> {
        let read = self.ahead.rest().len();
        // `wanted` was checked against the file's rest, so a damaged length allocates no more than that.
        let rest = usize::try_from(self.end - self.at.offset).unwrap_or(usize::MAX);
        if read >= self.wanted.min(rest) {
            return Ok(());
        }
        let added = self.ahead.extend_to(self.wanted.max(CHUNK_BYTES).min(rest));
        read_exactly(self.file, &self.path, self.at.offset + read as u64, added)
    }

    /// Goes through the whole frames that were read, up to one that isn't a commit. That one, or a flaw, comes
    /// by itself, with the next walk.
    fn walk(&mut self) -> Option<Next> {
        let mut frames = Vec::new();
        let mut walked = 0;
        self.wanted = FRAME_HEADER_BYTES;
        let alone = loop {
            let here = LogPosition { offset: self.at.offset + walked as u64, ..self.at };
            let rest = &self.ahead.rest()[walked..];
            let remaining = self.end - here.offset;
            if rest.len() < FRAME_HEADER_BYTES && (rest.len() as u64) < remaining || remaining == 0 {
                break None;
            }
            let length = match check_length(rest, remaining) {
                Ok(length) => length,
                Err(flaw) => break Some(Next::Flaw(flaw)),
            };
            if length > rest.len() {
                self.wanted = length;
                break None;
            }
            match decode(&rest[..length]) {
                Err(flaw) => break Some(Next::Flaw(flaw)),
                Ok((_, Frame::Mark(mark))) => match note_mark(&mut self.durable, mark, here) {
                    Ok(()) => {}
                    Err(flaw) => break Some(Next::Flaw(flaw)),
                },
                Ok((at, _)) if at <= self.last => break Some(Next::Flaw(OUT_OF_ORDER)),
                Ok((at, _)) if at <= self.after => self.last = at,
                Ok((at, Frame::Entry(Entry::Commit { .. }))) => {
                    self.last = at;
                    frames.push((walked as u32, length as u32));
                }
                Ok(_) if !frames.is_empty() => break None,
                Ok((at, Frame::Entry(entry))) => {
                    let piece = piece_alone(&entry, &self.path, here.offset);
                    self.last = at;
                    walked += length;
                    break piece.map(Next::Piece);
                }
            }
            walked += length;
        };
        let offset = self.at.offset;
        self.at.offset += walked as u64;
        if frames.is_empty() {
            self.ahead.pass(walked);
            return alone;
        }
        let (bytes, path) = (self.ahead.take(walked), Arc::clone(&self.path));
        // What was passed over at the end may be later than the last commit delivered, never earlier.
        Some(Next::Piece(Piece::Commits(Commits { bytes, frames, path, offset, last: self.last })))
    }
}

const OUT_OF_ORDER: Flaw = Flaw::Torn("a frame's timestamp is not above that of the frame before it");

/// Takes note of a mark, unless it is out of place.
fn note_mark(durable: &mut LogPosition, mark: SyncMark, at: LogPosition) -> std::result::Result<(), Flaw> {
    if mark.at != at || mark.durable > at {
        return Err(Flaw::Malformed("a mark stands where it wasn't written"));
    }
    *durable = (*durable).max(mark.durable);
    Ok(())
}

/// The piece that an entry is by itself; `None` if it comes together with others. `offset` is where it begins.
fn piece_alone(entry: &Entry<'_>, path: &Arc<Path>, offset: u64) -> Option<Piece> {
    match *entry {
        Entry::Commit { .. } => None,
        Entry::CreateTable { timestamp, table, name } => {
            Some(Piece::CreateTable { timestamp, table, name: name.to_owned() })
        }
        Entry::DropTable { timestamp, table } => Some(Piece::DropTable { timestamp, table }),
        Entry::Batch { timestamp, body } => {
            let (body, path) = (body.to_vec(), Arc::clone(path));
            Some(Piece::Batch(BatchPiece { timestamp, body, path, offset }))
        }
    }
}

/// Fills a buffer from a place in a file where that much must be.
///
/// # Errors
/// [`Error::Corrupt`] if less comes: a file that is shorter than it says must not look like a torn one.
pub(super) fn read_exactly(file: &dyn DeviceFile, path: &Path, offset: u64, buffer: &mut [u8]) -> Result<()> {
    let read = file.read_at(offset, buffer)?;
    if read < buffer.len() {
        let reason = format!("{} bytes were to be read here, and {read} came", buffer.len());
        return Err(Error::Corrupt { path: path.to_owned(), offset, reason });
    }
    Ok(())
}
