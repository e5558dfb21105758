//! How far a command has come, for those who wait: nothing in the first second, then a line on standard error.

use crate::output::remark;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// When progress is shown for the first time.
const FIRST_AFTER: Duration = Duration::from_secs(1);

/// How often the line on a terminal is drawn anew.
const REDRAW_EVERY: Duration = Duration::from_millis(200);

/// How often another line comes where there's no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows on standard error how far a step has come.
#[derive(Debug)]
pub(crate) struct Meter {
    is_terminal: bool,
    next: Instant,
    /// How many characters stand on the terminal's line.
    drawn: usize,
}

impl Meter {
    pub(crate) fn new() -> Meter {
        Meter { is_terminal: std::io::stderr().is_terminal(), next: Instant::now() + FIRST_AFTER, drawn: 0 }
    }

    /// To be called for every record; `text` is asked for only when it is shown. Costs a look at the clock.
    pub(crate) fn step(&mut self, text: impl FnOnce() -> String) {
        let now = Instant::now();
        if now < self.next {
            return;
        }
        let text = text();
        if self.is_terminal {
            self.next = now + REDRAW_EVERY;
            draw(&text, self.drawn);
            self.drawn = text.chars().count();
        } else {
            self.next = now + LINE_EVERY;
            remark(&text);
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.drawn > 0 {
            draw("", self.drawn);
            draw("", 0);
        }
    }
}

/// Draws a line over the one before, of which so many characters stand there.
fn draw(text: &str, before: usize) {
    let mut to = std::io::stderr();
    // Progress that can't be shown is no reason to fail.
    let _ = write!(to, "\r{text:before$}").and_then(|()| to.flush());
}
