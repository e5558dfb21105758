//! What a log of batches promises, of the one in memory.

use std::sync::mpsc;

use proptest::collection::vec;
use proptest::prelude::*;
use synod_sequencer::{Error, Log, LoggedBatch, MemoryLog};
use synod_storage::Timestamp;

fn body(last: u64) -> Vec<u8> {
    format!("batch up to {last}").into_bytes()
}

fn batch(last: u64) -> LoggedBatch {
    LoggedBatch { last: Timestamp(last), body: body(last) }
}

fn append(log: &dyn Log, last: u64) {
    log.append(Timestamp(last), &body(last)).unwrap();
}

fn read(log: &dyn Log, after: u64) -> Vec<LoggedBatch> {
    log.read_after(Timestamp(after)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn batches_are_read_in_order_as_far_as_they_are_durable() {
    let log = MemoryLog::new();
    for last in [10, 20, 30] {
        append(&log, last);
    }
    assert_eq!((read(&log, 0), log.durable()), (vec![], Timestamp::MIN));
    log.make_durable(Timestamp(29));
    assert_eq!((read(&log, 0), log.durable()), (vec![batch(10), batch(20)], Timestamp(20)));
    // A batch whose last transaction is after the timestamp comes whole, those that end with it don't.
    assert_eq!(read(&log, 19), [batch(20)]);
    assert_eq!(read(&log, 20), []);
    log.make_durable(Timestamp(5));
    assert_eq!(log.durable(), Timestamp(20), "what is durable stays so");
    log.make_durable(Timestamp::MAX);
    assert_eq!((read(&log, 10), log.durable()), (vec![batch(20), batch(30)], Timestamp(30)));
    append(&log, 40);
    assert_eq!(log.durable(), Timestamp(30), "only what was there has become durable");
}

#[test]
fn a_reader_goes_on_when_more_has_become_durable() {
    let log = MemoryLog::new();
    let mut batches = log.read_after(Timestamp(10)).unwrap();
    assert!(batches.next().is_none());
    for last in [10, 20, 30] {
        append(&log, last);
    }
    assert!(batches.next().is_none());
    log.make_durable(Timestamp(20));
    assert_eq!(batches.next().unwrap().unwrap(), batch(20));
    assert!(batches.next().is_none());
    log.make_durable(Timestamp(30));
    assert_eq!(batches.next().unwrap().unwrap(), batch(30));
}

#[test]
fn a_batch_that_is_not_later_is_refused() {
    let log = MemoryLog::durable_at_once();
    append(&log, 10);
    for last in [10, 9] {
        let refused = log.append(Timestamp(last), b"late").unwrap_err();
        let told = (Timestamp(last), Timestamp(10));
        assert!(
            matches!(refused, Error::OutOfOrder { timestamp, last } if (timestamp, last) == told),
            "{refused}"
        );
    }
    append(&log, 11);
    assert_eq!((read(&log, 0), log.durable()), (vec![batch(10), batch(11)], Timestamp(11)));
    log.wait_durable(Timestamp(11)).unwrap();
}

#[test]
fn a_crash_takes_what_is_not_durable_and_the_log_goes_on_from_there() {
    let log = MemoryLog::new();
    for last in [10, 20, 30] {
        append(&log, last);
    }
    log.make_durable(Timestamp(25));
    let found = log.crash();
    assert!(matches!(log.append(Timestamp(40), b""), Err(Error::Failed)));
    assert!(matches!(log.wait_durable(Timestamp(30)), Err(Error::Failed)));
    log.wait_durable(Timestamp(20)).unwrap();
    log.make_durable(Timestamp(30));
    assert_eq!(log.durable(), Timestamp(20), "nothing becomes durable after the crash");
    append(&found, 22);
    found.make_durable(Timestamp(22));
    assert_eq!(read(&found, 0), [batch(10), batch(20), batch(22)]);
}

#[test]
fn those_who_wait_are_woken_by_durability_and_by_failure() {
    let log = MemoryLog::new();
    append(&log, 10);
    append(&log, 20);
    std::thread::scope(|scope| {
        let (answers, told) = mpsc::channel();
        for timestamp in [10, 20] {
            let (log, answers) = (&log, answers.clone());
            scope.spawn(move || answers.send((timestamp, log.wait_durable(Timestamp(timestamp)).is_ok())));
        }
        log.make_durable(Timestamp(10));
        assert_eq!(told.recv(), Ok((10, true)));
        log.crash();
        assert_eq!(told.recv(), Ok((20, false)));
    });
}

#[test]
fn truncation_takes_whole_batches_from_the_front_and_readers_are_told() {
    let log = MemoryLog::new();
    for last in [10, 20, 30, 40] {
        append(&log, last);
    }
    log.make_durable(Timestamp(30));
    let mut overtaken = log.read_after(Timestamp(0)).unwrap();
    let mut ahead = log.read_after(Timestamp(10)).unwrap();
    assert_eq!(overtaken.next().unwrap().unwrap(), batch(10));
    assert_eq!(ahead.next().unwrap().unwrap(), batch(20));
    log.truncate(Timestamp(20)).unwrap();
    assert_eq!(read(&log, 10), [batch(20), batch(30)], "a transaction at 20 isn't before 20");
    log.truncate(Timestamp(21)).unwrap();
    let gone = |error: &Error, asked: u64| {
        let told = (Timestamp(asked), Timestamp(20));
        matches!(error, Error::Gone { asked, oldest } if (*asked, *oldest) == told)
    };
    assert!(gone(&overtaken.next().unwrap().unwrap_err(), 10));
    assert!(gone(&log.read_after(Timestamp(19)).err().unwrap(), 19));
    assert_eq!(ahead.next().unwrap().unwrap(), batch(30));
    log.truncate(Timestamp::MAX).unwrap();
    assert!(log.read_after(Timestamp(29)).is_err());
    log.make_durable(Timestamp(40));
    assert_eq!(read(&log, 30), [batch(40)], "what isn't durable is kept");
    assert_eq!(log.durable(), Timestamp(40));
}

/// What may happen to a log.
#[derive(Clone, Debug)]
enum Step {
    Append(u64),
    Durable(u64),
    Truncate(u64),
    Crash,
}

fn arbitrary_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5_u64).prop_map(Step::Append),
        3 => (0..60_u64).prop_map(Step::Durable),
        1 => (0..60_u64).prop_map(Step::Truncate),
        1 => Just(Step::Crash),
    ]
}

