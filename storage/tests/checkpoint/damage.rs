//! A damaged checkpoint is refused with the file's name, at once or when the damaged unit is read. It never
//! yields other contents.

use std::path::Path;

use synod_storage::checkpoint::{Compression, UnitBuffer, list_checkpoints, remove_checkpoint, set_aside};
use synod_storage::device::{Device, Fault, MemoryDevice};
use synod_storage::{DroppedTable, Error, Identity, TableId, Timestamp};

use crate::support::{
    Contents, Record, bytes_of, directory, home, open, overwrite, path, read, read_unit, records, verify,
    write,
};

const TIMESTAMP: u64 = 20;

/// Where a checkpoint's header ends.
const HEADER_BYTES: usize = 4096;

/// The length of what stands at its end.
const TRAILER_BYTES: usize = 64;

/// Three blocks, few bytes.
fn small() -> Contents {
    let versions = vec![(9, None), (4, Some(b"older".to_vec())), (2, Some(Vec::new()))];
    let mut middle = records(4, 15);
    middle[1].1 = versions;
    let mut contents = Contents::empty(TIMESTAMP)
        .with_table(0, "first", records(5, 20))
        .with_table(1, "empty", Vec::new())
        .with_table(4, "middle", middle)
        .with_table(7, "last", records(1, 30));
    contents.dropped.push(DroppedTable { id: TableId(2), name: "gone".into(), at: Timestamp(5) });
    contents
}

/// Blocks of full length that take few bytes: one record goes on in three of them.
fn compressible() -> Contents {
    let chain = (1..=3).rev().map(|at| (at, Some(vec![at as u8; 66_000]))).collect();
    let table: Vec<Record> = vec![(b"chain".to_vec(), chain), (b"key".to_vec(), vec![(1, None)])];
    Contents::empty(TIMESTAMP).with_table(0, "t", table)
}

/// A device with this checkpoint, and its bytes.
fn device_with(contents: &Contents, compression: Compression) -> (MemoryDevice, Vec<u8>) {
    let device = MemoryDevice::new();
    write(&home(&device), contents, compression).unwrap();
    let bytes = bytes_of(&device, &path(TIMESTAMP));
    (device, bytes)
}

/// Checks that a damaged checkpoint is refused, by whoever loads it and by whoever verifies it.
fn assert_noticed(device: &MemoryDevice, path: &Path, what: &dyn Fn() -> String) {
    let size = device.open(path).unwrap().size().unwrap();
    match read(device, path, None).map(|_| ()) {
        Err(Error::Corrupt { path: named, offset, .. }) => {
            assert!(named == path && offset <= size, "{}: {}, offset {offset}", what(), named.display());
        }
        other => panic!("{}: {other:?}", what()),
    }
    if let Ok(reader) = open(device, path, None) {
        let found = verify(&reader);
        assert!(!found.is_empty(), "{}: not reported", what());
        assert!(found.iter().all(|damage| damage.path == path && damage.offset < size), "{found:?}");
    }
}

#[test]
fn any_changed_bit_is_noticed() {
    for (contents, compression) in [(small(), Compression::None), (compressible(), Compression::Lz4)] {
        let (device, bytes) = device_with(&contents, compression);
        assert!(bytes.len() < 6000, "{} bytes", bytes.len());
        let path = path(TIMESTAMP);
        for bit in 0..bytes.len() as u64 * 8 {
            device.flip_bit(&path, bit).unwrap();
            assert_noticed(&device, &path, &|| format!("bit {bit}"));
            device.flip_bit(&path, bit).unwrap();
        }
        assert!(read(&device, &path, None).unwrap() == contents);
    }
}

#[test]
fn a_file_of_any_other_length_is_refused_when_it_is_opened() {
    let (device, bytes) = device_with(&small(), Compression::None);
    let path = path(TIMESTAMP);
    let refused = |bytes: &[u8]| {
        overwrite(&device, &path, bytes);
        let length = bytes.len();
        match open(&device, &path, None).err() {
            Some(Error::Corrupt { path: named, offset, .. }) => {
                assert!(named == path && offset <= length as u64, "{length} bytes: offset {offset}");
            }
            other => panic!("{length} bytes: {other:?}"),
        }
    };
    (0..bytes.len()).for_each(|length| refused(&bytes[..length]));
    for garbage in
        [&b"\0"[..], b"x", &[0; TRAILER_BYTES], &[0xff; 5000], &bytes[bytes.len() - TRAILER_BYTES..], &bytes]
    {
        refused(&[&bytes, garbage].concat());
    }
    // Something is missing, or was added, in the middle.
    for at in [HEADER_BYTES, HEADER_BYTES + 40, bytes.len() - TRAILER_BYTES] {
        refused(&[&bytes[..at - 1], &bytes[at..]].concat());
        refused(&[&bytes[..at], &[0], &bytes[at..]].concat());
    }
}

