//! Pieces: the log as recovery and its readers get it, in portions that own their bytes.
//!
//! A piece can be handed to another thread. Commits aren't copied one by one: a piece is the buffer that was read,
//! with a list of where they begin.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::decode::{Entry, Frame, Writes, decode_checked};
use crate::{TableId, Timestamp};

/// A portion of the log, in commit order.
#[derive(Debug)]
pub enum Piece {
    /// Consecutive commits.
    Commits(Commits),
    /// A table was created.
    CreateTable {
        /// When.
        timestamp: Timestamp,
        /// Its number.
        table: TableId,
        /// Its name.
        name: String,
    },
    /// A table was dropped.
    DropTable {
        /// When.
        timestamp: Timestamp,
        /// Its number.
        table: TableId,
    },
    /// A batch of transactions.
    Batch(BatchPiece),
}

/// A batch of transactions as a higher layer has laid it out, whole and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchPiece {
    /// The timestamp of the batch's last transaction.
    pub timestamp: Timestamp,
    /// What was put into the frame.
    pub body: Vec<u8>,
    /// The file that the batch stands in.
    pub path: Arc<Path>,
    /// Where its frame begins in that file.
    pub offset: u64,
}

impl Piece {
    /// The timestamp of the last thing in it.
    pub fn last_timestamp(&self) -> Timestamp {
        match self {
            Piece::Commits(commits) => commits.last,
            Piece::CreateTable { timestamp, .. } | Piece::DropTable { timestamp, .. } => *timestamp,
            Piece::Batch(batch) => batch.timestamp,
        }
    }
}

/// At least one commit, whole and checked: as many consecutive ones as take about 1 MiB of log.
#[derive(Debug)]
pub struct Commits {
    pub(super) bytes: Vec<u8>,
    /// Where each commit's frame is in `bytes`.
    pub(super) frames: Vec<(u32, u32)>,
    pub(super) path: Arc<Path>,
    /// Where `bytes` begin in the file.
    pub(super) offset: u64,
    pub(super) last: Timestamp,
}

impl Commits {
    /// The commits, each with its timestamp and its writes. Costs a few nanoseconds a commit and a write.
    pub fn iter(&self) -> impl Iterator<Item = (Timestamp, Writes<'_>)> {
        self.frames.iter().filter_map(|&(start, length)| {
            let start = start as usize;
            match decode_checked(&self.bytes[start..start + length as usize]) {
                // Every frame was decoded once when the piece was made.
                Ok(Frame::Entry(Entry::Commit { timestamp, writes })) => Some((timestamp, writes)),
                _ => None,
            }
        })
    }

    /// How many commits there are.
    #[allow(clippy::len_without_is_empty, reason = "there is at least one")]
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// The timestamp of the last commit.
    pub fn last_timestamp(&self) -> Timestamp {
        self.last
    }

    /// The length of this portion of the log, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Where the commit with this index stands: the segment's file, and the offset in it.
    pub fn place(&self, index: usize) -> (PathBuf, u64) {
        (self.path.to_path_buf(), self.offset + u64::from(self.frames[index].0))
    }
}
