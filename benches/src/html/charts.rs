//! The charts of the page. What must be readable on a narrow screen too is drawn twice, and the style sheet shows one of
//! the two.

use super::bars::{self, Bar};
use super::canvas::{COLOURS, Ink, drawing};
use super::escaped;
use super::lines::{self, Chart, Line};
use super::scale::Scale;
use crate::driver::figures::{ABORTS, Figure, GOODPUT, aborts_per_thousand, reasons};
use crate::driver::report::{PointReport, Report, TargetReport};
use crate::driver::summary::point_name;
use crate::error::Result;
use crate::units::{number, time};

/// How wide drawings are that stand side by side if there is place.
const CARD: u32 = 340;

/// Reasons with a colour of their own; the others share one.
const REASONS_SHOWN: usize = 5;

/// So many bars are shown without being asked for.
const BARS_SHOWN: usize = 24;

/// Above this ratio of the most to the least, an axis is logarithmic: on a linear one nothing could be told of the least.
const RATIO_LINEAR: f64 = 20.0;

/// The goodput of all targets: over the points of the sweep, and at each of them.
pub(super) fn goodput(report: &Report) -> Result<String> {
    let bars = at_each_point(report, |place, width| goodput_bars(report, place, width))?;
    if report.sweep.is_none() {
        return Ok(bars);
    }
    Ok(sweep_lines(report, GOODPUT)? + &folded(report, "Throughput at each point", &bars))
}

/// The latencies of all targets at each point.
pub(super) fn latency(report: &Report) -> Result<String> {
    if report.points.len() == 1 {
        let (wide, narrow) = ((940, 380), (360, 320));
        return named(
            report,
            latency_lines(report, 0, wide, true)?,
            latency_lines(report, 0, narrow, false)?,
        );
    }
    let charts = at_each_point(report, |place, width| latency_lines(report, place, (width, 270), false))?;
    Ok(legend(&target_names(report), true)? + &charts)
}

/// Why attempts were given up, at each point.
pub(super) fn aborts(report: &Report) -> Result<String> {
    let names = reason_names(report);
    if names.is_empty() {
        return Ok("<p>No attempt was given up.</p>\n".to_string());
    }
    let bars = at_each_point(report, |place, width| abort_bars(report, &names, place, width))?;
    let legend = legend(&names, false)?;
    Ok(match report.sweep {
        Some(_) => {
            sweep_lines(report, ABORTS)?
                + &folded(report, "Aborts at each point by reason", &(legend + &bars))
        }
        None => legend + &bars,
    })
}

/// What is shown at once only if there isn't much of it.
fn folded(report: &Report, name: &str, content: &str) -> String {
    let open = if report.points.len() * report.targets.len() <= BARS_SHOWN { " open" } else { "" };
    format!("<details{open}>\n<summary>{name}</summary>\n{content}</details>\n")
}

/// A chart for each point, side by side; over the whole width if there is one only.
fn at_each_point(report: &Report, draw: impl Fn(usize, u32) -> Result<String>) -> Result<String> {
    if report.points.len() == 1 {
        return Ok(both(draw(0, 940)?, draw(0, 360)?));
    }
    let mut html = "<div class=\"cards\">\n".to_string();
    for (place, point) in report.points.iter().enumerate() {
        let name = escaped(&point_name(report, point));
        html += &format!("<figure><figcaption>{name}</figcaption>\n{}</figure>\n", draw(place, CARD)?);
    }
    Ok(html + "</div>\n")
}

/// The same for wide and for narrow screens.
fn both(wide: String, narrow: String) -> String {
    format!("<div class=\"wide\">\n{wide}</div>\n<div class=\"narrow\">\n{narrow}</div>\n")
}

