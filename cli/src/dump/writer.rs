//! Writing dumps.

use std::borrow::Cow;
use std::io::{self, Write};

use super::{Counts, Line, Record};

/// Writes a dump, line by line: a header, then each table and its records, then [`DumpWriter::finish`].
/// Without that the dump is not whole, and no reader takes it for one.
#[derive(Debug)]
pub struct DumpWriter<W> {
    to: W,
    counts: Counts,
}

impl<W: Write> DumpWriter<W> {
    /// Begins a dump of the moment `timestamp`, in nanoseconds since 1970. `to` should be buffered.
    pub fn new(mut to: W, timestamp: u64) -> io::Result<Self> {
        Line::Header { timestamp }.write(&mut to)?;
        Ok(DumpWriter { to, counts: Counts::default() })
    }

    /// Begins a table.
    pub fn table(&mut self, name: &str) -> io::Result<()> {
        self.counts.tables += 1;
        Line::Table { name: Cow::Borrowed(name) }.write(&mut self.to)
    }

    /// Writes a record of a table that was begun.
    pub fn record(&mut self, table: &str, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.counts.add(key, value);
        let (table, key, value) = (Cow::Borrowed(table), Cow::Borrowed(key), Cow::Borrowed(value));
        Line::Record(Record { table, key, value }).write(&mut self.to)
    }

    /// What was written so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Writes the last line, and flushes.
    pub fn finish(mut self) -> io::Result<(W, Counts)> {
        Line::End(self.counts).write(&mut self.to)?;
        self.to.flush()?;
        Ok((self.to, self.counts))
    }
}
