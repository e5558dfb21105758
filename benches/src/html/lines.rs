//! Lines over a few places that stand side by side: points of a sweep, percentiles.

use super::canvas::{Canvas, Ink, Side, dash_of, drawing};
use super::scale::Scale;
use crate::driver::report::Spread;
use crate::error::Result;

/// About how wide a letter is, at 12 pixels.
const LETTER: f64 = 6.8;

/// One line: a value at each place where there is one.
pub(super) struct Line {
    /// Whose it is.
    pub name: String,
    /// Which colour, mark and dash it has.
    pub series: usize,
    /// The values, by place.
    pub values: Vec<Option<Spread>>,
}

/// A chart of lines.
pub(super) struct Chart<'a> {
    /// What stands below each place.
    pub places: &'a [String],
    /// What the places are.
    pub horizontal: &'a str,
    /// What the values are.
    pub vertical: &'a str,
    /// The axis of the values.
    pub scale: Scale,
    /// Writes a value at a tick.
    pub show: fn(f64) -> String,
    /// The lines.
    pub lines: &'a [Line],
    /// Whether the lines' names stand at their ends.
    pub has_names: bool,
    /// Whether the least and the most are drawn.
    pub has_whiskers: bool,
}

/// Where the lines are.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

/// Draws it.
pub(super) fn chart(chart: &Chart<'_>, size: (u32, u32), label: &str) -> Result<String> {
    drawing(size, label, |canvas| {
        let frame = chart.frame(size);
        chart.axes(canvas, &frame)?;
        for line in chart.lines {
            chart.line(canvas, &frame, line)?;
        }
        if chart.has_names { chart.names(canvas, &frame) } else { Ok(()) }
    })
}

