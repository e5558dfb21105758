//! A log whose beginning is removed, or lost; reading it while it is written, and checking it at rest.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use synod_storage::device::{Device, Fault, MemoryDevice, Survival};
use synod_storage::wal::{
    FrameBuilder, LogPosition, LogReader, LogStart, LogSummary, Piece, WAL_DIRECTORY, Wal, verify_log,
};
use synod_storage::{Damage, Error, Home, TableId, Timestamp};

use crate::support::{
    Commit, HOME, append, commit, commit_each, commits, commits_of, open, open_from, read_file, segment_path,
};

const SEGMENT_BYTES: u64 = 5000;
const VALUE_BYTES: usize = 150;
const LAST: u64 = 40;

/// A closed log of commits 1 to [`LAST`] in many segments; and, for a checkpoint of all commits up to each
/// timestamp, where replay would begin behind it.
fn log() -> (MemoryDevice, Vec<LogStart>) {
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, SEGMENT_BYTES).unwrap();
    commit_each(&wal, 1..=LAST, VALUE_BYTES, true);
    wal.close().unwrap();
    let starts: Vec<_> = (0..=LAST).map(|timestamp| wal.start_after(Timestamp(timestamp))).collect();
    assert!(starts[LAST as usize].segment >= 8);
    drop(wal);
    (device.crash(Survival::Nothing), starts)
}

/// The numbers of the segments that there are.
fn numbers(device: &MemoryDevice) -> BTreeSet<u64> {
    let listed = device.list(&Path::new(HOME).join(WAL_DIRECTORY)).unwrap();
    listed
        .iter()
        .map(|path| u64::from_str_radix(path.file_stem().unwrap().to_str().unwrap(), 16).unwrap())
        .collect()
}

/// All that a reader has to say for now.
fn read_on(reader: &mut LogReader, wal: &Wal) -> Result<Vec<Commit>, Error> {
    let mut found = Vec::new();
    while let Some(piece) = reader.next(wal)? {
        found.extend(commits_of(&piece));
    }
    Ok(found)
}

/// Reads the log after each timestamp: what is found must be complete, or known to be gone. Returns the first
/// timestamp after which all is there.
fn read_from_everywhere(wal: &Wal) -> u64 {
    let oldest = wal.oldest_timestamp();
    for after in 0..=LAST {
        match wal.read_after(Timestamp(after)) {
            Ok(mut reader) => {
                assert!(after >= oldest.0);
                assert!(
                    read_on(&mut reader, wal).unwrap() == commits(after + 1..=LAST, VALUE_BYTES),
                    "{after}"
                );
            }
            Err(Error::Gone { asked, oldest: told }) => {
                assert_eq!((asked, told, after < oldest.0), (Timestamp(after), oldest, true));
            }
            Err(error) => panic!("{error}"),
        }
    }
    oldest.0
}

fn verify(device: &MemoryDevice, start: LogStart) -> (Result<LogSummary, Error>, Vec<Damage>) {
    let home = Home::open(Arc::new(device.clone()), Path::new(HOME)).unwrap();
    let mut found = Vec::new();
    let summary = verify_log(&home, start, &mut |damage| found.push(damage));
    (summary, found)
}

/// Checks that opening from `start` is refused for damage of this segment, and that verifying reports it.
fn assert_refused(device: &MemoryDevice, start: LogStart, segment: u64, reason: &str) {
    let path = segment_path(segment);
    match open_from(&device.crash(Survival::Everything), start, SEGMENT_BYTES).err() {
        Some(Error::Corrupt { path: named, reason: told, .. }) => {
            assert!(named == path && told.contains(reason), "{}: {told}", named.display());
        }
        other => panic!("{other:?}"),
    }
    let (_, found) = verify(device, start);
    assert!(found.iter().any(|damage| damage.path == path && damage.reason.contains(reason)), "{found:?}");
}

