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
        for line in ["dump", "load", "dump a b"] {
            let all = std::iter::once("synod").chain(line.split(' '));
            assert!(Arguments::try_parse_from(all).is_err(), "{line}");
        }
    }
}
