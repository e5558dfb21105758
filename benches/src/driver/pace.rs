//! When a run is measured, and when its transactions are due.

use super::run::RunOptions;
use crate::random::Random;
use std::time::{Duration, Instant};

/// Waits shorter than this are spent looking at the clock: a sleep takes at least so long.
const SLEEP_MIN: Duration = Duration::from_micros(200);
/// Who sleeps longer doesn't notice that it should stop.
const SLEEP_MAX: Duration = Duration::from_millis(50);

/// When a run is measured: the same for all of its threads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// When it begins, warm-up included.
    begin: Instant,
    pub(super) from: Instant,
    pub(super) to: Instant,
}

impl Window {
    /// The window of a run that begins now.
    pub(super) fn of(options: &RunOptions) -> Window {
        let begin = Instant::now();
        let from = begin + options.warmup;
        Window { begin, from, to: from + options.duration }
    }
}

/// Says when a thread's transactions are due.
pub(super) struct Clock {
    pub(super) window: Window,
    due: Instant,
    /// In an open loop: between two of them, on average.
    interval: Option<Duration>,
    random: Random,
}

impl Clock {
    pub(super) fn new(options: &RunOptions, window: Window, seed: u64) -> Clock {
        let interval = options.rate.map(|rate| Duration::from_secs_f64(options.threads as f64 / rate));
        Clock { window, due: window.begin, interval, random: Random::new(seed, 1) }
    }

    /// Waits until the next one is due, and says when that was; none if that is after the end, or if it should stop
    /// before. In a closed loop it is now.
    pub(super) fn wait_until_due(&mut self, should_stop: impl Fn() -> bool) -> Option<Instant> {
        let Some(interval) = self.interval else { return Some(Instant::now()) };
        // Exponential intervals: as if many clients, who know nothing of each other, asked now and then.
        self.due += interval.mul_f64(-(1.0 - self.random.fraction()).ln());
        if self.due >= self.window.to {
            return None;
        }
        loop {
            match self.due.saturating_duration_since(Instant::now()) {
                Duration::ZERO => return Some(self.due),
                _ if should_stop() => return None,
                long if long > SLEEP_MIN => std::thread::sleep((long - SLEEP_MIN).min(SLEEP_MAX)),
                _ => std::thread::yield_now(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(rate: Option<f64>) -> RunOptions {
        let (duration, warmup) = (Duration::from_secs(1), Duration::ZERO);
        RunOptions { threads: 4, duration, warmup, rate, seed: 7 }
    }

    /// A clock whose window is over already: nothing is waited for.
    fn past(rate: Option<f64>) -> Clock {
        let options = options(rate);
        let window = Window::of(&options);
        let back = |moment: Instant| {
            moment.checked_sub(Duration::from_secs(60)).expect("the machine has run so long")
        };
        let window = Window { begin: back(window.begin), from: back(window.from), to: back(window.to) };
        Clock::new(&options, window, 7)
    }

    #[test]
    fn so_many_are_due_whatever_time_it_is() {
        let mut clock = past(Some(40_000.0));
        let due: Vec<Instant> = std::iter::from_fn(|| clock.wait_until_due(|| false)).collect();
        // A quarter of the rate is this thread's; a standard deviation is 100.
        assert!((9_500..10_500).contains(&due.len()), "{}", due.len());
        assert!(due.is_sorted() && due.iter().all(|due| *due < clock.window.to));
        // Every second interval in e is longer than the mean.
        let mean = Duration::from_micros(100);
        let long = due.windows(2).filter(|pair| pair[1] - pair[0] > mean).count() as f64 / due.len() as f64;
        assert!((0.34..0.40).contains(&long), "exponential intervals: {long}");
    }

    #[test]
    fn a_closed_loop_is_due_now_and_an_open_one_ends_when_it_should() {
        let before = Instant::now();
        assert!(past(None).wait_until_due(|| true).expect("always") >= before);
        let options = options(Some(0.02));
        let mut clock = Clock::new(&options, Window::of(&options), 7);
        assert_eq!(clock.wait_until_due(|| true), None);
    }
}
