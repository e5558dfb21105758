//! The write-ahead log: encoding, appending and flushing, syncing, replaying.
//!
//! `cargo bench -p synod-bench --bench wal`. The directory for the files is `TMPDIR`'s; the figures of
//! syncs mean something only if that is on a disk.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use synod_storage::device::{Device, DeviceFile, RealDevice};
use synod_storage::wal::{FrameBuilder, LogStart, Piece, Wal, WalOptions};
use synod_storage::{Home, TableId, Timestamp};

const TABLE: TableId = TableId(1);

fn open(home: &Path) -> Wal {
    let home = Home::open(Arc::new(RealDevice), home).expect("a new directory opens");
    Wal::open(&home, WalOptions::default(), LogStart::default(), &mut |_| Ok(())).expect("a new log opens").0
}

/// Encodes four writes of 16-byte keys and `value_bytes` values.
fn encode(frame: &mut FrameBuilder, number: u64, value: &[u8]) {
    frame.begin();
    for write in 0..4_u64 {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&number.to_be_bytes());
        key[8..].copy_from_slice(&write.to_be_bytes());
        frame.put(TABLE, &key, value).expect("the frame is small");
    }
}

/// A frame of four 100-byte values.
fn bench_encode(criterion: &mut Criterion) {
    let mut frame = FrameBuilder::new();
    let value = [7; 100];
    let mut number = 0;
    criterion.bench_function("wal/encode 4 writes of 100 bytes", |bencher| {
        bencher.iter(|| {
            number += 1;
            encode(&mut frame, number, &value);
            frame.finish(Timestamp(number)).len()
        });
    });
}

/// A 600-byte frame whose timestamp alone changes: what is measured besides appending is its checksum.
fn frame_of_600_bytes() -> FrameBuilder {
    let mut frame = FrameBuilder::new();
    frame.begin();
    frame.put(TABLE, b"0123456789abcdef", &[7; 563]).expect("the frame is small");
    assert_eq!(frame.len(), 600);
    frame
}

/// Frames appended, and written without a sync every thousand of them.
fn bench_append_and_flush(criterion: &mut Criterion) {
    let home = tempfile::tempdir().expect("a temporary directory");
    let wal = open(home.path());
    let mut frame = frame_of_600_bytes();
    let mut number = 0;
    let mut group = criterion.benchmark_group("wal");
    group.throughput(Throughput::Bytes(600)).measurement_time(Duration::from_secs(3)).sample_size(20);
    group.bench_function("append and flush 600 bytes", |bencher| {
        bencher.iter(|| {
            number += 1;
            wal.append(0, Timestamp(number), frame.finish(Timestamp(number))).expect("the log works");
            if number.is_multiple_of(1000) {
                wal.flush(Timestamp(number), false).expect("the log works");
            }
        });
    });
    group.finish();
}

/// Commits 600 bytes durably; returns the time it took.
fn sync_commit(wal: &Wal, frame: &mut FrameBuilder, number: &mut u64) -> Duration {
    *number += 1;
    let start = Instant::now();
    wal.append(0, Timestamp(*number), frame.finish(Timestamp(*number))).expect("the log works");
    wal.flush(Timestamp(*number), true).expect("the log works");
    start.elapsed()
}

/// A file of zeros, overwritten from its start in blocks of 4 KiB.
struct Preallocated {
    file: Box<dyn DeviceFile>,
    next_offset: u64,
}

impl Preallocated {
    const BYTES: u64 = 16 << 20;

    fn new(home: &Path) -> Self {
        let file = RealDevice.create(&home.join("preallocated")).expect("the file can be created");
        file.write_at(0, &vec![0; Self::BYTES as usize]).expect("the disk has space");
        file.sync_data().expect("the disk works");
        Preallocated { file, next_offset: 0 }
    }

    /// Overwrites and syncs one block; returns the time it took.
    fn sync_block(&mut self) -> Duration {
        let offset = self.next_offset;
        self.next_offset = (offset + 4096) % Self::BYTES;
        let start = Instant::now();
        self.file.write_at(offset, &[offset as u8; 4096]).expect("the disk works");
        self.file.sync_data().expect("the disk works");
        start.elapsed()
    }
}

/// A lone commit made durable, beside the least that a disk can do: F is the ratio of the two, measured
/// turn by turn, since the disk's speed changes with the time of day.
fn bench_sync_commit(criterion: &mut Criterion) {
    let home = tempfile::tempdir().expect("a temporary directory");
    let wal = open(home.path());
    let mut frame = frame_of_600_bytes();
    let mut number = 0;
    let mut preallocated = Preallocated::new(home.path());
    let (mut commits, mut blocks) = (Vec::new(), Vec::new());
    for _ in 0..4000 {
        commits.push(sync_commit(&wal, &mut frame, &mut number));
        blocks.push(preallocated.sync_block());
    }
    let report = |name: &str, times: &mut Vec<Duration>| {
        times.sort();
        let mean = times.iter().sum::<Duration>() / times.len() as u32;
        let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        println!("{name}: median {median:.1?}, mean {mean:.1?}, p99 {p99:.1?}");
        (median.as_secs_f64(), mean.as_secs_f64())
    };
    let commit = report("wal/sync commit of 600 bytes", &mut commits);
    let block = report("wal/preallocated 4 KiB and fdatasync", &mut blocks);
    println!("wal/F: median {:.2}, mean {:.2}", commit.0 / block.0, commit.1 / block.1);
    let mut group = criterion.benchmark_group("wal");
    group.measurement_time(Duration::from_secs(2)).sample_size(20);
    group.bench_function("sync commit of 600 bytes", |bencher| {
        bencher.iter_custom(|rounds| (0..rounds).map(|_| sync_commit(&wal, &mut frame, &mut number)).sum());
    });
    group.finish();
}

/// Reading a log of 100 MB from the page cache: frames of four 130-byte writes.
fn bench_replay(criterion: &mut Criterion) {
    let home = tempfile::tempdir().expect("a temporary directory");
    let wal = open(home.path());
    let mut frame = FrameBuilder::new();
    let value = [7; 130];
    for number in 1..=170_000 {
        encode(&mut frame, number, &value);
        wal.append(0, Timestamp(number), frame.finish(Timestamp(number))).expect("the log works");
    }
    wal.close().expect("the log works");
    let log_bytes = wal.stats().appended_bytes;
    drop(wal);
    let mut group = criterion.benchmark_group("wal");
    group.throughput(Throughput::Bytes(log_bytes)).measurement_time(Duration::from_secs(4)).sample_size(10);
    group.bench_function("open and decode", |bencher| {
        bencher.iter(|| {
            let mut value_bytes = 0;
            let directory = Home::open(Arc::new(RealDevice), home.path()).expect("it isn't open");
            let opened = Wal::open(&directory, WalOptions::default(), LogStart::default(), &mut |piece| {
                if let Piece::Commits(commits) = piece {
                    let writes = commits.iter().flat_map(|(_, writes)| writes);
                    value_bytes += writes.map(|(_, _, value)| value.map_or(0, <[u8]>::len)).sum::<usize>();
                }
                Ok(())
            });
            assert_eq!(opened.expect("the log opens").1.commits, 170_000);
            value_bytes
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500));
    targets = bench_encode, bench_append_and_flush, bench_sync_commit, bench_replay
}
criterion_main!(benches);
