//! Where the parts of a picture go: transactions on a circle, each edge as an arc outside of it, its label outside of
//! that. The circle is made larger until nothing lies on anything else.

use std::f64::consts::{PI, TAU};

/// Height of a line of text, and width of one of its characters, in the font that is used.
pub(super) const LINE: f64 = 18.0;
pub(super) const CHARACTER: f64 = 7.6;

const NODE_HEIGHT: f64 = 34.0;
/// What stays free around each part.
const MARGIN: f64 = 6.0;

/// A point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

impl Point {
    fn plus(self, other: Point, times: f64) -> Point {
        Point { x: self.x + other.x * times, y: self.y + other.y * times }
    }
}

/// A rectangle around its middle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Box2 {
    pub(super) middle: Point,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Box2 {
    fn meets(&self, other: &Box2) -> bool {
        (self.middle.x - other.middle.x).abs() < (self.width + other.width) / 2.0 + MARGIN
            && (self.middle.y - other.middle.y).abs() < (self.height + other.height) / 2.0 + MARGIN
    }

    fn holds(&self, point: Point) -> bool {
        (self.middle.x - point.x).abs() <= self.width / 2.0 + 2.0
            && (self.middle.y - point.y).abs() <= self.height / 2.0 + 2.0
    }
}

/// A quadratic curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Curve {
    pub(super) from: Point,
    pub(super) bend: Point,
    pub(super) to: Point,
}

impl Curve {
    fn at(&self, share: f64) -> Point {
        let rest = 1.0 - share;
        let weigh = |from: f64, bend: f64, to: f64| {
            rest * rest * from + 2.0 * rest * share * bend + share * share * to
        };
        Point { x: weigh(self.from.x, self.bend.x, self.to.x), y: weigh(self.from.y, self.bend.y, self.to.y) }
    }

    /// The part between two shares of it.
    fn part(&self, low: f64, high: f64) -> Curve {
        let (from, to) = (self.at(low), self.at(high));
        let mix = |one: Point, other: Point, share: f64| Point {
            x: one.x + (other.x - one.x) * share,
            y: one.y + (other.y - one.y) * share,
        };
        // The bend of a part is where the curve's tangents at both ends meet.
        let bend = mix(mix(self.from, self.bend, low), mix(self.bend, self.to, low), high);
        Curve { from, bend, to }
    }

    /// Without what is inside of two boxes at its ends.
    fn between(&self, start: &Box2, end: &Box2) -> Curve {
        const STEPS: u32 = 200;
        let shares = || (0..=STEPS).map(|step| f64::from(step) / f64::from(STEPS));
        let low = shares().find(|&share| !start.holds(self.at(share))).unwrap_or(0.0);
        let high = shares().rev().find(|&share| !end.holds(self.at(share))).unwrap_or(1.0);
        if low < high { self.part(low, high) } else { *self }
    }
}

/// The places of all parts around the origin.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) nodes: Vec<Box2>,
    pub(super) curves: Vec<Curve>,
    pub(super) labels: Vec<Box2>,
}

impl Layout {
    /// A ring of transactions with these names, and edges with these labels: as many, or none.
    pub(super) fn ring(names: &[&str], labels: &[String]) -> Layout {
        let mut radius = if names.len() > 1 { 70.0 } else { 0.0 };
        loop {
            let layout = Layout::of(radius, names, labels);
            if !layout.overlaps() {
                return layout;
            }
            radius += 10.0;
        }
    }

    fn of(radius: f64, names: &[&str], labels: &[String]) -> Layout {
        let count = names.len() as f64;
        // Two stand side by side; otherwise the first one is at the top.
        let first = if names.len() == 2 { PI } else { -PI / 2.0 };
        let angle = |place: f64| first + TAU * place / count;
        let on_circle = |angle: f64| Point { x: angle.cos(), y: angle.sin() };
        let origin = Point { x: 0.0, y: 0.0 };
        let nodes: Vec<Box2> = names
            .iter()
            .enumerate()
            .map(|(place, name)| Box2 {
                middle: origin.plus(on_circle(angle(place as f64)), radius),
                width: width(name) + 24.0,
                height: NODE_HEIGHT,
            })
            .collect();
        let mut layout = Layout { nodes, curves: Vec::new(), labels: Vec::new() };
        for (place, label) in labels.iter().enumerate() {
            let (start, end) = (layout.nodes[place], layout.nodes[(place + 1) % names.len()]);
            let outward = on_circle(angle(place as f64 + 0.5));
            let chord =
                Point { x: (start.middle.x + end.middle.x) / 2.0, y: (start.middle.y + end.middle.y) / 2.0 };
            let length = (start.middle.x - end.middle.x).hypot(start.middle.y - end.middle.y);
            let bend = chord.plus(outward, length * if names.len() == 2 { 0.55 } else { 0.35 });
            let whole = Curve { from: start.middle, bend, to: end.middle };
            layout.curves.push(whole.between(&start, &end));
            let size = Box2 { middle: origin, width: width(label), height: LINE };
            let reach = (outward.x.abs() * size.width + outward.y.abs() * size.height) / 2.0 + MARGIN;
            layout.labels.push(Box2 { middle: whole.at(0.5).plus(outward, reach), ..size });
        }
        layout
    }

