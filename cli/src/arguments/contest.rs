//! The arguments that all comparisons of targets have.

use super::bench::{conflict, positive_seconds};
use clap::Args;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use synod::{Durability, Isolation, Mode};
use synod_bench::driver::{RATE_MAX, RATE_MIN};
use synod_bench::peers::Peer;

/// The most values of a sweep.
const SWEEP_VALUES_MAX: usize = 50;

/// What is compared, for how long, and where the figures go.
#[derive(Args, Clone, Debug)]
pub struct ContestArguments {
    /// Modes of this engine, separated by commas: 2pl, occ, mvcc, deterministic, each also at a weaker level, as in
    /// mvcc@snapshot; all for each mode at serializable, and mvcc@snapshot; none to measure peers alone
    #[arg(long, value_name = "MODES", default_value = "all")]
    pub mode: Contenders,

    /// Other engines, separated by commas: rocksdb, rocksdb-optimistic, redb, fjall, lmdb, sqlite, surrealkv; all for each
    /// that is built in. None is unless the program was built with --features peers, or with one feature for each
    #[arg(long, value_name = "ENGINES")]
    pub peer: Option<Peers>,

    /// Isolation of the modes for which none is given
    #[arg(long, value_name = "LEVEL", default_value = "serializable")]
    pub isolation: Isolation,

    /// Threads, each of them a client; several numbers, separated by commas, are a sweep [default: one per core]
    #[arg(long, value_name = "N,…", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Vec<u16>,

    /// When a commit counts as done: none (not even logged), buffered (logged, written and flushed behind), group or
    /// sync (flushed)
    #[arg(long, value_name = "LEVEL", default_value = "buffered")]
    pub durability: Durability,

    /// How long each run is measured, in seconds
    #[arg(long, value_name = "S", default_value_t = 5.0, value_parser = positive_seconds)]
    pub seconds: f64,

    /// How long each runs before that, in seconds
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = seconds)]
    pub warmup: f64,

    /// How often each target runs; they take turns, and medians are shown
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repeat: u32,

    /// Varies something that needs no other data, as in theta=0,0.6,0.9,0.99,1.2 or threads=1,2,4
    #[arg(long, value_name = "NAME=VALUE,…")]
    pub sweep: Option<Sweep>,

    /// Transactions that a thread has in flight; with more than one it doesn't wait for each before it hands in the next
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub in_flight: u32,

    /// Transactions a second that are due, of all threads together, whatever the engine does (an open loop); latencies
    /// count from the moment at which they are due [default: each thread begins the next when the last one is answered]
    #[arg(long, value_name = "N", value_parser = rate, conflicts_with = "in_flight")]
    pub rate: Option<f64>,

    /// Directory in which temporary databases go [default: that for temporary files]
    #[arg(long, value_name = "DIR")]
    pub path: Option<PathBuf>,

    /// What all inputs follow from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Also write everything to this file, as JSON, which "synod compare" reads
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Also write a line for each run to this file
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,

    /// Also write a report with charts to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

impl ContestArguments {
    /// The modes and levels, after a check that there are such.
    pub fn contenders(&self) -> Vec<(Mode, Isolation)> {
        let level = |(mode, given): &(Mode, Option<Isolation>)| (*mode, given.unwrap_or(self.isolation));
        let contenders: Vec<_> = self.mode.0.iter().map(level).collect();
        for (index, (mode, isolation)) in contenders.iter().enumerate() {
            if !mode.levels().contains(isolation) {
                let levels: Vec<String> = mode.levels().iter().map(Isolation::to_string).collect();
                conflict(&format!("{mode} has no level {isolation}; it has: {}", levels.join(", ")));
            }
            if contenders[..index].contains(&(*mode, *isolation)) {
                conflict(&format!("{mode} at {isolation} is there twice"));
            }
        }
        contenders
    }

    /// The other engines, after a check that they are built in and do what is asked for.
    pub fn peers(&self) -> &[Peer] {
        let peers = self.peer.as_ref().map_or(&[][..], |peers| &peers.0);
        if let Some(missing) = peers.iter().find(|peer| !peer.is_built()) {
            conflict(&format!(
                "{missing} isn't built in: build with --features {} (or peers)",
                missing.feature()
            ));
        }
        if !peers.is_empty() && self.in_flight > 1 {
            conflict(
                "other engines answer one transaction after the other: leave --in-flight out, or --peer",
            );
        }
        if peers.is_empty() && self.mode.0.is_empty() {
            conflict("--mode none leaves nothing to measure: choose a mode, or a --peer");
        }
        peers
    }

    /// Ends the program if two reports would go to one file.
    pub fn check_files(&self) {
        let files = [("--json", &self.json), ("--csv", &self.csv), ("--html", &self.html)];
        for (place, (option, file)) in files.iter().enumerate() {
            if let Some((other, _)) = files[..place].iter().find(|(_, other)| file.is_some() && other == file)
            {
                conflict(&format!("{other} and {option} name the same file: one would overwrite the other"));
            }
        }
    }

