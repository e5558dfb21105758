//! Where a value stands between the ends of an axis, and at which values its ticks are.

/// The values of an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// From nothing to this.
    Linear(f64),
    /// From one power of ten, or twice or five times it, to another.
    Logarithmic(f64, f64),
}

impl Scale {
    /// From nothing to a little above `most`.
    pub(super) fn linear(most: f64) -> Scale {
        Scale::Linear(if most > 0.0 { most * 1.02 } else { 1.0 })
    }

    /// From the last tick that isn't above `least` to the first that isn't below `most`; both more than nothing.
    pub(super) fn logarithmic(least: f64, most: f64) -> Scale {
        let from = marks(least).rev().find(|mark| *mark <= least).unwrap_or(least);
        let to = marks(most).find(|mark| *mark >= most).unwrap_or(most);
        Scale::Logarithmic(from, if to > from { to } else { from * 10.0 })
    }

    /// How far along the axis, from 0 to 1. What lies outside is at an end.
    pub(super) fn place(self, value: f64) -> f64 {
        let place = match self {
            Scale::Linear(most) => value / most,
            Scale::Logarithmic(from, to) => (value.max(from) / from).ln() / (to / from).ln(),
        };
        place.clamp(0.0, 1.0)
    }

    /// The values that get a line and a label.
    pub(super) fn ticks(self) -> Vec<f64> {
        match self {
            Scale::Linear(most) => {
                let step = step(most);
                (0..=(most / step).floor() as u32).map(|tick| f64::from(tick) * step).collect()
            }
            Scale::Logarithmic(from, to) => {
                let is_short = to / from <= 150.0;
                let between = |mark: &f64| *mark >= from * 0.999 && *mark <= to * 1.001;
                let decades = (from.log10().floor() as i32)..=(to.log10().ceil() as i32);
                let factors: &[f64] = if is_short { &[1.0, 2.0, 5.0] } else { &[1.0] };
                decades
                    .flat_map(|decade| factors.iter().map(move |factor| factor * 10f64.powi(decade)))
                    .filter(between)
                    .collect()
            }
        }
    }
}

/// 1, 2 or 5 times a power of ten, so that up to this value there are three to six steps.
fn step(most: f64) -> f64 {
    let rough = most / 5.0;
    let decade = 10f64.powf(rough.log10().floor());
    // A little less, so that rounding doesn't make six steps of five.
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * decade >= rough * 0.999);
    factor.unwrap_or(10.0) * decade
}

/// 1, 2 and 5 times the powers of ten around a value.
fn marks(value: f64) -> impl DoubleEndedIterator<Item = f64> {
    let decade = value.log10().floor() as i32;
    (decade - 1..=decade + 1)
        .flat_map(|decade| [1.0, 2.0, 5.0].map(|factor| factor * 10f64.powi(decade)))
        .collect::<Vec<_>>()
        .into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_axes_begin_at_nothing_and_have_few_ticks() {
        assert_eq!(Scale::linear(9.3).ticks(), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(Scale::linear(120_000.0).ticks().last(), Some(&100_000.0));
        assert_eq!(Scale::linear(0.0).place(0.5), 0.5);
        for most in 1..2_000 {
            let ticks = Scale::linear(f64::from(most)).ticks().len();
            assert!((3..=6).contains(&ticks), "{most}: {ticks}");
        }
    }

    #[test]
    fn logarithmic_axes_enclose_their_values() {
        let scale = Scale::logarithmic(3_300.0, 80_000_000.0);
        assert_eq!(scale, Scale::Logarithmic(2e3, 1e8));
        assert_eq!(scale.ticks(), [1e4, 1e5, 1e6, 1e7, 1e8]);
        assert_eq!((scale.place(1.0), scale.place(2e3), scale.place(1e9)), (0.0, 0.0, 1.0));
        assert_eq!(Scale::logarithmic(120.0, 900.0).ticks(), [100.0, 200.0, 500.0, 1_000.0]);
        assert_eq!(Scale::logarithmic(100.0, 100.0), Scale::Logarithmic(100.0, 1_000.0));
    }
}
