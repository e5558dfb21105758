//! The story of one run, for people: what was issued, what came back, who waited for whom, which versions there were,
//! who depends on whom, and why that is an anomaly.

use std::fmt::Write;

use super::runner::{Event, Link, Run, What};
use super::scenario::{Outcome, Place, Scenario};
use super::session::Answer;
use super::verdict::Verdict;

/// How wide the steps are.
const STEP_WIDTH: usize = 34;

/// Tells a run.
pub fn tell(scenario: &Scenario, run: &Run, verdict: &Verdict) -> String {
    let mut page = format!("{}: {}\n", scenario.name, scenario.title);
    for line in &scenario.comment {
        let _ = writeln!(page, "  {line}");
    }
    let _ = writeln!(page, "\n{} at {}\n", run.mode, run.level);
    let rows: Vec<String> = scenario.rows.iter().map(|(place, value)| format!("{place} = {value}")).collect();
    let _ = writeln!(
        page,
        "    {:STEP_WIDTH$} {}",
        "at the start",
        if rows.is_empty() { "nothing".to_owned() } else { rows.join(", ") }
    );
    for event in &run.events {
        tell_event(&mut page, scenario, run, event);
    }
    tell_dependencies(&mut page, verdict);
    tell_verdict(&mut page, scenario, run, verdict);
    page.trim_end().to_owned()
}

fn tell_event(page: &mut String, scenario: &Scenario, run: &Run, event: &Event) {
    let name = name(event.transaction);
    let text = event.step.map_or("abort", |step| &scenario.steps[step].text);
    let step = match &event.what {
        What::Resumed(_) => format!("… {name} {text}"),
        _ if event.step.is_none() => format!("(end) {name} {text}"),
        _ => format!("{name} {text}"),
    };
    let _ = writeln!(page, "    {step:STEP_WIDTH$} {}", what(run, &event.what));
    for (place, chain) in &event.chains {
        let _ = writeln!(page, "    {:STEP_WIDTH$} ┆ {place}: {}", "", chain_text(chain));
    }
}

fn name(transaction: usize) -> String {
    format!("T{}", transaction + 1)
}

fn what(run: &Run, what: &What) -> String {
    match what {
        What::Answered(answer) | What::Resumed(answer) => answer_text(run, answer),
        What::Blocked { on, waits_for } => {
            let names: Vec<String> = waits_for.iter().map(|&transaction| name(transaction)).collect();
            format!("WAITS for {}, at {on}", names.join(" and "))
        }
        What::Delayed => "later: it still waits".to_owned(),
        What::Skipped => "not done: its transaction is over".to_owned(),
    }
}

fn answer_text(run: &Run, answer: &Answer) -> String {
    let pair = |(place, value): &(Place, i64)| format!("{place} = {value}");
    let list = |rows: &[(Place, i64)]| match rows.is_empty() {
        true => "nothing".to_owned(),
        false => rows.iter().map(pair).collect::<Vec<_>>().join(", "),
    };
    match answer {
        Answer::Begun(_) => "begun".to_owned(),
        Answer::Value(Some(value)) => format!("→ {value}"),
        Answer::Value(None) => "→ nothing".to_owned(),
        Answer::Rows(rows) => format!("→ {}", list(rows)),
        Answer::Written(rows) => format!("writes {}", list(rows)),
        Answer::Deleted(places) if places.is_empty() => "deletes nothing".to_owned(),
        Answer::Deleted(places) => {
            let places: Vec<String> = places.iter().map(Place::to_string).collect();
            format!("deletes {}", places.join(", "))
        }
        Answer::KeyExists => "refused: the key exists".to_owned(),
        Answer::Committed(_) => "committed".to_owned(),
        Answer::RolledBack => "rolled back".to_owned(),
        Answer::Aborted(abort) => format!("ABORTED: {}", in_own_names(run, &abort.to_string())),
        Answer::Failed(error) => error.to_string(),
    }
}

/// A text of the engine's, with the scenario's names instead of its own.
fn in_own_names(run: &Run, text: &str) -> String {
    run.names.iter().fold(text.to_owned(), |text, (engine, own)| text.replace(engine, own))
}

/// A version chain, newest first.
fn chain_text(chain: &[Link]) -> String {
    let link = |link: &Link| {
        let value = link.value.map_or("deleted".to_owned(), |value| value.to_string());
        match (link.writer, link.is_committed) {
            (Some(writer), true) => format!("{value} ({})", name(writer)),
            (Some(writer), false) => format!("{value} ({}, uncommitted)", name(writer)),
            (None, _) => value,
        }
    };
    match chain.is_empty() {
        true => "nothing".to_owned(),
        false => chain.iter().map(link).collect::<Vec<_>>().join(" ← "),
    }
}

fn tell_dependencies(page: &mut String, verdict: &Verdict) {
    page.push_str("\nwho comes before whom\n");
    if verdict.edges.is_empty() {
        page.push_str("    nobody depends on anybody\n");
    }
    for edge in &verdict.edges {
        let key = edge.key.as_deref().unwrap_or_default();
        let arrow = format!("{} ──{} {key}──► {}", name(edge.from), edge.reason.short(), name(edge.to));
        let _ = writeln!(page, "    {arrow:STEP_WIDTH$} {}", edge.text);
    }
}

fn tell_verdict(page: &mut String, scenario: &Scenario, run: &Run, verdict: &Verdict) {
    let outcome = match &verdict.outcome {
        Outcome::Allowed => "ALLOWED: the anomaly happened".to_owned(),
        Outcome::Prevented => "prevented: nobody noticed".to_owned(),
        Outcome::Waits => "prevented by waiting".to_owned(),
        Outcome::Aborts(reasons) => {
            let reasons: Vec<&str> = reasons.iter().map(String::as_str).collect();
            format!("prevented by abort: {}", reasons.join(", "))
        }
    };
    let _ = writeln!(page, "\n{outcome}");
    for anomaly in verdict.asked(&scenario.question) {
        let _ = writeln!(page, "    {}: {}", anomaly.name(), anomaly.explanation());
    }
    let is_other = |kind| !verdict.asked(&scenario.question).any(|asked| asked.kind == kind);
    let others: Vec<_> = verdict.anomalies.iter().filter(|anomaly| is_other(anomaly.kind)).collect();
    if !others.is_empty() {
        page.push_str("besides\n");
    }
    for anomaly in others {
        let _ = writeln!(page, "    {}: {}", anomaly.name(), anomaly.explanation());
    }
    if let Some(expected) = scenario.expected(run.mode, run.level).filter(|of| **of != verdict.outcome) {
        let _ = writeln!(page, "unexpected: the scenario expects {expected}");
    }
}
