//! The tables of the page: all figures, and what the targets, the settings and the machine are.

use super::escaped;
use crate::driver::figures::{
    BROKEN, COSTS, GOODPUT, aborts_per_thousand, multiple, reasons, rows, share_of_bound,
};
use crate::driver::report::{Point, PointReport, Report, TargetReport};
use crate::units::{bytes, number, plural, time};

/// A table with a row for each target, whose first column stays in sight.
struct Table {
    html: String,
    columns: usize,
}

impl Table {
    fn new(columns: &[&str]) -> Table {
        let cells: String =
            columns.iter().map(|name| format!("<th scope=\"col\">{}</th>", escaped(name))).collect();
        let html = format!("<div class=\"scroll\">\n<table>\n<thead><tr>{cells}</tr></thead>\n<tbody>\n");
        Table { html, columns: columns.len() }
    }

    fn row(&mut self, name: &str, cells: &[String]) {
        let cell = |text: &String| match text == BROKEN {
            true => format!("<td class=\"broken\">{BROKEN}</td>"),
            false => format!("<td>{}</td>", escaped(text)),
        };
        let cells: String = cells.iter().map(cell).collect();
        let class = if name.starts_with(' ') { " class=\"part\"" } else { "" };
        self.html +=
            &format!("<tr><th scope=\"row\"{class}>{}</th>{cells}</tr>\n", escaped(name.trim_start()));
    }

    /// A row that says only one thing.
    fn remark(&mut self, name: &str, class: &str, text: &str) {
        let (name, text, columns) = (escaped(name), escaped(text), self.columns - 1);
        self.html += &format!(
            "<tr><th scope=\"row\">{name}</th><td class=\"{class}\" colspan=\"{columns}\">{text}</td></tr>\n"
        );
    }

    fn end(self) -> String {
        self.html + "</tbody>\n</table>\n</div>\n"
    }
}

/// More targets than this have a row each; fewer a column each, so that all figures are in sight.
const COLUMNS_MAX: usize = 6;

/// All figures of all targets at a point.
pub(super) fn figures(report: &Report, place: usize) -> String {
    match report.targets.len() <= COLUMNS_MAX {
        true => columns(report, place),
        false => across(report, place) + &abort_reasons(report, place),
    }
}

/// A column for each target.
fn columns(report: &Report, place: usize) -> String {
    let names = report.targets.iter().map(|target| &target.about.name[..]);
    let names: Vec<&str> = std::iter::once("").chain(names).collect();
    let mut table = Table::new(&names);
    for (name, cells) in rows(report, place) {
        table.row(&name, &cells);
    }
    table.end()
}

/// A row for each target.
fn across(report: &Report, place: usize) -> String {
    let point = &report.points[place];
    let names = ["target", GOODPUT.name, "× of the bound"];
    let columns: Vec<&str> = names.into_iter().chain(COSTS.iter().map(|figure| figure.name)).collect();
    let mut table = Table::new(&columns);
    for target in &report.targets {
        each(&mut table, target, place, |found| figure_cells(point, found));
    }
    table.end()
}

/// A target's row; if it has no figures, why.
fn each(table: &mut Table, target: &TargetReport, place: usize, cells: impl Fn(&PointReport) -> Vec<String>) {
    let name = &target.about.name;
    match target.points.get(place) {
        Some(found) if !found.broken.is_empty() => {
            table.remark(name, "broken left", &format!("✗ broken: {}", found.broken.join("; ")));
        }
        Some(found) if !found.samples.is_empty() => table.row(name, &cells(found)),
        _ => table.remark(name, "left", "not measured"),
    }
}

fn figure_cells(point: &Point, found: &PointReport) -> Vec<String> {
    let share = share_of_bound(point, found).map_or("–".to_string(), multiple);
    let mut cells = vec![GOODPUT.text(found).unwrap_or_default(), share];
    cells.extend(COSTS.iter().map(|figure| figure.text(found).unwrap_or("–".to_string())));
    cells
}

/// The reasons of aborts at a point; nothing if there are none.
fn abort_reasons(report: &Report, place: usize) -> String {
    let all = reasons(report.targets.iter().filter_map(|target| target.points.get(place)));
    if all.is_empty() {
        return String::new();
    }
    let columns: Vec<&str> = std::iter::once("aborts per 1,000").chain(all.iter().copied()).collect();
    let mut table = Table::new(&columns);
    for target in &report.targets {
        each(&mut table, target, place, |found| {
            all.iter().map(|reason| number(aborts_per_thousand(found, reason))).collect()
        });
    }
    table.end()
}

/// What each target has cost outside the runs.
pub(super) fn sizes(report: &Report) -> String {
    let mut table = Table::new(&["target", "load", "memory, loaded", "database at the end"]);
    for target in &report.targets {
        let load = time(target.load_seconds * 1e9);
        table.row(&target.about.name, &[load, bytes(target.memory_bytes), bytes(target.database_bytes)]);
    }
    table.end()
}

/// What is to be known of each target.
pub(super) fn targets(report: &Report) -> String {
    let mut html = "<div class=\"cards\">\n".to_string();
    for target in &report.targets {
        let about = &target.about;
        let allows = match about.allows.is_empty() {
            true => "none".to_string(),
            false => about.allows.join(", "),
        };
        let writers = if about.has_concurrent_writers { "at the same time" } else { "one at a time" };
        let mut facts = vec![
            ("Engine", about.engine.clone()),
            ("Isolation", about.isolation.clone()),
            ("Anomalies allowed", allows),
            ("A commit waits for", about.durability.clone()),
            ("Writers", writers.to_string()),
        ];
        facts.extend(about.notes.iter().map(|note| ("Note", note.clone())));
        html += &format!(
            "<section class=\"card\">\n<h3>{}</h3>\n{}</section>\n",
            escaped(&about.name),
            list(&facts)
        );
    }
    html + "</div>\n"
}

/// The settings.
pub(super) fn settings(report: &Report) -> String {
    let mut facts: Vec<(String, String)> =
        report.settings.iter().map(|setting| (setting.name.clone(), setting.value.clone())).collect();
    let runs = format!("{}, each of {} s", plural(report.repetitions.into(), "repetition"), report.seconds);
    facts.push(("runs".to_string(), runs));
    for point in &report.points {
        let name =
            if point.value.is_empty() { "bound".to_string() } else { format!("bound at {}", point.value) };
        let bound =
            format!("{}/s with {}", number(point.bound_per_second), plural(point.threads as u64, "thread"));
        facts.push((name, bound));
    }
    list(&facts)
}

/// The machine.
pub(super) fn machine(report: &Report) -> String {
    let machine = &report.machine;
    list(&[
        ("processor", format!("{}, {}", machine.processor, plural(machine.cores as u64, "core"))),
        ("memory", bytes(machine.memory_bytes)),
        ("system", machine.system.clone()),
        ("atomic addition", time(machine.atomic_ns)),
        ("L, a look-up among a million", time(machine.lookup_ns)),
        ("F, a flush of 4 KiB", time(machine.flush_ns)),
        ("a byte there and back", time(machine.round_trip_ns)),
    ])
}

/// Names and what is said of them.
fn list<N: AsRef<str>>(facts: &[(N, String)]) -> String {
    let row = |(name, value): &(N, String)| {
        format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escaped(name.as_ref()), escaped(value))
    };
    format!("<dl>\n{}</dl>\n", facts.iter().map(row).collect::<String>())
}
