//! The arguments of `synod bench`.

use super::{
    Arguments, BankArguments, HotArguments, Modes, SmallBankArguments, TatpArguments, YcsbArguments,
};
use crate::render::units::count;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Subcommand};
use std::path::PathBuf;
use synod::{DeadlockPolicy, Durability, Isolation, Mode};
use synod_bench::micro::MicroOptions;
use synod_bench::recording::RECORDED_STEPS_MAX;
use synod_bench::tpcc::Mix;

/// A benchmark.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// An order-entry workload after TPC-C: load, run, check the twelve consistency conditions.
    Tpcc(TpccArguments),
    /// Records read, updated and scanned by keys of some popularity, after YCSB, on modes and other engines.
    Ycsb(Box<YcsbArguments>),
    /// Transactions that meet on a few hot records, and otherwise touch cold ones, on modes and other engines.
    Contention(Box<HotArguments>),
    /// Customers with two accounts each, and six kinds of transactions, after SmallBank, on modes and other engines.
    #[command(name = "smallbank")]
    SmallBank(Box<SmallBankArguments>),
    /// Transfers between accounts, and audits that add up all of them, on modes and other engines.
    Bank(Box<BankArguments>),
    /// A telephone network's register, after TATP: short reads, few writes; on modes and other engines.
    Tatp(Box<TatpArguments>),
    /// Single operations, as multiples of one look-up (L) and one flush (F) of this machine.
    Micro(MicroArguments),
    /// Memory under endless updates of few records.
    Gc(GcArguments),
    /// Checkpoints: how fast they are written and loaded, and what they cost transactions beside them.
    Checkpoint(CheckpointArguments),
}

/// Without any option: one warehouse in a temporary directory, all cores, ten seconds.
#[derive(Args, Clone, Debug)]
pub struct TpccArguments {
    /// Warehouses [default: 1, or what the database at --path has]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub warehouses: Option<u16>,

    /// Threads that run transactions [default: one per core; with --think ten per warehouse]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub threads: Option<u16>,

    /// How long to run, in seconds
    #[arg(long, value_name = "S", default_value_t = 10.0, value_parser = positive_seconds)]
    pub seconds: f64,

    /// When a commit counts as done: sync, group, buffered or none [default: group; in memory none]
    #[arg(long, value_name = "LEVEL")]
    pub durability: Option<Durability>,

    /// Concurrency control: 2pl, occ, mvcc or deterministic; all for one after the other, on equal data, side by side at the end
    #[arg(long, value_name = "MODE", default_value = "2pl")]
    pub mode: Modes,

    /// With --mode all: rounds in which the modes take turns; medians are shown
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub repeat: u16,

    /// What to do about deadlocks: detect, wound-wait, wait-die or no-wait
    #[arg(long, value_name = "POLICY", default_value = "detect")]
    pub deadlock: DeadlockPolicy,

    /// Isolation of updates, one that the mode has: read-uncommitted, read-committed, repeatable-read, snapshot or
    /// serializable
    #[arg(long, value_name = "LEVEL", default_value = "serializable")]
    pub isolation: Isolation,

    /// Directory of the database, kept, and reused if it is loaded; with --mode all where the temporary ones go
    /// [default: temporary, removed at the end]
    #[arg(long, value_name = "DIR", conflicts_with = "in_memory")]
    pub path: Option<PathBuf>,

    /// Keep the database in memory only, without a log
    #[arg(long)]
    pub in_memory: bool,

    /// Cards of each kind in the deck, as in no=50,p=50,os=0,d=0,sl=0
    #[arg(long, value_name = "MIX", default_value_t = Mix::STANDARD)]
    pub mix: Mix,

    /// Keep keying and think times; each thread is one terminal
    #[arg(long)]
    pub think: bool,

    /// Transactions that a thread may have committed and not yet durable; each stands for a waiting terminal
    /// [default: 64 for group durability, otherwise 1]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub in_flight: Option<u32>,

    /// What data and inputs follow from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Record what every transaction reads and writes, and write it to this file for "synod check"; with --mode all to
    /// one for each mode, as in FILE-occ.edn. It slows the run down, and is kept in memory until the end: at most
    /// 2,000,000 steps, in about a gigabyte; there the run ends
    #[arg(long, value_name = "FILE.edn")]
    pub history: Option<PathBuf>,

    /// Also write everything to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Load the database at --path and check it, without a run
    #[arg(long, requires = "path")]
    pub load_only: bool,

