//! Writes a strictly serializable history of list appends, to measure the checker with.
//!
//! `cargo run --release -p synod-checker --example generate_history -- 100000 > history.edn`

#[path = "../tests/simulate/mod.rs"]
mod simulate;

use simulate::{Form, Isolation, Workload};
use std::io::{BufWriter, Write};

fn main() -> std::io::Result<()> {
    let transactions = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let history = simulate::run(Workload {
        seed: 1,
        isolation: Isolation::Serializable,
        form: Form::Lists,
        clients: 10,
        transactions,
        keys: 100,
        writes_per_key: 100,
    });
    let mut out = BufWriter::new(std::io::stdout().lock());
    synod_checker::write_edn(&history, &mut out)?;
    out.flush()
}
