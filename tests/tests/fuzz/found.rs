//! What fuzzing has found, and reading for it: each of these once did harm.

use std::path::Path;

use synod::Engine;
use synod::device::MemoryDevice;
use synod::errors::StorageError;
use synod_storage::wal::{FrameBuilder, LogStart, Wal, WalOptions};
use synod_storage::{Home, TableId, Timestamp};
use synod_tests::fuzz::layout::{DATABASE_NOTE, HOME, device_of, options, put, write};
use synod_tests::fuzz::{Outcome, TARGETS, Target};

const HEADER_BYTES: usize = 4096;

fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).unwrap()
}

/// What becomes of an input when its checksums are right.
fn judge_repaired(name: &str, input: &[u8]) -> Outcome {
    let target = target(name);
    target.run(&target.repaired(input)).remove(0)
}

fn assert_refused(outcome: &Outcome, reason: &str) {
    assert!(matches!(outcome, Outcome::Refused(found) if found.contains(reason)), "{outcome:?}");
}

/// The first seed that is a checkpoint with records in it, none of them compressed.
fn checkpoint() -> Vec<u8> {
    (target("checkpoint").seeds)().remove(1)
}

/// A checkpoint with one number of its header replaced.
fn checkpoint_with(number: usize, value: u64) -> Outcome {
    let mut input = checkpoint();
    put(&mut input, 16 + 8 * number, &value.to_le_bytes());
    judge_repaired("checkpoint", &input)
}

/// A checkpoint of these blocks, with this index, and these counts of records and versions.
fn assemble(blocks: &[&[u8]], index: &[u8], counts: [u64; 2]) -> Vec<u8> {
    let mut file = checkpoint()[..HEADER_BYTES].to_vec();
    let push_block = |file: &mut Vec<u8>, raw: &[u8]| {
        let length = (raw.len() as u32).to_le_bytes();
        file.extend([&[0; 4], &length[..], &length, &[0], raw].concat());
    };
    blocks.iter().for_each(|block| push_block(&mut file, block));
    let index_offset = file.len() as u64;
    push_block(&mut file, index);
    let index_bytes = file.len() as u64 - index_offset;
    file.extend(b"SYNODEND\0\0\0\0\0\0\0\0");
    for number in [index_offset, index_bytes, counts[0], counts[1], 0, 0] {
        file.extend(number.to_le_bytes());
    }
    target("checkpoint").repaired(&file)
}

fn judge(checkpoint: &[u8]) -> Outcome {
    target("checkpoint").run(checkpoint).remove(0)
}

/// An entry of an index: a block of so many bytes, of table 0, with these counts.
fn block_entry(bytes: u8, counts: [&[u8]; 2], continues: u8) -> Vec<u8> {
    [&[bytes, 0], counts[0], counts[1], &[continues, 0, 0, 0, 0]].concat()
}

/// An index of one table and some blocks.
fn index(blocks: &[Vec<u8>]) -> Vec<u8> {
    [&[1, 0, 1, b't', 0, blocks.len() as u8], &blocks.concat()[..]].concat()
}

/// A record with a key of one byte, and the newest version of it, an empty value.
const RECORD: [u8; 5] = [0, 1, b'k', 0, 1];

/// The length of a block that holds it.
const RECORD_BLOCK_BYTES: u8 = 13 + 5;

#[test]
fn the_checkpoints_that_these_tests_make_are_whole() {
    let entry = block_entry(RECORD_BLOCK_BYTES, [&[1], &[1]], 0);
    assert_eq!(judge(&assemble(&[&RECORD], &index(&[entry]), [1, 1])), Outcome::Accepted);
    assert_eq!(checkpoint_with(7, 5), Outcome::Accepted);
}

#[test]
fn a_checkpoint_after_all_time_is_refused() {
    const REASON: &str = "the header makes no sense";
    let [timestamp, horizon, segment, after] = [1, 2, 3, 4];
    assert_refused(&checkpoint_with(timestamp, 1 << 62), REASON);
    assert_refused(&checkpoint_with(horizon, 101), REASON);
    assert_refused(&checkpoint_with(segment, u64::MAX), REASON);
    assert_refused(&checkpoint_with(after, 101), REASON);
}

/// The target itself looks at how much memory was asked for.
#[test]
fn the_numbers_of_tables_that_are_no_more_take_no_memory() {
    assert_eq!(checkpoint_with(7, u64::from(u32::MAX)), Outcome::Accepted);
}

