//! Reading dumps.

use std::collections::HashSet;
use std::io::{self, BufRead, ErrorKind};

use super::{Counts, Line, LineError, Record};
use crate::render::units::{count, plural};

/// The longest line, in bytes. The longest record takes less, also if each of its bytes is escaped as `\u0000` is.
pub const LINE_BYTES_MAX: usize = 128 << 20;

/// The most memory that reading a line takes. When it is parsed, a string with escapes is put together in a place
/// that doubles as it grows, so the line, the old place and the new one, twice as long, may be there together.
pub const READING_BYTES_MAX: usize = LINE_BYTES_MAX * 4;

/// Why a dump can't be read on.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// A line is none of a dump, or has no business where it is.
    #[error("line {line}: {problem}")]
    Line {
        /// Its number, from 1 on.
        line: u64,
        /// What is wrong.
        problem: Problem,
    },
    /// The input could not be read.
    #[error("line {line} can't be read: {source}")]
    Io {
        /// The number of the line, from 1 on.
        line: u64,
        /// What the system said.
        source: io::Error,
    },
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It says nothing that can be understood.
    #[error("{0}")]
    Line(#[from] LineError),
    /// It is too long.
    #[error("it is longer than {LINE_BYTES_MAX} bytes, which no record of a dump is")]
    TooLong,
    /// The input is empty, or begins with something else.
    #[error("a dump begins with a line {{\"synod_dump\":1,\"timestamp\":…}}; is this one?")]
    NoHeader,
    /// A second header.
    #[error("a second dump begins here; load each one by itself")]
    SecondHeader,
    /// A table that was there before.
    #[error("the table {0:?} is there twice")]
    TableTwice(String),
    /// A record of a table that wasn't named.
    #[error("a record of table {0:?}, which no line before it names; put {{\"table\":…}} before its records")]
    UnknownTable(String),
    /// The input ends before the last line of the dump.
    #[error("the dump is cut off: its last line, {{\"end\":…}}, is missing; get a whole copy, or dump again")]
    CutOff,
    /// The last line counts something else than what came.
    #[error(
        "the dump is incomplete: its last line promises {promised}, and {found} came; get a whole copy, or dump again"
    )]
    Miscounted {
        /// What the last line says.
        promised: Amount,
        /// What was there.
        found: Amount,
    },
    /// Something follows the last line.
    #[error("something follows the dump's last line; remove it, if it isn't meant")]
    AfterEnd,
}

/// [`Counts`] in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(pub Counts);

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { tables, records, key_bytes, value_bytes } = self.0;
        let (tables, records) = (plural(tables, "table"), plural(records, "record"));
        write!(
            f,
            "{tables}, {records}, {} of keys, {} of values",
            plural(key_bytes, "byte"),
            count(value_bytes)
        )
    }
}