#[test]
fn what_is_no_checkpoint_is_refused() {
    let (device, bytes) = device_with(&small(), Compression::None);
    let path = path(TIMESTAMP);
    let trailer = &bytes[bytes.len() - TRAILER_BYTES..];
    let random = records(1, 6000)[0].1[0].1.clone().unwrap();
    let files = [
        Vec::new(),
        b"SYNODCKP".to_vec(),
        vec![0; bytes.len()],
        vec![0xff; bytes.len()],
        random,
        bytes[..HEADER_BYTES].to_vec(),
        trailer.to_vec(),
        [trailer; 100].concat(),
        [&bytes[..HEADER_BYTES], trailer].concat(),
        bytes.iter().rev().copied().collect(),
    ];
    for (number, file) in files.iter().enumerate() {
        overwrite(&device, &path, file);
        assert_noticed(&device, &path, &|| format!("file {number}"));
    }
}

#[test]
fn another_databases_checkpoint_is_refused() {
    let (device, _) = device_with(&small(), Compression::None);
    let own = home(&device).identity();
    let path = path(TIMESTAMP);
    assert!(read(&device, &path, Some(own)).is_ok());
    let refused = open(&device, &path, Some(Identity(own.0 ^ 1))).err();
    assert!(matches!(&refused, Some(Error::Corrupt { path: named, .. }) if *named == path), "{refused:?}");
}

#[test]
fn a_checkpoint_under_another_ones_name_is_refused() {
    let (device, bytes) = device_with(&small(), Compression::None);
    let other = path(TIMESTAMP + 1);
    device.create(&other).unwrap();
    overwrite(&device, &other, &bytes);
    assert_noticed(&device, &other, &String::new);
    // A name that says nothing promises nothing.
    let free = directory().join("copy");
    device.create(&free).unwrap();
    overwrite(&device, &free, &bytes);
    assert!(read(&device, &free, None).unwrap() == small());
}

