//! What the machine itself charges, measured in the same run as everything else.
//!
//! Times from different machines don't compare, ratios do. So figures are told as multiples of two things
//! that any database must pay for:
//!
//! - **L**, one look-up: a `get` on a `BTreeMap<u64, u64>` of a million entries, keys drawn by Zipf's law with
//!   exponent 0.9, popular keys scattered over the range.
//! - **F**, one flush: `fdatasync` after overwriting 4 KiB of a preallocated file in the directory at hand.

use crate::error::{Error, Result};
use crate::machine;
use crate::random::Random;
use crate::zipf::scattered_keys;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Entries of the map that L is measured on.
pub const LOOKUP_ENTRIES: u64 = 1_000_000;
/// The exponent of the key distribution that L is measured with.
pub const LOOKUP_THETA: f64 = 0.9;

const BLOCK_BYTES: usize = 4096;
const FLUSH_FILE_BLOCKS: u64 = 256;
const FLUSHES: usize = 40;
const ADDITIONS: u32 = 1_000_000;
const ROUND_TRIPS: usize = 500;

/// What one look-up and one flush cost here.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Calibration {
    /// L: nanoseconds of one look-up.
    pub lookup_ns: f64,
    /// F: nanoseconds of one flush, if there is a disk in the game.
    pub flush_ns: Option<f64>,
}

/// The map and the keys that L is measured with, reusable for interleaved rounds.
#[derive(Debug)]
pub struct Lookups {
    map: BTreeMap<u64, u64>,
    keys: Vec<u64>,
}

impl Lookups {
    /// Builds the map and draws `samples` keys. About 0.3 s and 30 MB for the full size.
    pub fn new(entries: u64, samples: usize) -> Lookups {
        let map = (0..entries).map(|key| (key, key)).collect();
        let keys = scattered_keys(entries, LOOKUP_THETA, samples, &mut Random::new(0x100C, 0));
        Lookups { map, keys }
    }

    /// Looks each key up once and returns the mean processor time of one look-up, in nanoseconds.
    pub fn measure_ns(&self) -> f64 {
        let before = machine::thread_cpu_time();
        let mut sum = 0u64;
        for key in &self.keys {
            sum = sum.wrapping_add(self.map.get(black_box(key)).copied().unwrap_or(0));
        }
        black_box(sum);
        let spent = machine::thread_cpu_time().saturating_sub(before);
        spent.as_nanos() as f64 / self.keys.len().max(1) as f64
    }
}

/// The middle of `values` (the upper one of two), 0 if there are none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// L in nanoseconds: the median of five rounds of 200,000 look-ups. About half a second.
pub fn lookup_ns() -> f64 {
    let lookups = Lookups::new(LOOKUP_ENTRIES, 200_000);
    median((0..5).map(|_| lookups.measure_ns()).collect())
}

/// An atomic addition to a number that no other thread touches, in nanoseconds: the least that any lock costs twice.
pub fn atomic_ns() -> f64 {
    let number = std::sync::atomic::AtomicU64::new(0);
    let once = || {
        let started = Instant::now();
        for _ in 0..ADDITIONS {
            black_box(&number).fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        started.elapsed().as_nanos() as f64 / f64::from(ADDITIONS)
    };
    median((0..5).map(|_| once()).collect())
}

/// A byte to another thread and back, over a loopback connection, in nanoseconds: what an engine behind a socket would
/// have to add to every transaction.
///
/// # Errors
///
/// If there is no loopback interface.
pub fn round_trip_ns() -> Result<f64> {
    let failed = |source| Error::io("cannot measure a round trip over", Path::new("127.0.0.1"), source);
    measure_round_trips()
        .map(|trips| median(trips.iter().map(|trip| trip.as_nanos() as f64).collect()))
        .map_err(failed)
}

fn measure_round_trips() -> std::io::Result<Vec<Duration>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut near = TcpStream::connect(listener.local_addr()?)?;
    let (mut far, _) = listener.accept()?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    std::thread::scope(|scope| {
        let echo = scope.spawn(move || {
            let mut byte = [0];
            while far.read(&mut byte)? > 0 {
                far.write_all(&byte)?;
            }
            Ok(())
        });
        let trip = |near: &mut TcpStream| {
            let started = Instant::now();
            near.write_all(&[1])?;
            near.read_exact(&mut [0])?;
            Ok(started.elapsed())
        };
        let trips = (0..ROUND_TRIPS).map(|_| trip(&mut near)).collect();
        drop(near);
        echo.join().unwrap_or_else(|_| Err(std::io::Error::other("the far end has panicked")))?;
        trips
    })
}

/// F in nanoseconds: the median of forty flushes in `directory`, in a file that is removed afterwards.
///
/// # Errors
///
/// If the file can't be created, written or flushed.
pub fn flush_ns(directory: &Path) -> Result<f64> {
    let path = directory.join(format!("synod-calibration-{}", std::process::id()));
    let measured =
        measure_flushes(&path).map_err(|source| Error::io("cannot measure a flush in", &path, source));
    let removed = std::fs::remove_file(&path).map_err(|source| Error::io("cannot remove", &path, source));
    let flushes = measured?;
    removed?;
    Ok(median(flushes.iter().map(|flush| flush.as_nanos() as f64).collect()))
}

/// Preallocates a file at `path` by writing it, then overwrites and flushes one block after another.
fn measure_flushes(path: &Path) -> std::io::Result<Vec<Duration>> {
    let file: File = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
    let mut block = [0u8; BLOCK_BYTES];
    for index in 0..FLUSH_FILE_BLOCKS {
        file.write_all_at(&block, index * BLOCK_BYTES as u64)?;
    }
    file.sync_all()?;
    (0..FLUSHES)
        .map(|round| {
            block.fill(round as u8 + 1);
            let started = Instant::now();
            file.write_all_at(&block, (round as u64 % FLUSH_FILE_BLOCKS) * BLOCK_BYTES as u64)?;
            file.sync_data()?;
            Ok(started.elapsed())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_takes_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 3.0);
        assert_eq!(median(Vec::new()), 0.0);
    }

    #[test]
    fn lookups_and_flushes_take_time_and_leave_nothing() {
        assert!(Lookups::new(10_000, 10_000).measure_ns() > 0.0);
        let directory = tempfile::tempdir().expect("a temporary directory");
        assert!(atomic_ns() > 0.0 && round_trip_ns().expect("a loopback interface") > 0.0);
        assert!(flush_ns(directory.path()).expect("flushes") > 0.0);
        assert_eq!(std::fs::read_dir(directory.path()).expect("readable").count(), 0);
    }

    #[test]
    fn a_missing_directory_is_told_with_its_path() {
        let error = flush_ns(Path::new("/nonexistent/synod")).expect_err("no such directory");
        assert!(error.to_string().contains("/nonexistent/synod"), "{error}");
    }
}
