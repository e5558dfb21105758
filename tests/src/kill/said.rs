//! What a process has said in one of its lives: a line for each thing.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use synod::Timestamp;

/// One thing that a process says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// It runs, and opens the database next.
    Begun,
    /// The database is open, after so many microseconds.
    Open(u64),
    /// The thread's next transaction is committed, at this timestamp.
    Committed(u64, Timestamp),
    /// All commits up to this timestamp are durable.
    Durable(Timestamp),
    /// So many checkpoints were taken in this life.
    Checkpoints(u64),
    /// A backup holds everything up to this timestamp.
    BackedUp(Timestamp),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Begun => f.write_str("begun"),
            Line::Open(microseconds) => write!(f, "open {microseconds}"),
            Line::Committed(thread, timestamp) => write!(f, "committed {thread} {}", timestamp.0),
            Line::Durable(timestamp) => write!(f, "durable {}", timestamp.0),
            Line::Checkpoints(taken) => write!(f, "checkpoints {taken}"),
            Line::BackedUp(timestamp) => write!(f, "backup {}", timestamp.0),
        }
    }
}

impl FromStr for Line {
    type Err = String;

    fn from_str(line: &str) -> Result<Line, String> {
        let unknown = || format!("the process says what nobody understands: {line:?}");
        let words: Vec<&str> = line.split(' ').collect();
        let number = |word: &str| word.parse::<u64>().map_err(|_| unknown());
        let parsed = match words[..] {
            ["begun"] => Line::Begun,
            ["open", microseconds] => Line::Open(number(microseconds)?),
            ["committed", thread, timestamp] => {
                Line::Committed(number(thread)?, Timestamp(number(timestamp)?))
            }
            ["durable", timestamp] => Line::Durable(Timestamp(number(timestamp)?)),
            ["checkpoints", taken] => Line::Checkpoints(number(taken)?),
            ["backup", timestamp] => Line::BackedUp(Timestamp(number(timestamp)?)),
            _ => return Err(unknown()),
        };
        Ok(parsed)
    }
}

/// All that a process has said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// How long it took to open the database; `None` if it was killed before that.
    pub opening: Option<Duration>,
    /// When each commit of each thread was.
    pub commits: BTreeMap<u64, Vec<Timestamp>>,
    /// Everything up to here is promised.
    pub durable: Timestamp,
    /// The checkpoints taken.
    pub checkpoints: u64,
    /// Up to where a backup was promised.
    pub backed_up: Option<Timestamp>,
}

impl Said {
    /// Reads what a process has said.
    ///
    /// # Errors
    /// If a line makes no sense.
    pub fn parse(text: &str) -> Result<Said, String> {
        let mut said = Said::default();
        for line in text.lines() {
            match line.parse()? {
                Line::Begun => {}
                Line::Open(microseconds) => said.opening = Some(Duration::from_micros(microseconds)),
                Line::Committed(thread, timestamp) => said.commits.entry(thread).or_default().push(timestamp),
                Line::Durable(timestamp) => said.durable = said.durable.max(timestamp),
                Line::Checkpoints(taken) => said.checkpoints = said.checkpoints.max(taken),
                Line::BackedUp(timestamp) => said.backed_up = said.backed_up.max(Some(timestamp)),
            }
        }
        Ok(said)
    }

    /// When the commits of a thread were, in their order.
    pub fn commits_of(&self, thread: u64) -> &[Timestamp] {
        self.commits.get(&thread).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let lines = [
            Line::Begun,
            Line::Open(1500),
            Line::Committed(2, Timestamp(7)),
            Line::Committed(2, Timestamp(9)),
            Line::Durable(Timestamp(8)),
            Line::Durable(Timestamp(7)),
            Line::Checkpoints(3),
            Line::BackedUp(Timestamp(5)),
        ];
        let said = Said::parse(&lines.map(|line| format!("{line}\n")).concat()).unwrap();
        let expected = Said {
            opening: Some(Duration::from_micros(1500)),
            commits: BTreeMap::from([(2, vec![Timestamp(7), Timestamp(9)])]),
            durable: Timestamp(8),
            checkpoints: 3,
            backed_up: Some(Timestamp(5)),
        };
        assert_eq!(said, expected);
        assert!(Said::parse("committed 1\n").is_err());
    }
}
