//! A checkpoint: the input is its file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use synod::device::{Device, MemoryDevice, Survival};
use synod::{Compression, Engine};
use synod_storage::checkpoint::{
    CheckpointHeader, CheckpointOptions, CheckpointReader, CheckpointWriter, UnitBuffer, list_checkpoints,
};
use synod_storage::wal::{LogPosition, LogStart};
use synod_storage::{DroppedTable, Error, Home, Identity, TableId, Timestamp};

use super::layout::{
    HOME, crc32c, device_of, number32, number64, options, put, read, seal_page, take_varint, write,
};
use super::{Outcome, Target};
use crate::campaign::verdict::contents;

pub(super) const TARGET: Target = Target { name: "checkpoint", seeds, judge, repair };

const HEADER_BYTES: usize = 4096;
const HEADER_CRC_OFFSET: usize = 12;
const IDENTITY_OFFSET: usize = 16;
const TIMESTAMP_OFFSET: usize = 24;
const SEGMENT_OFFSET: usize = 40;
const AFTER_OFFSET: usize = 48;
const TRAILER_BYTES: usize = 64;
const TRAILER_CRC_OFFSET: usize = 8;
/// The trailer's numbers that are set right: offset and length of the index, length of the file, CRCs.
const INDEX_OFFSET: usize = 16;
const INDEX_BYTES_OFFSET: usize = 24;
const FILE_BYTES_OFFSET: usize = 48;
const HEADER_CRC_COPY_OFFSET: usize = 56;
const INDEX_CRC_COPY_OFFSET: usize = 60;
const BLOCK_HEADER_BYTES: usize = 13;
const BLOCK_RAW: u8 = 0;

/// The versions of a record, the newest first.
type Versions = Vec<(Timestamp, Option<Vec<u8>>)>;

/// All that a checkpoint says.
#[derive(Debug, PartialEq, Eq)]
struct Contents {
    header: CheckpointHeader,
    tables: Vec<(TableId, String)>,
    dropped: Vec<DroppedTable>,
    records: Vec<(TableId, Vec<u8>, Versions)>,
}

/// Sets right all checksums, and, for every other length of an input, the lengths that go with them.
fn repair(input: &[u8]) -> Vec<u8> {
    let mut file = input.to_vec();
    if file.len() < HEADER_BYTES + TRAILER_BYTES {
        return file;
    }
    seal_page(&mut file[..HEADER_BYTES], HEADER_CRC_OFFSET);
    let end = file.len() - TRAILER_BYTES;
    let index = number64(&file, end + INDEX_OFFSET) as usize;
    let repairs_lengths = input.len().is_multiple_of(2);
    if (HEADER_BYTES..end).contains(&index) {
        repair_blocks(&mut file[..end], index, repairs_lengths);
        let crc = seal_block(&mut file[index..end], repairs_lengths);
        put(&mut file, end + INDEX_CRC_COPY_OFFSET, &crc.to_le_bytes());
        put(&mut file, end + INDEX_BYTES_OFFSET, &((end - index) as u64).to_le_bytes());
    }
    let (bytes, header_crc) = (file.len() as u64, number32(&file, HEADER_CRC_OFFSET));
    put(&mut file, end + FILE_BYTES_OFFSET, &bytes.to_le_bytes());
    put(&mut file, end + HEADER_CRC_COPY_OFFSET, &header_crc.to_le_bytes());
    let trailer = &mut file[end..];
    put(trailer, TRAILER_CRC_OFFSET, &[0; 8]);
    let crc = u64::from(crc32c(trailer));
    put(trailer, TRAILER_CRC_OFFSET, &crc.to_le_bytes());
    file
}

/// Sets the CRC of a block, and returns it.
fn seal_block(block: &mut [u8], repairs_lengths: bool) -> u32 {
    if repairs_lengths && block.len() >= BLOCK_HEADER_BYTES {
        let stored = ((block.len() - BLOCK_HEADER_BYTES) as u32).to_le_bytes();
        put(block, 4, &stored);
        if block[BLOCK_HEADER_BYTES - 1] == BLOCK_RAW {
            put(block, 8, &stored);
        }
    }
    let crc = crc32c(block.get(4..).unwrap_or_default());
    put(block, 0, &crc.to_le_bytes());
    crc
}

