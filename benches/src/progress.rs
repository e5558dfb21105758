//! How far a long step has come, on standard error.
//!
//! On a terminal this is a bar or a line that redraws itself. Elsewhere (a log, a pipe) it is an ordinary line
//! every few seconds, so that nobody takes a long load for a hang.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

const LINE_EVERY: Duration = Duration::from_secs(5);

/// The display of one step. Dropping it clears the bar.
#[derive(Debug)]
pub struct Progress {
    display: Display,
}

#[derive(Debug)]
enum Display {
    Hidden,
    Bar(ProgressBar),
    Lines { label: String, next: Instant },
}

impl Progress {
    /// Shows nothing at all.
    pub fn hidden() -> Progress {
        Progress { display: Display::Hidden }
    }

    /// A step of `total` parts, named `label`.
    pub fn new(label: &str, total: u64) -> Progress {
        Self::with_style(label, Some(total), "{prefix:>8} [{bar:32}] {percent:>3}% {msg} {eta}")
    }

    /// A step whose state is a line of text, named `label`.
    pub fn line(label: &str) -> Progress {
        Self::with_style(label, None, "{prefix:>8} {msg}")
    }

    fn with_style(label: &str, total: Option<u64>, template: &str) -> Progress {
        if !std::io::stderr().is_terminal() {
            let display = Display::Lines { label: label.to_string(), next: Instant::now() + LINE_EVERY };
            return Progress { display };
        }
        let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("=> "));
        bar.set_prefix(label.to_string());
        Progress { display: Display::Bar(bar) }
    }

    /// Shows that `done` parts are done, with `text` beside. Cheap enough to call ten times a second.
    pub fn set(&mut self, done: u64, text: impl FnOnce() -> String) {
        match &mut self.display {
            Display::Hidden => {}
            Display::Bar(bar) => {
                bar.set_message(text());
                bar.set_position(done);
            }
            Display::Lines { label, next } => {
                let now = Instant::now();
                if now >= *next {
                    *next = now + LINE_EVERY;
                    // Progress that can't be shown is no reason to fail.
                    let _ = writeln!(std::io::stderr(), "{label}: {}", text());
                }
            }
        }
    }

    /// Does something that writes to the terminal, while nothing else does.
    pub fn suspended<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.display {
            Display::Bar(bar) => bar.suspend(work),
            Display::Hidden | Display::Lines { .. } => work(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }
}
