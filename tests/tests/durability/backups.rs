//! Backups: complete, consistent, kept up to date, and never mistaken for something else.

use std::path::Path;
use std::time::Duration;

use synod::device::{Device, Fault, MemoryDevice, Survival};
use synod::{BackupState, Durability, Engine, Error, restore, verify};

use super::support::{HOME, contents, open, options, put};

const BACKUP: &str = "/backup";

#[test]
fn a_backup_opens_as_the_database_that_it_was_taken_of() {
    let device = MemoryDevice::new();
    let engine = open(&device);
    let table = engine.table("t").unwrap();
    for key in 0..100 {
        put(&engine, &table, key, key);
    }
    let backup = engine.backup_to(BACKUP).unwrap();
    assert!(!backup.is_incremental && backup.timestamp <= engine.snapshot().unwrap().timestamp());
    let expected = contents(&engine, "t");
    put(&engine, &table, 500, 500);
    let copy = Engine::open(BACKUP, options(&device.crash(Survival::Nothing))).unwrap();
    assert_eq!(contents(&copy, "t"), expected);
    put(&copy, &copy.table("t").unwrap(), 7, 700);
}

#[test]
fn an_earlier_backup_is_brought_up_to_date_from_the_log() {
    let device = MemoryDevice::new();
    let engine = open(&device);
    let table = engine.table("t").unwrap();
    for key in 0..300 {
        put(&engine, &table, key, key);
    }
    let first = engine.backup_to(BACKUP).unwrap();
    for round in 1..4 {
        for key in 0..20 {
            put(&engine, &table, key, key + 1000 * round);
        }
        engine.table(&format!("new {round}")).unwrap();
        let next = engine.backup_to(BACKUP).unwrap();
        assert!(next.is_incremental && next.bytes < first.bytes / 4, "{next:?} after {first:?}");
    }
    let nothing = engine.backup_to(BACKUP).unwrap();
    assert!(nothing.is_incremental && nothing.bytes == 0, "{nothing:?}");
    restore(BACKUP, "/copy", &options(&device)).unwrap();
    let copy = Engine::open("/copy", options(&device)).unwrap();
    assert_eq!(contents(&copy, "t"), contents(&engine, "t"));
    assert_eq!(copy.tables(), engine.tables());
    // The backup is one still.
    assert!(engine.backup_to(BACKUP).unwrap().is_incremental);
}

#[test]
fn a_backup_that_the_log_does_not_reach_back_to_is_made_anew() {
    let device = MemoryDevice::new();
    let engine = Engine::open(HOME, options(&device).checkpoints_kept(1)).unwrap();
    let table = engine.table("t").unwrap();
    put(&engine, &table, 1, 1);
    engine.backup_to(BACKUP).unwrap();
    for key in 0..200 {
        put(&engine, &table, key, 2);
    }
    engine.checkpoint().unwrap();
    assert!(!engine.backup_to(BACKUP).unwrap().is_incremental);
    put(&engine, &table, 1000, 3);
    assert!(engine.backup_to(BACKUP).unwrap().is_incremental);
    assert_eq!(device.list(&Path::new(BACKUP).join("checkpoints")).unwrap().len(), 1);
    restore(BACKUP, "/copy", &options(&device)).unwrap();
    let copy = Engine::open("/copy", options(&device)).unwrap();
    assert_eq!(contents(&copy, "t"), contents(&engine, "t"));
}

#[test]
fn other_directories_and_other_databases_are_refused() {
    let device = MemoryDevice::new();
    let engine = open(&device);
    let other = Engine::open("/other", options(&device)).unwrap();
    other.backup_to(BACKUP).unwrap();
    for path in [BACKUP, "/other", HOME] {
        assert!(matches!(engine.backup_to(path), Err(Error::NotABackup { .. })), "{path}");
    }
    // Opened, a backup becomes a database.
    drop(Engine::open(BACKUP, options(&device)).unwrap());
    assert!(matches!(other.backup_to(BACKUP), Err(Error::NotABackup { .. })));
    assert!(matches!(restore(BACKUP, "/copy", &options(&device)), Err(Error::NotABackup { .. })));
    other.backup_to("/second").unwrap();
    assert!(restore("/second", HOME, &options(&device)).is_err(), "a database was restored over another");
    let memory = Engine::in_memory(synod::Options::new()).unwrap();
    assert!(matches!(memory.backup_to("/third"), Err(Error::NoLog)));
}

