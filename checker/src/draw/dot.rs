//! Graphviz.

use super::{class, edge_label};
use crate::anomaly::Anomaly;

pub(super) fn dot(anomaly: &Anomaly) -> String {
    let mut lines = vec![
        "digraph anomaly {".to_owned(),
        format!("  label={};", quoted(&anomaly.name())),
        "  node [shape=box, style=rounded, fontname=\"sans-serif\"];".to_owned(),
        "  edge [fontname=\"sans-serif\"];".to_owned(),
    ];
    for (place, participant) in anomaly.transactions.iter().enumerate() {
        let label = format!("{}\n{}", participant.label, participant.summary);
        lines.push(format!("  t{place} [label={}];", quoted(&label)));
    }
    for edge in &anomaly.edges {
        let colour = match class(edge.reason) {
            "anti" => "\"#c2410c\"",
            "depends" => "\"#1d4ed8\"",
            _ => "\"#6b7280\", style=dashed",
        };
        lines.push(format!(
            "  t{} -> t{} [label={}, tooltip={}, color={colour}];",
            edge.from,
            edge.to,
            quoted(&edge_label(edge)),
            quoted(&edge.text)
        ));
    }
    lines.push("}\n".to_owned());
    lines.join("\n")
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use crate::draw::layout::tests::ring;

    #[test]
    fn a_cycle_in_graphviz() {
        let dot = ring(2, "a \"key\"").dot();
        assert!(dot.starts_with("digraph anomaly {\n  label=\"G2-item (write skew)\";"), "{dot}");
        assert!(dot.contains("t0 -> t1 [label=\"rw a \\\"key\\\"\""), "{dot}");
        assert!(dot.contains("t1 -> t0 [") && dot.ends_with("}\n"), "{dot}");
    }
}
