//! A note: the input is its file, once that of a database, and once that of a backup.

use std::path::Path;
use std::sync::LazyLock;

use synod::Engine;
use synod::device::{Device, MemoryDevice, Survival};
use synod_storage::{NoteFormat, TableId};

use super::layout::{DATABASE_NOTE, HOME, options, put, read, seal_page};
use super::{Outcome, Target};
use crate::campaign::verdict::contents;

pub(super) const TARGET: Target = Target { name: "note", seeds, judge, repair };

const BACKUP_NOTE: NoteFormat = NoteFormat { magic: b"SYNODBAK", version: 1 };
const BACKUP: &str = "/backup";
const RESTORED: &str = "/restored";
const CRC_OFFSET: usize = 12;

/// A device with a database of some segments, closed, and a backup of it.
static DEVICE: LazyLock<MemoryDevice> = LazyLock::new(|| {
    let device = MemoryDevice::new();
    let engine = Engine::open(HOME, options(device.clone())).expect("open a database");
    let table = engine.table("table").expect("create a table");
    for number in 0..12u32 {
        let written = engine.transact(|txn| txn.put(&table, number.to_be_bytes(), [number as u8; 2000]));
        written.expect("write a record");
    }
    engine.checkpoint().expect("take a checkpoint");
    engine.backup_to(BACKUP).expect("make a backup");
    drop(table);
    engine.close().expect("close the database");
    device
});

fn repair(input: &[u8]) -> Vec<u8> {
    let mut note = input.to_vec();
    seal_page(&mut note, CRC_OFFSET);
    note
}

fn judge(input: &[u8]) -> Outcome {
    let database = judge_note(DATABASE_NOTE, input);
    let backup = judge_note(BACKUP_NOTE, input);
    judge_database(input);
    judge_backup(input);
    if database == Outcome::Accepted { database } else { backup }
}

/// What is read, written anew, is the same file.
fn judge_note(format: NoteFormat, input: &[u8]) -> Outcome {
    let (device, path) = (MemoryDevice::new(), Path::new("/NOTE"));
    super::layout::write(&device, path, input);
    match format.read(&device, path) {
        Ok(numbers) => {
            let numbers = numbers.expect("the file is there");
            format.replace(&device, path, numbers).expect("replace the note");
            assert_eq!(format.read(&device, path).expect("read it again"), Some(numbers));
            Outcome::Accepted
        }
        Err(error) => Outcome::refused(&error),
    }
}

fn device_with(note: &Path, input: &[u8]) -> MemoryDevice {
    let device = DEVICE.crash(Survival::Everything);
    device.remove(note).expect("remove the note");
    super::layout::write(&device, note, input);
    device
}

/// A database whose note says something else: what verification takes for whole opens, with all that is in it.
fn judge_database(input: &[u8]) {
    let device = device_with(&Path::new(HOME).join("DATABASE"), input);
    let verified = synod::verify(HOME, &options(device.clone()));
    let is_whole = verified.is_ok_and(|found| found.damage.is_empty());
    match Engine::open(HOME, options(device)) {
        Ok(engine) => {
            let found = contents(&engine).unwrap_or_else(|flaw| panic!("{flaw}"));
            assert_eq!(found.iter().map(|(_, records)| records.len()).collect::<Vec<_>>(), [12]);
        }
        Err(error) => assert!(!is_whole, "verification finds nothing, and it can't be opened: {error}"),
    }
}

/// A backup whose note says something else: it is restored, or refused.
fn judge_backup(input: &[u8]) {
    let device = device_with(&Path::new(BACKUP).join("BACKUP"), input);
    let options = options(device.clone());
    if synod::restore(BACKUP, RESTORED, &options).is_ok() {
        let engine = Engine::open(RESTORED, options).expect("what was restored can be opened");
        assert_eq!(engine.tables(), ["table"]);
    }
}

/// The notes of real databases and backups, with other numbers, too.
fn seeds() -> Vec<Vec<u8>> {
    let paths = [Path::new(HOME).join("DATABASE"), Path::new(BACKUP).join("BACKUP")];
    let real = paths.map(|path| read(&DEVICE, &path));
    let with = |note: &[u8], index: usize, number: u64| {
        let mut note = note.to_vec();
        put(&mut note, 16 + 8 * index, &number.to_le_bytes());
        repair(&note)
    };
    let [database, backup] = &real;
    let changed = [
        with(database, 1, 0),
        with(database, 1, 1 << 40),
        with(database, 1, u64::MAX),
        with(database, 2, u64::MAX),
        with(backup, 1, 0),
        with(backup, 2, u64::from(TableId(9).0)),
    ];
    real.iter().cloned().chain(changed).collect()
}
