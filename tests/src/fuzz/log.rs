//! The log: the input is its segments, one behind the other, from the first on.

use std::path::Path;
use std::sync::Arc;

use synod::Engine;
use synod::device::{MemoryDevice, Survival};
use synod_storage::wal::{FrameBuilder, LogStart, LogSummary, Piece, Recovery, Wal, WalOptions, verify_log};
use synod_storage::{Damage, Error, Home, TableId, Timestamp};

use super::layout::{HOME, crc32c, device_of, number32, number64, options, put, read, seal_page, write};
use super::{Outcome, Target};
use crate::campaign::model::Records;
use crate::campaign::verdict::contents;

pub(super) const TARGET: Target = Target { name: "log", seeds, judge, repair };

const MAGIC: &[u8] = b"SYNODWAL";
const HEADER_BYTES: usize = 4096;
const HEADER_CRC_OFFSET: usize = 12;
const IDENTITY_OFFSET: usize = 40;
const FRAME_HEADER_BYTES: usize = 17;
const FRAME_LENGTH_OFFSET: usize = 4;

const WRITING: WalOptions = WalOptions { segment_bytes: 8 << 10, prepared_bytes: 512 };

/// A write of a commit: table, key, and value or tombstone.
type Write = (TableId, Vec<u8>, Option<Vec<u8>>);

/// What a log says, one thing after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Commit(Timestamp, Vec<Write>),
    Create(Timestamp, TableId, String),
    Drop(Timestamp, TableId),
    Batch(Timestamp, Vec<u8>),
}

/// The files of an input: one for each header.
fn segments(input: &[u8]) -> Vec<&[u8]> {
    let is_header = |at: &usize| *at == 0 || input[*at..].starts_with(MAGIC);
    let starts: Vec<usize> = (0..input.len().max(1)).filter(is_header).collect();
    let ends = starts.iter().skip(1).copied().chain([input.len()]);
    starts.iter().zip(ends).map(|(start, end)| &input[*start..end]).collect()
}

/// Sets right the checksums of headers, and those of frames, one behind the other.
fn repair(input: &[u8]) -> Vec<u8> {
    let mut repaired = Vec::with_capacity(input.len());
    for segment in segments(input) {
        let mut segment = segment.to_vec();
        if let Some(header) = segment.get_mut(..HEADER_BYTES) {
            seal_page(header, HEADER_CRC_OFFSET);
        }
        let mut at = HEADER_BYTES;
        while let Some(rest) = segment.get_mut(at..) {
            let length = number32(rest, FRAME_LENGTH_OFFSET) as usize;
            let Some(frame) = rest.get_mut(..length).filter(|frame| frame.len() >= FRAME_HEADER_BYTES) else {
                break;
            };
            let crc = crc32c(&frame[FRAME_LENGTH_OFFSET..]);
            put(frame, 0, &crc.to_le_bytes());
            at += length;
        }
        repaired.extend(segment);
    }
    repaired
}

/// Verification and opening agree; what is opened is written on; what is replayed is what was read.
fn judge(input: &[u8]) -> Outcome {
    let device = device_of(number64(input, IDENTITY_OFFSET));
    for (number, segment) in (1..).zip(segments(input)) {
        write(&device, &segment_path(number), segment);
    }
    let verified = verify(&device);
    let opened = open(&device.crash(Survival::Everything));
    match (verified, opened) {
        (Ok((damage, summary)), Ok((entries, found))) if damage.is_empty() => {
            assert_eq!(
                (found.commits, found.catalog_changes, found.batches),
                (summary.commits, summary.catalog_changes, summary.batches),
                "verification and opening have counted differently"
            );
            assert_eq!(
                (found.last_timestamp, &found.cut),
                (summary.last_timestamp, &summary.torn),
                "verification and opening have come to different ends"
            );
            judge_writing(&device, &entries, found.last_timestamp);
            judge_rewritten(&entries);
            judge_replay(&device, &entries);
            Outcome::Accepted
        }
        (Ok((damage, _)), Ok(_)) => panic!("a log opens that is damaged: {damage:?}"),
        (Ok((damage, _)), Err(error)) if damage.is_empty() => panic!("a whole log doesn't open: {error}"),
        (Err(error), Ok(_)) => panic!("a log opens that can't be verified: {error}"),
        (_, Err(error)) => {
            let engine = Engine::open(HOME, options(device));
            assert!(engine.is_err(), "the engine opens a log that can't be opened: {error}");
            Outcome::refused(&error)
        }
    }
}

