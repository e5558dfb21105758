//! What a procedure says that it will touch.

use synod_txn::Footprint;

use super::AnyJob;
use crate::directory::Directory;
use crate::{KeyRange, Result, Table};

/// Collects what a procedure will read and write: keys, also those that aren't there, and ranges of keys. Whatever is
/// written may be read, too.
pub struct Declaration<'a> {
    directory: &'a Directory,
    footprint: &'a mut Footprint,
    is_unknown: bool,
}

impl<'a> Declaration<'a> {
    /// A table, for those who declare more than one key in it.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn table(&self, name: &str) -> Result<&'a Table> {
        self.directory.table(name)
    }

    /// A key of the table of this name will be read.
    ///
    /// # Errors
    /// If there is no such table.
    pub fn read(&mut self, table: &str, key: impl AsRef<[u8]>) -> Result<()> {
        self.read_in(self.directory.table(table)?, key);
        Ok(())
    }

    /// A key of the table of this name will be written, and perhaps read.
    ///
    /// # Errors
    /// If there is no such table.
    pub fn write(&mut self, table: &str, key: impl AsRef<[u8]>) -> Result<()> {
        self.write_in(self.directory.table(table)?, key);
        Ok(())
    }

    /// A key will be read.
    pub fn read_in(&mut self, table: &Table, key: impl AsRef<[u8]>) {
        self.footprint.read(&table.inner, key.as_ref());
    }

    /// A key will be written, and perhaps read.
    pub fn write_in(&mut self, table: &Table, key: impl AsRef<[u8]>) {
        self.footprint.write(&table.inner, key.as_ref());
    }

    /// Keys of a range will be read. What isn't there now counts, too: nobody inserts into the range meanwhile.
    pub fn read_range(&mut self, table: &Table, range: impl KeyRange) {
        let (lower, upper) = range.into_bounds();
        self.footprint.read_range(&table.inner, lower, upper);
    }

    /// Keys of a range will be written, and perhaps read.
    pub fn write_range(&mut self, table: &Table, range: impl KeyRange) {
        let (lower, upper) = range.into_bounds();
        self.footprint.write_range(&table.inner, lower, upper);
    }

    /// Keys that begin with `prefix` will be read.
    pub fn read_prefix(&mut self, table: &Table, prefix: impl AsRef<[u8]>) {
        let (lower, upper) = synod_txn::prefix_bounds(prefix.as_ref());
        self.footprint.read_range(&table.inner, lower, upper);
    }

    /// Keys that begin with `prefix` will be written, and perhaps read.
    pub fn write_prefix(&mut self, table: &Table, prefix: impl AsRef<[u8]>) {
        let (lower, upper) = synod_txn::prefix_bounds(prefix.as_ref());
        self.footprint.write_range(&table.inner, lower, upper);
    }

    /// Nobody knows: the engine has to find out.
    pub fn unknown(&mut self) {
        self.is_unknown = true;
    }
}

/// Fills a footprint with what a job declares, and seals it; false if it is unknown.
pub(crate) fn declare(job: &dyn AnyJob, directory: &Directory, footprint: &mut Footprint) -> Result<bool> {
    let mut declaration = Declaration { directory, footprint, is_unknown: false };
    job.declare(&mut declaration)?;
    let is_known = !declaration.is_unknown;
    footprint.seal();
    Ok(is_known)
}
