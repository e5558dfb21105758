//! Checks a log without replaying it, and goes on where recovery would stop.

use std::path::PathBuf;
use std::sync::Arc;

use super::decode::Flaw;
use super::position::{LogPosition, LogStart};
use super::reader::{Next, PieceReader};
use super::recovery::{
    Cut, Segment, check_begins, check_follows, check_reaches, check_size, damaged_inside, has_no_frames,
    open_segment,
};
use super::segment::{self, HEADER_BYTES};
use super::tail::{self, Tail};
use super::{Piece, WAL_DIRECTORY};
use crate::{Damage, Error, Home, Result, Timestamp};

/// What there is of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogSummary {
    /// Segments found.
    pub segments: u64,
    /// Their length in bytes, up to the log's end.
    pub bytes: u64,
    /// Whole commits in them.
    pub commits: u64,
    /// Creations and removals of tables.
    pub catalog_changes: u64,
    /// Whole batches of transactions.
    pub batches: u64,
    /// The timestamp of the last one.
    pub last_timestamp: Timestamp,
    /// A torn tail: the remains of writes that a crash interrupted. The next opening cuts it off.
    pub torn: Option<Cut>,
}

/// Reads every segment of a database at rest, also those that recovery from `start` wouldn't, and reports
/// every flaw; the first one in a segment hides what comes behind it there. Changes nothing.
///
/// # Errors
/// [`Error::Io`], and [`Error::UnknownFormat`] for segments that another version wrote.
pub fn verify_log(home: &Home, start: LogStart, report: &mut dyn FnMut(Damage)) -> Result<LogSummary> {
    let directory = home.directory().join(WAL_DIRECTORY);
    let start = start.and_reaches(home.log_end());
    let mut verifier = Verifier { report, summary: LogSummary::default() };
    let mut segments = Vec::new();
    let mut listed = segment::list(&**home.device(), &directory)?;
    listed.drain(..leftovers(&listed, start));
    let last = listed.last().map(|(number, _)| *number);
    for (number, path) in listed {
        let opened = open_segment(home, number, &path);
        let may_be_unfinished = Some(number) == last && number > home.log_end().segment;
        if may_be_unfinished
            && matches!(opened, Ok(None))
            && has_no_frames(&*home.device().open(&path)?, &path)?
        {
            // Its creation was interrupted; the next opening removes it.
            continue;
        }
        let reason = "the segment's header is damaged".to_string();
        let opened = opened.and_then(|found| found.ok_or(Error::Corrupt { path, offset: 0, reason }));
        segments.push((number, verifier.attempt(opened)?));
    }
    verifier.check_numbers(home, start, segments.iter().map(|(number, _)| *number))?;
    for index in 0..segments.len() {
        let (Some(segment), number) = (&segments[index].1, segments[index].0) else { continue };
        let neighbour = |at: Option<usize>| at.and_then(|at| segments.get(at));
        let next = neighbour(index.checked_add(1));
        let is_after_gap =
            neighbour(index.checked_sub(1)).is_none_or(|before| before.0 + 1 != number || before.1.is_none());
        let next = next.map(|next| next.1.as_ref().filter(|_| next.0 == number + 1));
        verifier.check_segment(segment, next, is_after_gap, start)?;
    }
    Ok(verifier.summary)
}

/// How many of the segments are what an interrupted removal has left: those before a gap before `start`.
fn leftovers(listed: &[(u64, PathBuf)], start: LogStart) -> usize {
    let needed = listed.partition_point(|(number, _)| *number < start.segment);
    let kept = (0..start.segment).rev().zip(listed[..needed].iter().rev());
    needed - kept.take_while(|(expected, (number, _))| expected == number).count()
}

struct Verifier<'r> {
    report: &'r mut dyn FnMut(Damage),
    summary: LogSummary,
}

