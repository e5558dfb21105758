//! Crashes, failures and full disks while a checkpoint is written: the one before stays, and the new one is
//! there as a whole or not at all.

use std::io::ErrorKind;
use std::path::PathBuf;

use synod_storage::checkpoint::{Compression, list_checkpoints};
use synod_storage::device::{Device, Fault, MemoryDevice, Survival};
use synod_storage::{Error, Home};

use crate::support::{Contents, directory, home, open, path, read, records, verify, write, write_unfinished};

const OLDER: u64 = 10;
const NEW: u64 = 20;
const NEXT: u64 = 30;

/// Checkpoints that tell each other apart.
fn contents(timestamp: u64) -> Contents {
    match timestamp {
        // Long enough for several writes, and for a sync before the last one.
        NEW => {
            Contents::empty(NEW).with_table(0, "t", records(100, 95_000)).with_table(1, "u", records(9, 9))
        }
        _ => Contents::empty(timestamp).with_table(0, "t", records(timestamp, 100)),
    }
}

/// A device on which the older checkpoint is durable.
fn device() -> MemoryDevice {
    let device = MemoryDevice::new();
    write(&home(&device), &contents(OLDER), Compression::None).unwrap();
    device.crash(Survival::Nothing)
}

fn survivals() -> impl Iterator<Item = Survival> {
    [Survival::Nothing, Survival::Everything].into_iter().chain((0..8).map(|seed| Survival::Random { seed }))
}

/// Checks that all checkpoints on a device are whole; returns when they were taken, the newest first.
fn check(device: &MemoryDevice, home: &Home) -> Vec<u64> {
    let found = list_checkpoints(device, home.directory()).unwrap();
    for (timestamp, path) in &found {
        let reader = open(device, path, Some(home.identity())).unwrap();
        assert_eq!(verify(&reader), []);
        assert!(read(device, path, None).unwrap() == contents(timestamp.0), "{timestamp}");
    }
    found.into_iter().map(|(timestamp, _)| timestamp.0).collect()
}

/// The names in the directory that are no checkpoint's.
fn leftovers(device: &MemoryDevice) -> Vec<PathBuf> {
    let mut files = device.list(&directory()).unwrap();
    files.retain(|path| path.extension().is_none_or(|extension| extension != "checkpoint"));
    files
}

/// Checks a device after a crash: the new checkpoint must be there if it `is_durable`, and the next one
/// is written undisturbed by what the crash has left.
fn check_after_crash(device: &MemoryDevice, is_durable: bool) -> (bool, bool) {
    let home = home(device);
    let found = check(device, &home);
    let is_there = found == [NEW, OLDER];
    assert!(is_there || found == [OLDER] && !is_durable, "{found:?}");
    let left = leftovers(device);
    assert!(left.iter().all(|path| path.extension().unwrap() == "tmp"), "{left:?}");
    write(&home, &contents(NEXT), Compression::None).unwrap();
    assert_eq!(leftovers(device), [] as [PathBuf; 0]);
    drop(home);
    let again = device.crash(Survival::Nothing);
    assert_eq!(leftovers(&again), [] as [PathBuf; 0]);
    let expected: Vec<u64> = [NEXT].into_iter().chain(found).collect();
    assert_eq!(check(&again, &self::home(&again)), expected);
    (is_there, !left.is_empty())
}

#[test]
fn a_power_cut_at_every_operation_leaves_whole_checkpoints_only() {
    for compression in [Compression::None, Compression::Lz4] {
        let base = device();
        let (mut early, mut left) = (0, 0);
        for nth in 1.. {
            let device = base.crash(Survival::Everything);
            let home = home(&device);
            device.inject(Fault::PowerCut(nth));
            let written = write(&home, &contents(NEW), compression);
            drop(home);
            for survival in survivals() {
                let found = check_after_crash(&device.crash(survival), written.is_ok());
                early += u32::from(found.0 && written.is_err());
                left += u32::from(found.1);
            }
            if written.is_ok() {
                assert!(nth > 12, "only {nth} operations");
                break;
            }
        }
        // The rename may become durable before anyone is told, and unfinished files stay behind.
        assert!(early > 0 && left > 0, "{early} early, {left} leftovers");
    }
}

