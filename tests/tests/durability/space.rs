//! How much room a database takes.

use synod::device::MemoryDevice;
use synod::{Durability, Engine, TransactionOptions};

use super::support::{HOME, bytes_of, contents, open, options};

/// The bound that `Options::checkpoint_log_bytes` states.
#[test]
fn log_and_checkpoints_stay_within_their_bound_under_a_steady_load() {
    let device = MemoryDevice::new();
    let (threshold, segment) = (60_000, 30_000);
    let options = options(&device).checkpoint_log_bytes(threshold).log_segment_bytes(segment);
    let engine = Engine::open(HOME, options).unwrap();
    let table = engine.table("t").unwrap();
    let (mut most_log, mut most_checkpoints, mut written) = (0, 0, 0);
    for round in 0..6000u64 {
        let txn = engine.begin(TransactionOptions::new().durability(Durability::Group)).unwrap();
        txn.put(&table, (round % 100).to_be_bytes(), [round as u8; 100]).unwrap();
        txn.commit().unwrap();
        if round % 10 == 0 {
            // The background is given its turn, as it has on a machine that isn't saturated.
            while engine.stats().checkpoints.unwrap().is_due {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            most_log = most_log.max(bytes_of(&device, "wal"));
            most_checkpoints = most_checkpoints.max(bytes_of(&device, "checkpoints"));
        }
        written += 130;
    }
    let stats = engine.stats().checkpoints.unwrap();
    assert!(written > 10 * threshold && stats.taken >= 8, "{stats:?}");
    // Two thresholds, the segments at both ends, and what came in during a checkpoint.
    assert!(most_log < 3 * threshold + 3 * segment, "{most_log} bytes of log");
    let one = stats.kept_bytes / 2;
    assert!(most_checkpoints < 3 * one + one / 2, "{most_checkpoints} bytes of checkpoints of {one} each");
}

#[test]
fn deleted_data_leaves_the_disk() {
    let device = MemoryDevice::new();
    let engine = open(&device);
    let table = engine.table("t").unwrap();
    for first in (0..2000u64).step_by(100) {
        engine
            .transact(|txn| {
                (first..first + 100).try_for_each(|key| txn.put(&table, key.to_be_bytes(), [1; 200]))
            })
            .unwrap();
    }
    engine.checkpoint().unwrap();
    let full = bytes_of(&device, "checkpoints") + bytes_of(&device, "wal");
    engine.transact(|txn| txn.delete_range(&table, 10u64.to_be_bytes()..)).unwrap();
    for _ in 0..3 {
        engine.transact(|txn| txn.put(&table, 0u64.to_be_bytes(), [2; 8])).unwrap();
        engine.checkpoint().unwrap();
    }
    let left = bytes_of(&device, "checkpoints") + bytes_of(&device, "wal");
    assert!(left < full / 5, "{left} bytes of {full} are left");
    drop(engine);
    assert_eq!(contents(&open(&device), "t").len(), 10);
}
