//! The log in ordinary use: on a real directory and in memory, without crashes.

use std::sync::Arc;

use crate::support::{append, commit, commit_each, commits, open, open_on, read_file, segment_path};
use synod_storage::device::{Device, MemoryDevice, RealDevice};
use synod_storage::wal::{FrameBuilder, LogStart, Piece, Wal, WalOptions};
use synod_storage::{Error, Home, TableId, Timestamp};

const SEGMENT_BYTES: u64 = 64 << 20;

#[test]
fn a_real_directory_is_created_written_closed_and_read_back() {
    let home = tempfile::tempdir().unwrap();
    let database = home.path().join("new/database");
    let device: Arc<dyn Device> = Arc::new(RealDevice);
    for round in 0..3_u64 {
        let (wal, recovery, found) = open_on(Arc::clone(&device), &database, 8192).unwrap();
        assert_eq!(found, commits(1..=round * 20, 600));
        assert_eq!((recovery.last_timestamp, recovery.cut), (Timestamp(round * 20), None));
        commit_each(&wal, round * 20 + 1..=round * 20 + 20, 600, round == 1);
        wal.close().unwrap();
    }
    let (_, recovery, found) = open_on(device, &database, 8192).unwrap();
    assert_eq!(found, commits(1..=60, 600));
    assert!(recovery.segments > 5, "{} segments", recovery.segments);
    assert!(database.join("LOCK").exists() && database.join("wal/0000000000000001.log").exists());
}

#[test]
fn a_log_is_locked_as_long_as_it_lives() {
    let home = tempfile::tempdir().unwrap();
    for device in [Arc::new(RealDevice) as Arc<dyn Device>, Arc::new(MemoryDevice::new())] {
        let (wal, ..) = open_on(Arc::clone(&device), home.path(), SEGMENT_BYTES).unwrap();
        let refused = open_on(Arc::clone(&device), home.path(), SEGMENT_BYTES).err();
        assert!(matches!(&refused, Some(Error::Locked { path }) if path == home.path()), "{refused:?}");
        drop(wal);
        open_on(device, home.path(), SEGMENT_BYTES).unwrap();
    }
}

#[test]
fn frames_of_all_shards_are_written_in_timestamp_order_up_to_the_bound() {
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, SEGMENT_BYTES).unwrap();
    for timestamp in [9, 2, 7, 4, 12, 1, 3, 8, 11] {
        append(&wal, timestamp as usize % 4, &commit(timestamp, 50)).unwrap();
    }
    let flushed = wal.flush(Timestamp(8), false).unwrap();
    assert_eq!((flushed.written, flushed.durable), (Timestamp(8), Timestamp(0)));
    assert!(wal.buffered_bytes() > 0);
    append(&wal, 3, &commit(10, 50)).unwrap();
    let flushed = wal.flush(Timestamp(11), true).unwrap();
    assert_eq!((flushed.written, flushed.durable), (Timestamp(11), Timestamp(11)));
    drop(wal);
    let (.., found) = open(&device, SEGMENT_BYTES).unwrap();
    let timestamps: Vec<u64> = found.iter().map(|commit| commit.0).collect();
    assert_eq!(timestamps, [1, 2, 3, 4, 7, 8, 9, 10, 11], "12 was above the bound and never written");
}

#[test]
fn catalog_changes_and_commits_keep_their_order() {
    let device = Arc::new(MemoryDevice::new());
    let home = std::path::Path::new("/db");
    let open = |replay: &mut dyn FnMut(Piece) -> Result<(), Error>| {
        let home = Home::open(device.clone(), home)?;
        Wal::open(&home, WalOptions::default(), LogStart::default(), replay)
    };
    let (wal, _) = open(&mut |_| Ok(())).unwrap();
    let mut frame = FrameBuilder::new();
    frame.create_table(TableId(4), "accounts").unwrap();
    wal.append(0, Timestamp(1), frame.finish(Timestamp(1))).unwrap();
    append(&wal, 1, &commit(2, 10)).unwrap();
    frame.drop_table(TableId(4));
    wal.append(2, Timestamp(3), frame.finish(Timestamp(3))).unwrap();
    wal.close().unwrap();
    drop(wal);
    let mut told = Vec::new();
    let (_, recovery) = open(&mut |piece| {
        told.push(match piece {
            Piece::Commits(commits) => {
                let commits = commits.iter().map(|(at, writes)| format!("{at} commit of {}", writes.count()));
                commits.collect::<Vec<_>>().join(", ")
            }
            Piece::CreateTable { timestamp, table, name } => format!("{timestamp} create {} {name}", table.0),
            Piece::DropTable { timestamp, table } => format!("{timestamp} drop {}", table.0),
            Piece::Batch(batch) => format!("{} batch", batch.timestamp),
        });
        Ok(())
    })
    .unwrap();
    assert_eq!(told, ["1 create 4 accounts", "2 commit of 1", "3 drop 4"]);
    assert_eq!((recovery.commits, recovery.catalog_changes), (1, 2));
}

