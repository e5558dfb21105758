//! The command line.

mod anomalies;
mod bench;
mod check;
mod compare;
mod contest;
mod data;
mod modes;
mod replay;
mod workloads;

pub use anomalies::AnomaliesArguments;
pub(crate) use bench::conflict;
pub use bench::{Bench, CheckpointArguments, GcArguments, MicroArguments, TpccArguments};
pub use check::{Assumption, CheckArguments};
pub use compare::{CompareArguments, ReportArguments};
pub use contest::{Contenders, ContestArguments, Sweep, Vary};
pub use data::{
    BackupArguments, DumpArguments, LoadArguments, RestoreArguments, StatsArguments, VerifyArguments,
};
pub use modes::Modes;
pub use replay::ReplayArguments;
pub use workloads::{
    BankArguments, DataArguments, HotArguments, SmallBankArguments, TatpArguments, WorkloadArguments,
    YcsbArguments,
};

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
    /// Shows isolation anomalies: which mode prevents which, at which level, and how.
    ///
    /// Without a scenario all of those that come with the program are run, under all modes at all their levels, and the
    /// result is a table. With one scenario, a mode and a level, the run is told step by step. The exit status is 1 if
    /// something comes out other than the scenario's file expects.
    Anomalies(AnomaliesArguments),
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
    /// Shows what a database holds, its files, and what opening it took.
    Stats(StatsArguments),
    /// Checks every byte of a database or a backup, and changes nothing.
    ///
    /// Each damage is a line, with its file and offset. What a crash has left at the end of the log is none, and a
    /// remark: nobody was promised it, and the next opening cuts it off. The exit status is 0 if all is whole, 1 if
    /// anything is damaged, 2 if that can't be told, for instance because a program has the database open.
    Verify(VerifyArguments),
    /// Checks a history of transactions for isolation anomalies, and explains them.
    ///
    /// Reads what Jepsen writes and Elle checks: transactions over lists that are appended to, or over registers; and
    /// histories that an engine recorded of itself, with the version of each read and write. Says which isolation
    /// levels the history satisfies. The exit status is 0 if it satisfies the one that was asked for, 1 if not, 2 if
    /// that can't be told, because it is no history, or nothing in it is known to have committed.
    Check(CheckArguments),
    /// Compares two measurements of the same workload: which target has become faster or slower, beyond the noise.
    ///
    /// Reads what "synod bench" has written with --json. A target counts as changed only if all its runs after lie on one
    /// side of all its runs before, and the medians are further apart than the runs of either side are. The exit status is
    /// 0; with --fail-above 1, if a target is slower by more than that, or newly breaks a rule of its workload; 2 if the
    /// two can't be compared.
    Compare(CompareArguments),
    /// Shows a measurement again that "synod bench" has written with --json; as a page with charts, too.
    Report(ReportArguments),
    /// Makes a backup of a database, or brings one up to date.
    ///
    /// The first time everything is written, later only what is new, as long as the log still has it. A program
    /// that has the database open makes backups itself, with Engine::backup_to.
    Backup(BackupArguments),
    /// Executes the procedures in a database's log again, in memory, and compares the results with those of the first time.
    ///
    /// The log of the deterministic mode has the order of the procedures, and every so often a hash of the state. What comes
    /// out differently now, because a procedure isn't deterministic or its code has changed, ends the command with status 1
    /// at the first epoch that is known to differ. The procedures are those of the workloads that come with this program;
    /// a program with procedures of its own calls Engine::replay.
    Replay(ReplayArguments),
    /// Makes a database of a backup, which stays as it is, and checks every byte of it.
    Restore(RestoreArguments),
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
