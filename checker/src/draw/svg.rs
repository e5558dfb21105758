//! SVG that needs no other file, and can stand in a page without changing it.

use super::layout::{Box2, LINE, Layout, Point};
use super::{class, edge_label};
use crate::anomaly::Anomaly;
use std::fmt::Write;

/// How many characters a line below the picture may have.
const WRAP: usize = 76;
/// From the middle of a line of text down to where it stands.
const BASELINE: f64 = 4.5;
/// The smallest width, for the lines below.
const WIDTH: f64 = 600.0;
const PADDING: f64 = 20.0;

/// Colours are written out, since not every program that draws SVG knows variables.
const STYLE: &str = "\
.synod-anomaly text{font:13px ui-sans-serif,system-ui,sans-serif;fill:#1f2937}\
.synod-anomaly .name{font-weight:600;text-anchor:middle}\
.synod-anomaly .label{text-anchor:middle}\
.synod-anomaly .title{font-size:16px;font-weight:600}\
.synod-anomaly rect{fill:#f3f4f6;stroke:#6b7280;stroke-width:1.5}\
.synod-anomaly .edge{fill:none;stroke-width:2}\
.synod-anomaly .depends.edge{stroke:#1d4ed8}\
.synod-anomaly .anti.edge{stroke:#c2410c}\
.synod-anomaly .order.edge{stroke:#6b7280;stroke-dasharray:5 4}\
.synod-anomaly .depends.head{fill:#1d4ed8}\
.synod-anomaly .anti.head{fill:#c2410c}\
.synod-anomaly .order.head{fill:#6b7280}\
@media(prefers-color-scheme:dark){\
.synod-anomaly text{fill:#e5e7eb}\
.synod-anomaly rect{fill:#1f2937;stroke:#9ca3af}\
.synod-anomaly .depends.edge{stroke:#60a5fa}\
.synod-anomaly .anti.edge{stroke:#fb923c}\
.synod-anomaly .order.edge{stroke:#9ca3af}\
.synod-anomaly .depends.head{fill:#60a5fa}\
.synod-anomaly .anti.head{fill:#fb923c}\
.synod-anomaly .order.head{fill:#9ca3af}}";

pub(super) fn svg(anomaly: &Anomaly) -> String {
    let names: Vec<&str> = anomaly.transactions.iter().map(|participant| &participant.label[..]).collect();
    let labels: Vec<String> = anomaly.edges.iter().map(edge_label).collect();
    let layout = Layout::ring(&names, &labels);
    let (low, high) = layout.bounds();
    let width = (high.x - low.x + 2.0 * PADDING).max(WIDTH);
    let top = PADDING + 2.0 * LINE;
    let to_page =
        |point: Point| Point { x: point.x + width / 2.0 - (low.x + high.x) / 2.0, y: point.y - low.y + top };
    let lines = lines(anomaly);
    let text_top = top + high.y - low.y + 2.0 * LINE;
    let height = text_top + lines.len() as f64 * LINE + PADDING;
    let mut page = Page(String::new());
    page.begin(anomaly, width, height);
    for (edge, curve) in anomaly.edges.iter().zip(&layout.curves) {
        let (from, bend, to) = (to_page(curve.from), to_page(curve.bend), to_page(curve.to));
        let class = class(edge.reason);
        page.add(format_args!(
            "<path class=\"{class} edge\" marker-end=\"url(#synod-{class})\" d=\"M{:.1} {:.1}Q{:.1} {:.1} {:.1} {:.1}\"><title>{}</title></path>",
            from.x, from.y, bend.x, bend.y, to.x, to.y, escaped(&edge.text)
        ));
    }
    for (place, label) in layout.labels.iter().zip(&labels) {
        page.text("label", lowered(to_page(place.middle)), label);
    }
    for (place, participant) in layout.nodes.iter().zip(&anomaly.transactions) {
        let Box2 { middle, width, height } = *place;
        let middle = to_page(middle);
        page.add(format_args!(
            "<g><title>{}</title><rect x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"8\"/>",
            escaped(&participant.summary), middle.x - width / 2.0, middle.y - height / 2.0
        ));
        page.text("name", lowered(middle), &participant.label);
        page.add(format_args!("</g>"));
    }
    for (number, line) in lines.iter().enumerate() {
        page.text("line", Point { x: PADDING, y: text_top + number as f64 * LINE }, line);
    }
    page.add(format_args!("</svg>"));
    page.0
}

