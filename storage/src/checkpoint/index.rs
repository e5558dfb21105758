//! The index of a checkpoint: its tables, and what each block holds.
//!
//! ```text
//!  tables: count, { number, name }*   dropped tables: count, { number, when, name }*
//!  blocks: count, { length, table, records that begin in it, versions, whether it goes on with a record, CRC }*
//! ```
//!
//! All numbers are varints but the CRC, which has four bytes; names are UTF-8 with their length in front. The blocks follow each other without
//! gaps, so their lengths say where they are.

use std::collections::HashSet;

use super::entry::{push_varint, take, take_varint};
use super::header::HEADER_BYTES;
use crate::{DroppedTable, TableId, Timestamp};

/// What is known of a block without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockInfo {
    /// Where it begins in the file.
    pub(super) offset: u64,
    /// Its length in the file.
    pub(super) bytes: u64,
    pub(super) table: TableId,
    /// The records that begin in it.
    pub(super) records: u64,
    pub(super) versions: u64,
    /// Its first record is the last one of the block before, with older versions.
    pub(super) continues: bool,
    /// The checksum that it carries.
    pub(super) crc: u32,
}

/// The index.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) tables: Vec<(TableId, String)>,
    pub(super) dropped: Vec<DroppedTable>,
    pub(super) blocks: Vec<BlockInfo>,
}

impl Index {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        push_varint(&mut bytes, self.tables.len() as u64);
        for (id, name) in &self.tables {
            push_varint(&mut bytes, u64::from(id.0));
            push_name(&mut bytes, name);
        }
        push_varint(&mut bytes, self.dropped.len() as u64);
        for table in &self.dropped {
            push_varint(&mut bytes, u64::from(table.id.0));
            push_varint(&mut bytes, table.at.0);
            push_name(&mut bytes, &table.name);
        }
        push_varint(&mut bytes, self.blocks.len() as u64);
        for block in &self.blocks {
            let numbers = [block.bytes, u64::from(block.table.0), block.records, block.versions];
            numbers.into_iter().for_each(|number| push_varint(&mut bytes, number));
            bytes.push(u8::from(block.continues));
            bytes.extend_from_slice(&block.crc.to_le_bytes());
        }
        bytes
    }

    /// Reads an index back; `None` if it makes no sense. Allocates no more than a few times its length.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<Index> {
        let bytes = &mut bytes;
        let mut index = Index::default();
        for _ in 0..take_varint(bytes)? {
            index.tables.push((take_table(bytes)?, take_name(bytes)?.to_owned()));
        }
        for _ in 0..take_varint(bytes)? {
            let (id, at) = (take_table(bytes)?, Timestamp(take_varint(bytes)?));
            index.dropped.push(DroppedTable { id, at, name: take_name(bytes)?.into() });
        }
        let mut offset = HEADER_BYTES;
        for _ in 0..take_varint(bytes)? {
            let length = take_varint(bytes)?;
            let table = take_table(bytes)?;
            let (records, versions) = (take_varint(bytes)?, take_varint(bytes)?);
            let continues = match take(bytes, 1)? {
                [0] => false,
                [1] => true,
                _ => return None,
            };
            let crc = u32::from_le_bytes(take(bytes, 4)?.try_into().ok()?);
            index.blocks.push(BlockInfo { offset, bytes: length, table, records, versions, continues, crc });
            offset = offset.checked_add(length)?;
        }
        (bytes.is_empty() && index.is_consistent()).then_some(index)
    }

    fn is_consistent(&self) -> bool {
        let tables_ascend = self.tables.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let has_table = |id: TableId| self.tables.binary_search_by_key(&id, |(id, _)| *id).is_ok();
        let follows = |pair: &[BlockInfo]| {
            pair[0].table <= pair[1].table && (!pair[1].continues || pair[0].table == pair[1].table)
        };
        let mut names = HashSet::new();
        tables_ascend
            && self.tables.iter().all(|(_, name)| names.insert(name))
            && self.blocks.iter().all(|block| has_table(block.table))
            && self.blocks.windows(2).all(follows)
            && self.blocks.first().is_none_or(|block| !block.continues)
    }

    /// Where the last block ends.
    pub(super) fn end(&self) -> u64 {
        self.blocks.last().map_or(HEADER_BYTES, |block| block.offset + block.bytes)
    }
}

fn push_name(bytes: &mut Vec<u8>, name: &str) {
    push_varint(bytes, name.len() as u64);
    bytes.extend_from_slice(name.as_bytes());
}

fn take_name<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(take_varint(bytes)?).ok()?;
    std::str::from_utf8(take(bytes, length)?).ok()
}

fn take_table(bytes: &mut &[u8]) -> Option<TableId> {
    Some(TableId(u32::try_from(take_varint(bytes)?).ok()?))
}
