//! What is shown of the run in progress.

use crate::progress::Progress;
use crate::units::number;
use std::time::{Duration, Instant};

/// How long a moment is: rates are of the last one.
const MOMENT: Duration = Duration::from_millis(500);

/// A run, and how far it has come.
pub(super) struct Live<'p> {
    progress: &'p mut Progress,
    /// Which run: `run 3 of 24: occ, theta 0.9, repetition 1 of 3`.
    label: String,
    /// Answers and the time, when the moment began.
    last: (u64, Instant),
    per_second: f64,
}

impl<'p> Live<'p> {
    pub(super) fn new(progress: &'p mut Progress, label: String) -> Live<'p> {
        Live { progress, label, last: (0, Instant::now()), per_second: 0.0 }
    }

    /// Shows a step that has no transactions.
    pub(super) fn step(&mut self, step: &str) {
        self.last = (0, Instant::now());
        let label = &self.label;
        self.progress.set(0, || format!("{label}: {step}"));
    }

    /// Shows how many transactions are answered, and how fast they were in the last moment.
    pub(super) fn running(&mut self, phase: &str, answered: u64, left: Duration) {
        let (before, since) = self.last;
        let passed = since.elapsed();
        if passed >= MOMENT || before == 0 {
            self.per_second = answered.saturating_sub(before) as f64 / passed.as_secs_f64().max(1e-3);
            self.last = (answered, Instant::now());
        }
        let (label, rate) = (&self.label, number(self.per_second));
        let left = left.as_secs_f64();
        self.progress.set(answered, || format!("{label}, {phase}: {rate} transactions/s, {left:.0} s left"));
    }
}