proptest! {
    #[test]
    fn it_does_what_a_list_does(steps in vec(arbitrary_step(), 0..40)) {
        let mut log = MemoryLog::new();
        // All timestamps that are in the log, how many of them are durable, and the newest that is gone.
        let (mut model, mut durable, mut gone): (Vec<u64>, usize, u64) = (Vec::new(), 0, 0);
        for step in steps {
            let last = model.last().copied().unwrap_or(gone);
            match step {
                Step::Append(ahead) => {
                    let appended = log.append(Timestamp(last + ahead), &body(last + ahead));
                    prop_assert_eq!(appended.is_ok(), ahead > 0);
                    model.extend((ahead > 0).then_some(last + ahead));
                }
                Step::Durable(up_to) => {
                    log.make_durable(Timestamp(up_to));
                    durable = durable.max(model.iter().filter(|last| **last <= up_to).count());
                }
                Step::Truncate(before) => {
                    log.truncate(Timestamp(before)).unwrap();
                    let removed = model[..durable].iter().filter(|last| **last < before).count();
                    gone = model.drain(..removed).next_back().unwrap_or(gone);
                    durable -= removed;
                }
                Step::Crash => {
                    log = log.crash();
                    model.truncate(durable);
                }
            }
            prop_assert_eq!(log.durable(), Timestamp(model[..durable].last().copied().unwrap_or(gone)));
            for after in 0..80 {
                match log.read_after(Timestamp(after)) {
                    Ok(batches) => {
                        prop_assert!(after >= gone);
                        let found: Vec<_> = batches.map(Result::unwrap).collect();
                        let expected = model[..durable].iter().filter(|last| **last > after);
                        prop_assert_eq!(found, expected.map(|last| batch(*last)).collect::<Vec<_>>());
                    }
                    Err(_) => prop_assert!(after < gone),
                }
            }
        }
    }
}