/// What a dump says next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'r> {
    /// A table.
    Table(&'r str),
    /// A record of a table that was named before.
    Record(Record<'r>),
}

/// Reads a dump, line by line, and checks that it is one from beginning to end. Memory: at most
/// [`READING_BYTES_MAX`], or four times the longest line that came, and the tables' names.
#[derive(Debug)]
pub struct DumpReader<R> {
    from: R,
    buffer: Vec<u8>,
    /// Of the line that was read last.
    line: u64,
    timestamp: u64,
    tables: HashSet<Box<str>>,
    counts: Counts,
    /// The line that was read last is the input's last, and has no line break.
    is_cut: bool,
    is_over: bool,
}

impl<R: BufRead> DumpReader<R> {
    /// Reads a dump's first line.
    pub fn new(from: R) -> Result<Self, DumpError> {
        let (tables, counts) = (HashSet::new(), Counts::default());
        let (buffer, line, timestamp, is_cut, is_over) = (Vec::new(), 0, 0, false, false);
        let mut reader = DumpReader { from, buffer, line, timestamp, tables, counts, is_cut, is_over };
        if !reader.read_line()? {
            return Err(reader.problem(Problem::NoHeader));
        }
        reader.timestamp = match Line::parse(&reader.buffer) {
            Ok(Line::Header { timestamp }) => timestamp,
            Err(error @ LineError::UnknownVersion(_)) => return Err(reader.problem(error.into())),
            _ => return Err(reader.problem(Problem::NoHeader)),
        };
        Ok(reader)
    }

    /// The moment that the dump shows, in nanoseconds since 1970.
    pub fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// The number of the line that was read last.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// What was read so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The next table or record; `None` at the end of a whole dump. After an error the dump is over.
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>, DumpError> {
        if self.is_over {
            return Ok(None);
        }
        self.is_over = true;
        if !self.read_line()? {
            return Err(self.problem(Problem::CutOff));
        }
        let line = self.line;
        let failed = |problem: Problem| DumpError::Line { line, problem };
        let understood = Line::parse(&self.buffer).map_err(|error| match error {
            LineError::Malformed { .. } if self.is_cut => failed(Problem::CutOff),
            error => failed(error.into()),
        });
        match understood? {
            Line::Header { .. } => Err(failed(Problem::SecondHeader)),
            Line::End(promised) if promised != self.counts => {
                let (promised, found) = (Amount(promised), Amount(self.counts));
                Err(failed(Problem::Miscounted { promised, found }))
            }
            Line::End(_) => match is_over(&mut self.from) {
                Ok(true) => Ok(None),
                Ok(false) => Err(DumpError::Line { line: line + 1, problem: Problem::AfterEnd }),
                Err(source) => Err(DumpError::Io { line: line + 1, source }),
            },
            Line::Table { name } => {
                if !self.tables.insert(name.as_ref().into()) {
                    return Err(failed(Problem::TableTwice(name.into_owned())));
                }
                self.counts.tables += 1;
                self.is_over = false;
                let name = self.tables.get(name.as_ref()).expect("just inserted");
                Ok(Some(Item::Table(name)))
            }
            Line::Record(record) => {
                if !self.tables.contains(record.table.as_ref()) {
                    return Err(failed(Problem::UnknownTable(record.table.into_owned())));
                }
                self.counts.add(&record.key, &record.value);
                self.is_over = false;
                Ok(Some(Item::Record(record)))
            }
        }
    }

    /// Reads a line into the buffer, without its line break; false at the end of the input.
    fn read_line(&mut self) -> Result<bool, DumpError> {
        self.line += 1;
        self.buffer.clear();
        let line = self.line;
        loop {
            let read = match self.from.fill_buf() {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(source) => return Err(DumpError::Io { line, source }),
            };
            if read.is_empty() {
                self.is_cut = !self.buffer.is_empty();
                return Ok(self.is_cut);
            }
            let line_break = read.iter().position(|byte| *byte == b'\n');
            let piece = &read[..line_break.unwrap_or(read.len())];
            if piece.len() > LINE_BYTES_MAX - self.buffer.len() {
                return Err(self.problem(Problem::TooLong));
            }
            append(&mut self.buffer, piece);
            let consumed = piece.len() + usize::from(line_break.is_some());
            self.from.consume(consumed);
            if line_break.is_some() {
                return Ok(true);
            }
        }
    }

    fn problem(&self, problem: Problem) -> DumpError {
        DumpError::Line { line: self.line, problem }
    }
}

/// Whether nothing more can be read.
fn is_over(from: &mut impl BufRead) -> io::Result<bool> {
    loop {
        match from.fill_buf() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read.map(<[u8]>::is_empty),
        }
    }
}

