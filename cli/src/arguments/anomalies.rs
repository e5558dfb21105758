//! The arguments of `synod anomalies`.

use clap::Args;
use std::path::PathBuf;
use synod::{Isolation, Mode};

/// What to show.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples: everything; write skew, step by step, with a picture of its cycle; in how many ways it can happen

  synod anomalies
  synod anomalies G2-item --mode mvcc --level snapshot --svg skew.svg
  synod anomalies G2-item --mode mvcc --level snapshot --permute

A scenario is a text file, like this one:

  title: lost update
  row 1 = 10
  T1 begin
  T2 begin
  T1 get 1
  T2 get 1
  T1 add 1 5
  T2 add 1 7
  T1 commit
  T2 commit
  anomaly: G-single
  expect 2pl serializable: aborts: deadlock")]
pub struct AnomaliesArguments {
    /// A scenario that comes with the program, or a file [default: all that come with the program]
    #[arg(value_name = "SCENARIO")]
    pub scenario: Option<String>,

    /// Only this mode: 2pl, occ or mvcc
    #[arg(long, value_name = "MODE")]
    pub mode: Option<Mode>,

    /// Only this level: read-uncommitted, read-committed, repeatable-read, snapshot or serializable
    #[arg(long, value_name = "LEVEL")]
    pub level: Option<Isolation>,

    /// Draw the anomaly's cycle into this file
    #[arg(long, value_name = "FILE", requires_all = ["scenario", "mode", "level"], conflicts_with = "permute")]
    pub svg: Option<PathBuf>,

    /// Run the steps in all orders that keep each transaction's own
    #[arg(long, requires_all = ["scenario", "mode", "level"])]
    pub permute: bool,

    /// At most so many orders, evenly spread over all
    #[arg(long, value_name = "N", default_value_t = 2000, requires = "permute", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}