#[test]
fn another_versions_checkpoint_is_told_from_a_damaged_one() {
    let (device, mut bytes) = device_with(&small(), Compression::None);
    let header = &mut bytes[..HEADER_BYTES];
    header[8..12].copy_from_slice(&77_u32.to_le_bytes());
    header[12..16].fill(0);
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, header) as u32;
    header[12..16].copy_from_slice(&crc.to_le_bytes());
    overwrite(&device, &path(TIMESTAMP), &bytes);
    let refused = open(&device, &path(TIMESTAMP), None).err();
    let Some(Error::UnknownFormat { path: named, found: 77, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(named, path(TIMESTAMP));
}

#[test]
fn parts_of_two_checkpoints_make_none() {
    // Both have the same shape: a part that came from the other one fits in everything but its contents.
    let (device, ours) = device_with(&small(), Compression::None);
    let mut other = small();
    for (_, _, records) in &mut other.tables {
        for (_, versions) in records.iter_mut() {
            versions.iter_mut().filter_map(|(_, value)| value.as_mut()).for_each(|value| value.reverse());
        }
    }
    other.header.horizon = Timestamp(3);
    other.tables[0].1 = "tsrif".to_owned();
    let identity = home(&device).identity();
    let path = path(TIMESTAMP);
    write(&home(&device), &other, Compression::None).unwrap();
    let theirs = bytes_of(&device, &path);
    assert!(read(&device, &path, Some(identity)).unwrap() == other);
    assert_eq!(ours.len(), theirs.len());
    // Every range of sectors from the other file, as lost or misplaced writes leave it, and every single cut.
    let sectors: Vec<usize> = (0..ours.len()).step_by(512).chain([ours.len()]).collect();
    let cuts: Vec<usize> = (HEADER_BYTES..ours.len()).collect();
    let ranges = sectors.iter().flat_map(|start| sectors.iter().map(move |end| (*start, *end)));
    let ranges = ranges.chain(cuts.iter().flat_map(|cut| [(0, *cut), (*cut, ours.len())]));
    for (start, end) in ranges.filter(|(start, end)| start < end) {
        let mut mixed = ours.clone();
        mixed[start..end].copy_from_slice(&theirs[start..end]);
        if mixed == ours || mixed == theirs {
            continue;
        }
        overwrite(&device, &path, &mixed);
        assert_noticed(&device, &path, &|| format!("{start}..{end} of the other one"));
    }
}

#[test]
fn blocks_in_each_others_place_are_noticed_by_whoever_reads_them() {
    // Six blocks of one length, with the same number of records.
    let mut table = records(6, 66_000);
    table.iter_mut().for_each(|(key, _)| key.insert(0, b'k'));
    let contents = Contents::empty(TIMESTAMP).with_table(0, "t", table);
    let (device, bytes) = device_with(&contents, Compression::None);
    let path = path(TIMESTAMP);
    let units = open(&device, &path, None).unwrap().units();
    assert!(units.iter().all(|unit| unit.records == 6));
    let first = bytes.windows(9).position(|window| window == b"k\0\0\0\0\0\0\0\0").unwrap();
    let second = bytes.windows(9).position(|window| window == b"k\0\0\0\0\0\0\0\x01").unwrap();
    let length = second - first;
    let mut swapped = bytes.clone();
    let (left, right) = swapped[HEADER_BYTES..].split_at_mut(length);
    left.swap_with_slice(&mut right[..length]);
    overwrite(&device, &path, &swapped);
    assert_noticed(&device, &path, &|| "two blocks swapped".to_owned());
    let mut repeated = bytes;
    repeated.copy_within(HEADER_BYTES..HEADER_BYTES + length, HEADER_BYTES + length);
    overwrite(&device, &path, &repeated);
    assert_noticed(&device, &path, &|| "a block twice".to_owned());
}

#[test]
fn a_damaged_unit_leaves_the_others_readable_and_verifying_reports_each() {
    let contents = Contents::empty(TIMESTAMP).with_table(0, "t", records(60, 66_000));
    let (device, bytes) = device_with(&contents, Compression::None);
    let path = path(TIMESTAMP);
    let damaged = [HEADER_BYTES + 100, bytes.len() / 2];
    damaged.iter().for_each(|offset| device.flip_bit(&path, *offset as u64 * 8).unwrap());
    let reader = open(&device, &path, None).unwrap();
    let units = reader.units();
    assert!(units.len() > 3);
    let mut buffer = UnitBuffer::default();
    let failed = units.iter().filter(|unit| read_unit(&reader, unit, &mut buffer).is_err()).count();
    let found = verify(&reader);
    assert_eq!((failed, found.len()), (2, 2));
    for (damage, offset) in found.iter().zip(damaged) {
        let distance = offset as u64 - damage.offset;
        assert!(damage.path == path && distance < 67_000, "{damage} for {offset}");
    }
}

#[test]
fn a_read_that_fails_or_comes_short_or_wrong_is_an_error() {
    let (device, _) = device_with(&small(), Compression::None);
    let path = path(TIMESTAMP);
    // Header, trailer, index, three blocks.
    for nth in 1..=6 {
        for bit in [0, 77, 20_000] {
            device.inject(Fault::FlippedRead { nth, bit });
            assert!(matches!(read(&device, &path, None), Err(Error::Corrupt { .. })), "read {nth}");
        }
        device.inject(Fault::ShortRead(nth));
        assert!(matches!(read(&device, &path, None), Err(Error::Corrupt { .. })), "read {nth}");
        device.inject(Fault::Read(nth));
        assert!(matches!(read(&device, &path, None), Err(Error::Io { .. })), "read {nth}");
    }
    assert!(read(&device, &path, None).unwrap() == small());
}

#[test]
fn only_checkpoints_are_listed_and_those_set_aside_or_removed_no_more() {
    let device = MemoryDevice::new();
    let home = home(&device);
    for timestamp in [5, 300, 20] {
        write(&home, &Contents::empty(timestamp), Compression::None).unwrap();
    }
    for other in ["5.checkpoint", "0000000000000007.tmp", "000000000000000g.checkpoint", "checkpoint"] {
        device.create(&directory().join(other)).unwrap();
    }
    let listed = || {
        let device = device.crash(synod_storage::device::Survival::Nothing);
        let found = list_checkpoints(&device, home.directory()).unwrap();
        found.into_iter().map(|(timestamp, _)| timestamp.0).collect::<Vec<_>>()
    };
    assert_eq!(listed(), [300, 20, 5]);
    set_aside(&home, &path(20)).unwrap();
    assert_eq!(listed(), [300, 5]);
    remove_checkpoint(&home, Timestamp(300)).unwrap();
    assert_eq!(listed(), [5]);
}
