//! Writes a checkpoint, record by record.

use std::path::PathBuf;
use std::sync::Arc;

use super::block::push_block;
use super::entry::{push_key, push_version};
use super::header::{self, HEADER_BYTES, TRAILER_BYTES, Trailer};
use super::index::{BlockInfo, Index};
use super::{
    CHECKPOINT_DIRECTORY, CheckpointHeader, CheckpointInfo, CheckpointOptions, UNFINISHED_EXTENSION,
};
use crate::device::{Device, DeviceFile};
use crate::{DroppedTable, Home, Identity, Result, TableId, Timestamp};

/// A block is closed when it has so many bytes, before compression.
pub(super) const BLOCK_BYTES: usize = 64 << 10;

/// Blocks are gathered up to this length and written at once.
const WRITE_BYTES: usize = 1 << 20;

/// After so many bytes the file is synced, so that no sync is long: others, whose commits are waiting, share
/// the disk.
const SYNC_BYTES: u64 = 8 << 20;

/// A checkpoint being written. Dropped before it is finished, it leaves nothing behind.
#[derive(Debug)]
pub struct CheckpointWriter {
    device: Arc<dyn Device>,
    directory: PathBuf,
    file: Box<dyn DeviceFile>,
    unfinished: PathBuf,
    is_finished: bool,
    header: CheckpointHeader,
    header_crc: u32,
    options: CheckpointOptions,
    /// Where the gathered bytes go.
    offset: u64,
    gathered: Vec<u8>,
    unsynced_bytes: u64,
    index: Index,
    /// The block that is being filled, before compression.
    block: Vec<u8>,
    /// What the index will say of it.
    filling: BlockInfo,
    previous_key: Vec<u8>,
    is_table_empty: bool,
    scratch: Vec<u8>,
    records: u64,
    versions: u64,
}

impl CheckpointWriter {
    /// Begins a checkpoint of a database. What an interrupted one has left is removed.
    pub fn create(home: &Home, header: CheckpointHeader, options: CheckpointOptions) -> Result<Self> {
        let device = Arc::clone(home.device());
        let directory = home.directory().join(CHECKPOINT_DIRECTORY);
        let mut leftovers = device.list(&directory)?;
        leftovers.retain(|path| path.extension().is_some_and(|extension| extension == UNFINISHED_EXTENSION));
        for path in &leftovers {
            device.remove(path)?;
        }
        if !leftovers.is_empty() {
            // Their room is needed now, and is sure to be free only after this.
            device.sync_directory(&directory)?;
        }
        let unfinished = super::path(&directory, header.timestamp).with_extension(UNFINISHED_EXTENSION);
        let file = device.create(&unfinished)?;
        let mut writer = CheckpointWriter {
            device,
            directory,
            file,
            unfinished,
            is_finished: false,
            header,
            header_crc: 0,
            options,
            offset: 0,
            gathered: Vec::with_capacity(WRITE_BYTES + BLOCK_BYTES),
            unsynced_bytes: 0,
            index: Index::default(),
            block: Vec::with_capacity(2 * BLOCK_BYTES),
            filling: empty_block(TableId(0)),
            previous_key: Vec::new(),
            is_table_empty: true,
            scratch: Vec::new(),
            records: 0,
            versions: 0,
        };
        writer.gather_header(home.identity());
        Ok(writer)
    }

    fn gather_header(&mut self, identity: Identity) {
        let (page, crc) = header::encode(&self.header, identity);
        self.gathered.extend_from_slice(&page);
        self.header_crc = crc;
    }

    /// Begins a table. Its records follow.
    ///
    /// # Panics
    /// If its number isn't above that of the table before, or not below [`CheckpointHeader::next_table`].
    pub fn begin_table(&mut self, id: TableId, name: &str) -> Result<()> {
        assert!(self.index.tables.last().is_none_or(|(last, _)| *last < id), "tables come in order");
        assert!(id < self.header.next_table, "a table has a number that no table has had");
        self.close_block()?;
        self.filling = empty_block(id);
        self.is_table_empty = true;
        self.index.tables.push((id, name.to_owned()));
        Ok(())
    }

    /// Keeps the name of a table that is no more.
    pub fn add_dropped_table(&mut self, table: DroppedTable) {
        self.index.dropped.push(table);
    }

