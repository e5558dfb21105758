//! Batches of a higher layer stand in the log beside commits, whole and in order, and are damaged and torn as these.

use std::path::Path;
use std::sync::Arc;

use synod_storage::device::{Device, MemoryDevice};
use synod_storage::wal::{
    BatchPiece, FRAME_BYTES_MAX, FrameBuilder, LogReader, LogStart, LogSummary, Piece, Recovery, Wal,
    WalOptions, verify_log,
};
use synod_storage::{DATABASE_FILE, Damage, Error, Home, TableId, Timestamp};

use crate::support::{HOME, append, commit, device_with_segments, read_file, segment_path};

const FRAME_HEADER_BYTES: u64 = 17;
const SEGMENT_BYTES: u64 = 8192;

/// The body of a batch whose last transaction is at `timestamp`.
fn body(timestamp: u64, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| (timestamp as usize * 37 + index * 11) as u8 | 1).collect()
}

fn append_batch(wal: &Wal, timestamp: u64, body: &[u8]) {
    wal.append_batch(timestamp as usize, Timestamp(timestamp), body).unwrap();
}

fn append_catalog_change(wal: &Wal, timestamp: u64) {
    let mut frame = FrameBuilder::new();
    if timestamp.is_multiple_of(2) {
        frame.create_table(TableId(timestamp as u32), "t").unwrap();
    } else {
        frame.drop_table(TableId(timestamp as u32));
    }
    wal.append(0, Timestamp(timestamp), frame.finish(Timestamp(timestamp))).unwrap();
}

/// One thing that the log says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Commit(u64),
    Table(u64),
    Batch(u64, Vec<u8>),
}

/// What a piece says.
fn say(piece: &Piece) -> Vec<Said> {
    match piece {
        Piece::Commits(commits) => commits.iter().map(|(at, _)| Said::Commit(at.0)).collect(),
        Piece::CreateTable { timestamp, .. } | Piece::DropTable { timestamp, .. } => {
            vec![Said::Table(timestamp.0)]
        }
        Piece::Batch(batch) => vec![Said::Batch(batch.timestamp.0, batch.body.clone())],
    }
}

fn open(device: &MemoryDevice, after: u64) -> Result<(Wal, Recovery, Vec<Piece>), Error> {
    let home = Home::open(Arc::new(device.clone()), Path::new(HOME))?;
    let options = WalOptions { segment_bytes: SEGMENT_BYTES, ..WalOptions::default() };
    let start = LogStart { after: Timestamp(after), ..LogStart::default() };
    let mut pieces = Vec::new();
    let (wal, found) = Wal::open(&home, options, start, &mut |piece| {
        pieces.push(piece);
        Ok(())
    })?;
    Ok((wal, found, pieces))
}

fn said(pieces: &[Piece]) -> Vec<Said> {
    pieces.iter().flat_map(say).collect()
}

fn read_on(reader: &mut LogReader, wal: &Wal) -> Vec<Piece> {
    std::iter::from_fn(|| reader.next(wal).unwrap()).collect()
}

fn verify(device: &MemoryDevice) -> (LogSummary, Vec<Damage>) {
    let home = Home::open(Arc::new(device.clone()), Path::new(HOME)).unwrap();
    let mut found = Vec::new();
    let summary = verify_log(&home, LogStart::default(), &mut |damage| found.push(damage)).unwrap();
    (summary, found)
}

/// What a mixed log has at each timestamp: batches short and long, commits and changes of tables.
fn entry(timestamp: u64) -> Said {
    match timestamp % 7 {
        0 | 1 | 4 => Said::Batch(timestamp, body(timestamp, (timestamp as usize * 53) % 400)),
        3 => Said::Table(timestamp),
        _ => Said::Commit(timestamp),
    }
}

/// Appends what a mixed log has at these timestamps, each flushed by itself.
fn append_mixed(wal: &Wal, timestamps: std::ops::RangeInclusive<u64>) {
    for timestamp in timestamps {
        match entry(timestamp) {
            Said::Commit(at) => append(wal, 0, &commit(at, 30)).unwrap(),
            Said::Table(at) => append_catalog_change(wal, at),
            Said::Batch(at, body) => append_batch(wal, at, &body),
        }
        wal.flush(Timestamp(timestamp), true).unwrap();
    }
}

