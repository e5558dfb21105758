//! A log damaged where no crash can have done it: an error that names the file and the place.

use std::path::Path;
use std::sync::Arc;

use synod::device::{Device, MemoryDevice, Survival};
use synod::errors::StorageError;
use synod::{Engine, Error, Timestamp};
use synod_storage::wal::{FrameBuilder, LogStart, Wal, WalOptions};
use synod_storage::{Home, TableId};
use synod_tests::crash::history::Recorder;
use synod_tests::crash::verdict::survivors;
use synod_tests::crash::workload::{HOME, Workload, small_options};

fn segment(number: u64) -> std::path::PathBuf {
    Path::new(HOME).join(format!("wal/{number:016x}.log"))
}

/// A closed database whose log has at least three segments, with its history.
fn closed_database() -> (MemoryDevice, synod_tests::crash::history::History) {
    let (device, recorder) = (MemoryDevice::new(), Recorder::default());
    let engine = Engine::open(HOME, small_options(device.clone())).unwrap();
    Workload::begin(&engine, &recorder, 0).unwrap().run(120, 11).unwrap();
    engine.close().unwrap();
    assert!(device.list(&Path::new(HOME).join("wal")).unwrap().len() >= 3);
    (device, recorder.history())
}

fn flip(device: &MemoryDevice, path: &Path, offset: u64) -> MemoryDevice {
    let copy = device.crash(Survival::Everything);
    let file = copy.open(path).unwrap();
    let mut byte = [0];
    file.read_at(offset, &mut byte).unwrap();
    file.write_at(offset, &[byte[0] ^ 0x40]).unwrap();
    file.sync_data().unwrap();
    copy
}

#[test]
fn a_flipped_byte_in_a_sealed_segment_is_an_error_with_file_and_offset() {
    let (device, _) = closed_database();
    for number in 1..=2 {
        let size = device.open(&segment(number)).unwrap().size().unwrap();
        for offset in (0..size).step_by(173) {
            let damaged = flip(&device, &segment(number), offset);
            match Engine::open(HOME, small_options(damaged)).unwrap_err() {
                Error::Storage(StorageError::Corrupt { path, offset: at, .. }) => {
                    assert_eq!(path, segment(number));
                    assert!(at <= offset, "the damage at {offset} is reported at {at}");
                    assert!(offset < 4096 || offset - at < 1000, "damage at {offset}, reported at {at}");
                }
                error => panic!("damage at {offset}: {error}"),
            }
        }
    }
}

#[test]
fn a_flipped_byte_in_the_last_segment_of_a_closed_database_is_never_a_silent_loss() {
    let (device, history) = closed_database();
    let last = device.list(&Path::new(HOME).join("wal")).unwrap().into_iter().max().unwrap();
    let file = device.open(&last).unwrap();
    let mut bytes = vec![0; file.size().unwrap() as usize];
    file.read_at(0, &mut bytes).unwrap();
    let end = 1 + bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64;
    let mut errors = 0;
    for offset in (4096..end).step_by(37) {
        match Engine::open(HOME, small_options(flip(&device, &last, offset))) {
            Err(Error::Storage(StorageError::Corrupt { path, offset: at, .. })) => {
                assert!(path == last && at <= offset);
                errors += 1;
            }
            Err(error) => panic!("damage at {offset}: {error}"),
            // The note at the very end, that the database was closed, is not a commit.
            Ok(engine) => assert_eq!(survivors(&engine, &history).len(), history.logged().len()),
        }
    }
    assert!(errors > 10, "the last segment is too short for this test");
}

#[test]
fn a_missing_segment_and_a_shortened_one_are_errors_with_the_file() {
    let (device, _) = closed_database();
    let missing = device.crash(Survival::Everything);
    missing.remove(&segment(2)).unwrap();
    let shortened = device.crash(Survival::Everything);
    shortened.open(&segment(2)).unwrap().set_size(5000).unwrap();
    for damaged in [missing, shortened] {
        match Engine::open(HOME, small_options(damaged)).unwrap_err() {
            Error::Storage(StorageError::Corrupt { path, .. }) => assert_eq!(path, segment(2)),
            error => panic!("{error}"),
        }
    }
}

/// Writes a log of a single frame, which nothing is wrong with but what it says; opening it must fail.
fn check_senseless(build: impl Fn(&mut FrameBuilder) -> Result<(), StorageError>) {
    let device = MemoryDevice::new();
    let home = Home::open(Arc::new(device.clone()), Path::new(HOME)).unwrap();
    let (wal, _) = Wal::open(&home, WalOptions::default(), LogStart::default(), &mut |_| Ok(())).unwrap();
    let mut frame = FrameBuilder::new();
    build(&mut frame).unwrap();
    wal.append(0, Timestamp(1), frame.finish(Timestamp(1))).unwrap();
    wal.close().unwrap();
    drop((wal, home));
    let error = Engine::open(HOME, small_options(device)).unwrap_err();
    assert!(matches!(error, Error::Storage(StorageError::Corrupt { .. })), "{error}");
}

#[test]
fn a_log_that_is_whole_and_makes_no_sense_is_an_error() {
    check_senseless(|frame| frame.put(TableId(3), b"key", b"value"));
    check_senseless(|frame| frame.create_table(TableId(u32::MAX), "t"));
}

#[test]
fn a_failed_opening_changes_nothing_and_leaves_no_lock() {
    let (device, history) = closed_database();
    let damaged = flip(&device, &segment(1), 5000);
    for _ in 0..2 {
        let error = Engine::open(HOME, small_options(damaged.clone())).unwrap_err();
        assert!(matches!(error, Error::Storage(StorageError::Corrupt { .. })), "{error}");
    }
    // Mended, it is as it was.
    let mended = flip(&damaged, &segment(1), 5000);
    let engine = Engine::open(HOME, small_options(mended)).unwrap();
    assert_eq!(survivors(&engine, &history).len(), history.logged().len());
}