#[test]
fn a_power_cut_while_leftovers_are_removed_does_no_harm() {
    let interrupted = device();
    let home = home(&interrupted);
    interrupted.inject(Fault::PowerCut(8));
    write(&home, &contents(NEW), Compression::None).unwrap_err();
    drop(home);
    let base = interrupted.crash(Survival::Everything);
    assert_eq!(leftovers(&base).len(), 1);
    for nth in 1.. {
        let device = base.crash(Survival::Everything);
        let home = self::home(&device);
        device.inject(Fault::PowerCut(nth));
        // The very name that the leftover has.
        let written = write(&home, &contents(NEW), Compression::None);
        drop(home);
        for survival in survivals() {
            check_after_crash(&device.crash(survival), written.is_ok());
        }
        if written.is_ok() {
            break;
        }
    }
}

#[test]
fn a_checkpoint_is_replaced_by_one_of_the_same_timestamp_or_stays() {
    let mut other = contents(OLDER);
    other.tables[0].2.truncate(3);
    let base = device();
    for nth in 1.. {
        let device = base.crash(Survival::Everything);
        let home = home(&device);
        device.inject(Fault::PowerCut(nth));
        let written = write(&home, &other, Compression::None);
        for survival in survivals() {
            let found = read(&device.crash(survival), &path(OLDER), Some(home.identity())).unwrap();
            assert!(found == other || found == contents(OLDER) && written.is_err());
        }
        if written.is_ok() {
            break;
        }
    }
}

#[test]
fn any_failed_operation_leaves_the_older_checkpoint_and_no_rest() {
    let kinds = [Fault::Write, Fault::Sync, Fault::DirectorySync, Fault::Create, Fault::Rename];
    for kind in kinds {
        for nth in 1.. {
            let device = device();
            let home = home(&device);
            device.inject(kind(nth));
            let Err(error) = write(&home, &contents(NEW), Compression::None) else {
                assert!(nth > 1, "{:?} never struck", kind(nth));
                break;
            };
            assert!(matches!(error, Error::Io { .. }), "{error}");
            // After the last step's failure it may be there or not, and whoever asks sees it.
            let found = check(&device, &home);
            assert!(found == [OLDER] || found == [NEW, OLDER], "{:?}: {found:?}", kind(nth));
            assert_eq!(leftovers(&device), [] as [PathBuf; 0], "{:?}", kind(nth));
            drop(home);
            for survival in survivals() {
                check_after_crash(&device.crash(survival), false);
            }
            check_after_crash(&device, false);
        }
    }
}

#[test]
fn a_leftover_that_cannot_be_removed_is_an_error_and_goes_the_next_time() {
    let device = device();
    device.create(&directory().join("0000000000000005.tmp")).unwrap();
    let home = home(&device);
    device.inject(Fault::Remove(1));
    assert!(matches!(write(&home, &contents(NEW), Compression::None), Err(Error::Io { .. })));
    drop(home);
    check_after_crash(&device, false);
}

#[test]
fn an_abandoned_checkpoint_leaves_nothing() {
    let device = device();
    let home = home(&device);
    drop(write_unfinished(&home, &contents(NEW), Compression::None).unwrap());
    assert_eq!((check(&device, &home), leftovers(&device)), (vec![OLDER], Vec::new()));
    drop(home);
    check_after_crash(&device.crash(Survival::Everything), false);
}

#[test]
fn a_full_device_is_an_error_and_leaves_the_older_checkpoint() {
    let device = device();
    let home = home(&device);
    let used = device.used_bytes();
    for room in (0..9_500_000).step_by(900_000).chain([100, 5000]) {
        device.set_capacity(Some(used + room));
        match write(&home, &contents(NEW), Compression::None) {
            Err(Error::Io { source, .. }) => assert_eq!(source.kind(), ErrorKind::StorageFull),
            other => panic!("{room} bytes: {other:?}"),
        }
        assert_eq!((check(&device, &home), leftovers(&device)), (vec![OLDER], Vec::new()));
        assert_eq!(device.used_bytes(), used, "the room is not given back");
    }
    device.set_capacity(None);
    drop(home);
    check_after_crash(&device, false);
}

#[test]
fn a_leftovers_room_is_there_for_the_next_checkpoint() {
    let interrupted = device();
    let used = interrupted.used_bytes();
    let home = home(&interrupted);
    interrupted.inject(Fault::PowerCut(10));
    write(&home, &contents(NEW), Compression::None).unwrap_err();
    drop(home);
    let device = interrupted.crash(Survival::Everything);
    assert!(device.used_bytes() > used + 5_000_000);
    device.set_capacity(Some(used + 10_000_000));
    let home = self::home(&device);
    write(&home, &contents(NEW), Compression::None).unwrap();
    assert_eq!(check(&device, &home), [NEW, OLDER]);
}
