//! Pictures of anomalies: for Graphviz, and as SVG that needs nothing else.

mod dot;
mod layout;
mod svg;

use crate::anomaly::{Anomaly, Evidence, Reason};

impl Anomaly {
    /// The cycle in Graphviz' language. What is no cycle has its transactions only.
    pub fn dot(&self) -> String {
        dot::dot(self)
    }

    /// The cycle as an SVG file, with what was observed written below. Fits light and dark pages. What is no cycle has
    /// its transactions only.
    pub fn svg(&self) -> String {
        svg::svg(self)
    }
}

/// What is written at an edge: `rw x`.
fn edge_label(edge: &Evidence) -> String {
    match &edge.key {
        Some(key) => format!("{} {}", edge.reason.short(), clipped(key)),
        None => edge.reason.short().to_owned(),
    }
}

/// A name that isn't too long to stand at an edge.
fn clipped(name: &str) -> String {
    const LONGEST: usize = 16;
    if name.chars().count() <= LONGEST {
        return name.to_owned();
    }
    name.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// The three classes of edges, which differ in colour.
fn class(reason: Reason) -> &'static str {
    match reason {
        Reason::Overwrites | Reason::ReadBy | Reason::MissedBy => "depends",
        Reason::OverwrittenBy | Reason::InsertedBy => "anti",
        Reason::Session | Reason::RealTime => "order",
    }
}
