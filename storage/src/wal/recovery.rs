//! Reads the log back: every whole frame in order, up to the end that a crash may have torn.
//!
//! All segments but the last were synced in full before their successor was begun, and the successor
//! says where they ended, so everything in them must be whole. The last segment ends at its first flaw,
//! if `tail` finds that a crash explains it.
//!
//! A crash may also strike while a segment is being created. Its header is synced before anything else
//! is written to it, so a broken header with nothing behind it is such a segment, and is removed.
//!
//! ```text
//!            start.segment
//!  3   5   6   │ 7   8   9
//!  │   └───┴───┤ └───┴───┴── replayed, and must all be there, up to what the database's note says
//!  │           └ kept for those who read the log further back
//!  └ what an interrupted removal has left
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::decode::Flaw;
use super::kept::SegmentInfo;
use super::piece::Piece;
use super::position::{LogPosition, LogStart};
use super::reader::{CHUNK_BYTES, Next, PieceReader, read_exactly};
use super::segment::{self, HEADER_BYTES, SegmentHeader};
use super::tail::{self, Tail};
use super::writer::{OpenSegment, Place};
use crate::device::DeviceFile;
use crate::{Error, Home, Result, Timestamp};

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
    /// The batches replayed.
    pub batches: u64,
    /// The bytes of the segments that were read, up to the log's end.
    pub log_bytes: u64,
    /// The segments that were read.
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

/// What is called with each piece of the log, in commit order.
pub type Replay<'r> = dyn FnMut(Piece) -> Result<()> + 'r;

/// A segment whose header is whole.
pub(super) struct Segment {
    pub(super) path: Arc<Path>,
    pub(super) header: SegmentHeader,
    pub(super) file: Box<dyn DeviceFile>,
    pub(super) size: u64,
}

impl Segment {
    fn info(&self, bytes: u64, last_timestamp: Timestamp) -> SegmentInfo {
        let SegmentHeader { number, previous_timestamp, .. } = self.header;
        SegmentInfo { number, previous_timestamp, last_timestamp, bytes }
    }

    /// The same of a segment that has a successor, which says how it ended.
    fn info_before(&self, next: &SegmentHeader) -> SegmentInfo {
        self.info(next.previous_end, next.previous_timestamp)
    }
}

/// A log that was replayed.
pub(super) struct Recovered {
    /// The last segment, if there is any; what was replayed is durable when that has been synced.
    pub(super) last: Option<OpenSegment>,
    /// All segments that can be read, in order; the last one is that above.
    pub(super) kept: Vec<SegmentInfo>,
    pub(super) found: Recovery,
}

/// Replays the log of `place` from `start` on, and makes its end fit to be written on.
pub(super) fn recover(place: &Place, start: LogStart, replay: &mut Replay<'_>) -> Result<Recovered> {
    let start = start.and_reaches(place.home.log_end());
    let listed = segment::list(&**place.home.device(), &place.directory)?;
    let needed = listed.partition_point(|(number, _)| *number < start.segment);
    let mut segments = open_needed(place, &listed[needed..], start)?;
    let mut kept = match segments.first() {
        Some(first) => open_kept(place, &listed[..needed], first),
        None => Vec::new(),
    };
    let total_bytes = segments.iter().map(|segment| segment.size).sum();
    let mut recoverer = Recoverer::new(total_bytes, start, replay);
    let Some(last) = segments.pop() else {
        return Ok(Recovered { last: None, kept, found: recoverer.found });
    };
    for (index, segment) in segments.iter().enumerate() {
        let next = &segments.get(index + 1).unwrap_or(&last).header;
        recoverer.replay_sealed(segment, next.previous_end)?;
        kept.push(segment.info_before(next));
    }
    let offset = recoverer.replay_last(&last)?;
    place.home.device().sync_directory(&place.directory)?;
    recoverer.progress.finish(&recoverer.found);
    kept.push(last.info(offset, recoverer.found.last_timestamp));
    let open = OpenSegment { number: last.header.number, file: last.file, offset };
    Ok(Recovered { last: Some(open), kept, found: recoverer.found })
}

/// The segments before `first` that can be read: those without a gap or damage between them and it, and of the
/// length that their successor says they have.
fn open_kept(place: &Place, listed: &[(u64, PathBuf)], first: &Segment) -> Vec<SegmentInfo> {
    let mut kept = Vec::new();
    let mut next = first.header;
    for (expected, (number, path)) in (0..first.header.number).rev().zip(listed.iter().rev()) {
        match open_segment(&place.home, *number, path) {
            Ok(Some(segment)) if *number == expected && segment.size == next.previous_end => {
                kept.push(segment.info_before(&next));
                next = segment.header;
            }
            found => {
                tracing::debug!(path = %path.display(), whole = found.is_ok(), "not a readable part of the log");
                break;
            }
        }
    }
    kept.reverse();
    kept
}

