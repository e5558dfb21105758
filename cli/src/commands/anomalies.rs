//! `synod anomalies`.

use super::show;
use crate::anomalies::{Permutations, Scenario, matrix, runner, story};
use crate::anomalies::{built_in, find, judge, permute};
use crate::arguments::AnomaliesArguments;
use crate::{Error, Result};
use std::path::Path;
use synod::{Isolation, Mode};

/// How many interleavings that show the anomaly are listed.
const LISTED: usize = 10;

/// Shows the matrix, a story, or what becomes of all interleavings; false if anything is other than expected.
pub(crate) fn run(arguments: &AnomaliesArguments) -> Result<bool> {
    if let (Some(mode), Some(level)) = (arguments.mode, arguments.level) {
        check(mode, level)?;
    }
    match (&arguments.scenario, arguments.mode, arguments.level) {
        (Some(name), Some(mode), Some(level)) if arguments.permute => {
            let permutations = permute(&find(name)?, mode, level, arguments.limit as usize)?;
            show(&permutations_page(&permutations))?;
            Ok(true)
        }
        (Some(name), Some(mode), Some(level)) => tell(&find(name)?, mode, level, arguments.svg.as_deref()),
        (name, mode, level) => {
            let scenarios = name.as_deref().map_or_else(built_in, |name| Ok(vec![find(name)?]))?;
            let matrix = matrix::compute(&scenarios, &matrix::columns(mode, level))?;
            show(&matrix.page())?;
            Ok(matrix.is_as_expected())
        }
    }
}

fn check(mode: Mode, level: Isolation) -> Result<()> {
    if mode.levels().contains(&level) {
        return Ok(());
    }
    let levels: Vec<String> = mode.levels().iter().map(Isolation::to_string).collect();
    Err(Error::NoLevel { mode, level, levels: levels.join(", ") })
}

/// Tells one run, and draws what was found.
fn tell(scenario: &Scenario, mode: Mode, level: Isolation, svg: Option<&Path>) -> Result<bool> {
    let run = runner::run(scenario, &scenario.order(), mode, level)?;
    let verdict = judge(scenario, &run)?;
    show(&story::tell(scenario, &run, &verdict))?;
    if let Some(path) = svg {
        let asked = verdict.asked(&scenario.question).next();
        let anomaly = asked.or(verdict.anomalies.first()).ok_or(Error::NothingToDraw)?;
        std::fs::write(path, anomaly.svg()).map_err(|source| Error::io("cannot write", path, source))?;
    }
    Ok(scenario.expected(mode, level).is_none_or(|expected| *expected == verdict.outcome))
}

fn permutations_page(permutations: &Permutations) -> String {
    let Permutations { all, run, outcomes, showing } = permutations;
    let mut lines = vec![match *all == *run as u128 {
        true => format!("all {all} interleavings"),
        false => format!("{run} of {all} interleavings, evenly spread; more with --limit"),
    }];
    lines.extend(outcomes.iter().map(|(outcome, count)| format!("{count:>8}  {outcome}")));
    if !showing.is_empty() {
        lines.push("the anomaly happens when the transactions take their steps in these orders".to_owned());
    }
    for order in showing.iter().take(LISTED) {
        let names: Vec<String> = order.iter().map(|transaction| format!("T{}", transaction + 1)).collect();
        lines.push(format!("    {}", names.join(" ")));
    }
    if showing.len() > LISTED {
        lines.push(format!("    and in {} others", showing.len() - LISTED));
    }
    lines.join("\n")
}