fn goodput_bars(report: &Report, place: usize, width: u32) -> Result<String> {
    let bar = |(series, target): (usize, &TargetReport)| {
        let found = target.points.get(place);
        let spread = found.and_then(|point| GOODPUT.spread(point));
        Bar {
            name: target.about.name.clone(),
            value: found.and_then(|point| GOODPUT.text(point)).map_or_else(|| no_figures(found), per_second),
            short: spread.map_or_else(|| no_figures(found), |spread| per_second(number(spread.median))),
            is_alarming: found.is_some_and(|point| !point.broken.is_empty()),
            parts: spread.map(|spread| (spread.median, Ink::Series(series))).into_iter().collect(),
            whisker: spread.filter(|spread| spread.min < spread.max).map(|spread| (spread.min, spread.max)),
        }
    };
    let bars: Vec<Bar> = report.targets.iter().enumerate().map(bar).collect();
    bars::chart(&bars, width, &label(report, place, "Committed transactions a second"))
}

fn per_second(text: String) -> String {
    text + " /s"
}

/// Why there is no figure.
fn no_figures(found: Option<&PointReport>) -> String {
    match found {
        Some(point) if !point.broken.is_empty() => "✗ broke a rule".to_string(),
        _ => "not measured".to_string(),
    }
}

/// A figure over the points of the sweep.
fn sweep_lines(report: &Report, figure: Figure) -> Result<String> {
    let line = |(series, target): (usize, &TargetReport)| Line {
        name: target.about.name.clone(),
        series,
        values: target.points.iter().map(|point| figure.spread(point)).collect(),
    };
    let lines: Vec<Line> = report.targets.iter().enumerate().map(line).collect();
    let medians: Vec<f64> = medians(&lines).collect();
    let (least, most) = ends(&medians);
    let tops = lines.iter().flat_map(|line| line.values.iter().flatten()).map(|spread| spread.max);
    let top = tops.fold(0.0, f64::max);
    let is_linear = least <= 0.0 || most / least < RATIO_LINEAR;
    let scale = if is_linear { Scale::linear(top) } else { Scale::logarithmic(least, top) };
    let vertical = format!("{}{}", figure.name, if is_linear { "" } else { ", logarithmic" });
    let places: Vec<String> = report.points.iter().map(|point| point.value.clone()).collect();
    let horizontal = report.sweep.clone().unwrap_or_default();
    let draw = |size, has_names| {
        let horizontal = &horizontal;
        let chart = Chart {
            places: &places,
            horizontal,
            vertical: &vertical,
            scale,
            show: tick,
            lines: &lines,
            has_names,
            has_whiskers: true,
        };
        lines::chart(&chart, size, &format!("{} by {horizontal}", figure.name))
    };
    named(report, draw((940, 420), true)?, draw((360, 340), false)?)
}

/// The same chart of lines for wide screens, where the names stand at the lines, and for narrow ones, with a legend. So
/// many lines that they share colours need one in any case.
fn named(report: &Report, wide: String, narrow: String) -> Result<String> {
    let legend = legend(&target_names(report), true)?;
    let of_wide = if report.targets.len() > COLOURS { &legend[..] } else { "" };
    Ok(both(wide + of_wide, narrow + &legend))
}

fn latency_lines(report: &Report, place: usize, size: (u32, u32), has_names: bool) -> Result<String> {
    let line = |(series, target): (usize, &TargetReport)| {
        let found = target.points.get(place).filter(|point| point.broken.is_empty());
        let percentile = |index: usize| {
            let spread = found?.spread(|sample| sample.latency.percentiles()[index].1 as f64)?;
            (spread.median > 0.0).then_some(spread)
        };
        Line { name: target.about.name.clone(), series, values: (0..5).map(percentile).collect() }
    };
    let lines: Vec<Line> = report.targets.iter().enumerate().map(line).collect();
    let all = report.targets.iter().flat_map(|target| &target.points).flat_map(|point| &point.samples);
    let values: Vec<f64> = all
        .flat_map(|sample| [sample.latency.p50_ns as f64, sample.latency.p9999_ns as f64])
        .filter(|value| *value > 0.0)
        .collect();
    // The same axis at all points, so that they can be compared.
    let (least, most) = ends(&values);
    let scale = Scale::logarithmic(least.max(1.0), most.max(1.0));
    let places = ["p50", "p90", "p99", "p99.9", "p99.99"].map(str::to_string);
    let chart = Chart {
        places: &places,
        horizontal: "percentile",
        vertical: "latency, logarithmic",
        scale,
        show: time_tick,
        lines: &lines,
        has_names,
        has_whiskers: false,
    };
    lines::chart(&chart, size, &label(report, place, "Latency by percentile"))
}