/// Opens the segments that are needed and checks that they are there. Removes a last one whose creation was
/// interrupted.
fn open_needed(place: &Place, listed: &[(u64, PathBuf)], start: LogStart) -> Result<Vec<Segment>> {
    let newest_noted = place.home.log_end().segment;
    let mut segments: Vec<Segment> = Vec::new();
    for (index, (number, path)) in (0..).zip(listed) {
        let expected = start.segment + index;
        if *number > expected {
            let why = format!("{} is there", path.display());
            return Err(segment::missing(&place.directory, expected, &why));
        }
        match open_segment(&place.home, *number, path)? {
            Some(segment) => segments.push(segment),
            None if segments.len() + 1 == listed.len() && *number > newest_noted => {
                remove_unfinished(place, path)?;
            }
            None => {
                let reason = "the segment's header is damaged; restore the file from a copy".to_string();
                return Err(Error::Corrupt { path: path.clone(), offset: 0, reason });
            }
        }
    }
    let next = start.segment + segments.len() as u64;
    if next <= newest_noted {
        let why = format!("the log has come to segment {newest_noted}");
        return Err(segment::missing(&place.directory, next, &why));
    }
    if segments.is_empty() && start.segment > segment::FIRST_NUMBER {
        return Err(segment::missing(
            &place.directory,
            start.segment,
            "a checkpoint says that it goes on there",
        ));
    }
    Ok(segments)
}

/// Opens a segment; `None` if its header isn't whole.
///
/// # Errors
/// [`Error::Corrupt`] if the header is whole, but not that of this database's segment `number`.
pub(super) fn open_segment(home: &Home, number: u64, path: &Path) -> Result<Option<Segment>> {
    let file = home.device().open(path)?;
    let size = file.size()?;
    let Some(header) = SegmentHeader::read(&*file, path)? else { return Ok(None) };
    let corrupt = |reason| Err(Error::Corrupt { path: path.to_owned(), offset: 0, reason });
    if header.number != number {
        return corrupt(format!("the file's header says that it is segment {} of the log", header.number));
    }
    if header.identity != home.identity() {
        return corrupt("the file belongs to another database".to_owned());
    }
    Ok(Some(Segment { path: path.into(), header, file, size }))
}

/// Removes a segment whose creation was interrupted: there must be nothing in it.
fn remove_unfinished(place: &Place, path: &Path) -> Result<()> {
    let device = place.home.device();
    if !has_no_frames(&*device.open(path)?, path)? {
        let reason = "the segment's header is damaged; restore the file from a copy".to_string();
        return Err(Error::Corrupt { path: path.to_owned(), offset: 0, reason });
    }
    tracing::warn!(path = %path.display(), "removing a log segment whose creation was interrupted");
    // The directory is synced at the end of the recovery; should this file come back before that, it goes again.
    device.remove(path)
}

/// Whether there are only zeros where a segment's frames would be.
pub(super) fn has_no_frames(file: &dyn DeviceFile, path: &Path) -> Result<bool> {
    let size = file.size()?;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut position = HEADER_BYTES;
    while position < size {
        let bytes = (size - position).min(CHUNK_BYTES as u64) as usize;
        read_exactly(file, path, position, &mut chunk[..bytes])?;
        if chunk[..bytes].iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        position += bytes as u64;
    }
    Ok(true)
}

/// Goes through the segments.
struct Recoverer<'c, 'r> {
    replay: &'c mut Replay<'r>,
    start: LogStart,
    found: Recovery,
    /// Up to where a mark has said that the log is durable.
    durable: LogPosition,
    progress: Progress,
}

impl<'c, 'r> Recoverer<'c, 'r> {
    fn new(total_bytes: u64, start: LogStart, replay: &'c mut Replay<'r>) -> Self {
        Recoverer {
            replay,
            start,
            found: Recovery::default(),
            durable: LogPosition::default(),
            progress: Progress { total_bytes, logged: Instant::now() },
        }
    }

    /// Replays a segment that has a successor: it must be whole up to where it ended.
    fn replay_sealed(&mut self, segment: &Segment, end: u64) -> Result<()> {
        check_size(segment, end)?;
        let (at, flaw) = self.replay_frames(segment, end)?;
        match flaw {
            None => Ok(()),
            Some(flaw) => Err(damaged_inside(segment, at.offset, flaw)),
        }
    }

