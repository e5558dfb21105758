//! Which modes a benchmark runs: one, or all of them beside each other.

use std::fmt;
use std::str::FromStr;
use synod::{Isolation, Mode};

/// One mode, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modes {
    /// This one.
    One(Mode),
    /// Each of them, to be compared.
    All,
}

impl Modes {
    /// The modes, in the order in which they are run.
    pub fn list(&self) -> &[Mode] {
        match self {
            Modes::One(mode) => std::slice::from_ref(mode),
            Modes::All => &Mode::ALL,
        }
    }

    /// The first mode that lacks `level`, in words, with the levels that would do.
    pub(crate) fn lack(&self, level: Isolation) -> Option<String> {
        let lacking = self.list().iter().find(|mode| !mode.levels().contains(&level))?;
        let has_all = |level: &&Isolation| self.list().iter().all(|mode| mode.levels().contains(level));
        let common: Vec<String> = Isolation::ALL.iter().filter(has_all).map(Isolation::to_string).collect();
        let owner = if *self == Modes::All { "all modes have" } else { "it has" };
        Some(format!("{lacking} has no level {level}; {owner}: {}", common.join(", ")))
    }
}

impl fmt::Display for Modes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Modes::One(mode) => mode.fmt(f),
            Modes::All => f.pad("all"),
        }
    }
}

impl FromStr for Modes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Modes::All);
        }
        let unknown = |_| format!("unknown mode \"{text}\": use 2pl, occ, mvcc, deterministic or all");
        text.parse().map(Modes::One).map_err(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_and_shown() {
        for text in ["2pl", "occ", "mvcc", "deterministic", "all"] {
            assert_eq!(text.parse::<Modes>().expect(text).to_string(), text);
        }
        assert!("both".parse::<Modes>().is_err_and(|error| error.contains("\"both\"")));
        assert_eq!(Modes::All.list(), Mode::ALL);
    }

    #[test]
    fn a_level_that_a_mode_lacks_is_told() {
        assert_eq!(Modes::All.lack(Isolation::Serializable), None);
        assert_eq!(Modes::One(Mode::MultiVersion).lack(Isolation::Snapshot), None);
        assert_eq!(
            Modes::All.lack(Isolation::Snapshot).as_deref(),
            Some("2pl has no level snapshot; all modes have: serializable")
        );
        assert_eq!(
            Modes::One(Mode::Optimistic).lack(Isolation::RepeatableRead).as_deref(),
            Some("occ has no level repeatable-read; it has: read-committed, serializable")
        );
    }
}
