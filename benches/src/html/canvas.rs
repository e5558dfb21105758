//! A drawing as SVG, in colours that the style sheet decides.
//!
//! The library that draws knows only fixed colours. So each role has a colour that nothing else has, and afterwards its
//! name takes the place of the colour: `fill="#A10003"` becomes `fill="var(--ink-3)"`. The style sheet gives it a value,
//! another one in the dark.

use crate::error::{Error, Result};
use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// The colours that tell series from each other.
pub(super) const COLOURS: usize = 6;

/// The roles that a colour can have, in the order of their numbers.
const ROLES: [&str; 4] = ["text", "muted", "grid", "alarm"];

/// What something is drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// Words.
    Text,
    /// Words that matter less.
    Muted,
    /// Lines behind everything.
    Grid,
    /// What is wrong.
    Alarm,
    /// A series.
    Series(usize),
}

impl Ink {
    fn colour(self) -> RGBColor {
        match self {
            Ink::Text => RGBColor(0xA2, 0, 0),
            Ink::Muted => RGBColor(0xA2, 0, 1),
            Ink::Grid => RGBColor(0xA2, 0, 2),
            Ink::Alarm => RGBColor(0xA2, 0, 3),
            Ink::Series(number) => RGBColor(0xA1, 0, (number % COLOURS) as u8),
        }
    }
}

/// Puts the names of the roles in the place of their colours.
fn with_roles(svg: &str) -> String {
    let mut svg = svg.to_string();
    for (number, role) in ROLES.iter().enumerate() {
        svg = svg.replace(&format!("\"#A200{number:02X}\""), &format!("\"var(--{role})\""));
    }
    for number in 0..COLOURS {
        svg = svg.replace(&format!("\"#A100{number:02X}\""), &format!("\"var(--ink-{number})\""));
    }
    svg
}

/// Where a text has its place: at its left end, its middle or its right end.
pub(super) type Side = HPos;

/// Something to draw on; the unit is a pixel of the whole size.
pub(super) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

/// Draws something as an SVG element that is as wide as there is place.
pub(super) fn drawing(
    (width, height): (u32, u32),
    label: &str,
    draw: impl FnOnce(&Canvas<'_>) -> Result<()>,
) -> Result<String> {
    let mut svg = String::new();
    {
        let canvas = Canvas { area: SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area() };
        draw(&canvas)?;
        canvas.area.present().map_err(failed)?;
    }
    let (_, content) =
        svg.split_once('>').ok_or_else(|| Error::Drawing("the drawing has no content".to_string()))?;
    let label = super::escaped(label);
    Ok(format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\">{}",
        with_roles(content)
    ))
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Drawing(error.to_string())
}

fn pixel((x, y): (f64, f64)) -> (i32, i32) {
    (x.round() as i32, y.round() as i32)
}

impl Canvas<'_> {
    /// Text whose middle is at this height, in a font of so many pixels.
    pub(super) fn text(&self, text: &str, at: (f64, f64), side: Side, size: f64, ink: Ink) -> Result<()> {
        // The library makes fonts smaller by this factor when it writes SVG.
        let font = ("sans-serif", size * 1.24).into_font().color(&ink.colour());
        let style = font.pos(Pos::new(side, VPos::Center));
        self.area.draw(&Text::new(text.to_string(), pixel(at), style)).map_err(failed)
    }

    /// A line through these points; `dash` pixels drawn and as many left out, if it isn't whole.
    pub(super) fn line(&self, points: &[(f64, f64)], ink: Ink, width: u32, dash: Option<u32>) -> Result<()> {
        let style = ink.colour().stroke_width(width);
        let points = points.iter().copied().map(pixel);
        match dash {
            None => self.area.draw(&PathElement::new(points.collect::<Vec<_>>(), style)),
            Some(length) => {
                self.area.draw(&DashedPathElement::new(points, length as i32, length as i32, style))
            }
        }
        .map_err(failed)
    }

    /// A filled rectangle.
    pub(super) fn rectangle(&self, corner: (f64, f64), other: (f64, f64), ink: Ink) -> Result<()> {
        let rectangle = Rectangle::new([pixel(corner), pixel(other)], ink.colour().filled());
        self.area.draw(&rectangle).map_err(failed)
    }

    /// A whisker from one point to another, with a bar at both ends, thin and light.
    pub(super) fn whisker(&self, from: (f64, f64), to: (f64, f64), ink: Ink) -> Result<()> {
        let across = |(x, y): (f64, f64)| match from.0 == to.0 {
            true => [(x - 3.0, y), (x + 3.0, y)],
            false => [(x, y - 4.0), (x, y + 4.0)],
        };
        self.line(&[from, to], ink, 1, None)?;
        self.line(&across(from), ink, 1, None)?;
        self.line(&across(to), ink, 1, None)
    }

    /// A mark for a series: a disc, a square, a triangle or a diamond.
    pub(super) fn mark(&self, at: (f64, f64), series: usize) -> Result<()> {
        let style = Ink::Series(series).colour().filled();
        let (x, y) = at;
        let corners = match series % 4 {
            0 => return self.area.draw(&Circle::new(pixel(at), 4, style)).map_err(failed),
            1 => vec![(x - 4.0, y - 4.0), (x + 4.0, y - 4.0), (x + 4.0, y + 4.0), (x - 4.0, y + 4.0)],
            2 => vec![(x - 5.0, y + 4.0), (x + 5.0, y + 4.0), (x, y - 5.0)],
            _ => vec![(x - 5.0, y), (x, y - 5.0), (x + 5.0, y), (x, y + 5.0)],
        };
        let corners: Vec<_> = corners.into_iter().map(pixel).collect();
        self.area.draw(&Polygon::new(corners, style)).map_err(failed)
    }

    /// The line of a series with its mark, for a legend.
    pub(super) fn sample(&self, from: f64, to: f64, y: f64, series: usize) -> Result<()> {
        self.line(&[(from, y), (to, y)], Ink::Series(series), 2, dash_of(series))?;
        self.mark(((from + to) / 2.0, y), series)
    }
}

/// The first series have whole lines; further ones, whose colours have been used, dashed ones.
pub(super) fn dash_of(series: usize) -> Option<u32> {
    (series >= COLOURS).then_some(4)
}