/// Walks through an index that isn't compressed, as far as it can be understood, and sets right each block and what
/// the index says of its CRC.
fn repair_blocks(file: &mut [u8], index: usize, repairs_lengths: bool) -> Option<()> {
    let mut at = index + BLOCK_HEADER_BYTES;
    if file.get(at - 1) != Some(&BLOCK_RAW) {
        return None;
    }
    for has_timestamp in [false, true] {
        for _ in 0..take_varint(file, &mut at)? {
            take_varint(file, &mut at)?;
            if has_timestamp {
                take_varint(file, &mut at)?;
            }
            let name_bytes = take_varint(file, &mut at)? as usize;
            at = at.checked_add(name_bytes)?;
        }
    }
    let mut block = HEADER_BYTES;
    for _ in 0..take_varint(file, &mut at)? {
        let end = block.checked_add(take_varint(file, &mut at)? as usize)?;
        for _ in 0..3 {
            take_varint(file, &mut at)?;
        }
        let crc = seal_block(file.get_mut(block..end.min(index))?, repairs_lengths);
        put(file, at + 1, &crc.to_le_bytes());
        (at, block) = (at + 5, end);
    }
    Some(())
}

/// What verification takes for whole can be read, written anew, and loaded.
fn judge(input: &[u8]) -> Outcome {
    let identity = number64(input, IDENTITY_OFFSET);
    let device = device_of(identity);
    let path = checkpoint_path(number64(input, TIMESTAMP_OFFSET));
    write(&device, &path, input);
    let shared: Arc<dyn Device> = Arc::new(device.clone());
    let reader = match CheckpointReader::open(&shared, &path, Some(Identity(identity))) {
        Ok(reader) => reader,
        Err(error) => {
            judge_opening(&device, input, None);
            return Outcome::refused(&error);
        }
    };
    let mut damage = Vec::new();
    reader.verify(&mut |found| damage.push(found)).expect("nothing but damage can be wrong");
    match read_all(&reader) {
        Ok(contents) if damage.is_empty() => {
            judge_rewritten(&contents);
            judge_opening(&device, input, Some(&contents));
            Outcome::Accepted
        }
        // Loading doesn't look at the order of keys.
        found => {
            judge_opening(&device, input, None);
            match (found, damage.first()) {
                (_, Some(damage)) => Outcome::refused(&damage.reason),
                (Err(error), None) => panic!("a checkpoint is whole, and can't be read: {error}"),
                (Ok(_), None) => unreachable!("it was judged above"),
            }
        }
    }
}

fn checkpoint_path(timestamp: u64) -> PathBuf {
    Path::new(HOME).join("checkpoints").join(format!("{timestamp:016x}.checkpoint"))
}

fn read_all(reader: &CheckpointReader) -> Result<Contents, Error> {
    let (mut records, mut buffer) = (Vec::new(), UnitBuffer::default());
    for unit in reader.units() {
        reader.read_unit(&unit, &mut buffer, &mut |key, versions| {
            let versions = versions.map(|(at, value)| (at, value.map(<[u8]>::to_vec)));
            records.push((unit.table, key.to_vec(), versions.collect()));
            Ok(())
        })?;
    }
    let (tables, dropped) = (reader.tables().to_vec(), reader.dropped_tables().to_vec());
    Ok(Contents { header: reader.header(), tables, dropped, records })
}

fn write_all(home: &Home, contents: &Contents, compression: Compression) -> Result<PathBuf, Error> {
    let mut writer = CheckpointWriter::create(home, contents.header, CheckpointOptions { compression })?;
    contents.dropped.iter().for_each(|table| writer.add_dropped_table(table.clone()));
    for (id, name) in &contents.tables {
        writer.begin_table(*id, name)?;
        for (_, key, versions) in contents.records.iter().filter(|(table, ..)| table == id) {
            writer.add(key, versions.iter().map(|(at, value)| (*at, value.as_deref())))?;
        }
    }
    Ok(writer.finish()?.path)
}

/// What was read, written to a new checkpoint, is read again.
fn judge_rewritten(contents: &Contents) {
    let device: Arc<dyn Device> = Arc::new(device_of(1));
    let home = Home::open(device.clone(), Path::new(HOME)).expect("open the directory");
    let path = write_all(&home, contents, Compression::Lz4).expect("write a checkpoint");
    let reader =
        CheckpointReader::open(&device, &path, Some(home.identity())).expect("open what was written");
    reader.verify(&mut |damage| panic!("what was written is damaged: {damage:?}")).expect("verify");
    assert_eq!(&read_all(&reader).expect("read what was written"), contents, "it has changed");
}