/// The reasons that have a colour of their own, and last what the others share.
fn reason_names(report: &Report) -> Vec<String> {
    let all = reasons(report.targets.iter().flat_map(|target| &target.points));
    let mut names: Vec<String> = all.iter().take(REASONS_SHOWN).map(ToString::to_string).collect();
    if all.len() > REASONS_SHOWN {
        names.push("other reasons".to_string());
    }
    names
}

fn abort_bars(report: &Report, names: &[String], place: usize, width: u32) -> Result<String> {
    let bar = |target: &TargetReport| {
        let found = target.points.get(place);
        let measured = found.filter(|point| point.broken.is_empty() && !point.samples.is_empty());
        let parts = measured.map_or(vec![], |point| parts(point, names));
        let sum: f64 = parts.iter().map(|(value, _)| value).sum();
        Bar {
            name: target.about.name.clone(),
            value: measured.map_or_else(|| no_figures(found), |_| format!("{} per 1,000", number(sum))),
            short: measured.map_or_else(|| no_figures(found), |_| number(sum)),
            is_alarming: found.is_some_and(|point| !point.broken.is_empty()),
            parts,
            whisker: None,
        }
    };
    let bars: Vec<Bar> = report.targets.iter().map(bar).collect();
    bars::chart(&bars, width, &label(report, place, "Aborts per 1,000 transactions by reason"))
}

fn parts(point: &PointReport, names: &[String]) -> Vec<(f64, Ink)> {
    let known = names.iter().take(REASONS_SHOWN);
    let mut parts: Vec<(f64, Ink)> = known
        .enumerate()
        .map(|(place, name)| (aborts_per_thousand(point, name), Ink::Series(place)))
        .collect();
    let of_others = reasons([point].into_iter())
        .into_iter()
        .filter(|reason| names.iter().take(REASONS_SHOWN).all(|name| name != reason))
        .map(|reason| aborts_per_thousand(point, reason));
    parts.push((of_others.sum(), Ink::Series(REASONS_SHOWN)));
    parts
}

/// Which colour means what; with the mark and the dash of a line, if they are drawn as such.
fn legend(names: &[String], is_lines: bool) -> Result<String> {
    let mut html = "<ul class=\"legend\">\n".to_string();
    for (series, name) in names.iter().enumerate() {
        let sample = drawing((30, 14), "", |canvas| match is_lines {
            true => canvas.sample(0.0, 30.0, 7.0, series),
            false => canvas.rectangle((8.0, 1.0), (22.0, 13.0), Ink::Series(series)),
        })?;
        html += &format!("<li>{sample}{}</li>\n", escaped(name));
    }
    Ok(html + "</ul>\n")
}

fn target_names(report: &Report) -> Vec<String> {
    report.targets.iter().map(|target| target.about.name.clone()).collect()
}

/// What a drawing shows, for who can't see it.
fn label(report: &Report, place: usize, what: &str) -> String {
    match point_name(report, &report.points[place]) {
        name if name.is_empty() => what.to_string(),
        name => format!("{what}, {name}"),
    }
}

fn medians(lines: &[Line]) -> impl Iterator<Item = f64> {
    lines.iter().flat_map(|line| line.values.iter().flatten()).map(|spread| spread.median)
}

/// The least and the most; nothing of nothing.
fn ends(values: &[f64]) -> (f64, f64) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    (if least.is_finite() { least } else { 0.0 }, values.iter().copied().fold(0.0, f64::max))
}

/// A number at a tick, without needless decimals.
fn tick(value: f64) -> String {
    without_decimals(&number(value))
}

fn time_tick(value: f64) -> String {
    without_decimals(&time(value))
}

fn without_decimals(text: &str) -> String {
    let (value, unit) = text.split_once(' ').unwrap_or((text, ""));
    let value = if value.contains('.') { value.trim_end_matches('0').trim_end_matches('.') } else { value };
    format!("{value} {unit}").trim_end().to_string()
}