fn segment_path(number: u64) -> std::path::PathBuf {
    Path::new(HOME).join("wal").join(format!("{number:016x}.log"))
}

fn home(device: &MemoryDevice) -> Result<Arc<Home>, Error> {
    Home::open(Arc::new(device.clone()), Path::new(HOME))
}

fn verify(device: &MemoryDevice) -> Result<(Vec<Damage>, LogSummary), Error> {
    let device = device.crash(Survival::Everything);
    let before = device.operations();
    let mut damage = Vec::new();
    let home = Home::open_existing(Arc::new(device.clone()), Path::new(HOME))?;
    let summary = verify_log(&home, LogStart::default(), &mut |found| damage.push(found))?;
    let after = device.operations();
    assert_eq!(
        (before.writes, before.syncs),
        (after.writes, after.syncs),
        "verification has changed something"
    );
    Ok((damage, summary))
}

/// Opens the log, and closes it.
fn open(device: &MemoryDevice) -> Result<(Vec<Entry>, Recovery), Error> {
    let (wal, entries, found) = open_wal(device)?;
    wal.close()?;
    Ok((entries, found))
}

fn open_wal(device: &MemoryDevice) -> Result<(Wal, Vec<Entry>, Recovery), Error> {
    let mut entries = Vec::new();
    let mut take = |piece| {
        match piece {
            Piece::Commits(commits) => entries.extend(commits.iter().map(|(at, writes)| {
                let own = |(table, key, value): (_, &[u8], Option<&[u8]>)| {
                    (table, key.to_vec(), value.map(<[u8]>::to_vec))
                };
                Entry::Commit(at, writes.map(own).collect())
            })),
            Piece::CreateTable { timestamp, table, name } => {
                entries.push(Entry::Create(timestamp, table, name));
            }
            Piece::DropTable { timestamp, table } => entries.push(Entry::Drop(timestamp, table)),
            Piece::Batch(batch) => entries.push(Entry::Batch(batch.timestamp, batch.body)),
        }
        Ok(())
    };
    let (wal, found) = Wal::open(&home(device)?, WRITING, LogStart::default(), &mut take)?;
    Ok((wal, entries, found))
}

fn append(wal: &Wal, entry: &Entry) {
    let mut frame = FrameBuilder::new();
    let at = match entry {
        Entry::Commit(at, writes) => {
            for (table, key, value) in writes {
                let added = match value {
                    Some(value) => frame.put(*table, key, value),
                    None => frame.delete(*table, key),
                };
                added.expect("it was in a frame before");
            }
            at
        }
        Entry::Create(at, table, name) => {
            frame.create_table(*table, name).expect("it was in a frame before");
            at
        }
        Entry::Drop(at, table) => {
            frame.drop_table(*table);
            at
        }
        Entry::Batch(at, body) => {
            wal.append_batch(0, *at, body).expect("it was in a frame before");
            return;
        }
    };
    wal.append(0, *at, frame.finish(*at)).expect("the log has not failed");
}

/// A log that was opened can be written to, and is whole then.
fn judge_writing(device: &MemoryDevice, entries: &[Entry], last: Timestamp) {
    let device = device.crash(Survival::Everything);
    let more = (last < Timestamp::MAX).then(|| Entry::Commit(Timestamp(last.0 + 1), vec![]));
    let (wal, ..) = open_wal(&device).expect("it was opened before");
    more.iter().for_each(|more| append(&wal, more));
    wal.close().expect("the log can be written to");
    drop(wal);
    let (damage, summary) = verify(&device).expect("verify what was written");
    assert!(damage.is_empty() && summary.torn.is_none(), "writing has left {damage:?}, {:?}", summary.torn);
    let (again, _) = open(&device).expect("open what was written");
    let expected: Vec<_> = entries.iter().cloned().chain(more).collect();
    assert_eq!(again, expected, "the log has changed while it was written to");
}