/// Otherwise the next backup would go on from commits that never were.
#[test]
fn what_is_in_a_backup_is_never_lost_by_the_database() {
    let device = MemoryDevice::new();
    let options = options(&device).flush_interval(Duration::from_secs(3600)).durability(Durability::Buffered);
    let engine = Engine::open(HOME, options).unwrap();
    let table = engine.table("t").unwrap();
    for round in 0..3 {
        for key in 0..10 {
            engine.transact(|txn| txn.put(&table, u64::to_be_bytes(key), u64::to_be_bytes(round))).unwrap();
        }
        engine.backup_to(BACKUP).unwrap();
        let after = device.crash(Survival::Nothing);
        let (database, backup) =
            (open(&after), Engine::open(BACKUP, super::support::options(&after)).unwrap());
        assert_eq!(contents(&backup, "t"), contents(&database, "t"));
    }
}

/// Backups and a restore, with a power cut at the n-th operation from the first backup on. Returns whether it got through.
fn interrupted(nth: u64, survival: Survival) -> bool {
    let device = MemoryDevice::new();
    let engine = open(&device);
    let table = engine.table("t").unwrap();
    for key in 0..30 {
        put(&engine, &table, key, 1);
    }
    device.inject(Fault::PowerCut(nth));
    let mut completed = 0;
    let work = (|| {
        engine.backup_to(BACKUP)?;
        completed = 1;
        for key in 0..30 {
            engine.transact(|txn| txn.put(&table, u64::to_be_bytes(key), [0, 0, 0, 0, 0, 0, 0, 2]))?;
        }
        engine.backup_to(BACKUP)?;
        completed = 2;
        restore(BACKUP, "/copy", &options(&device))?;
        completed = 3;
        Ok::<_, Error>(())
    })();
    let after = device.crash(survival);
    match Engine::open(BACKUP, options(&after.crash(Survival::Everything))) {
        Ok(backup) if completed == 0 => {
            let records = if backup.tables().is_empty() { 0 } else { 30 };
            assert_eq!(contents(&backup, "t").len(), records);
        }
        Ok(backup) => {
            let found = contents(&backup, "t");
            assert_eq!(found.len(), 30);
            assert!(
                completed == 1 || found.values().all(|value| *value == 2),
                "a completed backup lost commits"
            );
        }
        Err(error) => assert_eq!(completed, 0, "a completed backup can't be opened: {error}"),
    }
    let marker = Path::new(BACKUP).join("BACKUP");
    let verified = verify(BACKUP, &options(&after.crash(Survival::Everything)));
    match restore(BACKUP, "/early", &options(&after)) {
        Ok(restored) => {
            let early = Engine::open("/early", options(&after)).unwrap();
            assert_eq!(contents(&early, "t").len(), 30, "an unfinished backup can be restored");
            let verified = verified.unwrap();
            assert_eq!(verified.damage, []);
            assert_eq!(verified.backup, Some(BackupState::Complete(restored.timestamp)));
        }
        // It may not even be begun.
        Err(_) if verified.is_err() => {
            assert!(!after.list(Path::new(BACKUP)).is_ok_and(|files| files.contains(&marker)));
        }
        Err(_) => {
            let verified = verified.unwrap();
            let told: Vec<_> = verified.damage.into_iter().map(|damage| damage.path).collect();
            assert_eq!((verified.backup, told), (Some(BackupState::Unfinished), vec![marker]));
        }
    }
    match Engine::open("/copy", options(&after.crash(Survival::Everything))) {
        Ok(copy) if completed == 3 => assert!(contents(&copy, "t").values().all(|value| *value == 2)),
        // Not even begun, it is a new database; after that it is whole or refused.
        Ok(copy) => assert!(copy.tables().is_empty() || contents(&copy, "t").len() == 30),
        Err(error) => assert!(completed < 3, "{error}"),
    }
    // And the source can always make it whole.
    let engine = open(&after);
    if engine.backup_to(BACKUP).is_ok() {
        let backup = Engine::open(BACKUP, options(&after)).unwrap();
        assert_eq!(contents(&backup, "t"), contents(&engine, "t"));
    } else {
        assert_eq!(completed, 0, "an interrupted backup can't be repeated");
    }
    work.is_ok()
}

#[test]
fn a_power_cut_at_any_operation_leaves_a_backup_whole_or_refused() {
    for survival in [Survival::Nothing, Survival::Everything, Survival::Random { seed: 5 }] {
        let mut nth = 1;
        while !interrupted(nth, survival) {
            nth += 1;
        }
        assert!(nth > 30, "only {nth} operations");
    }
}
