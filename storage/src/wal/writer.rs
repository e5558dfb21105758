//! Writes ordered frames into segments, and makes them durable.
//!
//! ```text
//!            durable          offset          prepared
//! segment n ────┴────────────────┴────────────────┘
//!   synced       written, unsynced   zeros
//! ```
//!
//! **Preparing.** A sync that only overwrites blocks which the file already has costs the disk one
//! write; one that lets the file grow costs the file system's journal another (on the machine of
//! DESIGN.md 105 µs against 170 µs for 600 bytes). So a small synced flush that runs over the prepared
//! part also writes [`WalOptions::prepared_bytes`] of zeros behind it, in the same sync: the flushes after it are
//! plain overwrites. Large flushes gain nothing by that, and would write everything twice; they, and
//! those that don't sync, just let the file grow. A disk too full for these zeros has failed nobody: what fits
//! of them is written.
//!
//! **Large amounts.** The disk is told to begin writing every [`WRITE_BACK_BYTES`], so that no sync is
//! long, and the kernel is told to forget a segment that is full: it takes the pages of the next one
//! from it, which are warm, instead of driving everything else out of memory (at 200 MB/s this took the
//! log's share of a core from 35 % to 15 %).
//!
//! **Marks.** When the log has become durable further than the last mark says, the next flush begins
//! with a [`SyncMark`]; see the module above for what recovery does with it.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::frame::SyncMark;
use super::kept::Kept;
use super::position::LogPosition;
use super::segment::{self, HEADER_BYTES, SegmentHeader};
use crate::device::DeviceFile;
use crate::sync::{AtomicU64, Ordering};
use crate::{Home, Result, Timestamp};

/// Frames are gathered up to this length and written at once. Small enough to be in the cache still
/// when the kernel copies it.
const WRITE_BYTES: usize = 256 << 10;

/// After so many bytes the disk is told to begin writing.
const WRITE_BACK_BYTES: u64 = 2 << 20;

/// A sync that covers at most this much is small.
const SMALL_SYNC_BYTES: u64 = 64 << 10;

/// Zeros are written in pieces of this length.
const ZEROS_BYTES: usize = 256 << 10;

/// What was done so far. Relaxed throughout: single numbers that order nothing.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) flushes: AtomicU64,
    pub(super) fsyncs: AtomicU64,
    pub(super) segments: AtomicU64,
    /// Bytes of frames written, marks excluded.
    pub(super) frame_bytes: AtomicU64,
    /// Bytes of zeros written ahead.
    pub(super) prepared_bytes: AtomicU64,
}

/// Where the log is, and how its segments are to be.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) home: Arc<Home>,
    /// The directory of the segments.
    pub(super) directory: PathBuf,
    /// The length at which a segment is left for the next.
    pub(super) segment_bytes: u64,
    /// How far ahead a small synced flush prepares the file.
    pub(super) prepared_bytes: u64,
}

/// The segment that is written to.
#[derive(Debug)]
pub(super) struct OpenSegment {
    pub(super) number: u64,
    pub(super) file: Box<dyn DeviceFile>,
    /// Where the next write goes.
    pub(super) offset: u64,
}

/// The end of the log.
#[derive(Debug)]
pub(super) struct Writer {
    place: Place,
    segment: OpenSegment,
    /// Frames to be written at the segment's offset.
    gathered: Vec<u8>,
    /// Up to where the segment has blocks of its own.
    prepared: u64,
    /// Up to where the log is durable.
    durable: LogPosition,
    /// What the last mark says of that.
    marked: LogPosition,
    /// Up to where the disk was told to begin writing.
    writing_back: u64,
    /// The timestamp of the last frame.
    last: Timestamp,
    /// Bytes written since the last sync.
    unsynced_bytes: u64,
    counters: Arc<Counters>,
    kept: Arc<Kept>,
}