    /// Whether anything lies on anything else.
    pub(super) fn overlaps(&self) -> bool {
        let boxes: Vec<&Box2> = self.nodes.iter().chain(&self.labels).collect();
        let meet = |place: usize| boxes[..place].iter().any(|other| boxes[place].meets(other));
        let crosses = |curve: &Curve| {
            let mut points = (0..=40).map(|step| curve.at(f64::from(step) / 40.0));
            points.any(|point| self.labels.iter().any(|label| label.holds(point)))
        };
        (0..boxes.len()).any(meet) || self.curves.iter().any(crosses)
    }

    /// The corners of all of it: the smallest and the largest x and y.
    pub(super) fn bounds(&self) -> (Point, Point) {
        let mut low = Point { x: 0.0, y: 0.0 };
        let mut high = low;
        let mut include = |point: Point, width: f64, height: f64| {
            low = Point { x: low.x.min(point.x - width / 2.0), y: low.y.min(point.y - height / 2.0) };
            high = Point { x: high.x.max(point.x + width / 2.0), y: high.y.max(point.y + height / 2.0) };
        };
        self.nodes.iter().chain(&self.labels).for_each(|part| include(part.middle, part.width, part.height));
        self.curves.iter().for_each(|curve| include(curve.at(0.5), 0.0, 0.0));
        (low, high)
    }
}

/// About how wide a text is.
fn width(text: &str) -> f64 {
    text.chars().count() as f64 * CHARACTER
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::anomaly::{Anomaly, CycleKind, Evidence, Family, Kind, Order, Participant, Pattern, Reason};

    /// A cycle of so many transactions.
    pub(crate) fn ring(count: usize, key: &str) -> Anomaly {
        let participant = |transaction: usize| Participant {
            transaction,
            label: format!("T{}", 1000 * transaction + 1),
            summary: format!("get {key} = nothing"),
            line: None,
        };
        let edge = |from: usize| Evidence {
            from,
            to: (from + 1) % count,
            reason: [Reason::OverwrittenBy, Reason::InsertedBy, Reason::RealTime, Reason::ReadBy][from % 4],
            key: (from % 4 != 2).then(|| key.to_owned()),
            text: format!("T1 read {key} as it was before T2 wrote it"),
        };
        Anomaly {
            kind: Kind::Cycle(CycleKind { order: Order::Data, family: Family::G2, is_predicate: false }),
            pattern: Some(Pattern::WriteSkew),
            transactions: (0..count).map(participant).collect(),
            edges: (0..count).map(edge).collect(),
            key: None,
            text: String::new(),
            conclusion: 0,
        }
    }

    #[test]
    fn nothing_lies_on_anything_else() {
        for count in 2..=12 {
            for key in ["x", "accounts/ann", "a key that is far too long to be shown"] {
                let anomaly = ring(count, key);
                let names: Vec<&str> = anomaly.transactions.iter().map(|part| &part.label[..]).collect();
                let labels: Vec<String> = anomaly.edges.iter().map(super::super::edge_label).collect();
                let layout = Layout::ring(&names, &labels);
                assert!(!layout.overlaps(), "{count} {key}");
                let (low, high) = layout.bounds();
                assert!(high.x - low.x < 1200.0 && high.y - low.y < 1200.0, "{count} {key} {low:?} {high:?}");
            }
        }
    }

    #[test]
    fn curves_end_at_the_boxes() {
        let layout = Layout::ring(&["T1", "T2"], &["rw x".to_owned(), "rw y".to_owned()]);
        let [right, left] = [layout.curves[0].to, layout.curves[0].from];
        assert!(left.x < -30.0 && right.x > 30.0 && left.x > layout.nodes[0].middle.x, "{layout:?}");
        assert!(layout.curves[0].bend.y < 0.0 && layout.curves[1].bend.y > 0.0);
    }
}