    /// Replays the last segment up to its end, which it returns, and settles what it replayed.
    fn replay_last(&mut self, segment: &Segment) -> Result<u64> {
        let (at, flaw) = self.replay_frames(segment, segment.size)?;
        let found = match flaw {
            Some(flaw) => tail::examine((&*segment.file, segment.size), &segment.path, at, flaw)?,
            None => Tail::Clean,
        };
        check_reaches(segment, at, self.start.reaches)?;
        let offset = at.offset;
        if let Tail::Torn { bytes } = found {
            let path = segment.path.to_path_buf();
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
    fn replay_frames(&mut self, segment: &Segment, end: u64) -> Result<(LogPosition, Option<Flaw>)> {
        self.check_predecessor(segment)?;
        let start = LogPosition { segment: segment.header.number, offset: HEADER_BYTES };
        let file = (&*segment.file, Arc::clone(&segment.path));
        let mut reader = PieceReader::new(file, start, end, (self.found.last_timestamp, self.start.after));
        let flaw = loop {
            match reader.next()? {
                Next::End => break None,
                Next::Flaw(flaw) => break Some(flaw),
                Next::Piece(piece) => self.replay_piece(piece)?,
            }
            self.progress.note(self.found.log_bytes + reader.position().offset);
        };
        self.durable = self.durable.max(reader.durable());
        self.found.last_timestamp = reader.last_timestamp();
        self.found.segments += 1;
        self.found.log_bytes += reader.position().offset;
        Ok((reader.position(), flaw))
    }

    /// Checks that a segment follows the frames that were replayed before it, or, for the first one, that
    /// there is no gap between it and the checkpoint.
    fn check_predecessor(&mut self, segment: &Segment) -> Result<()> {
        if self.found.segments == 0 {
            check_begins(segment, self.start.after)?;
            self.found.last_timestamp = segment.header.previous_timestamp;
        }
        check_follows(segment, self.found.last_timestamp)
    }

    fn replay_piece(&mut self, piece: Piece) -> Result<()> {
        match &piece {
            Piece::Commits(commits) => self.found.commits += commits.len() as u64,
            Piece::CreateTable { .. } | Piece::DropTable { .. } => self.found.catalog_changes += 1,
            Piece::Batch(_) => self.found.batches += 1,
        }
        (self.replay)(piece)
    }
}

/// Checks that a segment with a successor ends where that says.
pub(super) fn check_size(segment: &Segment, end: u64) -> Result<()> {
    if segment.size == end {
        return Ok(());
    }
    let reason = format!("the file has {} bytes, but its successor says it has {end}", segment.size);
    Err(Error::Corrupt { path: segment.path.to_path_buf(), offset: segment.size.min(end), reason })
}

/// Checks that there is no gap between a checkpoint with all commits up to `after`, or the beginning of all, and
/// the first segment behind it.
pub(super) fn check_begins(segment: &Segment, after: Timestamp) -> Result<()> {
    let says = segment.header.previous_timestamp;
    if says <= after {
        return Ok(());
    }
    let reason = format!("the segment follows timestamp {says}, but what comes before it ends with {after}");
    Err(Error::Corrupt { path: segment.path.to_path_buf(), offset: 0, reason })
}

/// Checks that a segment follows the frame with the timestamp `last`.
pub(super) fn check_follows(segment: &Segment, last: Timestamp) -> Result<()> {
    let says = segment.header.previous_timestamp;
    if says == last {
        return Ok(());
    }
    let reason = format!("the segment follows timestamp {says}, but what comes before it ends with {last}");
    Err(Error::Corrupt { path: segment.path.to_path_buf(), offset: 0, reason })
}

/// Checks that the log's end, in its last segment, isn't before what was durable.
pub(super) fn check_reaches(segment: &Segment, end: LogPosition, reaches: LogPosition) -> Result<()> {
    if end >= reaches {
        return Ok(());
    }
    let reason = format!("the log ends here, but it was durable up to {reaches}: commits are lost");
    Err(Error::Corrupt { path: segment.path.to_path_buf(), offset: end.offset, reason })
}

/// The error of a flaw that no crash explains, since more log comes behind it.
pub(super) fn damaged_inside(segment: &Segment, offset: u64, flaw: Flaw) -> Error {
    let (Flaw::Torn(reason) | Flaw::Malformed(reason)) = flaw;
    let reason = format!("{reason}, and the log goes on; commits are lost: restore the file from a copy");
    Error::Corrupt { path: segment.path.to_path_buf(), offset, reason }
}

/// Says how far recovery is.
struct Progress {
    total_bytes: u64,
    logged: Instant,
}

impl Progress {
    /// Logs, if it is time.
    fn note(&mut self, done_bytes: u64) {
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
            batches = found.batches,
            last_timestamp = found.last_timestamp.0,
            "replayed the log"
        );
    }
}