impl Writer {
    /// Goes on at the end of `segment`, or begins a log. Syncs the segment, so that all that is in it is
    /// durable from the start.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the first segment can't be created or prepared.
    pub(super) fn open(
        place: Place,
        segment: Option<OpenSegment>,
        last: Timestamp,
        (counters, kept): (Arc<Counters>, Arc<Kept>),
    ) -> Result<Self> {
        let segment = match segment {
            Some(segment) => segment,
            None => {
                let first = SegmentHeader {
                    number: segment::FIRST_NUMBER,
                    previous_end: 0,
                    previous_timestamp: Timestamp::MIN,
                    identity: place.home.identity(),
                };
                kept.add(first.number, first.previous_timestamp);
                create_segment(&place, first)?
            }
        };
        if place.home.log_end().segment < segment.number {
            place.home.note_log_end(LogPosition { segment: segment.number, offset: HEADER_BYTES })?;
        }
        counters.segments.fetch_add(1, Ordering::Relaxed);
        let start = LogPosition { segment: segment.number, offset: segment.offset };
        let mut writer = Writer {
            place,
            prepared: segment.offset,
            writing_back: segment.offset,
            segment,
            gathered: Vec::new(),
            durable: start,
            // Older than any: whatever the log's last mark says, the next flush writes a new one.
            marked: LogPosition { segment: 0, offset: 0 },
            last,
            unsynced_bytes: 0,
            counters,
            kept,
        };
        writer.prepare()?;
        writer.sync_file()?;
        Ok(writer)
    }

    /// The timestamp of the last frame.
    pub(super) fn last(&self) -> Timestamp {
        self.last
    }