/// What was read, written to a new log, is read again.
fn judge_rewritten(entries: &[Entry]) {
    let device = device_of(1);
    let (wal, ..) = open_wal(&device).expect("begin a log");
    for entry in entries {
        append(&wal, entry);
    }
    wal.close().expect("write a log");
    drop(wal);
    let (again, _) = open(&device).expect("open what was written");
    assert_eq!(again, entries, "what was encoded anew says something else");
}

/// An engine opens with what the log says, if that makes sense.
fn judge_replay(device: &MemoryDevice, entries: &[Entry]) {
    let engine = Engine::open(HOME, options(device.crash(Survival::Everything)));
    let Some(expected) = replayed(entries) else { return };
    let engine = engine.expect("the log makes sense");
    let found = contents(&engine).unwrap_or_else(|flaw| panic!("{flaw}"));
    assert_eq!(found, expected, "replay leads somewhere else");
}

/// The tables that the entries lead to, by name; `None` if they make no sense.
fn replayed(entries: &[Entry]) -> Option<Vec<(String, Records)>> {
    let mut tables: Vec<Option<(String, Records)>> = Vec::new();
    for entry in entries {
        match entry {
            Entry::Create(_, id, name) => {
                let is_new = !tables.iter().flatten().any(|(known, _)| known == name);
                if id.0 as usize != tables.len() || !is_new {
                    return None;
                }
                tables.push(Some((name.clone(), Records::new())));
            }
            Entry::Drop(_, id) => *tables.get_mut(id.0 as usize)? = None,
            // Only its procedures know what it does.
            Entry::Batch(..) => return None,
            Entry::Commit(_, writes) => {
                for (id, key, value) in writes {
                    let Some((_, records)) = tables.get_mut(id.0 as usize)? else { continue };
                    match value {
                        Some(value) => records.insert(key.clone(), value.clone()),
                        None => records.remove(key),
                    };
                }
            }
        }
    }
    let mut tables: Vec<_> = tables.into_iter().flatten().collect();
    tables.sort();
    Some(tables)
}

/// Logs of one segment and of several, closed and not, with all kinds of frames.
fn seeds() -> Vec<Vec<u8>> {
    let seed = |commits: u64, value_bytes: usize, syncs: bool, closes: bool| {
        let device = device_of(7);
        let (wal, ..) = open_wal(&device).expect("begin a log");
        let (first, second) = (TableId(0), TableId(1));
        append(&wal, &Entry::Create(Timestamp(10), first, "first".to_string()));
        append(&wal, &Entry::Create(Timestamp(11), second, "second".to_string()));
        for number in 0..commits {
            let key = |table: TableId| format!("{}/{}", table.0, number % 5).into_bytes();
            let value = (number % 3 != 2).then(|| vec![number as u8; value_bytes]);
            let writes = vec![(first, key(first), value.clone()), (second, key(second), value)];
            append(&wal, &Entry::Commit(Timestamp(20 + number), writes));
            if syncs {
                wal.flush(Timestamp::MAX, true).expect("flush");
            }
        }
        append(&wal, &Entry::Drop(Timestamp(1000), second));
        let ended = if closes { wal.close() } else { wal.flush(Timestamp::MAX, false).map(drop) };
        ended.expect("write the log");
        let files = wal.segments();
        files.iter().flat_map(|segment| read(&device, &segment_path(segment.number))).collect()
    };
    vec![
        seed(0, 0, false, true),
        seed(3, 5, false, false),
        seed(6, 5, true, true),
        seed(6, 5, true, false),
        seed(4, 200, true, false),
        seed(6, 1500, false, true),
        seed_of_batches(),
    ]
}

/// Batches between commits and changes of tables.
fn seed_of_batches() -> Vec<u8> {
    let device = device_of(7);
    let (wal, ..) = open_wal(&device).expect("begin a log");
    let table = TableId(0);
    append(&wal, &Entry::Batch(Timestamp(9), vec![]));
    append(&wal, &Entry::Create(Timestamp(10), table, "first".to_string()));
    for number in 0..4 {
        append(&wal, &Entry::Batch(Timestamp(20 + 10 * number), vec![number as u8; 40]));
        append(&wal, &Entry::Commit(Timestamp(21 + 10 * number), vec![(table, vec![7], None)]));
        wal.flush(Timestamp::MAX, true).expect("flush");
    }
    wal.close().expect("write the log");
    read(&device, &segment_path(1))
}
