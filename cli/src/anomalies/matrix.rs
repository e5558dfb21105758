//! The matrix: what each mode, at each of its levels, makes of each scenario.

use synod::{Isolation, Mode};

use super::runner::run;
use super::scenario::{Outcome, Scenario};
use super::verdict::judge;
use crate::{Result, render};

/// A mode at a level: a column.
pub type Column = (Mode, Isolation);

/// What was computed.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// A scenario, and what became of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The scenario's name.
    pub name: String,
    /// The scenario's title.
    pub title: String,
    /// What came out, for each column.
    pub outcomes: Vec<Outcome>,
    /// Where that isn't what the file expects: the column, and what it expects.
    pub surprises: Vec<(Column, Outcome)>,
}

/// All modes at all their levels, or those that are meant.
pub fn columns(mode: Option<Mode>, level: Option<Isolation>) -> Vec<Column> {
    let modes = Mode::INTERACTIVE.into_iter().filter(|of| mode.is_none_or(|mode| mode == *of));
    let all = modes.flat_map(|mode| mode.levels().iter().map(move |level| (mode, *level)));
    all.filter(|(_, of)| level.is_none_or(|level| level == *of)).collect()
}

/// Runs everything.
///
/// # Errors
/// If the engine fails.
pub fn compute(scenarios: &[Scenario], columns: &[Column]) -> Result<Matrix> {
    let rows = scenarios.iter().map(|scenario| row(scenario, columns)).collect::<Result<_>>()?;
    Ok(Matrix { columns: columns.to_vec(), rows })
}

fn row(scenario: &Scenario, columns: &[Column]) -> Result<Row> {
    let mut row = Row {
        name: scenario.name.clone(),
        title: scenario.title.clone(),
        outcomes: Vec::new(),
        surprises: Vec::new(),
    };
    for &(mode, level) in columns {
        let outcome = judge(scenario, &run(scenario, &scenario.order(), mode, level)?)?.outcome;
        let expected = scenario.expected(mode, level).filter(|expected| **expected != outcome);
        row.surprises.extend(expected.map(|expected| ((mode, level), expected.clone())));
        row.outcomes.push(outcome);
    }
    Ok(row)
}

impl Matrix {
    /// Whether all is as the files expect it.
    pub fn is_as_expected(&self) -> bool {
        self.rows.iter().all(|row| row.surprises.is_empty())
    }

    /// As text for people.
    pub fn page(&self) -> String {
        let heads: Vec<String> = self.columns.iter().map(head).collect();
        let header: Vec<&str> = std::iter::once("").chain(heads.iter().map(String::as_str)).collect();
        let mut table = render::table(&header, header.len());
        for (index, column) in table.column_iter_mut().enumerate().skip(1) {
            let is_first_of_mode = index == 1 || self.columns[index - 1].0 != self.columns[index - 2].0;
            column.set_padding((u16::from(is_first_of_mode), 0));
        }
        for row in &self.rows {
            table.add_row(std::iter::once(row.name.clone()).chain(row.outcomes.iter().map(cell)));
        }
        let mut page = format!("{table}\n{LEGEND}");
        for row in &self.rows {
            for ((mode, level), expected) in &row.surprises {
                let place = self.columns.iter().position(|column| *column == (*mode, *level));
                let outcome = place.map_or(&Outcome::Prevented, |place| &row.outcomes[place]);
                page += &format!(
                    "\nunexpected: {} under {mode} at {level}: {outcome}, expected {expected}",
                    row.name
                );
            }
        }
        page
    }
}

/// `2pl`, and below it the level in a few letters, so that all columns fit on a screen.
fn head((mode, level): &Column) -> String {
    let letters = match level {
        Isolation::ReadUncommitted => "RU",
        Isolation::ReadCommitted => "RC",
        Isolation::RepeatableRead => "RR",
        Isolation::Snapshot => "SI",
        Isolation::Serializable => "SER",
    };
    format!("{mode}\n{letters}")
}

const LEGEND: &str = "\
RU read uncommitted, RC read committed, RR repeatable read, SI snapshot, SER serializable
ALLOWED  the anomaly happened
–        it did not, and nobody noticed anything
waits    it did not, and somebody waited for a lock
victim   it did not, and the engine aborted somebody: the victim of a deadlock,
second       who came second to write,
changed      who had read what was changed before its commit,
skew         whom no order would have explained
More: synod anomalies G2-item --mode mvcc --level snapshot";

/// An outcome in a word.
fn cell(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Allowed => "ALLOWED".to_owned(),
        Outcome::Prevented => "–".to_owned(),
        Outcome::Waits => "waits".to_owned(),
        Outcome::Aborts(reasons) => {
            let words: Vec<&str> = reasons.iter().map(|reason| word(reason)).collect();
            words.join("\n")
        }
    }
}

fn word(reason: &str) -> &str {
    match reason {
        "deadlock" => "victim",
        "write conflict" => "second",
        "read changed" => "changed",
        "unserializable" => "skew",
        other => other,
    }
}
