//! Reads the log back: every whole frame in order, up to the end that a crash may have torn.
//!
//! All segments but the last were synced in full before their successor was begun, and the successor
//! says where they ended, so everything in them must be whole. The last segment ends at its first flaw,
//! if `tail` finds that a crash explains it.
//!
//! A crash may also strike while a segment is being created. Its header is synced before anything else
//! is written to it, so a broken header with nothing behind it is such a segment, and is removed.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::decode::{Entry, Flaw, Frame};
use super::frame::SyncMark;
use super::position::LogPosition;
use super::reader::{CHUNK_BYTES, FrameReader, Next};
use super::segment::{self, HEADER_BYTES, SegmentHeader};
use super::tail::{self, Tail};
use super::writer::{OpenSegment, Place};
use crate::device::DeviceFile;
use crate::{Error, Result, Timestamp};

/// How often progress is logged.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// What recovery found in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The timestamp of the last frame; [`Timestamp::MIN`] if the log is empty.
    pub last_timestamp: Timestamp,
    /// The transactions replayed.
    pub commits: u64,
    /// The creations and removals of tables replayed.
    pub catalog_changes: u64,
    /// The bytes of the segments, up to the log's end.
    pub log_bytes: u64,
    /// The segments.
    pub segments: u64,
    /// What was cut off the log's end, if anything.
    pub cut: Option<Cut>,
}

/// A torn tail that recovery cut off: remains of writes that a crash interrupted, and that nobody was
/// told were durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The segment's file.
    pub path: PathBuf,
    /// Where the log ends now.
    pub offset: u64,
    /// How much was cut.
    pub bytes: u64,
}

/// What is called with each entry of the log, in commit order.
pub type Replay<'r> = dyn FnMut(Entry<'_>) -> Result<()> + 'r;

/// A segment whose header is whole.
struct Segment {
    path: PathBuf,
    header: SegmentHeader,
    file: Box<dyn DeviceFile>,
    size: u64,
}

/// Replays the log of `place`, and makes its end fit to be written on. Returns the last segment, if
/// there is any; what was replayed is durable when that has been synced.
pub(super) fn recover(place: &Place, replay: &mut Replay<'_>) -> Result<(Option<OpenSegment>, Recovery)> {
    let mut segments = open_segments(place)?;
    let total_bytes = segments.iter().map(|segment| segment.size).sum();
    let mut recoverer = Recoverer::new(total_bytes, replay);
    let Some(last) = segments.pop() else {
        return Ok((None, recoverer.found));
    };
    for (index, segment) in segments.iter().enumerate() {
        let successor = segments.get(index + 1).unwrap_or(&last);
        recoverer.replay_sealed(segment, successor.header.previous_end)?;
    }
    let offset = recoverer.replay_last(&last)?;
    place.device.sync_directory(&place.directory)?;
    recoverer.progress.finish(&recoverer.found);
    let open = OpenSegment { number: last.header.number, file: last.file, offset };
    Ok((Some(open), recoverer.found))
}

/// Opens all segments and checks their headers. Removes a last one whose creation was interrupted.
fn open_segments(place: &Place) -> Result<Vec<Segment>> {
    let mut segments = Vec::new();
    let mut listed = segment::list(&*place.device, &place.directory)?.into_iter().peekable();
    while let Some((number, path)) = listed.next() {
        let file = place.device.open(&path)?;
        let size = file.size()?;
        match SegmentHeader::read(&*file, &path)? {
            Some(header) if header.number == number => segments.push(Segment { path, header, file, size }),
            Some(header) => {
                let reason =
                    format!("the file's header says that it is segment {} of the log", header.number);
                return Err(Error::Corrupt { path, offset: 0, reason });
            }
            None if listed.peek().is_none() && has_no_frames(&*file)? => {
                tracing::warn!(path = %path.display(), "removing a log segment whose creation was interrupted");
                place.device.remove(&path)?;
                place.device.sync_directory(&place.directory)?;
            }
            None => {
                let reason = "the segment's header is damaged; restore the file from a copy".to_string();
                return Err(Error::Corrupt { path, offset: 0, reason });
            }
        }
    }
    Ok(segments)
}

/// Whether there are only zeros where a segment's frames would be.
fn has_no_frames(file: &dyn DeviceFile) -> Result<bool> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut position = HEADER_BYTES;
    loop {
        let bytes = file.read_at(position, &mut chunk)?;
        if chunk[..bytes].iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        if bytes < CHUNK_BYTES {
            return Ok(true);
        }
        position += bytes as u64;
    }
}

/// Goes through the segments.
struct Recoverer<'c, 'r> {
    replay: &'c mut Replay<'r>,
    found: Recovery,
    /// Up to where a mark has said that the log is durable.
    durable: LogPosition,
    progress: Progress,
}

impl<'c, 'r> Recoverer<'c, 'r> {
    fn new(total_bytes: u64, replay: &'c mut Replay<'r>) -> Self {
        Recoverer {
            replay,
            found: Recovery::default(),
            durable: LogPosition { segment: 0, offset: 0 },
            progress: Progress { total_bytes, next_look_bytes: 0, logged: Instant::now() },
        }
    }

