//! Damage that no crash explains is an error that names the file; it never yields wrong data, and
//! never silently fewer commits than were known to be durable.

use std::path::{Path, PathBuf};

use synod_storage::device::{Device, MemoryDevice};
use synod_storage::wal::{FrameBuilder, WAL_DIRECTORY};
use synod_storage::{DATABASE_FILE, Error, TableId, Timestamp};

use crate::support::{
    HOME, append, commit_each, commits, device_with_segments, open, read_file, segment_path,
};

const SEGMENT_BYTES: u64 = 5000;
const VALUE_BYTES: usize = 100;
const LAST: u64 = 14;

/// The segments of a log with commits 1 to [`LAST`], each synced, and the note that closing it left.
fn closed_log() -> (Vec<Vec<u8>>, Vec<u8>) {
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, SEGMENT_BYTES).unwrap();
    commit_each(&wal, 1..=LAST, VALUE_BYTES, true);
    wal.close().unwrap();
    let segments = wal.stats().segments;
    assert!(segments >= 3);
    let segments = (1..=segments).map(|number| read_file(&device, &segment_path(number))).collect();
    (segments, read_file(&device, &Path::new(HOME).join(DATABASE_FILE)))
}

fn log() -> Vec<Vec<u8>> {
    closed_log().0
}

fn device_of(segments: &[Vec<u8>]) -> MemoryDevice {
    let slices: Vec<&[u8]> = segments.iter().map(Vec::as_slice).collect();
    device_with_segments(&slices)
}

fn corrupt_path(error: Option<Error>) -> PathBuf {
    match error {
        Some(Error::Corrupt { path, .. }) => path,
        other => panic!("not taken for damage: {other:?}"),
    }
}

/// Opens the log with each of its bytes changed in turn, and hands the number of commits that were
/// found, if it opened, to `judge`, with the segment's index.
fn flip_every_byte(
    (segments, note): (&[Vec<u8>], Option<&[u8]>),
    mask: u8,
    mut judge: impl FnMut(usize, usize, Option<usize>),
) {
    let mut damaged = segments.to_vec();
    for segment in 0..segments.len() {
        for offset in 0..segments[segment].len() {
            damaged[segment][offset] ^= mask;
            let device = device_of(&damaged);
            if let Some(note) = note {
                device.open(&Path::new(HOME).join(DATABASE_FILE)).unwrap().write_at(0, note).unwrap();
            }
            match open(&device, SEGMENT_BYTES) {
                Ok((.., found)) => {
                    assert_eq!(found, commits(1..=found.len() as u64, VALUE_BYTES), "wrong data at {offset}");
                    judge(segment, offset, Some(found.len()));
                }
                Err(error) => {
                    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
                    judge(segment, offset, None);
                }
            }
            damaged[segment][offset] ^= mask;
        }
    }
}

#[test]
fn any_changed_byte_of_a_closed_log_is_found_or_harmless() {
    let (segments, note) = closed_log();
    for mask in [0x01, 0xff] {
        let mut harmless = 0;
        flip_every_byte((&segments, Some(&note)), mask, |segment, offset, found| {
            let Some(found) = found else { return };
            assert_eq!(found as u64, LAST, "commits were dropped: segment {segment}, offset {offset}");
            assert_eq!(segment, segments.len() - 1, "a flaw in a sealed segment was passed over");
            harmless += 1;
        });
        // Only the zeros behind the log's end hold nothing that could be missed.
        let last = segments.last().unwrap();
        assert_eq!(harmless, last.iter().rev().take_while(|byte| **byte == 0).count());
    }
}

#[test]
fn a_changed_byte_of_a_log_that_was_not_closed_costs_at_most_the_last_flush() {
    flip_every_byte((&log(), None), 0x80, |segment, offset, found| {
        let enough = found.is_none_or(|found| found as u64 >= LAST - 1);
        assert!(enough, "segment {segment}, offset {offset}: {found:?}");
    });
}

#[test]
fn a_lost_sector_among_durable_frames_is_damage() {
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, 1 << 20).unwrap();
    commit_each(&wal, 1..=40, 100, true);
    drop(wal);
    let bytes = read_file(&device, &segment_path(1));
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    for sector in (4096..end - 600).step_by(512) {
        let mut damaged = bytes.clone();
        damaged[sector..sector + 512].fill(0);
        assert_eq!(corrupt_path(open(&device_with_segments(&[&damaged]), 1 << 20).err()), segment_path(1));
    }
}

#[test]
fn a_mark_far_behind_the_flaw_is_found_wherever_it_stands() {
    // The rest of the file is searched in chunks of 1 MiB from the flaw on: the mark behind the long
    // commit stands before, across and behind the border of two chunks in turn.
    for less in (60..150).step_by(6) {
        let device = MemoryDevice::new();
        let (wal, ..) = open(&device, 64 << 20).unwrap();
        commit_each(&wal, 1..=1, 100, true);
        commit_each(&wal, 2..=2, (1 << 20) - less, true);
        commit_each(&wal, 3..=3, 100, true);
        drop(wal);
        let mut bytes = read_file(&device, &segment_path(1));
        bytes[5000] ^= 1;
        let error = open(&device_with_segments(&[&bytes]), 64 << 20).err().unwrap();
        let text = error.to_string();
        assert!(text.contains("0000000000000001.log") && text.contains("durable up to"), "{less}: {text}");
    }
}

