//! The arguments of `synod check`.

use clap::{Args, ValueEnum};
use std::path::PathBuf;
use synod_checker::Level;

/// Which history to check, and for what.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Levels, each after those that it implies: read-uncommitted, read-committed, monotonic-atomic-view,
repeatable-read, snapshot-isolation, serializable, strong-session-snapshot-isolation,
strong-snapshot-isolation, strong-session-serializable, strict-serializable

Example: two withdrawals that each saw the money (write skew), which snapshot isolation allows

  {:index 0 :type :invoke :process 0 :f :txn :value [[:r :ann nil] [:append :bob 1]]}
  {:index 1 :type :invoke :process 1 :f :txn :value [[:r :bob nil] [:append :ann 2]]}
  {:index 2 :type :ok     :process 0 :f :txn :value [[:r :ann []] [:append :bob 1]]}
  {:index 3 :type :ok     :process 1 :f :txn :value [[:r :bob []] [:append :ann 2]]}

  synod check skew.edn --level serializable --svg skew.svg")]
pub struct CheckArguments {
    /// The history, or - for standard input
    #[arg(value_name = "FILE.edn")]
    pub file: PathBuf,

    /// Which level it should satisfy [default: strict-serializable]
    #[arg(long, value_name = "LEVEL")]
    pub level: Option<Level>,

    /// What may be assumed of registers ([:w k v] and [:r k v]), to know more of the order of their values
    #[arg(long, value_name = "WHAT")]
    pub assume: Option<Assumption>,

    /// Draw the worst anomaly
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,

    /// Draw the worst anomaly for Graphviz
    #[arg(long, value_name = "FILE")]
    pub dot: Option<PathBuf>,

    /// How many anomalies of each kind are explained
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub examples: u32,

    /// Show the verdict as JSON
    #[arg(long)]
    pub json: bool,
}

/// What each register is assumed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Assumption {
    /// It follows the order of each session
    Sequential,
    /// It follows real time
    Linearizable,
}
