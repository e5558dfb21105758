//! Writes a history to measure the checker with: of so many transactions, about a third of which abort; of a store that
//! is strictly serializable (or as the second argument says: `snapshot`, `read-committed`), over lists (or as the third
//! one says: `registers`, `versions`).
//!
//! `cargo run --release -p synod-checker --example generate_history -- 150000 > history.edn`

#[path = "../tests/simulate/mod.rs"]
mod simulate;

use simulate::{Form, Isolation, Workload};
use std::io::{BufWriter, Write};

fn main() -> std::io::Result<()> {
    let transactions = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(150_000);
    let isolation = match std::env::args().nth(2).as_deref() {
        Some("snapshot") => Isolation::Snapshot,
        Some("read-committed") => Isolation::ReadCommitted,
        _ => Isolation::Serializable,
    };
    let form = match std::env::args().nth(3).as_deref() {
        Some("registers") => Form::Registers,
        Some("versions") => Form::Versions,
        _ => Form::Lists,
    };
    let history = simulate::run(Workload {
        seed: 1,
        isolation,
        form,
        clients: 10,
        transactions,
        keys: 100,
        writes_per_key: 100,
    });
    let mut out = BufWriter::new(std::io::stdout().lock());
    synod_checker::write_edn(&history, &mut out)?;
    out.flush()
}