/// An engine opens with what the checkpoint says, and the empty log that it asks for.
fn judge_opening(device: &MemoryDevice, input: &[u8], expected: Option<&Contents>) {
    let device = device.crash(Survival::Everything);
    let (segment, after) = (number64(input, SEGMENT_OFFSET), number64(input, AFTER_OFFSET));
    let segment_path = Path::new(HOME).join("wal").join(format!("{segment:016x}.log"));
    write(&device, &segment_path, &empty_segment(segment, after, number64(input, IDENTITY_OFFSET)));
    let verified = synod::verify(HOME, &options(device.clone()));
    let is_whole = verified.as_ref().is_ok_and(|found| found.damage.is_empty());
    let engine = match Engine::open(HOME, options(device)) {
        Ok(engine) => engine,
        Err(error) => {
            assert!(!is_whole, "verification finds nothing, and it can't be opened: {error}");
            return;
        }
    };
    let found = contents(&engine).unwrap_or_else(|flaw| panic!("{flaw}"));
    let Some(contents) = expected else { return };
    let mut tables: BTreeMap<_, _> =
        contents.tables.iter().map(|(id, name)| (*id, (name.clone(), BTreeMap::new()))).collect();
    for (table, key, versions) in &contents.records {
        if let Some((_, Some(value))) = versions.first() {
            tables.get_mut(table).expect("the reader knows it").1.insert(key.clone(), value.clone());
        }
    }
    let mut expected: Vec<_> = tables.into_values().collect();
    expected.sort();
    assert_eq!(found, expected, "loading leads somewhere else");
}

/// A segment of the log in which there is nothing yet.
fn empty_segment(number: u64, previous_timestamp: u64, identity: u64) -> Vec<u8> {
    let mut header = vec![0; HEADER_BYTES];
    put(&mut header, 0, b"SYNODWAL");
    put(&mut header, 8, &2u32.to_le_bytes());
    let previous_end = if number > 1 { HEADER_BYTES as u64 } else { 0 };
    for (index, number) in [number, previous_end, previous_timestamp, identity].into_iter().enumerate() {
        put(&mut header, 16 + index * 8, &number.to_le_bytes());
    }
    seal_page(&mut header, HEADER_CRC_OFFSET);
    header
}

/// Checkpoints with and without compression, of records that fill a block and records with a past.
fn seeds() -> Vec<Vec<u8>> {
    let table = |id: u32, name: &str| (TableId(id), name.to_string());
    let header = CheckpointHeader {
        timestamp: Timestamp(100),
        horizon: Timestamp(50),
        log: LogStart {
            segment: 3,
            after: Timestamp(100),
            reaches: LogPosition { segment: 3, offset: HEADER_BYTES as u64 },
        },
        next_table: TableId(4),
        epoch: 3,
    };
    let few = (0..6u8).map(|number| {
        let past = (number % 3 == 0).then_some((Timestamp(60), None));
        let versions = [(Timestamp(90), Some(vec![number; 4]))].into_iter().chain(past).collect();
        (TableId(u32::from(number / 3)), vec![b'k', number], versions)
    });
    let long = |byte: u8| vec![byte; 66_000];
    let fills = vec![
        (TableId(1), b"long".to_vec(), vec![(Timestamp(9), Some(long(1))), (Timestamp(8), Some(long(2)))]),
        (TableId(1), b"longer".to_vec(), vec![(Timestamp(7), None), (Timestamp(6), Some(long(3)))]),
        (TableId(1), b"short".to_vec(), vec![(Timestamp(7), Some(vec![1]))]),
    ];
    let dropped = vec![DroppedTable { id: TableId(2), name: "gone".into(), at: Timestamp(70) }];
    let tables = vec![table(0, "first"), table(1, "second")];
    let empty = Contents { header, tables: vec![], dropped: vec![], records: vec![] };
    let small = Contents { header, tables: tables.clone(), dropped: dropped.clone(), records: few.collect() };
    let large = Contents { header, tables, dropped, records: fills };
    let seeds = [
        (&empty, Compression::None),
        (&small, Compression::None),
        (&small, Compression::Lz4),
        (&large, Compression::Lz4),
    ];
    seeds.into_iter().map(|(contents, compression)| encode(contents, compression)).collect()
}

fn encode(contents: &Contents, compression: Compression) -> Vec<u8> {
    let device = device_of(7);
    let home = Home::open(Arc::new(device.clone()), Path::new(HOME)).expect("open the directory");
    let path = write_all(&home, contents, compression).expect("write a checkpoint");
    assert_eq!(list_checkpoints(&device, Path::new(HOME)).expect("list").len(), 1);
    read(&device, &path)
}