    /// Population of each warehouse as a fraction of the full size, for tests and smoke runs: 0.01 has 1,000
    /// items and 30 customers a district
    #[arg(long, value_name = "FRACTION", hide = true, value_parser = fraction)]
    pub scale: Option<f64>,
}

impl TpccArguments {
    /// Ends the program if the arguments contradict each other.
    pub fn check(&self) {
        let _ = (self.durability(), self.in_flight());
        if let Some(lack) = self.mode.lack(self.isolation) {
            conflict(&lack);
        }
        match self.mode {
            Modes::All if self.load_only => conflict(
                "with --mode all each run loads a database of its own: leave --load-only out, or choose a mode",
            ),
            Modes::All if self.repeat > 1 && self.history.is_some() => {
                conflict("--history is of one run of each mode: leave --repeat out, or --history")
            }
            Modes::One(_) if self.load_only && self.history.is_some() => conflict(
                "--load-only runs no transactions that a history could have: leave it out, or --history",
            ),
            Modes::One(_) if self.repeat > 1 => {
                conflict("--repeat is for modes that take turns: add --mode all")
            }
            _ => {}
        }
    }

    /// The durability level, after a check that it goes with the rest.
    pub fn durability(&self) -> Durability {
        match self.durability {
            Some(level) if self.in_memory && level != Durability::None => conflict(&format!(
                "--in-memory has no log, so a commit can't be {level}: leave --durability out, or --in-memory"
            )),
            Some(level) => level,
            None if self.in_memory => Durability::None,
            None => Durability::Group,
        }
    }

    /// How many transactions a thread may have in flight, after a check that it goes with the rest.
    pub fn in_flight(&self) -> usize {
        match (self.in_flight, self.think, self.durability()) {
            (Some(in_flight), true, _) if in_flight > 1 => conflict(
                "with --think each thread is one terminal, which waits for its transaction: leave --in-flight out",
            ),
            (Some(in_flight), _, _) => in_flight as usize,
            (None, false, Durability::Group) => 64,
            (None, ..) => 1,
        }
    }
}

/// How `micro` measures.
#[derive(Args, Clone, Debug)]
pub struct MicroArguments {
    /// Concurrency control: 2pl, occ, mvcc or deterministic; all for taking turns, side by side at the end
    /// [default: 2pl; with --audit mvcc]
    #[arg(long, value_name = "MODE")]
    pub mode: Option<Modes>,

    /// Measure what the audit of isolation costs instead: transactions at the snapshot level, the same audited, and
    /// serializable ones, in turn
    #[arg(long, conflicts_with = "history")]
    pub audit: bool,

    /// Records of the table
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub records: u64,

    /// Threads that run operations at the same time
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: u16,

    /// Rounds; figures are medians over them
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub rounds: u16,

    /// Operations of each thread in each round
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(10..))]
    pub operations: u32,

    /// Directory for the database [default: temporary, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub path: Option<PathBuf>,

    /// Record what every transaction reads and writes, and write it to this file for "synod check"; with --mode all to
    /// one for each mode, as in FILE-occ.edn. It slows everything down, and is kept in memory until the
    /// end: at most 2,000,000 steps of all modes together, in about a gigabyte
    #[arg(long, value_name = "FILE.edn")]
    pub history: Option<PathBuf>,

    /// Also write everything to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

impl MicroArguments {
    /// Ends the program if the arguments contradict each other.
    pub fn check(&self) {
        if self.audit && self.mode.is_some_and(|mode| mode != Modes::One(Mode::MultiVersion)) {
            conflict("--audit is of the snapshot level, which only mvcc has: leave --mode out, or --audit");
        }
        let steps = self.options(Mode::default()).recorded_steps() * self.modes().list().len() as u64;
        if self.history.is_some() && steps > RECORDED_STEPS_MAX {
            conflict(&format!(
                "--history would record about {} steps, and {} are the most: choose fewer --operations or --rounds",
                count(steps),
                count(RECORDED_STEPS_MAX)
            ));
        }
    }

    /// Which modes are measured.
    pub fn modes(&self) -> Modes {
        let default = if self.audit { Mode::MultiVersion } else { Mode::default() };
        self.mode.unwrap_or(Modes::One(default))
    }

    /// How one mode is measured.
    pub fn options(&self, mode: Mode) -> MicroOptions {
        MicroOptions {
            mode,
            records: self.records,
            threads: usize::from(self.threads),
            rounds: usize::from(self.rounds),
            operations: self.operations as usize,
            records_history: self.history.is_some(),
        }
    }
}