#[test]
fn a_power_cut_at_every_operation_of_a_removal_leaves_the_kept_part_whole() {
    let (base, starts) = log();
    let survivals = [Survival::Nothing, Survival::Everything].into_iter();
    let survivals = survivals.chain((0..12).map(|seed| Survival::Random { seed }));
    let start = starts[30];
    assert!(start.segment >= 5);
    let (mut refused, mut gaps) = (0, 0);
    for nth in 1.. {
        let device = base.crash(Survival::Everything);
        let (wal, ..) = open_from(&device, start, SEGMENT_BYTES).unwrap();
        device.inject(Fault::PowerCut(nth));
        let removed = wal.remove_before(start.segment);
        drop(wal);
        for survival in survivals.clone() {
            let crashed = device.crash(survival);
            let left = numbers(&crashed);
            assert!((start.segment..=*left.last().unwrap()).all(|number| left.contains(&number)));
            assert!(removed.is_err() || !left.contains(&(start.segment - 1)), "{left:?}");
            // From the log's beginning it opens only if nothing is missing.
            let from_beginning = open(&crashed.crash(Survival::Everything), SEGMENT_BYTES);
            if left.contains(&1) && left.len() as u64 == *left.last().unwrap() {
                assert!(from_beginning.unwrap().2 == commits(1..=LAST, VALUE_BYTES));
            } else {
                refused += 1;
                let missing = (1..).find(|number| !left.contains(number)).unwrap();
                let error = from_beginning.err();
                let is_named =
                    matches!(&error, Some(Error::Corrupt { path, .. }) if *path == segment_path(missing));
                assert!(is_named, "{left:?}: {error:?}");
            }
            let (wal, recovery, found) = open_from(&crashed, start, SEGMENT_BYTES).unwrap();
            assert!(found == commits(31..=LAST, VALUE_BYTES) && recovery.cut.is_none());
            assert!(read_from_everywhere(&wal) <= 30);
            assert_eq!(verify(&crashed.crash(Survival::Everything), start).1, []);
            // The next removal takes the rest, also what lies before a gap.
            gaps += u32::from(*left.first().unwrap() < wal.segments()[0].number);
            wal.remove_before(start.segment).unwrap();
            let left = numbers(&crashed.crash(Survival::Nothing));
            assert_eq!(left.first(), Some(&start.segment));
        }
        if removed.is_ok() {
            break;
        }
    }
    assert!(refused > 0 && gaps > 0, "{refused} refused, {gaps} gaps");
}

#[test]
fn a_failed_removal_is_an_error_and_the_log_goes_on() {
    let (base, starts) = log();
    let start = starts[30];
    for fault in [Fault::Remove(1), Fault::Remove(3), Fault::DirectorySync(1)] {
        let device = base.crash(Survival::Everything);
        let (wal, ..) = open_from(&device, start, SEGMENT_BYTES).unwrap();
        device.inject(fault);
        assert!(matches!(wal.remove_before(start.segment), Err(Error::Io { .. })));
        assert!(read_from_everywhere(&wal) <= 30);
        wal.remove_before(start.segment).unwrap();
        assert_eq!(numbers(&device.crash(Survival::Nothing)).first(), Some(&start.segment), "{fault:?}");
        append(&wal, 0, &commit(LAST + 1, VALUE_BYTES)).unwrap();
        wal.flush(Timestamp(LAST + 1), true).unwrap();
        drop(wal);
        let (.., found) = open_from(&device.crash(Survival::Nothing), start, SEGMENT_BYTES).unwrap();
        assert!(found == commits(31..=LAST + 1, VALUE_BYTES));
    }
}

#[test]
fn the_segment_that_is_written_is_never_removed() {
    let (device, starts) = log();
    let (wal, ..) = open(&device, SEGMENT_BYTES).unwrap();
    let last = starts[LAST as usize].segment;
    let freed = device.used_bytes();
    let removed = wal.remove_before(u64::MAX).unwrap();
    assert_eq!(removed, freed - device.used_bytes());
    assert_eq!(numbers(&device), BTreeSet::from([last]));
    assert_eq!(wal.remove_before(u64::MAX).unwrap(), 0);
    drop(wal);
    let start = starts[LAST as usize];
    let (wal, ..) = open_from(&device.crash(Survival::Nothing), start, SEGMENT_BYTES).unwrap();
    commit_each(&wal, LAST + 1..=LAST + 20, VALUE_BYTES, true);
}