/// Appends to a line, whose memory doubles as it grows, but not beyond the limit.
fn append(line: &mut Vec<u8>, piece: &[u8]) {
    let needed = line.len() + piece.len();
    if needed > line.capacity() {
        let capacity = needed.max(line.capacity() * 2).min(LINE_BYTES_MAX);
        line.reserve_exact(capacity - line.len());
    }
    line.extend_from_slice(piece);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Read};

    const DUMP: &str = concat!(
        "{\"synod_dump\":1,\"timestamp\":7}\n",
        "{\"table\":\"t\"}\n",
        "{\"t\":\"t\",\"k\":\"a\",\"v\":\"12\"}\n",
        "{\"end\":{\"tables\":1,\"records\":1,\"key_bytes\":1,\"value_bytes\":2}}\n"
    );

    /// Reads all of it.
    fn read(text: impl BufRead) -> Result<Counts, DumpError> {
        let mut reader = DumpReader::new(text)?;
        while reader.next_item()?.is_some() {}
        Ok(reader.counts())
    }

    fn problem(text: &str) -> (u64, Problem) {
        match read(text.as_bytes()) {
            Err(DumpError::Line { line, problem }) => (line, problem),
            other => panic!("{other:?} for {text}"),
        }
    }

    #[test]
    fn a_whole_dump_is_read_however_it_comes() {
        let counts = Counts { tables: 1, records: 1, key_bytes: 1, value_bytes: 2 };
        for piece in 1..40 {
            let read = read(BufReader::with_capacity(piece, DUMP.as_bytes()));
            assert_eq!(read.expect("it is whole"), counts, "in pieces of {piece}");
        }
        assert_eq!(read(DUMP.trim_end().as_bytes()).expect("the last line break may be missing"), counts);
        assert_eq!(read(DUMP.replace('\n', "\r\n").as_bytes()).expect("from elsewhere"), counts);
    }

    #[test]
    fn a_dump_cut_anywhere_is_refused() {
        for length in 0..DUMP.len() - 1 {
            let (line, found) = problem(&DUMP[..length]);
            let expected = if line == 1 { Problem::NoHeader } else { Problem::CutOff };
            assert_eq!(found, expected, "cut at {length}");
        }
    }

    #[test]
    fn each_line_has_its_place() {
        let lines: Vec<_> = DUMP.lines().collect();
        let of = |order: &[usize]| {
            problem(&order.iter().map(|at| lines[*at].to_owned() + "\n").collect::<String>())
        };
        assert_eq!(of(&[1, 2, 3]), (1, Problem::NoHeader));
        assert_eq!(of(&[0, 0]), (2, Problem::SecondHeader));
        assert_eq!(of(&[0, 2, 1, 3]), (2, Problem::UnknownTable("t".into())));
        assert_eq!(of(&[0, 1, 1]), (3, Problem::TableTwice("t".into())));
        assert!(matches!(of(&[0, 1, 3]), (3, Problem::Miscounted { .. })));
        assert!(matches!(of(&[0, 1, 2, 2, 3]), (5, Problem::Miscounted { .. })));
        assert_eq!(of(&[0, 1, 2, 3, 3]), (5, Problem::AfterEnd));
        assert_eq!(problem(&(DUMP.to_owned() + "\n")), (5, Problem::AfterEnd));
        assert!(matches!(problem(&DUMP.replace(":7", "x")), (1, Problem::NoHeader)));
        assert!(matches!(
            problem(&DUMP.replace("dump\":1", "dump\":9")),
            (1, Problem::Line(LineError::UnknownVersion(9)))
        ));
        assert!(matches!(problem(&DUMP.replace("\"k\"", "\"q\"")), (3, Problem::Line(_))));
    }

    #[test]
    fn whatever_byte_is_changed_a_dump_is_read_to_its_end_or_refused() {
        for at in 0..DUMP.len() {
            for byte in 0..=u8::MAX {
                let mut text = DUMP.as_bytes().to_vec();
                text[at] = byte;
                // A byte of a key or a value, a digit of the timestamp: of these there are so many.
                let is_harmless = read(text.as_slice()).is_ok();
                let was = DUMP.as_bytes()[at];
                assert!(is_harmless || byte != was, "at {at}");
                assert!(
                    !is_harmless || byte == was || matches!(was, b'a' | b't' | b'1'..=b'9' | b'\n'),
                    "at {at}: {byte}"
                );
            }
        }
    }

    #[test]
    fn nothing_follows_an_error() {
        let text = DUMP.replace("\"k\"", "\"q\"");
        let mut reader = DumpReader::new(text.as_bytes()).expect("the header is fine");
        while reader.next_item().is_ok_and(|item| item.is_some()) {}
        assert!(matches!(reader.next_item(), Ok(None)));
    }

    #[test]
    fn a_line_without_end_is_refused_at_the_limit() {
        let text = BufReader::with_capacity(1 << 20, DUMP.as_bytes()[..35].chain(io::repeat(b' ')));
        let mut reader = DumpReader::new(text).expect("the header is fine");
        let problem = reader.next_item().expect_err("it has no end");
        assert!(matches!(problem, DumpError::Line { line: 2, problem: Problem::TooLong }), "{problem}");
        assert!(reader.buffer.capacity() <= LINE_BYTES_MAX);
    }
}
