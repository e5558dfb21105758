//! Backups: one while others write, one that brings it up to date, and the way back.
//!
//! `cargo run --release -p synod --example backup`

use synod::{Engine, Options, Result, restore, verify};

fn main() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = |name| directory.path().join(name);
    let engine = Engine::open(path("database"), Options::new())?;
    let notes = engine.table("notes")?;
    for number in 0..1000u32 {
        engine.transact(|txn| txn.put(&notes, number.to_be_bytes(), "draft"))?;
    }

    let first = engine.backup_to(path("backup"))?;
    println!("backup of everything: {} bytes", first.bytes);
    engine.transact(|txn| txn.put(&notes, 7u32.to_be_bytes(), "final"))?;
    let second = engine.backup_to(path("backup"))?;
    println!("brought up to date: {} bytes", second.bytes);
    assert!(second.is_incremental && second.bytes < first.bytes);

    // Somebody deletes everything; the backup has it still.
    engine.transact(|txn| txn.delete_range(&notes, ..))?;
    let restored = restore(path("backup"), path("restored"), &Options::new())?;
    assert!(verify(path("restored"), &Options::new())?.damage.is_empty());
    let copy = Engine::open(path("restored"), Options::new())?;
    let notes = copy.table("notes")?;
    let snapshot = copy.snapshot()?;
    println!("restored as of {}: {} notes", restored.timestamp, snapshot.scan(&notes, ..).count());
    assert_eq!(snapshot.get(&notes, 7u32.to_be_bytes())?.as_deref(), Some(&b"final"[..]));
    Ok(())
}