#[test]
fn a_frame_that_only_another_version_can_have_written_is_not_cut_off() {
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, SEGMENT_BYTES).unwrap();
    commit_each(&wal, 1..=2, 100, true);
    drop(wal);
    let mut bytes = read_file(&device, &segment_path(1));
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mut frame = FrameBuilder::new();
    frame.put(TableId(0), b"key", b"value").unwrap();
    let mut frame = frame.finish(Timestamp(3)).to_vec();
    frame[8] = 99;
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &frame[4..]) as u32;
    frame[..4].copy_from_slice(&crc.to_le_bytes());
    bytes[end..end + frame.len()].copy_from_slice(&frame);
    let error = open(&device_with_segments(&[&bytes]), SEGMENT_BYTES).err();
    assert!(matches!(&error, Some(Error::Corrupt { offset, .. }) if *offset == end as u64), "{error:?}");
}

#[test]
fn a_copy_of_a_log_in_somebodys_value_says_nothing_about_this_log() {
    // The value holds a whole segment, marks and all; then a crash tears the frame that carries it.
    let inner = log().remove(0);
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, 1 << 20).unwrap();
    commit_each(&wal, 1..=1, 100, true);
    append(&wal, 0, &(2, vec![(0, b"log".to_vec(), Some(inner))])).unwrap();
    wal.flush(Timestamp(2), false).unwrap();
    drop(wal);
    let mut bytes = read_file(&device, &segment_path(1));
    let frame = bytes.windows(3).position(|window| window == b"log").unwrap();
    bytes[frame] ^= 1;
    let (_, recovery, found) = open(&device_with_segments(&[&bytes]), 1 << 20).unwrap();
    assert_eq!(found, commits(1..=1, 100));
    assert!(recovery.cut.is_some());
}

#[test]
fn a_missing_segment_is_named() {
    let segments = log();
    for missing in 1..segments.len() as u64 {
        let device = device_of(&segments);
        device.remove(&segment_path(missing)).unwrap();
        assert_eq!(corrupt_path(open(&device, SEGMENT_BYTES).err()), segment_path(missing));
    }
}

#[test]
fn two_files_for_one_segment_are_refused() {
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, 4200).unwrap();
    commit_each(&wal, 1..=10, 100, true);
    drop(wal);
    let second = Path::new(HOME).join(WAL_DIRECTORY).join("000000000000000A.log");
    device.create(&second).unwrap();
    assert!(device.open(&segment_path(10)).is_ok());
    let path = corrupt_path(open(&device, 4200).err());
    assert!(path == second || path == segment_path(10), "{path:?}");
}

#[test]
fn segments_in_each_others_place_are_refused() {
    let mut segments = log();
    segments.swap(0, 1);
    assert_eq!(corrupt_path(open(&device_of(&segments), SEGMENT_BYTES).err()), segment_path(1));
}

#[test]
fn a_copy_of_a_segment_under_the_next_number_is_refused() {
    let mut segments = log();
    segments.push(segments.last().unwrap().clone());
    let number = segments.len() as u64;
    assert_eq!(corrupt_path(open(&device_of(&segments), SEGMENT_BYTES).err()), segment_path(number));
}

#[test]
fn a_sealed_segment_of_the_wrong_length_is_damage() {
    let segments = log();
    let mut shorter = segments.clone();
    shorter[1].pop();
    assert_eq!(corrupt_path(open(&device_of(&shorter), SEGMENT_BYTES).err()), segment_path(2));
    let mut longer = segments;
    longer[1].push(0);
    assert_eq!(corrupt_path(open(&device_of(&longer), SEGMENT_BYTES).err()), segment_path(2));
}

#[test]
fn a_segment_that_does_not_follow_the_one_before_is_refused() {
    let segments = log();
    // Another log's second segment, of the same shape but with other timestamps.
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, SEGMENT_BYTES).unwrap();
    commit_each(&wal, 100..=99 + LAST, VALUE_BYTES, true);
    let foreign = read_file(&device, &segment_path(2));
    assert_eq!(foreign.len(), segments[1].len());
    let mixed = [segments[0].clone(), foreign];
    assert_eq!(corrupt_path(open(&device_of(&mixed), SEGMENT_BYTES).err()), segment_path(2));
}

#[test]
fn an_unknown_format_version_is_named_as_such() {
    let mut segments = log();
    let header = &mut segments[0][..4096];
    header[8..12].copy_from_slice(&77_u32.to_le_bytes());
    header[12..16].fill(0);
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, header) as u32;
    header[12..16].copy_from_slice(&crc.to_le_bytes());
    let refused = open(&device_of(&segments), SEGMENT_BYTES).err();
    assert!(matches!(&refused, Some(Error::UnknownFormat { found: 77, known: 2, .. })), "{refused:?}");
}