/// How `gc` updates.
#[derive(Args, Clone, Debug)]
pub struct GcArguments {
    /// Updates, of all threads together
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(10..))]
    pub updates: u64,

    /// Records, each as likely to be updated as any other
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub records: u64,

    /// Threads that update [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,

    /// Also write everything to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// How `checkpoint` measures.
#[derive(Args, Clone, Debug)]
pub struct CheckpointArguments {
    /// Records in the database
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub records: u64,

    /// Bytes in each value
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=16_777_216))]
    pub value_bytes: u32,

    /// Threads that update [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub threads: Option<u16>,

    /// How often everything is measured; medians are shown
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub rounds: u16,

    /// How long the updates run each time, in seconds
    #[arg(long, value_name = "S", default_value_t = 4.0, value_parser = positive_seconds)]
    pub seconds: f64,

    /// Directory in which a temporary database goes [default: that for temporary files]
    #[arg(long, value_name = "DIR")]
    pub path: Option<PathBuf>,

    /// Also write everything to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Ends the program as clap does for arguments that contradict each other.
pub(crate) fn conflict(explanation: &str) -> ! {
    Arguments::command().error(ErrorKind::ArgumentConflict, explanation).exit()
}

pub(super) fn positive_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        // Less than a nanosecond is no time.
        Ok(seconds) if (1e-9..=1e7).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds above 0 is needed".to_string()),
    }
}

fn fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(fraction) if fraction > 0.0 && fraction <= 1.0 => Ok(fraction),
        _ => Err("a fraction above 0 and up to 1 is needed".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Command;
    use clap::Parser;

    fn tpcc(arguments: &[&str]) -> Result<TpccArguments, clap::Error> {
        let all = ["synod", "bench", "tpcc"].iter().chain(arguments);
        match Arguments::try_parse_from(all)?.command {
            Command::Bench { bench: Bench::Tpcc(arguments) } => Ok(arguments),
            other => panic!("parsed as {other:?}"),
        }
    }

    #[test]
    fn defaults_depend_on_where_the_database_lies() {
        let plain = tpcc(&[]).expect("no arguments are needed");
        assert_eq!((plain.durability(), plain.in_flight()), (Durability::Group, 64));
        let memory = tpcc(&["--in-memory"]).expect("valid");
        assert_eq!((memory.durability(), memory.in_flight()), (Durability::None, 1));
        let sync = tpcc(&["--durability", "sync"]).expect("valid");
        assert_eq!((sync.durability(), sync.in_flight()), (Durability::Sync, 1));
        let think = tpcc(&["--think"]).expect("valid");
        assert_eq!(think.in_flight(), 1);
        let given = tpcc(&["--durability", "sync", "--in-flight", "8"]).expect("valid");
        assert_eq!(given.in_flight(), 8);
    }

    #[test]
    fn all_settings_are_read() {
        let text = "--warehouses 4 --threads 3 --seconds 0.5 --mode occ --deadlock wound-wait --isolation read-committed \
                    --path there --mix no=1,p=2 --seed 9 --scale 0.5";
        let arguments = tpcc(&text.split_whitespace().collect::<Vec<_>>()).expect("valid");
        assert_eq!((arguments.warehouses, arguments.threads, arguments.seconds), (Some(4), Some(3), 0.5));
        assert_eq!(
            (arguments.mode, arguments.deadlock),
            (Modes::One(Mode::Optimistic), DeadlockPolicy::WoundWait)
        );
        assert_eq!(arguments.isolation, Isolation::ReadCommitted);
        assert_eq!((arguments.mix.to_string(), arguments.seed), ("no=1,p=2".to_string(), 9));
        assert_eq!(arguments.scale, Some(0.5));
    }

    #[test]
    fn nonsense_is_refused() {
        for arguments in [
            "--warehouses 0",
            "--threads 0",
            "--seconds 0",
            "--seconds nan",
            "--mix no=0",
            "--mix tea=1",
            "--durability maybe",
            "--mode hope",
            "--deadlock hope",
            "--isolation some",
            "--in-flight 0",
            "--scale 2",
            "--load-only",
            "--path x --in-memory",
        ] {
            assert!(tpcc(&arguments.split_whitespace().collect::<Vec<_>>()).is_err(), "{arguments}");
        }
    }
}
