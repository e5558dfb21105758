//! The laboratory: isolation anomalies that can be seen, explained and prevented.
//!
//! A *scenario* is a short script: what is in the tables, what some transactions do, in which order, and what would be
//! an anomaly. It is run on a real engine ([`runner`]), under each mode at each of its levels; whether the anomaly
//! happened is found in what the engine recorded, by the checker, or in what the steps returned ([`judge`]). The result
//! is a matrix ([`matrix`]), the story of one run ([`story`]), or what becomes of all interleavings ([`permute`]).
//!
//! ```text
//! scenario ── runner: a thread for each transaction ── what happened ── verdict ── matrix
//!                         │      ▲                                         │
//!                    engine, which tells who waits                      checker ── story, picture
//! ```
//!
//! Scenarios are files; those that come with the program are in the folder `scenarios`, with a page on how they are
//! written. Most are those of Hermitage (Martin Kleppmann, 2014), which took them from Adya (1999) and Berenson et al.
//! (1995), on a table of keys instead of SQL.

pub mod matrix;
mod parse;
mod permute;
pub mod runner;
mod scenario;
mod session;
pub mod story;
mod verdict;

pub use parse::{ParseError, parse};
pub use permute::{Permutations, permute};
pub use scenario::{
    Condition, Expectation, Filter, Operation, Outcome, Place, Question, Range, Scenario, Step,
};
pub use session::Answer;
pub use verdict::{Verdict, judge, kinds};

use crate::{Error, Result};
use std::path::Path;

/// The scenarios that come with the program, by name.
macro_rules! scenarios {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../scenarios/", $name, ".scenario")))),*]
    };
}

/// Their names and texts, in the order of the matrix.
pub const BUILT_IN: &[(&str, &str)] = scenarios![
    "G0",
    "G1a",
    "G1b",
    "G1c",
    "OTV",
    "PMP",
    "PMP-write",
    "P4",
    "G-single",
    "G-single-dependencies",
    "G-single-write-1",
    "G-single-write-2",
    "G2-item",
    "G2",
    "G2-two-edges",
    "dirty-read",
    "fuzzy-read",
    "phantom",
    "cursor-lost-update",
    "long-fork",
    "double-booking",
    "deadlock-of-two",
    "deadlock-of-three",
    "lock-upgrade",
];

/// All scenarios that come with the program.
///
/// # Errors
/// If one of them makes no sense.
pub fn built_in() -> Result<Vec<Scenario>> {
    BUILT_IN.iter().map(|(name, text)| parsed(name, &format!("{name}.scenario"), text)).collect()
}

/// The scenario of this name, or else in this file.
///
/// # Errors
/// If there is neither, or it makes no sense.
pub fn find(name: &str) -> Result<Scenario> {
    if let Some((name, text)) = BUILT_IN.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        return parsed(name, &format!("{name}.scenario"), text);
    }
    let path = Path::new(name);
    if !path.is_file() {
        let known: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
        return Err(Error::NoScenario { name: name.to_owned(), known: known.join(", ") });
    }
    let text = std::fs::read_to_string(path).map_err(|source| Error::io("cannot read", path, source))?;
    let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
    parsed(&stem, name, &text)
}

fn parsed(name: &str, file: &str, text: &str) -> Result<Scenario> {
    parse(name, text).map_err(|source| Error::Scenario { file: file.to_owned(), source })
}
