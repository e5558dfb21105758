//! A log that ends too early is cut at its last whole frame, and goes on from there.

use synod_storage::device::{Device, MemoryDevice};
use synod_storage::wal::FrameBuilder;
use synod_storage::{TableId, Timestamp};

use crate::support::{
    Commit, append, commit, commit_each, commits, device_with_segments, open, read_file, segment_path,
};

const SEGMENT_BYTES: u64 = 8192;
const HEADER_BYTES: usize = 4096;

/// One segment with commits 1 to `last`, each synced; and where the log ended after each of them.
fn synced_log(last: u64, value_bytes: usize) -> (Vec<u8>, Vec<usize>) {
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, SEGMENT_BYTES).unwrap();
    let mut ends = Vec::new();
    for timestamp in 1..=last {
        commit_each(&wal, timestamp..=timestamp, value_bytes, true);
        let bytes = read_file(&device, &segment_path(1));
        ends.push(bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1);
    }
    (read_file(&device, &segment_path(1)), ends)
}

/// Opens a log, commits once more, closes it, opens it again.
fn goes_on(device: &MemoryDevice, found: &[Commit], next: u64) {
    let (wal, ..) = open(device, SEGMENT_BYTES).unwrap();
    append(&wal, 0, &commit(next, 20)).unwrap();
    wal.close().unwrap();
    drop(wal);
    let (_, recovery, again) = open(device, SEGMENT_BYTES).unwrap();
    assert_eq!(recovery.cut, None);
    assert_eq!(again, [found, &[commit(next, 20)]].concat());
}

#[test]
fn a_log_cut_at_any_byte_yields_the_whole_frames_before_it() {
    let (bytes, ends) = synced_log(12, 30);
    let end = *ends.last().unwrap();
    for cut in 0..=end {
        let device = device_with_segments(&[&bytes[..cut]]);
        let (wal, recovery, found) = open(&device, SEGMENT_BYTES).unwrap();
        let whole = ends.iter().filter(|end| **end <= cut).count() as u64;
        assert_eq!(found, commits(1..=whole, 30), "cut at {cut}");
        assert_eq!(recovery.commits, whole);
        drop(wal);
        goes_on(&device, &found, 13);
    }
}

#[test]
fn a_frame_out_of_order_ends_the_log() {
    let (mut bytes, ends) = synced_log(3, 30);
    let mut frame = FrameBuilder::new();
    frame.put(TableId(0), b"key", b"value").unwrap();
    for timestamp in [2, 3] {
        let frame = frame.finish(Timestamp(timestamp));
        bytes[ends[2]..][..frame.len()].copy_from_slice(frame);
        let (_, recovery, found) = open(&device_with_segments(&[&bytes]), SEGMENT_BYTES).unwrap();
        assert_eq!(found, commits(1..=3, 30));
        assert_eq!(recovery.cut.unwrap().bytes, frame.len() as u64);
    }
}

#[test]
fn remains_behind_the_cut_never_come_back() {
    let (bytes, ends) = synced_log(1, 30);
    // An unsynced flush of three commits, whose first sector a crash has lost; long enough that what is
    // left of it lies beyond the zeros that a new log writes ahead.
    let (value_bytes, segment_bytes) = (3 << 20, 64 << 20);
    let device = device_with_segments(&[&bytes]);
    let (wal, ..) = open(&device, segment_bytes).unwrap();
    for timestamp in 2..=4 {
        append(&wal, 0, &commit(timestamp, value_bytes)).unwrap();
    }
    wal.flush(Timestamp(4), false).unwrap();
    drop(wal);
    let mut torn = read_file(&device, &segment_path(1));
    torn[ends[0]..4608].fill(0);
    let device = device_with_segments(&[&torn]);
    let (wal, recovery, found) = open(&device, segment_bytes).unwrap();
    assert_eq!(found, commits(1..=1, 30));
    let cut = recovery.cut.unwrap();
    assert_eq!((cut.path, cut.offset), (segment_path(1), ends[0] as u64));
    assert!(cut.bytes > 6 << 20);
    // Exactly as long as what was lost, so that the frames behind would fit on again.
    append(&wal, 0, &commit(2, value_bytes)).unwrap();
    wal.flush(Timestamp(2), true).unwrap();
    drop(wal);
    let (_, recovery, found) = open(&device, segment_bytes).unwrap();
    assert!(found == [commit(1, 30), commit(2, value_bytes)], "{} commits", found.len());
    assert_eq!(recovery.cut, None);
}

#[test]
fn a_length_that_reaches_beyond_the_file_is_a_torn_tail_and_allocates_nothing() {
    let (mut bytes, ends) = synced_log(2, 30);
    bytes.truncate(ends[1]);
    bytes.extend_from_slice(&[1; 4]);
    bytes.extend_from_slice(&0x3fff_ffff_u32.to_le_bytes());
    bytes.extend_from_slice(&[1; 96]);
    let (_, recovery, found) = open(&device_with_segments(&[&bytes]), SEGMENT_BYTES).unwrap();
    assert_eq!(found, commits(1..=2, 30));
    assert_eq!(recovery.cut.unwrap().bytes, 104);
}

#[test]
fn a_last_segment_whose_creation_was_interrupted_is_removed() {
    let (bytes, ends) = synced_log(2, 30);
    let torn_header = [7; 512];
    let zeros = [0; 2 * HEADER_BYTES];
    for remains in [&[][..], &torn_header, &zeros] {
        let device = device_with_segments(&[&bytes[..ends[1]], remains]);
        let (wal, recovery, found) = open(&device, SEGMENT_BYTES).unwrap();
        assert_eq!((found, recovery.segments), (commits(1..=2, 30), 1));
        assert!(device.open(&segment_path(2)).is_err(), "the file is gone");
        drop(wal);
        goes_on(&device, &commits(1..=2, 30), 3);
    }
    // The same for the very first segment.
    goes_on(&device_with_segments(&[&torn_header]), &[], 1);
}

#[test]
fn a_clean_log_is_reopened_without_a_cut() {
    let (bytes, ends) = synced_log(5, 100);
    assert!(bytes.len() > ends[4], "zeros were written ahead");
    let (_, recovery, found) = open(&device_with_segments(&[&bytes]), SEGMENT_BYTES).unwrap();
    assert_eq!((found, recovery.cut), (commits(1..=5, 100), None));
}
