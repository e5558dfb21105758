//! Bars below each other, each under its name and its value.

use super::canvas::{Canvas, Ink, Side, drawing};
use crate::error::Result;

/// The height of a bar with what stands above it.
const ROW: f64 = 42.0;

/// About how wide a letter is.
const LETTER: f64 = 7.8;

/// One bar.
pub(super) struct Bar {
    /// Whose it is.
    pub name: String,
    /// Its value, in words.
    pub value: String,
    /// The same in fewer words, if there is no place for more.
    pub short: String,
    /// Whether the value says that something is wrong.
    pub is_alarming: bool,
    /// What it is made of, from the left.
    pub parts: Vec<(f64, Ink)>,
    /// The least and the most, if there is a difference.
    pub whisker: Option<(f64, f64)>,
}

impl Bar {
    fn most(&self) -> f64 {
        let sum: f64 = self.parts.iter().map(|(value, _)| value).sum();
        self.whisker.map_or(sum, |(_, most)| f64::max(sum, most))
    }
}

/// Draws bars on a common scale that begins at nothing.
pub(super) fn chart(bars: &[Bar], width: u32, label: &str) -> Result<String> {
    let height = (bars.len() as f64 * ROW) as u32 + 4;
    let most = bars.iter().map(Bar::most).fold(0.0, f64::max);
    let per_unit = if most > 0.0 { (f64::from(width) - 8.0) / most } else { 0.0 };
    drawing((width, height), label, |canvas| {
        let mut rows = bars.iter().enumerate();
        rows.try_for_each(|(place, bar)| row(canvas, bar, place as f64 * ROW, f64::from(width), per_unit))
    })
}

fn row(canvas: &Canvas<'_>, bar: &Bar, top: f64, width: f64, per_unit: f64) -> Result<()> {
    let ink = if bar.is_alarming { Ink::Alarm } else { Ink::Muted };
    let letters = bar.name.chars().count() + bar.value.chars().count();
    let value = if letters as f64 * LETTER > width - 12.0 { &bar.short } else { &bar.value };
    canvas.text(&bar.name, (0.0, top + 11.0), Side::Left, 14.0, Ink::Text)?;
    canvas.text(value, (width, top + 11.0), Side::Right, 13.0, ink)?;
    canvas.line(&[(0.0, top + 34.0), (width, top + 34.0)], Ink::Grid, 1, None)?;
    let mut left = 0.0;
    for (value, ink) in &bar.parts {
        let right = left + value * per_unit;
        // A gap between the parts, if there is place for it.
        let gap = if right - left > 3.0 && bar.parts.len() > 1 { 1.0 } else { 0.0 };
        if right - left >= 0.5 {
            canvas.rectangle((left, top + 22.0), (right - gap, top + 34.0), *ink)?;
        }
        left = right;
    }
    match bar.whisker {
        Some((least, most)) => {
            let y = top + 28.0;
            canvas.whisker((least * per_unit, y), (most * per_unit, y), Ink::Text)
        }
        None => Ok(()),
    }
}