fn mixed(timestamps: std::ops::RangeInclusive<u64>) -> Vec<Said> {
    timestamps.map(entry).collect()
}

#[test]
fn batches_keep_their_order_among_commits_and_table_changes() {
    const LAST: u64 = 150;
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, 0).unwrap();
    let mut follower = wal.read_after(Timestamp::MIN).unwrap();
    append_mixed(&wal, 1..=70);
    let mut followed = said(&read_on(&mut follower, &wal));
    append_mixed(&wal, 71..=LAST);
    followed.extend(said(&read_on(&mut follower, &wal)));
    assert_eq!(followed, mixed(1..=LAST));
    assert!(wal.segments().len() > 3);
    for after in 0..=LAST {
        let mut reader = wal.read_after(Timestamp(after)).unwrap();
        assert_eq!(said(&read_on(&mut reader, &wal)), mixed(after + 1..=LAST), "after {after}");
    }
    wal.close().unwrap();
    drop(wal);
    for after in [0, 1, 4, 30, LAST - 1, LAST] {
        let (_, found, pieces) = open(&device, after).unwrap();
        assert_eq!(said(&pieces), mixed(after + 1..=LAST), "after {after}");
        let count =
            |is: fn(&Said) -> bool| mixed(after + 1..=LAST).iter().filter(|one| is(one)).count() as u64;
        assert_eq!(found.batches, count(|one| matches!(one, Said::Batch(..))));
        assert_eq!(found.commits, count(|one| matches!(one, Said::Commit(..))));
        assert_eq!(found.catalog_changes, count(|one| matches!(one, Said::Table(..))));
    }
    let (_, found, _) = open(&device, 0).unwrap();
    let (summary, damage) = verify(&device);
    assert_eq!((damage, summary.last_timestamp), (vec![], Timestamp(LAST)));
    assert_eq!(
        (summary.batches, summary.commits, summary.catalog_changes),
        (found.batches, found.commits, found.catalog_changes)
    );
}

#[test]
fn a_batch_says_where_it_stands() {
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, 0).unwrap();
    append_mixed(&wal, 1..=60);
    drop(wal);
    let (_, _, pieces) = open(&device, 0).unwrap();
    let batches = pieces.iter().filter_map(|piece| match piece {
        Piece::Batch(batch) => Some(batch),
        _ => None,
    });
    let mut checked = 0;
    for BatchPiece { body, path, offset, .. } in batches {
        let file = read_file(&device, path);
        let start = (offset + FRAME_HEADER_BYTES) as usize;
        assert_eq!(&file[start..start + body.len()], body);
        checked += 1;
    }
    assert!(checked > 20);
}

#[test]
fn a_batch_longer_than_what_is_read_at_once_comes_back_whole() {
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, 0).unwrap();
    let sizes = [10, 3_000_000, 0, 1 << 20, (1 << 20) - 17, 700_000, 700_000, 5];
    for (timestamp, bytes) in (1..).zip(sizes) {
        append_batch(&wal, timestamp, &body(timestamp, bytes));
    }
    wal.flush(Timestamp(100), true).unwrap();
    let expected: Vec<_> = (1..).zip(sizes).map(|(at, bytes)| Said::Batch(at, body(at, bytes))).collect();
    assert!(said(&read_on(&mut wal.read_after(Timestamp::MIN).unwrap(), &wal)) == expected);
    drop(wal);
    assert!(said(&open(&device, 0).unwrap().2) == expected);
}

#[test]
fn many_small_batches_are_read_in_large_portions() {
    const BATCHES: u64 = 20_000;
    let device = MemoryDevice::new();
    let home = Home::open(Arc::new(device.clone()), Path::new(HOME)).unwrap();
    let options = WalOptions::default();
    let (wal, _) = Wal::open(&home, options.clone(), LogStart::default(), &mut |_| Ok(())).unwrap();
    for timestamp in 1..=BATCHES {
        append_batch(&wal, timestamp, &body(timestamp, 100));
    }
    wal.close().unwrap();
    let (bytes, before) = (wal.stats().appended_bytes, device.operations().reads);
    assert_eq!(read_on(&mut wal.read_after(Timestamp::MIN).unwrap(), &wal).len() as u64, BATCHES);
    let portions = bytes.div_ceil(1 << 20) + 1;
    assert!(device.operations().reads - before <= portions, "{} reads", device.operations().reads - before);
    drop((wal, home));
    let home = Home::open(Arc::new(device.clone()), Path::new(HOME)).unwrap();
    let before = device.operations().reads;
    let (_, found) = Wal::open(&home, options, LogStart::default(), &mut |_| Ok(())).unwrap();
    assert_eq!(found.batches, BATCHES);
    // The header too, the zeros behind the end, and what is written once more.
    assert!(
        device.operations().reads - before < 4 * portions,
        "{} reads",
        device.operations().reads - before
    );
}