    /// What is varied, and its values; none if there is one point only.
    pub fn sweep(&self) -> Option<Sweep> {
        match (&self.sweep, &self.threads[..]) {
            (Some(sweep), [_, _, ..]) => conflict(&format!(
                "one thing is varied at a time: leave --sweep {} out, or give one number of --threads",
                sweep.name
            )),
            (Some(sweep), [_]) if sweep.name == "threads" => {
                conflict("--sweep threads=… says all numbers: leave --threads out")
            }
            (Some(sweep), _) => Some(sweep.clone()),
            (None, several @ [_, _, ..]) => {
                let values: Vec<String> = several.iter().map(u16::to_string).collect();
                check_values(&values).unwrap_or_else(|problem| conflict(&format!("--threads: {problem}")));
                Some(Sweep { name: "threads".to_string(), values })
            }
            (None, _) => None,
        }
    }
}

/// Modes, each with a level or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contenders(Vec<(Mode, Option<Isolation>)>);

impl FromStr for Contenders {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => return Ok(Contenders(Vec::new())),
            "all" => {
                let mut all: Vec<_> = Mode::ALL.iter().map(|mode| (*mode, None)).collect();
                let after = all.iter().position(|(mode, _)| *mode == Mode::MultiVersion).unwrap_or_default();
                all.insert(after, (Mode::MultiVersion, Some(Isolation::Snapshot)));
                return Ok(Contenders(all));
            }
            _ => {}
        }
        let one = |text: &str| {
            let (mode, level) = match text.split_once('@') {
                Some((mode, level)) => (mode, Some(level.parse()?)),
                None => (text, None),
            };
            let mode = mode.parse().map_err(|_| {
                format!("unknown mode \"{mode}\": use 2pl, occ, mvcc, deterministic, all or none")
            })?;
            Ok((mode, level))
        };
        text.split(',').map(one).collect::<Result<_, _>>().map(Contenders)
    }
}

/// Other engines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peers(Vec<Peer>);

impl FromStr for Peers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            let built: Vec<Peer> = Peer::ALL.into_iter().filter(|peer| peer.is_built()).collect();
            return match built.is_empty() {
                true => Err("no other engine is built in: build with --features peers".to_string()),
                false => Ok(Peers(built)),
            };
        }
        let mut peers: Vec<Peer> = text.split(',').map(str::parse).collect::<Result<_, _>>()?;
        peers.sort();
        peers.dedup();
        Ok(Peers(peers))
    }
}

impl fmt::Display for Contenders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |(mode, level): &(Mode, Option<Isolation>)| match level {
            Some(level) => format!("{mode}@{level}"),
            None => mode.to_string(),
        };
        f.write_str(&self.0.iter().map(name).collect::<Vec<_>>().join(","))
    }
}

/// What is varied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// Its name.
    pub name: String,
    /// Its values, as they were given.
    pub values: Vec<String>,
}

impl FromStr for Sweep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, values) = text.split_once('=').ok_or("a name and values are needed, as in theta=0,0.9")?;
        let values: Vec<String> = values.split(',').map(|value| value.trim().to_string()).collect();
        check_values(&values)?;
        Ok(Sweep { name: name.trim().to_string(), values })
    }
}

/// Checks that there are values, not too many, and each once.
fn check_values(values: &[String]) -> Result<(), String> {
    if values.len() > SWEEP_VALUES_MAX || values.iter().any(String::is_empty) {
        return Err(format!("1 to {SWEEP_VALUES_MAX} values are needed, separated by commas"));
    }
    match values.iter().enumerate().find(|(place, value)| values[..*place].contains(value)) {
        Some((_, twice)) => Err(format!("{twice} is there twice")),
        None => Ok(()),
    }
}

/// Something whose settings can be varied one by one.
pub trait Vary: Clone {
    /// The names of what can be varied.
    const NAMES: &'static [&'static str];

    /// Sets one of them.
    ///
    /// # Errors
    ///
    /// If the value is none, in words.
    fn set(&mut self, name: &str, value: &str) -> Result<(), String>;
}

/// Reads a value of a sweep.
pub(super) fn parsed<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("\"{value}\" is no value of {name}"))
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=1e7).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds, 0 or more, is needed".to_string()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (RATE_MIN..=RATE_MAX).contains(&rate) => Ok(rate),
        _ => Err(format!("a number from {RATE_MIN} to {RATE_MAX} is needed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_with_and_without_levels() {
        let all: Contenders = "all".parse().expect("known");
        assert_eq!(all.to_string(), "2pl,occ,mvcc@snapshot,mvcc,deterministic");
        let some: Contenders = "occ@read-committed,2pl".parse().expect("known");
        assert_eq!(some.0[0], (Mode::Optimistic, Some(Isolation::ReadCommitted)));
        assert_eq!(some.0[1], (Mode::TwoPhaseLocking, None));
        assert_eq!("none".parse::<Contenders>().expect("known").0, []);
        for unknown in ["hope", "occ@hope", "", "2pl,,occ"] {
            assert!(unknown.parse::<Contenders>().is_err(), "{unknown}");
        }
    }

    #[test]
    fn sweeps_are_read() {
        let sweep: Sweep = "theta=0, 0.9".parse().expect("valid");
        assert_eq!(
            (&sweep.name[..], &sweep.values[..]),
            ("theta", &["0".to_string(), "0.9".to_string()][..])
        );
        for wrong in ["theta", "theta=", "theta=1,,2", "theta=1,2,1"] {
            assert!(wrong.parse::<Sweep>().is_err(), "{wrong}");
        }
    }
}
