//! The log of a database that wasn't closed, cut anywhere: what is left is read as a prefix of whole commits,
//! and stays what it is. Of one that was closed it is known how long the log is.

use synod::device::{MemoryDevice, Survival};
use synod::errors::StorageError;
use synod::{Durability, Engine, Error, Options};
use synod_tests::crash::history::{History, Recorder};
use synod_tests::crash::log_files::{cut_at, end_of, segments};
use synod_tests::crash::verdict::{open, survivors};
use synod_tests::crash::workload::{HOME, Workload, small_options};

/// Commits until the log has a few segments, the last of which has a few frames. Returns the device as it is
/// then, and what was committed; and the device once the database was closed.
fn write_log() -> (MemoryDevice, History, MemoryDevice) {
    let device = &MemoryDevice::new();
    let recorder = Recorder::default();
    let engine = Engine::open(HOME, small_options(device.clone())).unwrap();
    let workload = Workload::begin(&engine, &recorder, 0).unwrap();
    workload.run(60, 3).unwrap();
    for seed in 4.. {
        workload.run(1, seed).unwrap();
        engine.flush().unwrap();
        let segments = segments(device, HOME);
        if segments.len() >= 2 && (900..1800).contains(&(end_of(&segments.last().unwrap().1) - 4096)) {
            break;
        }
    }
    drop(workload);
    let unclosed = device.crash(Survival::Everything);
    engine.close().unwrap();
    (unclosed, recorder.history(), device.clone())
}

#[test]
fn a_log_cut_at_any_byte_opens_as_a_prefix_and_reopens_as_the_same() {
    let (device, history, closed) = write_log();
    let segments = segments(&device, HOME);
    assert!(segments.len() >= 2, "{} segments", segments.len());
    let (last, bytes) = segments.last().unwrap();
    let end = end_of(bytes);
    let mut previous = 0;
    // The database knows that this segment was durable with its header, or, once closed, with every byte.
    let cut_headers = (0..4096).step_by(512).map(|bytes| cut_at(&device, last, bytes));
    for cut in cut_headers.chain((4096..end).step_by(7).map(|bytes| cut_at(&closed, last, bytes))) {
        let error = Engine::open(HOME, small_options(cut)).unwrap_err();
        assert!(
            matches!(&error, Error::Storage(StorageError::Corrupt { path, .. }) if path == last),
            "{error}"
        );
    }
    for bytes in 4096..=end {
        let cut = cut_at(&device, last, bytes);
        let first = survivors(&open(&cut), &history);
        let second = survivors(&open(&cut.crash(Survival::Nothing)), &history);
        assert_eq!(first, second, "cut at {bytes}");
        assert!(first.len() >= previous, "a longer log holds less: cut at {bytes}");
        previous = first.len();
    }
    assert_eq!(previous, history.logged().len(), "the whole log doesn't hold all");
}

#[test]
fn a_cut_log_goes_on_where_it_was_cut() {
    let (device, history, _) = write_log();
    let segments = segments(&device, HOME);
    let (last, bytes) = segments.last().unwrap();
    for bytes in (4096..end_of(bytes)).step_by(59) {
        let cut = cut_at(&device, last, bytes);
        let engine = open(&cut);
        let survived = survivors(&engine, &history);
        let recorder = Recorder::default();
        let workload = Workload::begin(&engine, &recorder, 1 << 30).unwrap();
        workload.run(15, bytes as u64).unwrap();
        let mut all = history.clone();
        all.commits.retain(|commit| survived.contains(&commit.number));
        all.commits.extend(recorder.history().commits);
        drop((workload, engine));
        assert_eq!(survivors(&open(&cut.crash(Survival::Nothing)), &all).len(), all.logged().len());
    }
}

#[test]
fn files_of_the_file_system_can_be_cut_too() {
    let home = tempfile::tempdir().unwrap();
    let recorder = Recorder::default();
    let options = Options::new().durability(Durability::Sync);
    let engine = Engine::open(home.path(), options.clone()).unwrap();
    Workload::begin(&engine, &recorder, 0).unwrap().run(40, 5).unwrap();
    let history = recorder.history();
    let (log, note) = (home.path().join("wal/0000000000000001.log"), home.path().join("DATABASE"));
    let (bytes, unclosed) = (std::fs::read(&log).unwrap(), std::fs::read(&note).unwrap());
    engine.close().unwrap();
    let end = end_of(&bytes);
    let mut found = Vec::new();
    for cut in (4096..end).step_by(97) {
        std::fs::write(&log, &bytes[..cut]).unwrap();
        std::fs::write(&note, &unclosed).unwrap();
        let reopen = || survivors(&Engine::open(home.path(), options.clone()).unwrap(), &history);
        let first = reopen();
        assert_eq!(first, reopen(), "cut at {cut}");
        found.push(first.len());
    }
    assert!(found.is_sorted() && found[0] == 0 && *found.last().unwrap() > 20, "{found:?}");
}