#[test]
fn every_start_yields_the_commits_behind_it() {
    let (device, starts) = log();
    for (after, start) in (0..).zip(&starts) {
        let (wal, recovery, found) =
            open_from(&device.crash(Survival::Everything), *start, SEGMENT_BYTES).unwrap();
        assert!(found == commits(after + 1..=LAST, VALUE_BYTES));
        assert_eq!((recovery.commits, recovery.last_timestamp), (LAST - after, Timestamp(LAST)));
        assert_eq!(read_from_everywhere(&wal), 0, "what isn't replayed can still be read");
        assert_eq!(wal.start_after(Timestamp(after)), *start);
    }
}

#[test]
fn a_missing_segment_is_named_whichever_it_is() {
    let (device, starts) = log();
    let last = starts[LAST as usize].segment;
    for start in [LogStart::default(), starts[12], starts[LAST as usize]] {
        for missing in start.segment..=last {
            let device = device.crash(Survival::Everything);
            device.remove(&segment_path(missing)).unwrap();
            assert_refused(&device, start, missing, "missing");
        }
        // The last ones, and all of them.
        for first in start.segment..=last {
            let device = device.crash(Survival::Everything);
            (first..=last).for_each(|number| device.remove(&segment_path(number)).unwrap());
            assert_refused(&device, start, first, "missing");
        }
    }
}

#[test]
fn a_missing_or_damaged_segment_before_the_start_costs_only_what_lies_behind_the_start() {
    let (device, starts) = log();
    let start = starts[30];
    let expected = commits(31..=LAST, VALUE_BYTES);
    type Harm<'h> = &'h dyn Fn(&MemoryDevice, u64);
    let missing: Harm = &|device, number| device.remove(&segment_path(number)).unwrap();
    let damaged: Harm = &|device, number| device.flip_bit(&segment_path(number), 160).unwrap();
    // The first frame ends here, so nothing but the segment's successor knows that there were more.
    let shorter: Harm = &|device, number| {
        let file = device.open(&segment_path(number)).unwrap();
        let mut length = [0; 4];
        file.read_at(4096 + 4, &mut length).unwrap();
        file.set_size(4096 + u64::from(u32::from_le_bytes(length))).unwrap();
    };
    for (name, harm) in [("missing", missing), ("damaged", damaged), ("shorter", shorter)] {
        for number in 1..start.segment {
            let device = device.crash(Survival::Everything);
            harm(&device, number);
            let (wal, _, found) = open_from(&device, start, SEGMENT_BYTES).unwrap();
            assert!(found == expected);
            let oldest = read_from_everywhere(&wal);
            assert_eq!(wal.segments()[0].number, number + 1, "{name}");
            assert!(oldest > 0 && oldest <= 30);
        }
    }
}

#[test]
fn segments_say_which_commits_they_have() {
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, SEGMENT_BYTES).unwrap();
    let times = |wal: &Wal| -> Vec<_> {
        let segments = wal.segments().into_iter();
        segments
            .map(|segment| (segment.previous_timestamp.0, segment.last_timestamp.0, segment.bytes))
            .collect()
    };
    assert_eq!(times(&wal), [(0, 0, 4096)]);
    for timestamp in 1..=LAST {
        commit_each(&wal, timestamp..=timestamp, VALUE_BYTES, true);
        assert_eq!(times(&wal).last().unwrap().1, timestamp);
    }
    // What isn't durable yet is in none.
    let expected = times(&wal);
    append(&wal, 0, &commit(LAST + 1, VALUE_BYTES)).unwrap();
    assert_eq!(times(&wal), expected);
    wal.close().unwrap();
    let expected = times(&wal);
    assert_eq!(expected.last().unwrap().1, LAST + 1);
    drop(wal);

    for start in log().1 {
        let (wal, ..) = open_from(&device.crash(Survival::Nothing), start, SEGMENT_BYTES).unwrap();
        assert_eq!(times(&wal), expected, "replayed from {start:?}");
        for segment in wal.segments() {
            let read = read_on(&mut wal.read_after(segment.previous_timestamp).unwrap(), &wal).unwrap();
            assert_eq!(read[0].0, segment.previous_timestamp.0 + 1);
            let size = device.open(&Path::new(HOME).join(segment.path())).unwrap().size().unwrap();
            assert!(size >= segment.bytes);
        }
    }
}

