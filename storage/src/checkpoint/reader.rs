//! Reads a checkpoint, unit by unit.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::block::{BLOCK_HEADER_BYTES, open_block};
use super::entry::{Versions, take_record};
use super::header::{self, Trailer, corrupt};
use super::index::{BlockInfo, Index};
use super::{CheckpointHeader, CheckpointInfo, timestamp_of};
use crate::device::{Device, DeviceFile};
use crate::{Damage, DroppedTable, Error, Identity, Result, TableId};

/// About so many bytes of the file make a unit.
const UNIT_BYTES: u64 = 1 << 20;

/// A checkpoint, open for reading. Any number of threads may read at once.
#[derive(Debug)]
pub struct CheckpointReader {
    path: PathBuf,
    file: Box<dyn DeviceFile>,
    header: CheckpointHeader,
    identity: Identity,
    index: Index,
    trailer: Trailer,
}

/// A part of a checkpoint that can be read independently of all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The table that its records belong to.
    pub table: TableId,
    /// How many records there are.
    pub records: u64,
    blocks: std::ops::Range<usize>,
}

/// Memory for reading units, to be used again and again.
#[derive(Debug, Default)]
pub struct UnitBuffer {
    stored: Vec<u8>,
    unpacked: Vec<u8>,
    key: Vec<u8>,
    /// The versions of a record that goes on from block to block.
    joined: Vec<u8>,
}

impl CheckpointReader {
    /// Opens a checkpoint, and checks both its ends and its index. Given an identity, it must be that of the
    /// database. Costs a read of the index.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::UnknownFormat`] if another version wrote it, [`Error::Io`].
    pub fn open(device: &Arc<dyn Device>, path: &Path, identity: Option<Identity>) -> Result<Self> {
        let file = device.open(path)?;
        let size = file.size()?;
        let (header, found, header_crc) = header::read(&*file, path)?;
        if identity.is_some_and(|expected| expected != found) {
            return Err(corrupt(path, 0, "the checkpoint belongs to another database"));
        }
        if timestamp_of(path).is_some_and(|timestamp| timestamp != header.timestamp) {
            return Err(corrupt(path, 0, "the checkpoint has another one's name"));
        }
        let trailer = Trailer::read(&*file, path, size)?;
        if trailer.header_crc != header_crc {
            return Err(corrupt(path, 0, "the checkpoint's header is that of another checkpoint"));
        }
        let index = read_index(&*file, path, &trailer)?;
        let counts =
            |count: fn(&BlockInfo) -> u64| index.blocks.iter().map(count).try_fold(0, u64::checked_add);
        let is_consistent = index.end() == trailer.index_offset
            && counts(|block| block.records) == Some(trailer.records)
            && counts(|block| block.versions) == Some(trailer.versions)
            && index.tables.last().is_none_or(|(id, _)| *id < header.next_table);
        if !is_consistent {
            return Err(corrupt(path, trailer.index_offset, "the index and the rest contradict each other"));
        }
        Ok(CheckpointReader { path: path.to_owned(), file, header, identity: found, index, trailer })
    }

    /// What it says of itself.
    pub fn header(&self) -> CheckpointHeader {
        self.header
    }

    /// The database that it belongs to.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Its tables, by ascending number.
    pub fn tables(&self) -> &[(TableId, String)] {
        &self.index.tables
    }

    /// Tables that are no more, and that the log may still mention.
    pub fn dropped_tables(&self) -> &[DroppedTable] {
        &self.index.dropped
    }

    /// What there is of it.
    pub fn info(&self) -> CheckpointInfo {
        CheckpointInfo {
            path: self.path.clone(),
            timestamp: self.header.timestamp,
            bytes: self.trailer.file_bytes,
            tables: self.index.tables.len() as u64,
            records: self.trailer.records,
            versions: self.trailer.versions,
        }
    }

    /// How many records a table has in it.
    pub fn records_of(&self, table: TableId) -> u64 {
        self.index.blocks.iter().filter(|block| block.table == table).map(|block| block.records).sum()
    }

    /// All units, in the order of tables and keys.
    pub fn units(&self) -> Vec<Unit> {
        let blocks = &self.index.blocks;
        let mut units = Vec::new();
        let mut start = 0;
        while start < blocks.len() {
            let first = blocks[start];
            let fits = |block: &BlockInfo| {
                block.table == first.table
                    && (block.continues || block.offset + block.bytes - first.offset <= UNIT_BYTES)
            };
            let end = start + 1 + blocks[start + 1..].iter().take_while(|block| fits(block)).count();
            let records = blocks[start..end].iter().map(|block| block.records).sum();
            units.push(Unit { table: first.table, records, blocks: start..end });
            start = end;
        }
        units
    }