    /// Writes frames in the order given. They need [`Writer::sync`] to be durable.
    pub(super) fn write<'f>(&mut self, frames: impl Iterator<Item = (Timestamp, &'f [u8])>) -> Result<()> {
        for (timestamp, frame) in frames {
            self.put(frame)?;
            self.last = timestamp;
        }
        self.write_gathered()
    }

    /// Makes all that was written durable. Nothing is done if it is so already.
    pub(super) fn sync(&mut self) -> Result<()> {
        if !self.is_durable() {
            let is_small = self.unsynced_bytes <= SMALL_SYNC_BYTES;
            if is_small && self.segment.offset > self.prepared {
                self.prepare()?;
            }
            self.sync_file()?;
        }
        Ok(())
    }

    /// Whether all that was written is durable.
    pub(super) fn is_durable(&self) -> bool {
        self.durable == LogPosition { segment: self.segment.number, offset: self.segment.offset }
    }

    /// Notes, outside of the log, how far it is durable, so that recovery can tell.
    pub(super) fn note_end(&mut self) -> Result<()> {
        if self.place.home.log_end() < self.durable {
            self.place.home.note_log_end(self.durable)?;
        }
        Ok(())
    }

    /// Adds one frame, behind a mark if one is due, and in a new segment if it doesn't fit.
    fn put(&mut self, frame: &[u8]) -> Result<()> {
        let needed = (frame.len() + SyncMark::BYTES) as u64;
        let is_fresh = self.end().offset == HEADER_BYTES;
        if self.end().offset + needed > self.place.segment_bytes && !is_fresh {
            self.begin_segment()?;
        }
        if self.marked < self.durable {
            self.gather_mark();
        }
        self.counters.frame_bytes.fetch_add(frame.len() as u64, Ordering::Relaxed);
        if frame.len() >= WRITE_BYTES {
            self.write_gathered()?;
            return self.write_at_end(frame);
        }
        self.gathered.extend_from_slice(frame);
        if self.gathered.len() >= WRITE_BYTES {
            self.write_gathered()?;
        }
        Ok(())
    }

    /// Where the next frame goes.
    fn end(&self) -> LogPosition {
        let offset = self.segment.offset + self.gathered.len() as u64;
        LogPosition { segment: self.segment.number, offset }
    }

    fn gather_mark(&mut self) {
        let mark = SyncMark { at: self.end(), durable: self.durable };
        self.gathered.extend_from_slice(&mark.encode(self.last));
        self.marked = self.durable;
    }

    fn write_gathered(&mut self) -> Result<()> {
        let gathered = std::mem::take(&mut self.gathered);
        if !gathered.is_empty() {
            self.write_at_end(&gathered)?;
        }
        self.gathered = gathered;
        self.gathered.clear();
        Ok(())
    }

    fn write_at_end(&mut self, bytes: &[u8]) -> Result<()> {
        let start = self.segment.offset;
        self.segment.file.write_at(start, bytes)?;
        self.segment.offset += bytes.len() as u64;
        self.unsynced_bytes += bytes.len() as u64;
        if self.segment.offset - self.writing_back >= WRITE_BACK_BYTES {
            self.segment.file.start_write_back(self.writing_back..self.segment.offset);
            self.writing_back = self.segment.offset;
        }
        Ok(())
    }

    /// Writes zeros behind the segment's end, as far as the segment goes and the disk has room.
    fn prepare(&mut self) -> Result<()> {
        let start = self.segment.offset;
        let end = (start + self.place.prepared_bytes).min(self.place.segment_bytes).max(start);
        self.prepared = match self.write_zeros(start..end) {
            Ok(()) => end,
            // The frames are written, and zeros are only a help.
            Err(error) if error.is_disk_full() => self.segment.file.size()?.clamp(start, end),
            Err(error) => return Err(error),
        };
        self.counters.prepared_bytes.fetch_add(self.prepared - start, Ordering::Relaxed);
        Ok(())
    }

    fn write_zeros(&self, range: Range<u64>) -> Result<()> {
        let zeros = vec![0; ZEROS_BYTES.min((range.end - range.start) as usize)];
        let mut position = range.start;
        while position < range.end {
            let bytes = (range.end - position).min(ZEROS_BYTES as u64);
            self.segment.file.write_at(position, &zeros[..bytes as usize])?;
            position += bytes;
        }
        Ok(())
    }

    fn sync_file(&mut self) -> Result<()> {
        self.counters.fsyncs.fetch_add(1, Ordering::Relaxed);
        self.segment.file.sync_data()?;
        self.durable = LogPosition { segment: self.segment.number, offset: self.segment.offset };
        self.kept.note_durable(self.durable, self.last);
        self.writing_back = self.segment.offset;
        self.unsynced_bytes = 0;
        Ok(())
    }

    /// Leaves this segment, which is durable in full before the next one gets a name, and begins the
    /// next. A segment that has a successor therefore has no torn tail, and nothing behind its end.
    fn begin_segment(&mut self) -> Result<()> {
        self.write_gathered()?;
        self.segment.file.set_size(self.segment.offset)?;
        self.sync_file()?;
        self.segment.file.forget();
        let header = SegmentHeader {
            number: self.segment.number + 1,
            previous_end: self.segment.offset,
            previous_timestamp: self.last,
            identity: self.place.home.identity(),
        };
        self.segment = create_segment(&self.place, header)?;
        self.place.home.note_log_end(LogPosition { segment: header.number, offset: HEADER_BYTES })?;
        self.kept.add(header.number, header.previous_timestamp);
        self.counters.segments.fetch_add(1, Ordering::Relaxed);
        self.prepared = HEADER_BYTES;
        self.writing_back = HEADER_BYTES;
        self.durable = LogPosition { segment: header.number, offset: HEADER_BYTES };
        self.kept.note_durable(self.durable, self.last);
        Ok(())
    }
}

/// Creates a segment, durable with its name and header, and without frames. Costs two syncs.
fn create_segment(place: &Place, header: SegmentHeader) -> Result<OpenSegment> {
    let device = place.home.device();
    let file = device.create(&segment::path(&place.directory, header.number))?;
    file.write_at(0, &header.encode())?;
    file.sync_data()?;
    device.sync_directory(&place.directory)?;
    Ok(OpenSegment { number: header.number, file, offset: HEADER_BYTES })
}
