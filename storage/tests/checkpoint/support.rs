//! What the checkpoint tests share: a database on a memory device, and a checkpoint's contents as a list.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use synod_storage::checkpoint::{
    CHECKPOINT_DIRECTORY, CheckpointHeader, CheckpointInfo, CheckpointOptions, CheckpointReader,
    CheckpointWriter, Compression, Unit, UnitBuffer, Versions,
};
use synod_storage::device::{Device, MemoryDevice};
use synod_storage::wal::{LogPosition, LogStart};
use synod_storage::{Damage, DroppedTable, Error, Home, Identity, TableId, Timestamp};

/// The database directory.
pub(crate) const HOME: &str = "/db";

/// A key, and its versions, newest first.
pub(crate) type Record = (Vec<u8>, Vec<(u64, Option<Vec<u8>>)>);

/// All that a checkpoint says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Contents {
    pub(crate) header: CheckpointHeader,
    pub(crate) tables: Vec<(TableId, String, Vec<Record>)>,
    pub(crate) dropped: Vec<DroppedTable>,
}

impl Contents {
    /// A checkpoint without tables.
    pub(crate) fn empty(timestamp: u64) -> Contents {
        let log = LogStart {
            segment: 3,
            after: Timestamp(timestamp),
            reaches: LogPosition { segment: 5, offset: 4711 },
        };
        let timestamp = Timestamp(timestamp);
        let horizon = Timestamp(timestamp.0 / 2);
        let header = CheckpointHeader { timestamp, horizon, log, next_table: TableId(0), epoch: 7 };
        Contents { header, tables: Vec::new(), dropped: Vec::new() }
    }

    /// Adds a table behind those that are there.
    pub(crate) fn with_table(mut self, id: u32, name: &str, records: Vec<Record>) -> Contents {
        self.tables.push((TableId(id), name.to_owned(), records));
        self.header.next_table = TableId(id + 1);
        self
    }

    /// How many records and versions there are.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let records = || self.tables.iter().flat_map(|(.., records)| records);
        (records().count() as u64, records().map(|(_, versions)| versions.len() as u64).sum())
    }
}

/// So many records with one version each, of `value_bytes` that don't repeat themselves.
pub(crate) fn records(count: u64, value_bytes: usize) -> Vec<Record> {
    let value = |number: u64| {
        let mut state = number;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..value_bytes).map(|_| next()).collect()
    };
    (0..count).map(|number| (number.to_be_bytes().to_vec(), vec![(1, Some(value(number)))])).collect()
}

/// Opens the database.
pub(crate) fn home(device: &MemoryDevice) -> Arc<Home> {
    Home::open(Arc::new(device.clone()), Path::new(HOME)).unwrap()
}

/// The directory of the checkpoints.
pub(crate) fn directory() -> PathBuf {
    Path::new(HOME).join(CHECKPOINT_DIRECTORY)
}

/// The path of the checkpoint at `timestamp`.
pub(crate) fn path(timestamp: u64) -> PathBuf {
    directory().join(format!("{timestamp:016x}.checkpoint"))
}

/// Begins a checkpoint and adds everything but its end.
pub(crate) fn write_unfinished(
    home: &Home,
    contents: &Contents,
    compression: Compression,
) -> Result<CheckpointWriter, Error> {
    let mut writer = CheckpointWriter::create(home, contents.header, CheckpointOptions { compression })?;
    for (id, name, records) in &contents.tables {
        writer.begin_table(*id, name)?;
        for (key, versions) in records {
            writer.add(key, versions.iter().map(|(at, value)| (Timestamp(*at), value.as_deref())))?;
        }
    }
    contents.dropped.iter().for_each(|table| writer.add_dropped_table(table.clone()));
    Ok(writer)
}

/// Writes a checkpoint.
pub(crate) fn write(
    home: &Home,
    contents: &Contents,
    compression: Compression,
) -> Result<CheckpointInfo, Error> {
    write_unfinished(home, contents, compression)?.finish()
}

/// Opens a checkpoint.
pub(crate) fn open(
    device: &MemoryDevice,
    path: &Path,
    identity: Option<Identity>,
) -> Result<CheckpointReader, Error> {
    CheckpointReader::open(&(Arc::new(device.clone()) as Arc<dyn Device>), path, identity)
}

/// The records of a unit.
pub(crate) fn read_unit(
    reader: &CheckpointReader,
    unit: &Unit,
    buffer: &mut UnitBuffer,
) -> Result<Vec<Record>, Error> {
    let own = |(at, value): (Timestamp, Option<&[u8]>)| (at.0, value.map(<[u8]>::to_vec));
    let mut records = Vec::new();
    reader.read_unit(unit, buffer, &mut |key: &[u8], versions: Versions<'_>| {
        records.push((key.to_vec(), versions.map(own).collect()));
        Ok(())
    })?;
    assert_eq!(records.len() as u64, unit.records);
    Ok(records)
}

/// Reads everything. The units are read in the order in which `order` puts them.
pub(crate) fn read_in_order(
    reader: &CheckpointReader,
    order: impl FnOnce(&mut Vec<(usize, Unit)>),
) -> Result<Contents, Error> {
    let mut units: Vec<_> = reader.units().into_iter().enumerate().collect();
    order(&mut units);
    let mut buffer = UnitBuffer::default();
    let mut read = Vec::new();
    for (position, unit) in &units {
        read.push((*position, unit.table, read_unit(reader, unit, &mut buffer)?));
    }
    read.sort_by_key(|(position, ..)| *position);
    let mut contents =
        Contents { header: reader.header(), tables: Vec::new(), dropped: reader.dropped_tables().to_vec() };
    for (id, name) in reader.tables() {
        let own = read.iter_mut().filter(|(_, table, _)| table == id);
        let records: Vec<_> = own.flat_map(|(.., records)| std::mem::take(records)).collect();
        assert_eq!(records.len() as u64, reader.records_of(*id));
        contents.tables.push((*id, name.clone(), records));
    }
    assert!(read.iter().all(|(.., rest)| rest.is_empty()), "a unit of no table");
    Ok(contents)
}

/// Opens a checkpoint and reads everything.
pub(crate) fn read(
    device: &MemoryDevice,
    path: &Path,
    identity: Option<Identity>,
) -> Result<Contents, Error> {
    read_in_order(&open(device, path, identity)?, |_| {})
}

/// What a check of the whole file finds.
pub(crate) fn verify(reader: &CheckpointReader) -> Vec<Damage> {
    let mut found = Vec::new();
    reader.verify(&mut |damage| found.push(damage)).unwrap();
    found
}

/// A file's bytes.
pub(crate) fn bytes_of(device: &MemoryDevice, path: &Path) -> Vec<u8> {
    let file = device.open(path).unwrap();
    let mut bytes = vec![0; file.size().unwrap() as usize];
    file.read_at(0, &mut bytes).unwrap();
    bytes
}

/// Replaces a file's bytes.
pub(crate) fn overwrite(device: &MemoryDevice, path: &Path, bytes: &[u8]) {
    let file = device.open(path).unwrap();
    file.set_size(bytes.len() as u64).unwrap();
    file.write_at(0, bytes).unwrap();
    file.sync_data().unwrap();
}
