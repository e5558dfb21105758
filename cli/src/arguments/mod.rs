//! The command line.

mod bench;
mod data;

pub use bench::{Bench, GcArguments, MicroArguments, TpccArguments};
pub use data::{DumpArguments, LoadArguments};

use clap::{Parser, Subcommand};

/// Databases of the Synod transaction engine: look at them, move them, check them, measure them.
#[derive(Debug, Parser)]
#[command(name = "synod", version)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measures the engine.
    Bench {
        /// Which benchmark.
        #[command(subcommand)]
        bench: Bench,
    },
    /// Writes the records of a database as lines of JSON.
    ///
    /// All of them as of one moment. The last line counts what came before, so that a dump that was cut is noticed.
    Dump(DumpArguments),
    /// Puts the records of a dump into a database.
    ///
    /// Tables that are missing are created. A file is checked from beginning to end first; what comes through a
    /// pipe can't be. Records are committed a thousand at a time: if something is wrong with one, those before it
    /// stay, and the command says how many.
    Load(LoadArguments),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }
}