#[test]
fn counts_that_add_up_to_too_much_are_refused() {
    let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let entries = [&most[..], &[2]].map(|count| block_entry(RECORD_BLOCK_BYTES, [count, &[1]], 0));
    let outcome = judge(&assemble(&[&RECORD, &RECORD], &index(&entries), [1, 2]));
    assert_refused(&outcome, "the index and the rest contradict each other");
}

#[test]
fn a_block_without_records_is_refused() {
    let entries = [
        block_entry(RECORD_BLOCK_BYTES, [&[1], &[1]], 0),
        block_entry(13, [&[0], &[0]], 1),
        block_entry(RECORD_BLOCK_BYTES, [&[1], &[1]], 0),
    ];
    let outcome = judge(&assemble(&[&RECORD, &[], &RECORD], &index(&entries), [2, 2]));
    assert_refused(&outcome, "there is nothing in it");
}

#[test]
fn two_tables_of_one_name_are_refused() {
    let index = [2, 0, 1, b't', 1, 1, b't', 0, 0];
    assert_refused(&judge(&assemble(&[], &index, [0, 0])), "checksum is right but it makes no sense");
    let device = device_of(1);
    let home = Home::open(std::sync::Arc::new(device.clone()), Path::new(HOME)).unwrap();
    let (wal, _) = Wal::open(&home, WalOptions::default(), LogStart::default(), &mut |_| Ok(())).unwrap();
    let mut frame = FrameBuilder::new();
    for number in [0, 1] {
        frame.create_table(TableId(number), "t").unwrap();
        let at = Timestamp(10 + u64::from(number));
        wal.append(0, at, frame.finish(at)).unwrap();
    }
    wal.close().unwrap();
    drop((wal, home));
    let error = Engine::open(HOME, options(device)).unwrap_err();
    assert!(error.to_string().contains("created a second time"), "{error}");
}

/// Whoever loaded both versions lost the memory of one of them.
#[test]
fn a_checkpoint_with_a_key_twice_is_not_loaded() {
    let entry = block_entry(13 + 10, [&[2], &[2]], 0);
    let checkpoint = assemble(&[&[RECORD, RECORD].concat()], &index(&[entry]), [2, 2]);
    assert_refused(&judge(&checkpoint), "its keys are out of order");
    let device = device_of(7);
    write(&device, &Path::new(HOME).join("checkpoints/0000000000000064.checkpoint"), &checkpoint);
    let engine = Engine::open(HOME, options(device)).unwrap();
    assert_eq!(engine.stats().recovery.unwrap().damaged_checkpoints, 1);
}

#[test]
fn a_log_that_begins_in_its_middle_is_damaged() {
    let mut input = (target("log").seeds)().remove(1);
    put(&mut input, 32, &5u64.to_le_bytes());
    assert_refused(&judge_repaired("log", &input), "the segment follows timestamp");
}

#[test]
fn a_damaged_header_before_commits_is_damage_to_verification_too() {
    let mut input = (target("log").seeds)().remove(1);
    input[0] ^= 1;
    assert_refused(&target("log").run(&input)[0], "header is damaged");
}

/// Verification told of each of them.
#[test]
fn segments_that_are_missing_are_told_of_once() {
    for newest in [3, 1 << 40, u64::MAX] {
        let device = database();
        let path = Path::new(HOME).join("DATABASE");
        let [identity, ..] = DATABASE_NOTE.read(&device, &path).unwrap().unwrap();
        DATABASE_NOTE.replace(&device, &path, [identity, newest, 0, 0]).unwrap();
        let found = synod::verify(HOME, &options(device.clone())).unwrap().damage;
        assert!(found[0].path.ends_with("0000000000000002.log"), "{found:?}");
        assert_eq!(found[0].reason.contains("(and so are"), newest > 2, "{found:?}");
        assert!(found.len() <= 2, "{found:?}");
        let error = Engine::open(HOME, options(device)).unwrap_err();
        assert!(matches!(error, synod::Error::Storage(StorageError::Corrupt { .. })), "{error}");
    }
}

/// A database with one segment of log, closed.
fn database() -> MemoryDevice {
    let device = MemoryDevice::new();
    let engine = Engine::open(HOME, options(device.clone())).unwrap();
    engine.table("table").unwrap();
    engine.close().unwrap();
    device
}