impl Verifier<'_> {
    /// Reports damage, and lets other errors pass.
    fn attempt<T>(&mut self, outcome: Result<T>) -> Result<Option<T>> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(Error::Corrupt { path, offset, reason }) => {
                (self.report)(Damage { path, offset, reason });
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Reports the segments that should be there and aren't: each gap once, however long it is said to be.
    fn check_numbers(
        &mut self,
        home: &Home,
        start: LogStart,
        found: impl Iterator<Item = u64>,
    ) -> Result<()> {
        let directory = home.directory().join(WAL_DIRECTORY);
        let found: Vec<u64> = found.filter(|number| *number >= start.segment).collect();
        let newest = found.last().copied().unwrap_or(0).max(home.log_end().segment);
        let mut expected = start.segment;
        for number in found.into_iter().chain([newest.saturating_add(1)]) {
            if expected < number {
                let others = match number - expected - 1 {
                    0 => String::new(),
                    others => format!(" (and so are {others} behind it)"),
                };
                let why = format!("the log has come to segment {newest}{others}");
                self.attempt::<()>(Err(segment::missing(&directory, expected, &why)))?;
            }
            expected = number.saturating_add(1);
        }
        Ok(())
    }

    /// `next` is the segment that follows, if this isn't the last one, unless that is damaged or missing.
    fn check_segment(
        &mut self,
        segment: &Segment,
        next: Option<Option<&Segment>>,
        is_after_gap: bool,
        start: LogStart,
    ) -> Result<()> {
        self.summary.segments += 1;
        if is_after_gap {
            self.summary.last_timestamp = segment.header.previous_timestamp;
        }
        let follows = match segment.header.number == start.segment {
            true => check_begins(segment, start.after),
            false => Ok(()),
        };
        let follows = follows.and_then(|()| check_follows(segment, self.summary.last_timestamp));
        self.attempt(follows)?;
        let end = next.flatten().map_or(segment.size, |next| next.header.previous_end);
        let sized = if next.is_some() { check_size(segment, end) } else { Ok(()) };
        self.attempt(sized)?;
        let (at, flaw) = self.check_frames(segment, end.min(segment.size))?;
        self.summary.bytes += at.offset;
        let verdict = match (next, flaw) {
            (Some(_), Some(flaw)) => Err(damaged_inside(segment, at.offset, flaw)),
            (Some(_), None) => Ok(()),
            (None, flaw) => {
                self.check_tail(segment, at, flaw).and_then(|()| check_reaches(segment, at, start.reaches))
            }
        };
        self.attempt(verdict).map(drop)
    }

    fn check_frames(&mut self, segment: &Segment, end: u64) -> Result<(LogPosition, Option<Flaw>)> {
        let begin = LogPosition { segment: segment.header.number, offset: HEADER_BYTES };
        let file = (&*segment.file, Arc::clone(&segment.path));
        let last = segment.header.previous_timestamp;
        let mut reader = PieceReader::new(file, begin, end.max(HEADER_BYTES), (last, Timestamp::MIN));
        let flaw = loop {
            match reader.next() {
                Ok(Next::End) => break None,
                Ok(Next::Flaw(flaw)) => break Some(flaw),
                Ok(Next::Piece(Piece::Commits(commits))) => self.summary.commits += commits.len() as u64,
                Ok(Next::Piece(Piece::CreateTable { .. } | Piece::DropTable { .. })) => {
                    self.summary.catalog_changes += 1;
                }
                Ok(Next::Piece(Piece::Batch(_))) => self.summary.batches += 1,
                Err(error) => {
                    self.attempt::<()>(Err(error))?;
                    break None;
                }
            }
        };
        self.summary.last_timestamp = reader.last_timestamp();
        Ok((reader.position(), flaw))
    }

    fn check_tail(&mut self, segment: &Segment, at: LogPosition, flaw: Option<Flaw>) -> Result<()> {
        let Some(flaw) = flaw else { return Ok(()) };
        if let Tail::Torn { bytes } = tail::examine((&*segment.file, segment.size), &segment.path, at, flaw)?
        {
            self.summary.torn = Some(Cut { path: segment.path.to_path_buf(), offset: at.offset, bytes });
        }
        Ok(())
    }
}
