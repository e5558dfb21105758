//! Time travel: every edit of a document stays readable for as long as the retention says.
//!
//! `cargo run --release -p synod --example time_travel`

use std::time::Duration;

use synod::{Engine, Options, Result, TransactionOptions};

fn main() -> Result<()> {
    let engine = Engine::in_memory(Options::new().retention(Duration::from_secs(3600)))?;
    let documents = engine.table("documents")?;

    let drafts = ["Order comes first.", "Order comes first, and all else follows.", "Order first."];
    let mut history = Vec::new();
    for draft in drafts {
        let txn = engine.begin(TransactionOptions::new())?;
        txn.put(&documents, "motto", draft)?;
        history.push(txn.commit()?);
    }

    for (edit, timestamp) in history.iter().enumerate() {
        let then = engine.snapshot_at(*timestamp)?;
        let text = then.get(&documents, "motto")?.expect("it was there at each of these times");
        println!("edit {edit} at {timestamp}: {}", String::from_utf8_lossy(&text));
        assert_eq!(text, drafts[edit]);
    }

    let before = synod::Timestamp(history[0].0 - 1);
    assert_eq!(engine.snapshot_at(before)?.get(&documents, "motto")?, None);
    println!("a nanosecond before the first edit there was nothing");
    Ok(())
}