    /// Replays a segment that has a successor: it must be whole up to where it ended.
    fn replay_sealed(&mut self, segment: &Segment, end: u64) -> Result<()> {
        let corrupt = |offset, reason| Error::Corrupt { path: segment.path.clone(), offset, reason };
        if segment.size != end {
            let reason = format!("the file has {} bytes, but its successor says it has {end}", segment.size);
            return Err(corrupt(segment.size.min(end), reason));
        }
        let (offset, flaw) = self.replay_frames(segment, end)?;
        if let Some(Flaw::Torn(reason) | Flaw::Malformed(reason)) = flaw {
            let reason =
                format!("{reason}, and the log goes on; commits are lost: restore the file from a copy");
            return Err(corrupt(offset, reason));
        }
        Ok(())
    }

    /// Replays the last segment up to its end, which it returns, and settles what it replayed.
    fn replay_last(&mut self, segment: &Segment) -> Result<u64> {
        let (offset, flaw) = self.replay_frames(segment, segment.size)?;
        let at = LogPosition { segment: segment.header.number, offset };
        let found = match flaw {
            Some(flaw) => tail::examine(&*segment.file, &segment.path, at, flaw)?,
            None => Tail::Clean,
        };
        if let Tail::Torn { bytes } = found {
            let path = segment.path.clone();
            tracing::warn!(path = %path.display(), offset, bytes, "cutting a torn tail off the log");
            self.found.cut = Some(Cut { path, offset, bytes });
        }
        // A mark in this segment proves that its header is durable. Without one not even that is certain,
        // nor that its name is.
        let is_in_segment = self.durable.segment == at.segment;
        let durable = if is_in_segment { self.durable.offset } else { 0 };
        tail::settle(&*segment.file, &segment.path, durable..offset)?;
        Ok(offset)
    }

    /// Replays frames until `end` or the first flaw; returns where that is.
    fn replay_frames(&mut self, segment: &Segment, end: u64) -> Result<(u64, Option<Flaw>)> {
        self.check_predecessor(segment)?;
        let mut reader = FrameReader::new(&*segment.file, HEADER_BYTES, end);
        let (offset, flaw) = loop {
            let offset = reader.offset();
            let flaw = match reader.next()? {
                Next::End => break (offset, None),
                Next::Flaw(flaw) => Some(flaw),
                Next::Frame { frame: Frame::Mark(mark), .. } => {
                    self.note_mark(mark, LogPosition { segment: segment.header.number, offset })
                }
                Next::Frame { timestamp, frame: Frame::Entry(entry) } => {
                    self.replay_entry(timestamp, entry)?
                }
            };
            if flaw.is_some() {
                break (offset, flaw);
            }
            self.progress.note(self.found.log_bytes + offset);
        };
        self.found.segments += 1;
        self.found.log_bytes += offset;
        Ok((offset, flaw))
    }

    /// Checks that a segment follows the frames that were replayed before it.
    fn check_predecessor(&self, segment: &Segment) -> Result<()> {
        let (says, last) = (segment.header.previous_timestamp, self.found.last_timestamp);
        if says != last {
            let reason =
                format!("the segment follows timestamp {says}, but the one before it ends with {last}");
            return Err(Error::Corrupt { path: segment.path.clone(), offset: 0, reason });
        }
        Ok(())
    }

    /// Takes note of a mark, unless it is out of place.
    fn note_mark(&mut self, mark: SyncMark, at: LogPosition) -> Option<Flaw> {
        if mark.at != at || mark.durable > at {
            return Some(Flaw::Malformed("a mark stands where it wasn't written"));
        }
        self.durable = self.durable.max(mark.durable);
        None
    }

    /// Hands an entry on, unless it is out of order.
    fn replay_entry(&mut self, timestamp: Timestamp, entry: Entry<'_>) -> Result<Option<Flaw>> {
        if timestamp <= self.found.last_timestamp {
            return Ok(Some(Flaw::Torn("a frame's timestamp is not above that of the frame before it")));
        }
        match entry {
            Entry::Commit { .. } => self.found.commits += 1,
            Entry::CreateTable { .. } | Entry::DropTable { .. } => self.found.catalog_changes += 1,
        }
        self.found.last_timestamp = timestamp;
        (self.replay)(entry)?;
        Ok(None)
    }
}

/// Says how far recovery is.
struct Progress {
    total_bytes: u64,
    /// When to look at the clock again, which costs as much as a small frame.
    next_look_bytes: u64,
    logged: Instant,
}

impl Progress {
    /// Logs, if it is time.
    #[inline]
    fn note(&mut self, done_bytes: u64) {
        if done_bytes < self.next_look_bytes {
            return;
        }
        self.next_look_bytes = done_bytes + CHUNK_BYTES as u64;
        if self.logged.elapsed() >= PROGRESS_INTERVAL {
            self.logged = Instant::now();
            let percent = done_bytes * 100 / self.total_bytes.max(1);
            tracing::info!(done_bytes, total_bytes = self.total_bytes, percent, "replaying the log");
        }
    }

    fn finish(&self, found: &Recovery) {
        tracing::info!(
            log_bytes = found.log_bytes,
            commits = found.commits,
            last_timestamp = found.last_timestamp.0,
            "replayed the log"
        );
    }
}
