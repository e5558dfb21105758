//! The end of the log: torn by a crash, or damaged?
//!
//! Behind the last whole frame of the last segment there may be zeros (written ahead), the remains of
//! writes that a crash interrupted, or frames that were once durable and that some damage now hides.
//! The first two are the end of the log; the third must not be taken for it. What tells them apart is
//! a sync mark further on:
//!
//! ```text
//!  frames │ ✗ damaged │ frames │ mark: "durable up to here" │ frames …        an error
//!  frames │ ✗ torn    │ whole and torn pieces of one unsynced flush           cut at ✗
//! ```
//!
//! Pieces of unsynced flushes may contain marks too, but those speak of what was durable before these
//! flushes, and that lies before the tear.
//!
//! What cannot be told: damage in what was synced last, if no later flush left a mark, and the log wasn't
//! closed (which leaves a note of its own, see [`Home`](crate::Home)).

use std::ops::Range;
use std::path::Path;

use super::decode::{Flaw, Frame, decode};
use super::frame::{SyncMark, claimed_length};
use super::position::LogPosition;
use super::reader::{CHUNK_BYTES, read_exactly};
use crate::device::DeviceFile;
use crate::{Error, Result};

/// What stands behind the last whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Zeros or nothing.
    Clean,
    /// Remains of interrupted writes.
    Torn {
        /// From the last whole frame to the last byte that isn't zero.
        bytes: u64,
    },
}

/// Finds out what stands behind the last whole frame, which ends at `at` and is followed by `flaw`.
/// Reads the rest of the file.
///
/// # Errors
/// [`Error::Corrupt`] if the log was durable beyond `at`.
pub(super) fn examine(
    (file, size): (&dyn DeviceFile, u64),
    path: &Path,
    at: LogPosition,
    flaw: Flaw,
) -> Result<Tail> {
    let corrupt = |reason| Error::Corrupt { path: path.to_path_buf(), offset: at.offset, reason };
    let reason = match flaw {
        Flaw::Torn(reason) => reason,
        Flaw::Malformed(reason) => return Err(corrupt(reason.to_string())),
    };
    let mut torn_bytes = 0;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut position = at.offset;
    while position < size {
        let bytes = (size - position).min(CHUNK_BYTES as u64) as usize;
        let chunk = &mut chunk[..bytes];
        read_exactly(file, path, position, chunk)?;
        if let Some(last) = chunk.iter().rposition(|byte| *byte != 0) {
            torn_bytes = position + last as u64 + 1 - at.offset;
            let start = LogPosition { segment: at.segment, offset: position };
            if let Some(durable) = find_mark_beyond(chunk, start, at) {
                let LogPosition { segment, offset } = durable;
                return Err(corrupt(format!(
                    "{reason}, but the log was durable up to offset {offset} of segment {segment}; \
                     commits are lost: restore the file from a copy"
                )));
            }
        }
        if bytes < CHUNK_BYTES {
            break;
        }
        // Chunks overlap, so that no mark is cut in two.
        position += (CHUNK_BYTES - SyncMark::BYTES + 1) as u64;
    }
    Ok(if torn_bytes == 0 { Tail::Clean } else { Tail::Torn { bytes: torn_bytes } })
}

/// Looks through a chunk, which begins at `start`, for a mark that says that the log was durable
/// beyond `at`; returns up to where.
fn find_mark_beyond(chunk: &[u8], start: LogPosition, at: LogPosition) -> Option<LogPosition> {
    chunk.windows(SyncMark::BYTES).enumerate().find_map(|(index, window)| {
        if claimed_length(window) != Some(SyncMark::BYTES) {
            return None;
        }
        match decode(window) {
            Ok((_, Frame::Mark(mark))) => {
                let here = LogPosition { segment: start.segment, offset: start.offset + index as u64 };
                (mark.at == here && mark.durable > at).then_some(mark.durable)
            }
            _ => None,
        }
    })
}

/// Makes certain that the next sync makes the bytes in `range` of the last segment durable, and that
/// nothing behind them comes back.
///
/// What was read may have been in the page cache only, and if the process before this one died of a
/// failed sync, it counts as clean there: a sync alone would not write it. So it is written again,
/// byte for byte, and the length is set again even if it seems right.
pub(super) fn settle(file: &dyn DeviceFile, path: &Path, range: Range<u64>) -> Result<()> {
    file.set_size(range.end)?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut position = range.start;
    while position < range.end {
        let wanted = (range.end - position).min(CHUNK_BYTES as u64) as usize;
        read_exactly(file, path, position, &mut chunk[..wanted])?;
        file.write_at(position, &chunk[..wanted])?;
        position += wanted as u64;
    }
    Ok(())
}
