//! Hand-written histories, each for one behaviour, with the verdict beside: `name.edn` and `name.expected`.
//!
//! With `SYNOD_WRITE_EXPECTED=1` the verdicts are written anew, to be read by somebody who knows better.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use synod_checker::{Level, Options, Verdict, check, read_edn, write_edn};

fn histories() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories");
    let entries =
        std::fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("readable").path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|kind| kind == "edn")).collect();
    files.sort();
    assert!(files.len() >= 40, "{} histories", files.len());
    files
}

/// Options that the first line of a history asks for: `; sequential` or `; linearizable`.
fn options(text: &str) -> Options {
    let first = text.lines().next().unwrap_or_default();
    Options {
        sequential_registers: first.contains("assume sequential"),
        linearizable_registers: first.contains("assume linearizable"),
        ..Options::default()
    }
}

fn report(verdict: &Verdict) -> String {
    let mut report = String::new();
    let strongest = Level::ALL.into_iter().filter(|level| {
        let above = |other: &Level| other.below().contains(level) && verdict.satisfies(*other);
        verdict.satisfies(*level) && !Level::ALL.iter().any(above)
    });
    let strongest: Vec<String> = strongest.map(|level| level.to_string()).collect();
    let strongest = if strongest.is_empty() { "nothing".to_owned() } else { strongest.join(" and ") };
    writeln!(report, "satisfies {strongest}").expect("written");
    for anomaly in &verdict.anomalies {
        writeln!(report, "\n{}\n  {}", anomaly.name(), anomaly.explanation()).expect("written");
    }
    report
}

fn verdict_of(text: &str) -> String {
    let found = read_edn(text.as_bytes(), |_| {}).map_err(|error| error.to_string());
    let verdict =
        found.and_then(|history| check(&history, &options(text)).map_err(|error| error.to_string()));
    verdict.map_or_else(|error| format!("error: {error}\n"), |verdict| report(&verdict))
}

#[test]
fn each_history_has_the_expected_verdict() {
    let mut wrong = Vec::new();
    for path in histories() {
        let text = std::fs::read_to_string(&path).expect("readable");
        assert!(text.starts_with("; "), "{} says what it is about", path.display());
        let found = verdict_of(&text);
        let expected = path.with_extension("expected");
        if std::env::var_os("SYNOD_WRITE_EXPECTED").is_some() {
            std::fs::write(&expected, &found).expect("writable");
        }
        if std::fs::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("{}:\n{found}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is written and read again is the same history, as far as verdicts go.
#[test]
fn histories_survive_being_written() {
    for path in histories() {
        let text = std::fs::read_to_string(&path).expect("readable");
        let Ok(history) = read_edn(text.as_bytes(), |_| {}) else { continue };
        let mut written = Vec::new();
        write_edn(&history, &mut written).expect("written");
        let again = read_edn(&written, |_| {}).expect("readable");
        let names = |history| match check(history, &options(&text)) {
            Ok(verdict) => verdict.counts.keys().map(ToString::to_string).collect(),
            Err(error) => {
                vec![error.to_string().split(" (line").next().unwrap_or_default().len().to_string()]
            }
        };
        let written = String::from_utf8(written).expect("text");
        assert_eq!(names(&history), names(&again), "{}:\n{written}", path.display());
    }
}