    /// Reads a unit, and calls `visit` with each record: its key, and its versions. Costs a read of each block,
    /// and a pass over its bytes; allocates nothing that `buffer` has already.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it is damaged; `visit` may have been called before. [`Error::Io`], and whatever
    /// `visit` returns.
    pub fn read_unit(
        &self,
        unit: &Unit,
        buffer: &mut UnitBuffer,
        visit: &mut dyn FnMut(&[u8], Versions<'_>) -> Result<()>,
    ) -> Result<()> {
        let UnitBuffer { stored, unpacked, key, joined } = buffer;
        joined.clear();
        for position in unit.blocks.clone() {
            let block = self.index.blocks[position];
            let goes_on = self.index.blocks.get(position + 1).is_some_and(|next| next.continues);
            let mut rest = self.read_block(&block, stored, unpacked)?;
            if rest.is_empty() {
                return Err(self.senseless(&block, "there is nothing in it"));
            }
            let mut counted = (0, 0);
            let mut is_first = true;
            if !block.continues {
                key.clear();
            }
            while !rest.is_empty() {
                let before = if is_first && block.continues { Some(std::mem::take(key)) } else { None };
                let versions = take_record(&mut rest, key)
                    .ok_or_else(|| self.senseless(&block, "a record makes no sense"))?;
                match before {
                    Some(before) if before != *key => {
                        return Err(self.senseless(&block, "another record was to go on"));
                    }
                    Some(_) => {}
                    None => counted.0 += 1,
                }
                is_first = false;
                let is_open = rest.is_empty() && goes_on;
                counted.1 += Versions::new(versions, self.header.timestamp).count() as u64;
                if is_open || !joined.is_empty() {
                    joined.extend_from_slice(versions);
                    if !is_open {
                        visit(key, Versions::new(joined, self.header.timestamp))?;
                        joined.clear();
                    }
                } else {
                    visit(key, Versions::new(versions, self.header.timestamp))?;
                }
            }
            if counted != (block.records, block.versions) {
                return Err(self.senseless(&block, "it holds another number of records than the index says"));
            }
        }
        Ok(())
    }

    fn read_block<'b>(
        &self,
        block: &BlockInfo,
        stored: &'b mut Vec<u8>,
        unpacked: &'b mut Vec<u8>,
    ) -> Result<&'b [u8]> {
        // The index was checked against the file's length.
        stored.resize(block.bytes as usize, 0);
        if self.file.read_at(block.offset, stored)? < stored.len() {
            return Err(self.senseless(block, "the file ends within it"));
        }
        open_block(stored, block.crc, unpacked).map_err(|reason| self.senseless(block, reason))
    }

    /// The error of whoever finds that a unit makes no sense.
    pub fn damaged(&self, unit: &Unit, reason: &str) -> Error {
        self.senseless(&self.index.blocks[unit.blocks.start], reason)
    }

    fn senseless(&self, block: &BlockInfo, reason: &str) -> Error {
        let reason = format!("the checkpoint's block that begins here is damaged: {reason}");
        Error::Corrupt { path: self.path.clone(), offset: block.offset, reason }
    }

    /// Reads everything, and checks what loading doesn't need: that keys ascend and that versions are in order.
    /// Reports every unit that is damaged. Costs about as much as loading, without building the tables.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn verify(&self, report: &mut dyn FnMut(Damage)) -> Result<()> {
        let mut buffer = UnitBuffer::default();
        let mut previous: Option<(TableId, Vec<u8>)> = None;
        for unit in self.units() {
            let first = self.index.blocks[unit.blocks.start];
            let checked = self.read_unit(&unit, &mut buffer, &mut |key, versions| {
                if previous
                    .as_ref()
                    .is_some_and(|(table, before)| *table == unit.table && before.as_slice() >= key)
                {
                    return Err(self.senseless(&first, "its keys are out of order"));
                }
                match &mut previous {
                    Some((table, before)) => {
                        *table = unit.table;
                        before.clear();
                        before.extend_from_slice(key);
                    }
                    None => previous = Some((unit.table, key.to_vec())),
                }
                if versions.clone().zip(versions.skip(1)).any(|(newer, older)| newer.0 <= older.0) {
                    return Err(self.senseless(&first, "a record's versions are out of order"));
                }
                Ok(())
            });
            match checked {
                Ok(()) => {}
                Err(Error::Corrupt { path, offset, reason }) => report(Damage { path, offset, reason }),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn read_index(file: &dyn DeviceFile, path: &Path, trailer: &Trailer) -> Result<Index> {
    let damaged = |reason: &str| {
        let reason = format!("the checkpoint's index is damaged: {reason}");
        Error::Corrupt { path: path.to_owned(), offset: trailer.index_offset, reason }
    };
    if trailer.index_bytes < BLOCK_HEADER_BYTES as u64 {
        return Err(damaged("it is too short"));
    }
    // The trailer was checked against the file's length.
    let mut stored = vec![0; trailer.index_bytes as usize];
    if file.read_at(trailer.index_offset, &mut stored)? < stored.len() {
        return Err(damaged("the file ends within it"));
    }
    let mut unpacked = Vec::new();
    let bytes = open_block(&stored, trailer.index_crc, &mut unpacked).map_err(damaged)?;
    Index::decode(bytes).ok_or_else(|| damaged("its checksum is right but it makes no sense"))
}