#[test]
fn a_frame_longer_than_a_segment_gets_a_segment_of_its_own() {
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, 10_000).unwrap();
    let sizes = [100, 100_000, 100, 3_000_000, 2_000_000, 100];
    for (timestamp, bytes) in (1..).zip(sizes) {
        append(&wal, 0, &commit(timestamp, bytes)).unwrap();
    }
    wal.flush(Timestamp(6), true).unwrap();
    assert_eq!(wal.stats().segments, 6);
    drop(wal);
    let (_, recovery, found) = open(&device, 10_000).unwrap();
    let expected: Vec<_> = (1..).zip(sizes).map(|(timestamp, bytes)| commit(timestamp, bytes)).collect();
    assert!(found == expected);
    assert_eq!(recovery.segments, 6);
    assert!(read_file(&device, &segment_path(4)).len() > 3_000_000);
}

#[test]
fn an_error_of_the_replay_is_passed_on() {
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, SEGMENT_BYTES).unwrap();
    commit_each(&wal, 1..=3, 10, true);
    drop(wal);
    let home = std::path::Path::new(crate::support::HOME);
    let home = Home::open(Arc::new(device), home).unwrap();
    let refuse = &mut |_| Err(Error::KeyTooLong { bytes: 7 });
    let refused = Wal::open(&home, WalOptions::default(), LogStart::default(), refuse);
    assert!(matches!(refused.err(), Some(Error::KeyTooLong { bytes: 7 })));
}

#[test]
fn a_commit_below_what_is_written_stops_the_log() {
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, SEGMENT_BYTES).unwrap();
    commit_each(&wal, 5..=5, 10, true);
    append(&wal, 0, &commit(4, 10)).unwrap();
    let refused = wal.flush(Timestamp(6), true);
    let Err(Error::Poisoned { cause }) = refused else { panic!("{refused:?}") };
    assert!(matches!(*cause, Error::OutOfOrder { timestamp: Timestamp(4), last: Timestamp(5) }));
    drop(wal);
    let (.., found) = open(&device, SEGMENT_BYTES).unwrap();
    assert_eq!(found, commits(5..=5, 10));
}

#[test]
fn statistics_count_what_was_done() {
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, SEGMENT_BYTES).unwrap();
    let opened = wal.stats();
    append(&wal, 0, &commit(1, 1000)).unwrap();
    append(&wal, 1, &commit(2, 1000)).unwrap();
    let before = wal.stats();
    assert_eq!((before.frames, before.buffered_bytes), (2, before.appended_bytes));
    assert!(before.appended_bytes > 2000 && before.appended_bytes < 2100);
    wal.flush(Timestamp(2), false).unwrap();
    assert_eq!(wal.stats().fsyncs, opened.fsyncs);
    wal.flush(Timestamp(2), true).unwrap();
    wal.flush(Timestamp(2), true).unwrap();
    let after = wal.stats();
    assert_eq!((after.fsyncs, after.flushes), (opened.fsyncs + 1, 3), "the third found nothing to sync");
    assert_eq!((after.buffered_bytes, after.segments), (0, 1));
}

#[test]
fn small_synced_commits_find_the_file_prepared_and_bulk_loads_do_not_pay_for_it() {
    let device = MemoryDevice::new();
    let (wal, ..) = open(&device, SEGMENT_BYTES).unwrap();
    let prepared_at_open = wal.stats().prepared_bytes;
    assert!(prepared_at_open > 0, "the first commit must find a prepared file");
    for timestamp in 1..=40 {
        append(&wal, 0, &commit(timestamp, 200_000)).unwrap();
        wal.flush(Timestamp(timestamp), timestamp.is_multiple_of(2)).unwrap();
    }
    assert_eq!(wal.stats().prepared_bytes, prepared_at_open);
    let size = read_file(&device, &segment_path(1)).len();
    commit_each(&wal, 41..=240, 1000, true);
    let prepared = read_file(&device, &segment_path(1)).len();
    assert!(prepared > size + 200_000, "the file has grown ahead of the commits");
    assert_eq!(wal.stats().prepared_bytes, 2 * prepared_at_open, "once for many commits");
}
