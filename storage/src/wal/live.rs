//! Reading the log while it is written: for change feeds and backups.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::ahead::ReadAhead;
use super::decode::Flaw;
use super::kept::Extent;
use super::piece::Piece;
use super::position::LogPosition;
use super::reader::{Next, PieceReader};
use super::segment::{self, HEADER_BYTES};
use super::{WAL_DIRECTORY, Wal};
use crate::device::DeviceFile;
use crate::{Error, Result, Timestamp};

/// A place in a log that is being written. Holds one file open, and at most what it has read ahead: a MiB, or a
/// longer frame; nothing once it has come to the durable end.
#[derive(Debug)]
pub struct LogReader {
    /// What comes next is behind this place.
    at: LogPosition,
    /// The file at that place.
    open: Option<(Box<dyn DeviceFile>, Arc<Path>)>,
    /// What was read of that file from `at` on.
    ahead: ReadAhead,
    /// Entries up to here aren't delivered.
    after: Timestamp,
    /// The timestamp of the last entry before `at`.
    last: Timestamp,
}

impl Wal {
    /// Reads the log from the first commit after `after` on.
    ///
    /// # Errors
    /// [`Error::Gone`] if some of these commits were in segments that have been removed.
    pub fn read_after(&self, after: Timestamp) -> Result<LogReader> {
        match self.kept.segment_for(after) {
            Some(segment) => {
                let at = LogPosition { segment, offset: HEADER_BYTES };
                Ok(LogReader { at, open: None, ahead: ReadAhead::default(), after, last: Timestamp::MIN })
            }
            None => Err(Error::Gone { asked: after, oldest: self.kept.oldest() }),
        }
    }
}

impl LogReader {
    /// The next portion of the log, as far as it is durable; `None` if there's nothing more yet. `wal` is the
    /// log that the reader comes from. Each entry is delivered once, in order. Costs a read of at most about
    /// 1 MiB.
    ///
    /// # Errors
    /// [`Error::Gone`] if what comes next has been removed; [`Error::Corrupt`], [`Error::Io`].
    pub fn next(&mut self, wal: &Wal) -> Result<Option<Piece>> {
        loop {
            let (end, is_sealed) = match wal.kept.extent(self.at.segment) {
                Extent::Sealed(end) => (end, true),
                Extent::Growing(end) => (end, false),
                Extent::Gone => return Err(self.gone(wal)),
            };
            if self.at.offset < end
                && let Some(piece) = self.read(wal, end)?
            {
                return Ok(Some(piece));
            }
            if !is_sealed {
                return Ok(None);
            }
            self.at = LogPosition { segment: self.at.segment + 1, offset: HEADER_BYTES };
            (self.open, self.ahead) = (None, ReadAhead::default());
        }
    }

    /// Reads on in this segment; `None` if nothing is left in it up to `end`.
    fn read(&mut self, wal: &Wal, end: u64) -> Result<Option<Piece>> {
        let directory = wal.home.directory().join(WAL_DIRECTORY);
        if self.open.is_none() {
            let path = segment::path(&directory, self.at.segment);
            let file = match wal.home.device().open(&path) {
                Ok(file) => file,
                Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                    return Err(self.gone(wal));
                }
                Err(error) => return Err(error),
            };
            self.open = Some((file, path.into()));
        }
        let Some((file, path)) = &self.open else { return Ok(None) };
        let (file, path) = (&**file, Arc::clone(path));
        let reader = PieceReader::new((file, Arc::clone(&path)), self.at, end, (self.last, self.after));
        let mut reader = reader.with_ahead(std::mem::take(&mut self.ahead));
        let next = reader.next()?;
        self.at = reader.position();
        self.last = reader.last_timestamp();
        self.ahead = reader.into_ahead();
        match next {
            Next::Piece(piece) => Ok(Some(piece)),
            Next::End => Ok(None),
            Next::Flaw(Flaw::Torn(reason) | Flaw::Malformed(reason)) => Err(Error::Corrupt {
                path: path.to_path_buf(),
                offset: self.at.offset,
                reason: format!("{reason}, though the log was durable up to offset {end}"),
            }),
        }
    }

    fn gone(&self, wal: &Wal) -> Error {
        Error::Gone { asked: self.last.max(self.after), oldest: wal.oldest_timestamp() }
    }
}
