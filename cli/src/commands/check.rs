//! `synod check`.

use super::show;
use crate::arguments::{Assumption, CheckArguments};
use crate::meter::Meter;
use crate::output::remark;
use crate::render;
use crate::render::units::bytes;
use crate::{Error, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use synod_checker::{Anomaly, History, Level, Options, Verdict, check, read_edn};

/// What `--json` shows.
#[derive(Debug, Serialize)]
struct Report<'a> {
    valid: bool,
    level: String,
    exact: bool,
    transactions: Transactions,
    edges: usize,
    levels: BTreeMap<String, LevelReport>,
    counts: BTreeMap<String, u64>,
    anomalies: Vec<AnomalyReport<'a>>,
}

#[derive(Debug, Serialize)]
struct Transactions {
    committed: usize,
    aborted: usize,
    unknown: usize,
    unknown_seen: usize,
}

#[derive(Debug, Serialize)]
struct LevelReport {
    satisfied: bool,
    because: Vec<String>,
}

#[derive(Debug, Serialize)]
struct AnomalyReport<'a> {
    kind: String,
    pattern: Option<String>,
    explanation: &'a str,
    transactions: Vec<ParticipantReport<'a>>,
    edges: Vec<EdgeReport<'a>>,
}

#[derive(Debug, Serialize)]
struct ParticipantReport<'a> {
    name: &'a str,
    line: Option<u64>,
    did: &'a str,
}

#[derive(Debug, Serialize)]
struct EdgeReport<'a> {
    from: &'a str,
    to: &'a str,
    reason: &'static str,
    key: Option<&'a str>,
    because: &'a str,
}

/// Checks a history; false if it doesn't satisfy the level. An error means that it can't be told.
pub(crate) fn run(arguments: &CheckArguments) -> Result<bool> {
    let level = arguments.level.unwrap_or(Level::StrictSerializable);
    let name = arguments.file.display().to_string();
    let history = read(&arguments.file)?;
    let options = Options {
        examples: arguments.examples as usize,
        sequential_registers: arguments.assume == Some(Assumption::Sequential),
        linearizable_registers: arguments.assume == Some(Assumption::Linearizable),
        ..Options::default()
    };
    let verdict =
        check(&history, &options).map_err(|source| Error::NoVerdict { file: name.clone(), source })?;
    if let Some(reason) = verdict.not_told() {
        return Err(Error::NothingTold { file: name, reason });
    }
    draw(arguments, &verdict, level)?;
    match arguments.json {
        true => show(&json(&verdict, level)?)?,
        false => show(&render::check::page(&name, &verdict, level, arguments.level.is_some()))?,
    }
    Ok(verdict.satisfies(level))
}

/// Reads the history, and shows how far it has come.
fn read(file: &Path) -> Result<History> {
    let cannot_read = |source| Error::io("cannot read", file, source);
    let text = match file == Path::new("-") {
        true => {
            let mut text = Vec::new();
            std::io::stdin().read_to_end(&mut text).map_err(cannot_read)?;
            text
        }
        false => std::fs::read(file).map_err(cannot_read)?,
    };
    let mut meter = Meter::new();
    let all = text.len() as u64;
    let progress = |read: usize| meter.step(|| format!("read {} of {}", bytes(read as u64), bytes(all)));
    let history = read_edn(&text, progress);
    history.map_err(|source| Error::NoHistory { file: file.display().to_string(), source })
}

/// Draws the worst anomaly against the level; a cycle, if there is one.
fn draw(arguments: &CheckArguments, verdict: &Verdict, level: Level) -> Result<()> {
    if arguments.svg.is_none() && arguments.dot.is_none() {
        return Ok(());
    }
    let worst = |anomalies: &mut dyn Iterator<Item = &Anomaly>| {
        let anomalies: Vec<Anomaly> = anomalies.cloned().collect();
        anomalies.iter().find(|anomaly| !anomaly.edges.is_empty()).or(anomalies.first()).cloned()
    };
    let chosen = worst(&mut verdict.against(level)).or_else(|| worst(&mut verdict.anomalies.iter()));
    let Some(anomaly) = chosen else {
        remark("there is no anomaly to draw");
        return Ok(());
    };
    let write = |path: &Option<PathBuf>, text: String| match path {
        Some(path) => std::fs::write(path, text).map_err(|source| Error::io("cannot write", path, source)),
        None => Ok(()),
    };
    write(&arguments.svg, anomaly.svg())?;
    write(&arguments.dot, anomaly.dot())
}

fn json(verdict: &Verdict, level: Level) -> Result<String> {
    let levels = verdict.levels.iter().map(|found| {
        let because: Vec<String> = found.because.iter().map(ToString::to_string).collect();
        (found.level.id(), LevelReport { satisfied: because.is_empty(), because })
    });
    let report = Report {
        valid: verdict.satisfies(level),
        level: level.id(),
        exact: verdict.is_exact,
        transactions: Transactions {
            committed: verdict.committed,
            aborted: verdict.aborted,
            unknown: verdict.unknown,
            unknown_seen: verdict.unknown_seen,
        },
        edges: verdict.edges,
        levels: levels.collect(),
        counts: verdict.counts.iter().map(|(kind, count)| (kind.to_string(), *count)).collect(),
        anomalies: verdict.anomalies.iter().map(anomaly_report).collect(),
    };
    let cannot_write =
        |error| Error::io("cannot write", Path::new("the report as JSON"), std::io::Error::other(error));
    serde_json::to_string_pretty(&report).map_err(cannot_write)
}

fn anomaly_report(anomaly: &Anomaly) -> AnomalyReport<'_> {
    let name = |place: usize| &anomaly.transactions[place].label[..];
    let edges = anomaly.edges.iter().map(|edge| EdgeReport {
        from: name(edge.from),
        to: name(edge.to),
        reason: edge.reason.short(),
        key: edge.key.as_deref(),
        because: &edge.text,
    });
    let transactions = anomaly.transactions.iter().map(|participant| ParticipantReport {
        name: &participant.label,
        line: participant.line,
        did: &participant.summary,
    });
    AnomalyReport {
        kind: anomaly.kind.to_string(),
        pattern: anomaly.pattern.map(|pattern| pattern.to_string()),
        explanation: anomaly.explanation(),
        transactions: transactions.collect(),
        edges: edges.collect(),
    }
}