    /// Adds a record to the table that was begun last: its versions, newest first; `None` is a tombstone. Costs
    /// a copy, and a write of 1 MiB now and then.
    ///
    /// # Panics
    /// If no table was begun, the key isn't above the one before, or a version is later than the checkpoint.
    pub fn add<'v>(
        &mut self,
        key: &[u8],
        versions: impl IntoIterator<Item = (Timestamp, Option<&'v [u8]>)>,
    ) -> Result<()> {
        assert!(!self.index.tables.is_empty(), "a table comes before its records");
        assert!(self.is_table_empty || self.previous_key.as_slice() < key, "keys come in order");
        let mut versions = versions.into_iter().peekable();
        if versions.peek().is_none() {
            return Ok(());
        }
        if self.block.len() >= BLOCK_BYTES {
            self.close_block()?;
        }
        self.is_table_empty = false;
        self.begin_record(key);
        self.filling.records += 1;
        self.records += 1;
        while let Some((at, value)) = versions.next() {
            // The block is closed before a version that makes it much longer, but not without any.
            let goes_on = versions.peek().is_some();
            let is_full = self.block.len() + value.map_or(0, <[u8]>::len) >= BLOCK_BYTES;
            let age = self.age(at);
            push_version(&mut self.block, age, value, goes_on && !is_full);
            self.filling.versions += 1;
            self.versions += 1;
            if goes_on && is_full {
                self.close_block()?;
                self.filling.continues = true;
                self.begin_record(key);
            }
        }
        Ok(())
    }

    fn age(&self, at: Timestamp) -> u64 {
        assert!(at <= self.header.timestamp, "a version is later than the checkpoint");
        self.header.timestamp.0 - at.0
    }

    /// A block's first key leaves nothing out.
    fn begin_record(&mut self, key: &[u8]) {
        let previous = if self.block.is_empty() { &[][..] } else { &self.previous_key };
        push_key(&mut self.block, key, previous);
        self.previous_key.clear();
        self.previous_key.extend_from_slice(key);
    }

    fn close_block(&mut self) -> Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let offset = self.offset + self.gathered.len() as u64;
        let (bytes, crc) =
            push_block(&mut self.gathered, &self.block, self.options.compression, &mut self.scratch);
        self.index.blocks.push(BlockInfo { offset, bytes: bytes as u64, crc, ..self.filling });
        self.block.clear();
        self.filling = empty_block(self.filling.table);
        if self.gathered.len() >= WRITE_BYTES { self.write_gathered() } else { Ok(()) }
    }

    fn write_gathered(&mut self) -> Result<()> {
        self.file.write_at(self.offset, &self.gathered)?;
        let end = self.offset + self.gathered.len() as u64;
        self.file.start_write_back(self.offset..end);
        self.unsynced_bytes += self.gathered.len() as u64;
        self.offset = end;
        self.gathered.clear();
        if self.unsynced_bytes >= SYNC_BYTES {
            self.sync()?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        self.file.sync_data()?;
        self.unsynced_bytes = 0;
        Ok(())
    }

    /// Completes the checkpoint and installs it: when this returns, it is durable, under its name.
    ///
    /// # Errors
    /// If anything fails there is no checkpoint, unless it was the very last step: then there may be one, and it
    /// is whole.
    pub fn finish(mut self) -> Result<CheckpointInfo> {
        self.close_block()?;
        let index_offset = self.offset + self.gathered.len() as u64;
        let index = self.index.encode();
        let (index_bytes, index_crc) =
            push_block(&mut self.gathered, &index, self.options.compression, &mut self.scratch);
        let index_bytes = index_bytes as u64;
        let trailer = Trailer {
            index_offset,
            index_bytes,
            records: self.records,
            versions: self.versions,
            file_bytes: index_offset + index_bytes + TRAILER_BYTES,
            header_crc: self.header_crc,
            index_crc,
        };
        self.gathered.extend_from_slice(&trailer.encode());
        self.write_gathered()?;
        self.sync()?;
        self.file.forget();
        let path = super::path(&self.directory, self.header.timestamp);
        self.device.rename(&self.unfinished, &path)?;
        self.is_finished = true;
        self.device.sync_directory(&self.directory)?;
        Ok(CheckpointInfo {
            path,
            timestamp: self.header.timestamp,
            bytes: trailer.file_bytes,
            tables: self.index.tables.len() as u64,
            records: self.records,
            versions: self.versions,
        })
    }
}

impl Drop for CheckpointWriter {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        // The sync is for the room that the file takes.
        let removed = self.device.remove(&self.unfinished);
        if let Err(error) = removed.and_then(|()| self.device.sync_directory(&self.directory)) {
            tracing::debug!(%error, "what is left of a checkpoint is removed by the next one");
        }
    }
}

fn empty_block(table: TableId) -> BlockInfo {
    BlockInfo { offset: HEADER_BYTES, bytes: 0, table, records: 0, versions: 0, continues: false, crc: 0 }
}