/// Where a line of text stands whose middle is here.
fn lowered(middle: Point) -> Point {
    Point { y: middle.y + BASELINE, ..middle }
}

struct Page(String);

impl Page {
    fn add(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string doesn't fail.
        let _ = writeln!(self.0, "{line}");
    }

    fn begin(&mut self, anomaly: &Anomaly, width: f64, height: f64) {
        self.add(format_args!(
            "<svg class=\"synod-anomaly\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" role=\"img\" aria-label=\"{}\">",
            escaped(&anomaly.name())
        ));
        self.add(format_args!("<style>{STYLE}</style>"));
        for class in ["depends", "anti", "order"] {
            self.add(format_args!(
                "<marker id=\"synod-{class}\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" markerHeight=\"7\" \
                 orient=\"auto\"><path class=\"{class} head\" d=\"M0 0L10 5L0 10z\"/></marker>"
            ));
        }
        self.text("title", Point { x: PADDING, y: PADDING + LINE / 2.0 }, &anomaly.name());
    }

    fn text(&mut self, class: &str, at: Point, text: &str) {
        self.add(format_args!(
            "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            at.x,
            at.y,
            escaped(text)
        ));
    }
}

/// What stands below the picture: what the transactions did, and what follows.
fn lines(anomaly: &Anomaly) -> Vec<String> {
    let did = anomaly.transactions.iter().map(|part| format!("{}: {}", part.label, part.summary));
    let mut lines: Vec<String> = did.flat_map(|text| wrapped(&text)).collect();
    lines.push(String::new());
    lines.extend(wrapped(&anomaly.text));
    lines
}

/// A text in lines, broken at spaces, or where a word is too long.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split(' ') {
        let chars: Vec<char> = word.chars().collect();
        for piece in chars.chunks(WRAP) {
            if length > 0 && length + 1 + piece.len() > WRAP {
                lines.push(String::new());
                length = 0;
            }
            if let Some(line) = lines.last_mut() {
                if length > 0 {
                    line.push(' ');
                    length += 1;
                }
                line.extend(piece);
                length += piece.len();
            }
        }
    }
    lines
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::layout::tests::ring;

    #[test]
    fn a_picture_has_all_parts_and_no_loose_brackets() {
        for count in 2..=8 {
            let svg = ring(count, "a<b>&\"c\"").svg();
            assert_eq!(svg.matches("marker-end=").count(), count);
            assert_eq!(svg.matches("<rect ").count(), count);
            assert!(
                svg.contains("rw a&lt;b&gt;&amp;&quot;c&quot;</text>")
                    && svg.contains("prefers-color-scheme")
            );
            assert!(
                !svg.contains("http://www.w3.org/1999") && !svg.contains("href"),
                "nothing else is needed"
            );
            for (open, close) in
                [("<text", "</text>"), ("<g>", "</g>"), ("<title>", "</title>"), ("<svg", "</svg>")]
            {
                assert_eq!(svg.matches(open).count(), svg.matches(close).count(), "{open}");
            }
        }
    }

    #[test]
    fn long_texts_are_broken() {
        let lines = wrapped(&format!("{} {}", "word ".repeat(40).trim_end(), "x".repeat(200)));
        assert!(lines.len() > 4 && lines.iter().all(|line| line.chars().count() <= WRAP), "{lines:?}");
    }
}
