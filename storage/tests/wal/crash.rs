//! Crashes and failures at every point: what was reported durable is there, and what is there is a
//! prefix of the commit order.

use synod_storage::device::{Fault, MemoryDevice, Survival};
use synod_storage::wal::Wal;
use synod_storage::{Error, Timestamp};

use crate::support::{Commit, append, commit, commits, open};

/// Small enough that the workload goes through several segments.
const SEGMENT_BYTES: u64 = 6000;
const VALUE_BYTES: usize = 150;
const LAST: u64 = 36;

/// The ways in which each state is crashed.
fn survivals() -> impl Iterator<Item = Survival> {
    [Survival::Nothing, Survival::Everything].into_iter().chain((0..8).map(|seed| Survival::Random { seed }))
}

/// Makes `count` commits, in flushes of one to three, of which every other one is synced, until something fails;
/// returns the last commit that was reported durable, and the failure.
fn work(wal: &Wal, first: u64, count: u64) -> (u64, Option<Error>) {
    let mut durable = first - 1;
    let mut step = || -> Result<(), Error> {
        for timestamp in first..first + count {
            append(wal, timestamp as usize, &commit(timestamp, VALUE_BYTES))?;
            if timestamp % 5 < 3 {
                durable = wal.flush(Timestamp(timestamp), timestamp % 2 == 0)?.durable.0;
            }
        }
        Ok(())
    };
    let failure = step().err();
    (durable, failure)
}

/// Opens a crashed device and checks what is found; `durable` commits must be there at least.
fn check(device: &MemoryDevice, durable: u64) -> Vec<Commit> {
    let (wal, recovery, found) = open(device, SEGMENT_BYTES).unwrap();
    assert_eq!(found, commits(1..=found.len() as u64, VALUE_BYTES), "not a prefix of the commit order");
    assert!(found.len() as u64 >= durable, "{} commits of {durable} durable ones", found.len());
    assert_eq!(recovery.last_timestamp.0, found.len() as u64);
    drop(wal);
    found
}

/// Checks a crashed device, and that what was found is durable from then on, and that the log goes on.
fn check_and_go_on(device: &MemoryDevice, durable: u64) {
    let found = check(device, durable);
    assert_eq!(check(&device.crash(Survival::Nothing), 0), found, "what was replayed was not durable");
    let (wal, ..) = open(device, SEGMENT_BYTES).unwrap();
    // Few enough to stay within the segment, whose name recovery must have made durable too.
    let (durable, failure) = work(&wal, found.len() as u64 + 1, 5);
    assert!(failure.is_none(), "{failure:?}");
    drop(wal);
    check(&device.crash(Survival::Nothing), durable);
}

/// A device on which opening an empty log and working on it fails at the `nth` change, if so many
/// happen; what was reported durable; and whether the power went out.
fn work_until_power_cut(nth: u64) -> (MemoryDevice, u64, bool) {
    let device = MemoryDevice::new();
    device.inject(Fault::PowerCut(nth));
    match open(&device, SEGMENT_BYTES) {
        Err(_) => (device, 0, true),
        Ok((wal, ..)) => {
            let (durable, failure) = work(&wal, 1, LAST);
            (device, durable, failure.is_some())
        }
    }
}

#[test]
fn a_power_cut_at_every_operation_loses_nothing_that_was_durable() {
    for nth in 1.. {
        let (device, durable, cut) = work_until_power_cut(nth);
        for survival in survivals() {
            check_and_go_on(&device.crash(survival), durable);
        }
        if !cut {
            assert!(nth > 60, "the workload has only {nth} operations");
            break;
        }
    }
}

#[test]
fn a_power_cut_at_every_operation_of_recovery_loses_nothing_either() {
    // States that recovery has work with: a torn tail, and a segment that was just being created.
    for nth in 20..60 {
        let (device, durable, _) = work_until_power_cut(nth);
        let crashed = device.crash(Survival::Random { seed: nth });
        for recovery_nth in 1.. {
            let again = crashed.crash(Survival::Everything);
            again.inject(Fault::PowerCut(recovery_nth));
            let opened = open(&again, SEGMENT_BYTES).is_ok();
            for survival in survivals() {
                check(&again.crash(survival), durable);
            }
            if opened {
                break;
            }
        }
    }
}

#[test]
fn after_any_failed_write_or_sync_the_log_is_poisoned_and_reopening_tells_the_truth() {
    let mut struck = 0;
    for fault in (1..40).flat_map(|nth| [Fault::Write(nth), Fault::Sync(nth)]) {
        let device = MemoryDevice::new();
        let (wal, ..) = open(&device, SEGMENT_BYTES).unwrap();
        device.inject(fault);
        let (durable, failure) = work(&wal, 1, LAST);
        let Some(failure) = failure else { continue };
        struck += 1;
        assert!(
            matches!(&failure, Error::Poisoned { cause } if matches!(**cause, Error::Io { .. })),
            "{failure}"
        );
        // The device would work again, but the log doesn't try.
        let operations = device.operations();
        assert!(matches!(wal.flush(Timestamp(LAST), true), Err(Error::Poisoned { .. })));
        assert!(matches!(wal.close(), Err(Error::Poisoned { .. })));
        assert!(matches!(append(&wal, 0, &commit(LAST + 1, 1)), Err(Error::Poisoned { .. })));
        assert_eq!(device.operations(), operations);
        drop(wal);
        for survival in survivals() {
            check(&device.crash(survival), durable);
        }
        check_and_go_on(&device, durable);
    }
    assert!(struck > 40, "only {struck} of the faults struck");
}

#[test]
fn what_only_the_page_cache_holds_is_made_durable_by_reopening() {
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, SEGMENT_BYTES).unwrap();
    for timestamp in 1..=3 {
        append(&wal, 0, &commit(timestamp, VALUE_BYTES)).unwrap();
    }
    device.inject(Fault::Sync(1));
    assert!(wal.flush(Timestamp(3), true).is_err());
    drop(wal);
    assert_eq!(check(&device.crash(Survival::Everything), 0).len(), 0, "the failed sync has lost them");
    assert_eq!(check(&device, 0).len(), 3, "but they can still be read");
    assert_eq!(check(&device.crash(Survival::Nothing), 3).len(), 3, "and were written anew");
}

#[test]
fn a_synced_flush_survives_whatever_is_written_after_it() {
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, 32 << 10).unwrap();
    let mut durable = 0;
    for timestamp in 1..=60 {
        append(&wal, 0, &commit(timestamp, VALUE_BYTES)).unwrap();
        durable = wal.flush(Timestamp(timestamp), timestamp % 7 == 0).unwrap().durable.0;
        assert_eq!(durable, timestamp / 7 * 7);
        for seed in 0..8 {
            check(&device.crash(Survival::Random { seed: seed * 1000 + timestamp }), durable);
        }
    }
    assert_eq!(durable, 56);
}
