//! Checks a history and says how long each step took.
//!
//! `cargo run --release -p synod-checker --example check_history -- history.edn`

use std::time::Instant;
use synod_checker::{Level, Options, check, read_edn};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("which file?")?;
    let started = Instant::now();
    let text = std::fs::read(file)?;
    let history = read_edn(&text, |_| {})?;
    let parsed = started.elapsed();
    let verdict = check(&history, &Options::default())?;
    let satisfied = Level::ALL.into_iter().rev().find(|level| verdict.satisfies(*level));
    println!(
        "{} transactions, {} committed, {} MiB; read in {parsed:.2?}, checked in {:.2?}: {} edges, {} anomalies, {}",
        history.transactions().len(),
        verdict.committed,
        text.len() >> 20,
        started.elapsed() - parsed,
        verdict.edges,
        verdict.anomalies.len(),
        satisfied.map_or_else(|| "nothing satisfied".to_owned(), |level| level.to_string())
    );
    for anomaly in verdict.anomalies.iter().take(10) {
        println!("{}: {}", anomaly.name(), anomaly.explanation());
    }
    Ok(())
}
