//! An outbox: a transaction leaves a message beside what it changes, and a courier sends each message once it is
//! durable, going on after a restart where it was.
//!
//! `cargo run --release -p synod --example outbox`

use synod::{Change, ChangeKind, Changes, Engine, Options, Result, Timestamp};

/// Changes an order's state, and leaves a message about it: both, or nothing.
fn advance(engine: &Engine, order: &str, state: &str) -> Result<()> {
    let (orders, outbox) = (engine.table("orders")?, engine.table("outbox")?);
    engine.transact(|txn| {
        txn.put(&orders, order, state)?;
        txn.put(&outbox, order, format!("order {order} is {state}"))
    })
}

/// The messages in a change.
fn messages(change: &Change) -> Vec<String> {
    let ChangeKind::Commit(writes) = &change.kind else { return Vec::new() };
    let of_outbox = writes.iter().filter(|write| &*write.table == "outbox");
    of_outbox.filter_map(|write| Some(String::from_utf8_lossy(write.value.as_ref()?).into_owned())).collect()
}

/// Sends everything there is. Returns the position to go on from: the courier keeps it where the messages go.
fn send_all(changes: &mut Changes) -> Result<Timestamp> {
    while let Some(change) = changes.try_next()? {
        for message in messages(&change) {
            println!("sent: {message}");
        }
    }
    Ok(changes.reached())
}

fn main() -> Result<()> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let engine = Engine::open(directory.path(), Options::new())?;
    advance(&engine, "17", "paid")?;
    advance(&engine, "18", "paid")?;
    let mut changes = engine.changes(Timestamp::MIN)?;
    let position = send_all(&mut changes)?;
    drop(changes);
    advance(&engine, "17", "on its way")?;
    engine.close()?;

    // The program ends here, and begins again.
    let engine = Engine::open(directory.path(), Options::new())?;
    advance(&engine, "18", "on its way")?;
    let mut changes = engine.changes(position)?;
    send_all(&mut changes)?;
    assert!(changes.try_next()?.is_none(), "each message is sent once");
    Ok(())
}