#[test]
fn a_segment_of_another_database_is_named() {
    let (device, starts) = log();
    let (foreign, _) = log();
    for number in 1..=starts[LAST as usize].segment {
        let device = device.crash(Survival::Everything);
        let bytes = read_file(&foreign, &segment_path(number));
        let file = device.open(&segment_path(number)).unwrap();
        file.set_size(bytes.len() as u64).unwrap();
        file.write_at(0, &bytes).unwrap();
        assert_refused(&device, LogStart::default(), number, "another database");
    }
}

#[test]
fn a_log_that_does_not_go_back_to_the_start_is_refused() {
    let (device, starts) = log();
    // Segment 4 is asked for what comes before it.
    let segment = 4;
    let before = (0..=LAST as usize).rev().find(|at| starts[*at].segment < segment).unwrap();
    let start = LogStart { segment, ..starts[before] };
    let error = open_from(&device.crash(Survival::Everything), start, SEGMENT_BYTES).err();
    let Some(Error::Corrupt { path, reason, .. }) = error else { panic!("{error:?}") };
    assert_eq!(path, segment_path(segment));
    assert!(reason.contains("follows timestamp"), "{reason}");
    let home = Home::open(Arc::new(device.clone()), Path::new(HOME)).unwrap();
    (1..segment).for_each(|number| device.remove(&segment_path(number)).unwrap());
    drop(home);
    assert_refused(&device, LogStart { segment: 1, ..start }, 1, "missing");
}

#[test]
fn a_log_that_ends_before_what_was_durable_is_refused() {
    let (device, starts) = log();
    let start = starts[30];
    let end = start.reaches;
    let too_far = LogStart { reaches: LogPosition { offset: end.offset + 1, ..end }, ..start };
    assert_refused(&device, too_far, end.segment, "durable up to");
    let next = LogStart { reaches: LogPosition { segment: end.segment + 1, offset: 0 }, ..start };
    assert_refused(&device, next, end.segment, "durable up to");
    // Cut off at its last commit, the log looks whole to itself.
    let bytes = read_file(&device, &segment_path(end.segment));
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64;
    device.open(&segment_path(end.segment)).unwrap().set_size(used - 100).unwrap();
    assert_refused(&device, start, end.segment, "durable up to");
}

#[test]
fn a_reader_beside_appenders_sees_every_entry_once() {
    const READERS: u64 = 3;
    const COMMITS: u64 = 4001;
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, 60_000).unwrap();
    let durable = AtomicU64::new(0);
    let value_bytes = 40;
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS)
            .map(|number| {
                let (wal, durable) = (&wal, &durable);
                scope.spawn(move || {
                    let after = number * 7;
                    let mut reader = wal.read_after(Timestamp(after)).unwrap();
                    let (mut found, mut tables) = (Vec::new(), Vec::new());
                    while found.last() != Some(&commit(COMMITS, value_bytes)) {
                        let Some(piece) = reader.next(wal).unwrap() else {
                            std::thread::yield_now();
                            continue;
                        };
                        if let Piece::CreateTable { timestamp, .. } = &piece {
                            tables.push(timestamp.0);
                        }
                        found.extend(commits_of(&piece));
                        let told = found.last().map_or(0, |commit: &Commit| commit.0);
                        assert!(told <= durable.load(Ordering::SeqCst), "{told} is not durable");
                    }
                    assert!(reader.next(wal).unwrap().is_none());
                    let is_table = |timestamp: &u64| timestamp.is_multiple_of(100);
                    let all = after + 1..=COMMITS;
                    assert_eq!(tables, all.clone().filter(is_table).collect::<Vec<_>>());
                    let all = (after + 1..=COMMITS).filter(|timestamp| !is_table(timestamp));
                    assert!(found.into_iter().eq(all.map(|timestamp| commit(timestamp, value_bytes))));
                })
            })
            .collect();
        let mut frame = FrameBuilder::new();
        for timestamp in 1..=COMMITS {
            if timestamp.is_multiple_of(100) {
                frame.create_table(TableId(timestamp as u32), "t").unwrap();
                wal.append(0, Timestamp(timestamp), frame.finish(Timestamp(timestamp))).unwrap();
            } else {
                append(&wal, timestamp as usize, &commit(timestamp, value_bytes)).unwrap();
            }
            if timestamp % 13 == 0 || timestamp == COMMITS {
                let is_synced = timestamp % 3 == 0 || timestamp == COMMITS;
                // Said before it is so, since a reader may see it before the flush returns.
                durable.store(timestamp, Ordering::SeqCst);
                wal.flush(Timestamp(timestamp), is_synced).unwrap();
            }
        }
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    assert!(wal.segments().len() > 5);
}

