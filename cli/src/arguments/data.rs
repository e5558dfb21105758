//! The arguments of the commands that look at databases, and move them.

use clap::Args;
use std::path::PathBuf;

/// What to dump.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Example: the accounts as they are now, in a file that another database can load

  synod dump bank --table accounts --output accounts.jsonl
  synod load copy accounts.jsonl

Lines look like this; bytes that aren't UTF-8 are base64 under \"k64\" and \"v64\":

  {\"synod_dump\":1,\"timestamp\":1795248000000000000}
  {\"table\":\"accounts\"}
  {\"t\":\"accounts\",\"k\":\"ann\",\"v\":\"70\"}
  {\"end\":{\"tables\":1,\"records\":1,\"key_bytes\":3,\"value_bytes\":2}}")]
pub struct DumpArguments {
    /// The database's directory; no program may have it open
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,

    /// Where to write: the file gets its name when the dump is whole [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Only this table; can be given several times [default: all tables]
    #[arg(long = "table", value_name = "NAME")]
    pub tables: Vec<String>,
}

/// What to load.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Example: a table of another database, whose records win over those that are there

  synod dump bank --table accounts --output accounts.jsonl
  synod load copy accounts.jsonl --replace

A line may have 128 MiB, a key 64 KiB, a value 16 MiB.")]
pub struct LoadArguments {
    /// The database's directory, created if missing; no program may have it open
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,

    /// The dump [default: standard input]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Overwrite records whose keys are there already; without it they are an error
    #[arg(long)]
    pub replace: bool,
}

/// What to show.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Example: the table with the most records

  synod stats bank --json | jq '.tables | max_by(.records) | .name'")]
pub struct StatsArguments {
    /// The database's directory; no program may have it open
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,

    /// Show it as JSON
    #[arg(long)]
    pub json: bool,
}

/// What to check.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Example: a copy is kept only if it is whole

  synod verify bank && cp -r bank bank.monday")]
pub struct VerifyArguments {
    /// The directory of a database or a backup; no program may have it open
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

/// What to copy where.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Example: a backup on another disk, brought up to date every night

  synod backup bank /mnt/backups/bank")]
pub struct BackupArguments {
    /// The database's directory; no program may have it open
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,

    /// The backup's directory: a new one, an empty one, or an earlier backup of the same database
    #[arg(value_name = "BACKUP")]
    pub backup: PathBuf,
}

/// What to restore where.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Example: the database as it was when the backup was made, beside the one of today

  synod restore /mnt/backups/bank bank.restored")]
pub struct RestoreArguments {
    /// The backup's directory
    #[arg(value_name = "BACKUP")]
    pub backup: PathBuf,

    /// The database's directory: a new or an empty one
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

#[cfg(test)]
mod tests {
    use crate::arguments::{Arguments, Command};
    use clap::Parser;

    #[test]
    fn tables_and_files_are_read() {
        let parsed =
            Arguments::try_parse_from(["synod", "dump", "d", "--table", "a", "--table", "b", "-o", "f"]);
        let Ok(Arguments { command: Command::Dump(dump) }) = parsed else { panic!("{parsed:?}") };
        assert_eq!((dump.tables, dump.output), (vec!["a".into(), "b".into()], Some("f".into())));
        let parsed = Arguments::try_parse_from(["synod", "load", "d", "--replace"]);
        let Ok(Arguments { command: Command::Load(load) }) = parsed else { panic!("{parsed:?}") };
        assert!(load.replace && load.file.is_none());
    }

    #[test]
    fn directories_are_needed() {
        for line in ["dump", "load", "dump a b", "stats", "verify", "verify a b", "backup a", "restore a"] {
            let all = std::iter::once("synod").chain(line.split(' '));
            assert!(Arguments::try_parse_from(all).is_err(), "{line}");
        }
    }
}
