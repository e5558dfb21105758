//! Which segments there are, and up to where the log is durable: what readers of a live log go by.

use std::path::{Path, PathBuf};

use super::position::{LogPosition, LogStart};
use super::segment::{self, HEADER_BYTES};
use crate::Timestamp;
use crate::home::WAL_DIRECTORY;
use crate::sync::Mutex;

/// A segment of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its number.
    pub number: u64,
    /// The timestamp of the last commit (or change of a table) before it; all of its own are later.
    /// [`Timestamp::MIN`] in the log's first segment.
    pub previous_timestamp: Timestamp,
    /// The timestamp of the last one in it; if it has none, that of the last one before it. Of the newest segment, as
    /// far as it is durable.
    pub last_timestamp: Timestamp,
    /// Its length in bytes; of the newest one, as far as it is durable.
    pub bytes: u64,
}

impl SegmentInfo {
    /// The path of its file, within the database's directory.
    pub fn path(&self) -> PathBuf {
        segment::path(Path::new(WAL_DIRECTORY), self.number)
    }
}

/// Up to where the log is durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogEnd {
    /// As a place.
    pub position: LogPosition,
    /// As a commit.
    pub timestamp: Timestamp,
}

/// What the writer tells everyone else. Looked at once a sync, and by whoever reads the log or removes
/// segments.
#[derive(Debug, Default)]
pub(super) struct Kept {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// In order, without gaps. The last one is being written.
    segments: Vec<SegmentInfo>,
    durable: LogEnd,
}

/// How far a segment can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Up to here, where it ends; the next one follows.
    Sealed(u64),
    /// Up to here, for now.
    Growing(u64),
    /// It was removed.
    Gone,
}

impl Kept {
    /// Takes note of a segment behind all others, which is empty and durable.
    pub(super) fn add(&self, number: u64, previous_timestamp: Timestamp) {
        self.add_whole(SegmentInfo {
            number,
            previous_timestamp,
            last_timestamp: previous_timestamp,
            bytes: HEADER_BYTES,
        });
    }

    /// Takes note of a segment behind all others.
    pub(super) fn add_whole(&self, segment: SegmentInfo) {
        self.state.lock().segments.push(segment);
    }

    /// Takes note of a sync of the last segment.
    pub(super) fn note_durable(&self, position: LogPosition, timestamp: Timestamp) {
        let mut state = self.state.lock();
        state.durable = LogEnd { position, timestamp };
        if let Some(last) = state.segments.last_mut() {
            last.bytes = position.offset;
            last.last_timestamp = timestamp;
        }
    }

    /// Forgets the segments below `number`.
    pub(super) fn remove_before(&self, number: u64) {
        self.state.lock().segments.retain(|segment| segment.number >= number);
    }

    pub(super) fn segments(&self) -> Vec<SegmentInfo> {
        self.state.lock().segments.clone()
    }

    pub(super) fn durable(&self) -> LogEnd {
        self.state.lock().durable
    }

    /// The timestamp after which all commits are still in the log.
    pub(super) fn oldest(&self) -> Timestamp {
        self.state.lock().segments.first().map_or(Timestamp::MIN, |segment| segment.previous_timestamp)
    }

    /// The last segment that has all commits after `timestamp`, with those that follow; `None` if it is gone.
    pub(super) fn segment_for(&self, timestamp: Timestamp) -> Option<u64> {
        let state = self.state.lock();
        let mut holding =
            state.segments.iter().rev().filter(|segment| segment.previous_timestamp <= timestamp);
        holding.next().map(|segment| segment.number)
    }

    /// Where replay would begin behind a checkpoint at `timestamp`.
    pub(super) fn start_after(&self, timestamp: Timestamp) -> LogStart {
        let segment = self.segment_for(timestamp).unwrap_or_else(|| LogStart::default().segment);
        LogStart { segment, after: timestamp, reaches: self.durable().position }
    }

    pub(super) fn extent(&self, number: u64) -> Extent {
        let state = self.state.lock();
        match state.segments.iter().find(|segment| segment.number == number) {
            None => Extent::Gone,
            Some(segment) if state.durable.position.segment > number => Extent::Sealed(segment.bytes),
            Some(segment) => Extent::Growing(segment.bytes),
        }
    }
}
