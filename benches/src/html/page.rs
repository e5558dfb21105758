//! The sections of the page.

use super::{charts, escaped, tables};
use crate::driver::report::Report;
use crate::driver::summary::{broken, point_name, sentences, warnings};
use crate::error::Result;
use crate::moment::moment;
use crate::units::plural;

const STYLE: &str = include_str!("style.css");

/// The whole page.
pub(super) fn page(report: &Report) -> Result<String> {
    let title = title(report);
    let charts = [
        section("Throughput", THROUGHPUT, &charts::goodput(report)?),
        section("Latency", LATENCY, &charts::latency(report)?),
        section("Aborts", ABORTS, &charts::aborts(report)?),
    ];
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         {}{}{}{}{}</main>\n</body>\n</html>\n",
        header(report, &title),
        summary(report),
        charts.concat(),
        all_figures(report),
        conditions(report),
    ))
}

const THROUGHPUT: &str = "Transactions that committed, a second: the median of all repetitions, and as whiskers the least \
                          and the most.";

const LATENCY: &str = "From the moment a transaction was due to its answer: medians of all repetitions.";

const ABORTS: &str =
    "Attempts that an engine gave up and that were made again, for each 1,000 transactions, by reason.";

const FIGURES: &str = "Medians, and in parentheses the least and the most of the repetitions. The bound is what this \
                       machine could do at most, were there nothing to do but the look-ups that each transaction needs, \
                       on all cores, and the flush that it has to wait for.";

fn title(report: &Report) -> String {
    let targets = plural(report.targets.len() as u64, "target");
    let over = report.sweep.as_ref().map_or(String::new(), |parameter| format!(" over {parameter}"));
    escaped(&format!("{}: {targets} compared{over}", report.workload))
}

fn header(report: &Report, title: &str) -> String {
    let names: Vec<&str> = report.targets.iter().map(|target| &target.about.name[..]).collect();
    format!(
        "<header>\n<h1>{title}</h1>\n<p class=\"facts\">{} · synod {} · {} · {}</p>\n</header>\n",
        escaped(&names.join(", ")),
        escaped(&report.version),
        escaped(&report.machine.processor),
        moment(synod::Timestamp(report.started_unix_s.saturating_mul(1_000_000_000))).replace(".000", ""),
    )
}

/// A section with a sentence on what it shows.
fn section(title: &str, about: &str, content: &str) -> String {
    format!("<section>\n<h2>{title}</h2>\n<p class=\"about\">{about}</p>\n{content}</section>\n")
}

fn items(texts: impl IntoIterator<Item = String>) -> String {
    texts.into_iter().map(|text| format!("<li>{}</li>\n", escaped(&text))).collect()
}

/// What came out, in words.
fn summary(report: &Report) -> String {
    let mut html = String::new();
    let broken = broken(report);
    if !broken.is_empty() {
        let sentence = |(target, point, rule): (&str, String, &str)| match point.is_empty() {
            true => format!("{target}: {rule}"),
            false => format!("{target}, {point}: {rule}"),
        };
        html += &format!(
            "<section class=\"alarm\">\n<h2>Rules were broken</h2>\n\
             <p>What is fast and wrong has no figures.</p>\n<ul>\n{}</ul>\n</section>\n",
            items(broken.into_iter().map(sentence))
        );
    }
    let warnings = warnings(report);
    if !warnings.is_empty() {
        html += &format!("<section class=\"warning\">\n<ul>\n{}</ul>\n</section>\n", items(warnings));
    }
    html + &format!("<section>\n<h2>In short</h2>\n<ul>\n{}</ul>\n</section>\n", items(sentences(report)))
}

fn all_figures(report: &Report) -> String {
    let mut html = String::new();
    for (place, point) in report.points.iter().enumerate() {
        let name = escaped(&point_name(report, point));
        if !name.is_empty() {
            html += &format!("<h3>{name}</h3>\n");
        }
        html += &tables::figures(report, place);
    }
    html += "<h3>Load and size</h3>\n";
    html += &tables::sizes(report);
    section("All figures", FIGURES, &html)
}

/// Under which conditions all this was measured, and how to repeat it.
fn conditions(report: &Report) -> String {
    format!(
        "<section>\n<h2>What was compared</h2>\n{}</section>\n\
         <section>\n<h2>To repeat it</h2>\n<pre>{}</pre>\n<div class=\"cards\">\n\
         <section class=\"card\">\n<h3>Settings</h3>\n{}</section>\n\
         <section class=\"card\">\n<h3>Machine</h3>\n{}</section>\n</div>\n</section>\n",
        tables::targets(report),
        escaped(&report.command),
        tables::settings(report),
        tables::machine(report),
    )
}