impl Chart<'_> {
    fn frame(&self, (width, height): (u32, u32)) -> Frame {
        let (width, height) = (f64::from(width), f64::from(height));
        let widest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0) as f64 * LETTER;
        let ticks = widest(&mut self.scale.ticks().into_iter().map(|tick| (self.show)(tick).chars().count()));
        let names = widest(&mut self.lines.iter().map(|line| line.name.chars().count()));
        let left = ticks + 10.0;
        let last = self.places.last().map_or(0, |place| place.chars().count()) as f64 * LETTER / 2.0;
        let right = width - if self.has_names { names + 24.0 } else { f64::max(10.0, last - 12.0) };
        let rows = if self.is_crowded(left, right) { 2.0 } else { 1.0 };
        Frame { left, right, top: 30.0, bottom: height - 26.0 - rows * 16.0 }
    }

    /// Whether the places' labels need two rows.
    fn is_crowded(&self, left: f64, right: f64) -> bool {
        let widest = self.places.iter().map(|place| place.chars().count()).max().unwrap_or(0);
        widest as f64 * LETTER + 8.0 > (right - left) / self.places.len().max(1) as f64
    }

    fn x(&self, frame: &Frame, place: usize) -> f64 {
        let width = frame.right - frame.left;
        // At the ends there is room for half a label, and a mark.
        let margin =
            if self.places.len() > 1 { width / (2 * self.places.len()).max(12) as f64 } else { width / 2.0 };
        let step = (width - 2.0 * margin) / self.places.len().saturating_sub(1).max(1) as f64;
        frame.left + margin + step * place as f64
    }

    fn y(&self, frame: &Frame, value: f64) -> f64 {
        frame.bottom - (frame.bottom - frame.top) * self.scale.place(value)
    }

    fn axes(&self, canvas: &Canvas<'_>, frame: &Frame) -> Result<()> {
        canvas.text(self.vertical, (0.0, 9.0), Side::Left, 12.0, Ink::Muted)?;
        for tick in self.scale.ticks() {
            let y = self.y(frame, tick);
            canvas.line(&[(frame.left, y), (frame.right, y)], Ink::Grid, 1, None)?;
            canvas.text(&(self.show)(tick), (frame.left - 7.0, y), Side::Right, 12.0, Ink::Muted)?;
        }
        let is_crowded = self.is_crowded(frame.left, frame.right);
        for (place, label) in self.places.iter().enumerate() {
            let below = if is_crowded && place % 2 == 1 { 16.0 } else { 0.0 };
            let at = (self.x(frame, place), frame.bottom + 14.0 + below);
            canvas.text(label, at, Side::Center, 12.0, Ink::Text)?;
        }
        let below = if is_crowded { 48.0 } else { 32.0 };
        let middle = ((frame.left + frame.right) / 2.0, frame.bottom + below);
        canvas.text(self.horizontal, middle, Side::Center, 12.0, Ink::Muted)
    }

    fn line(&self, canvas: &Canvas<'_>, frame: &Frame, line: &Line) -> Result<()> {
        let ink = Ink::Series(line.series);
        let values = line.values.iter().enumerate();
        let values: Vec<_> = values.map(|(place, spread)| spread.map(|spread| (place, spread))).collect();
        // A place without a value is a gap.
        for whole in values.split(Option::is_none) {
            let corner =
                |(place, spread): &(usize, Spread)| (self.x(frame, *place), self.y(frame, spread.median));
            let corners: Vec<_> = whole.iter().flatten().map(corner).collect();
            canvas.line(&corners, ink, 2, dash_of(line.series))?;
            for (corner, (_, spread)) in corners.iter().zip(whole.iter().flatten()) {
                if self.has_whiskers && spread.min < spread.max {
                    let end = |value| (corner.0, self.y(frame, value));
                    canvas.whisker(end(spread.min), end(spread.max), ink)?;
                }
                canvas.mark(*corner, line.series)?;
            }
        }
        Ok(())
    }

    /// The names at the right, each as near to the end of its line as the others let it.
    fn names(&self, canvas: &Canvas<'_>, frame: &Frame) -> Result<()> {
        let end = |line: &Line| {
            let (place, spread) =
                line.values.iter().enumerate().rev().find_map(|(place, value)| Some((place, (*value)?)))?;
            Some((self.x(frame, place), self.y(frame, spread.median)))
        };
        let mut ends: Vec<_> = self.lines.iter().filter_map(|line| Some((end(line)?, line))).collect();
        ends.sort_by(|one, other| one.0.1.total_cmp(&other.0.1));
        let wanted: Vec<f64> = ends.iter().map(|((_, y), _)| *y).collect();
        let heights = apart(&wanted, 15.0, (frame.top, frame.bottom));
        for (((x, y), line), height) in ends.into_iter().zip(heights) {
            let ink = Ink::Series(line.series);
            let at = frame.right + 8.0;
            canvas.line(&[(x + 6.0, y), (at - 3.0, height)], ink, 1, Some(2))?;
            canvas.text(&line.name, (at, height), Side::Left, 12.0, ink)?;
        }
        Ok(())
    }
}

/// Heights in ascending order, moved as little as need be for none to be nearer than `gap` to the next, nor outside.
fn apart(wanted: &[f64], gap: f64, (top, bottom): (f64, f64)) -> Vec<f64> {
    let mut heights: Vec<f64> = wanted.to_vec();
    for place in 1..heights.len() {
        heights[place] = heights[place].max(heights[place - 1] + gap);
    }
    let mut limit = bottom;
    for height in heights.iter_mut().rev() {
        *height = height.min(limit);
        limit = *height - gap;
    }
    let above = top - heights.first().copied().unwrap_or(top);
    if above > 0.0 { heights.iter().map(|height| height + above).collect() } else { heights }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_their_distance() {
        assert_eq!(apart(&[10.0, 50.0], 15.0, (0.0, 100.0)), [10.0, 50.0]);
        assert_eq!(apart(&[10.0, 12.0, 13.0], 15.0, (0.0, 100.0)), [10.0, 25.0, 40.0]);
        assert_eq!(apart(&[95.0, 99.0, 100.0], 15.0, (0.0, 100.0)), [70.0, 85.0, 100.0]);
        assert_eq!(apart(&[1.0, 1.0, 1.0], 15.0, (0.0, 20.0)), [0.0, 15.0, 30.0]);
        assert!(apart(&[], 15.0, (0.0, 20.0)).is_empty());
    }
}