#[test]
fn a_log_cut_within_a_batch_ends_before_it() {
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, 0).unwrap();
    let mut ends = Vec::new();
    let end = |device: &MemoryDevice| {
        read_file(device, &segment_path(1)).iter().rposition(|byte| *byte != 0).unwrap() + 1
    };
    for timestamp in 1..=12 {
        append_mixed(&wal, timestamp..=timestamp);
        ends.push(end(&device));
    }
    drop(wal);
    let bytes = read_file(&device, &segment_path(1));
    for cut in 0..=ends[11] {
        let device = device_with_segments(&[&bytes[..cut]]);
        let (wal, _, pieces) = open(&device, 0).unwrap();
        let whole = ends.iter().filter(|end| **end <= cut).count() as u64;
        assert_eq!(said(&pieces), mixed(1..=whole), "cut at {cut}");
        append_batch(&wal, 1000, &body(1000, 20));
        wal.close().unwrap();
        drop(wal);
        let (_, recovery, pieces) = open(&device, 0).unwrap();
        let expected = [mixed(1..=whole), vec![Said::Batch(1000, body(1000, 20))]].concat();
        assert_eq!((said(&pieces), recovery.cut), (expected, None), "cut at {cut}");
    }
}

#[test]
fn any_changed_byte_of_a_closed_log_with_batches_is_found_or_harmless() {
    const LAST: u64 = 30;
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, 0).unwrap();
    append_mixed(&wal, 1..=LAST);
    wal.close().unwrap();
    let count = wal.segments().len() as u64;
    assert!(count >= 2);
    drop(wal);
    let note = read_file(&device, &Path::new(HOME).join(DATABASE_FILE));
    let mut segments: Vec<_> = (1..=count).map(|number| read_file(&device, &segment_path(number))).collect();
    let mut harmless = 0;
    for segment in 0..segments.len() {
        for offset in 0..segments[segment].len() {
            segments[segment][offset] ^= 0x10;
            let slices: Vec<&[u8]> = segments.iter().map(Vec::as_slice).collect();
            let damaged = device_with_segments(&slices);
            damaged.open(&Path::new(HOME).join(DATABASE_FILE)).unwrap().write_at(0, &note).unwrap();
            match open(&damaged, 0) {
                Ok((_, _, pieces)) => {
                    assert_eq!(said(&pieces), mixed(1..=LAST), "segment {segment}, offset {offset}");
                    harmless += 1;
                }
                Err(error) => assert!(matches!(error, Error::Corrupt { .. }), "{error}"),
            }
            segments[segment][offset] ^= 0x10;
        }
    }
    // Only the zeros behind the log's end hold nothing that could be missed.
    let last = segments.last().unwrap();
    assert_eq!(harmless, last.iter().rev().take_while(|byte| **byte == 0).count());
}

#[test]
fn a_batch_that_is_too_large_is_refused() {
    let (wal, ..) = open(&MemoryDevice::new(), 0).unwrap();
    let limit = FRAME_BYTES_MAX;
    // Never touched, so it takes no memory.
    let huge = vec![0; limit - FRAME_HEADER_BYTES as usize + 1];
    let refused = wal.append_batch(0, Timestamp(5), &huge);
    assert!(
        matches!(refused, Err(Error::TransactionTooLarge { bytes, limit: most }) if (bytes, most) == (limit + 1, limit)),
        "{refused:?}"
    );
    assert_eq!(wal.buffered_bytes(), 0);
}

#[test]
#[should_panic(expected = "writes belong into a commit frame")]
fn writes_do_not_go_into_a_change_of_the_catalog() {
    let mut frame = FrameBuilder::new();
    frame.create_table(TableId(0), "t").unwrap();
    let _ = frame.put(TableId(0), b"key", b"value");
}
