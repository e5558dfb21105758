//! The arguments of `synod replay`.

use clap::Args;
use std::path::PathBuf;
use synod::Mode;

/// What to execute again, and how.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Example: a run of TPC-C in the deterministic mode, executed again by one thread, and as optimistic transactions

  synod bench tpcc --mode deterministic --seconds 3 --path run
  synod replay run/data --threads 1
  synod replay run/data --mode occ")]
pub struct ReplayArguments {
    /// The database's directory; no program may have it open
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,

    /// The last epoch to execute [default: all]
    #[arg(long, value_name = "EPOCH")]
    pub until: Option<u64>,

    /// How many threads execute procedures [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,

    /// Run the procedures as transactions of another mode: in an order that nobody has decided, so that the state can be
    /// another one
    #[arg(long, value_name = "MODE", default_value_t = Mode::Deterministic)]
    pub mode: Mode,

    /// Begin with the newest checkpoint, not with as much of the log as there is
    #[arg(long)]
    pub from_newest_checkpoint: bool,

    /// Show every epoch, not some
    #[arg(long)]
    pub epochs: bool,

    /// Write the records of this table as they are at the end, like `synod dump`; can be given several times
    #[arg(long = "dump", value_name = "TABLE")]
    pub tables: Vec<String>,
}