#[test]
fn a_reader_sees_what_is_durable_and_nothing_else() {
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, SEGMENT_BYTES).unwrap();
    let mut reader = wal.read_after(Timestamp::MIN).unwrap();
    assert!(read_on(&mut reader, &wal).unwrap().is_empty());
    append(&wal, 0, &commit(1, 10)).unwrap();
    wal.flush(Timestamp(1), false).unwrap();
    assert!(read_on(&mut reader, &wal).unwrap().is_empty(), "written, not synced");
    wal.flush(Timestamp(1), true).unwrap();
    assert_eq!(read_on(&mut reader, &wal).unwrap(), commits(1..=1, 10));
    assert!(read_on(&mut reader, &wal).unwrap().is_empty());
    commit_each(&wal, 2..=LAST, VALUE_BYTES, true);
    assert_eq!(read_on(&mut reader, &wal).unwrap(), commits(2..=LAST, VALUE_BYTES));
}

#[test]
fn a_reader_that_is_overtaken_by_a_removal_is_told() {
    let (device, starts) = log();
    let (wal, ..) = open(&device, SEGMENT_BYTES).unwrap();
    let mut reader = wal.read_after(Timestamp::MIN).unwrap();
    let first = commits_of(&reader.next(&wal).unwrap().unwrap());
    wal.remove_before(starts[30].segment).unwrap();
    let Err(Error::Gone { asked, oldest }) = reader.next(&wal) else { panic!("not told") };
    assert_eq!(asked.0, first.last().unwrap().0);
    assert!(oldest > asked && oldest == wal.oldest_timestamp());
    assert_eq!(read_from_everywhere(&wal), oldest.0);
}

#[test]
fn verifying_reports_any_changed_byte_or_finds_all_commits() {
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, SEGMENT_BYTES).unwrap();
    commit_each(&wal, 1..=14, 100, true);
    wal.close().unwrap();
    let count = wal.stats().segments;
    drop(wal);
    let segments: Vec<_> = (1..=count).map(|number| read_file(&device, &segment_path(number))).collect();
    let (summary, found) = verify(&device, LogStart::default());
    let summary = summary.unwrap();
    assert_eq!((found, summary.commits, summary.segments), (vec![], 14, count));
    assert_eq!((summary.last_timestamp, summary.torn), (Timestamp(14), None));
    for mask in [0x01, 0xff] {
        let mut harmless = 0;
        for (segment, bytes) in segments.iter().enumerate() {
            for (offset, byte) in bytes.iter().enumerate() {
                let device = device.crash(Survival::Everything);
                let path = segment_path(segment as u64 + 1);
                device.open(&path).unwrap().write_at(offset as u64, &[byte ^ mask]).unwrap();
                let (summary, found) = verify(&device, LogStart::default());
                let size = bytes.len() as u64;
                if found.is_empty() {
                    harmless += 1;
                    assert_eq!(
                        (segment as u64 + 1, summary.unwrap().commits),
                        (count, 14),
                        "offset {offset}"
                    );
                    assert!(open(&device, SEGMENT_BYTES).is_ok(), "segment {segment}, offset {offset}");
                } else {
                    let is_named = found.iter().any(|damage| damage.path == path && damage.offset <= size);
                    assert!(is_named, "segment {segment}, offset {offset}: {found:?}");
                }
            }
        }
        // Only the zeros behind the log's end hold nothing that could be missed.
        let last = segments.last().unwrap();
        assert_eq!(harmless, last.iter().rev().take_while(|byte| **byte == 0).count());
    }
}
