//! The arguments of `synod`: the input is one a line.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use clap::Parser;
use synod_cli::arguments::Arguments;

use super::{Outcome, Target};

pub(super) const TARGET: Target = Target { name: "arguments", seeds, judge, repair: <[u8]>::to_vec };

/// They are understood, or there is a text that says why not.
fn judge(input: &[u8]) -> Outcome {
    let arguments = input.split(|byte| *byte == b'\n').map(OsStr::from_bytes);
    match Arguments::try_parse_from([OsStr::new("synod")].into_iter().chain(arguments)) {
        Ok(arguments) => {
            assert!(!format!("{arguments:?}").is_empty());
            Outcome::Accepted
        }
        Err(error) => {
            assert!(!error.render().to_string().is_empty(), "a refusal without a text");
            Outcome::Refused(error.kind().to_string())
        }
    }
}

/// Each command, with its options.
fn seeds() -> Vec<Vec<u8>> {
    let lines = [
        "bench tpcc",
        "bench tpcc --warehouses 2 --threads 4 --seconds 0.5 --durability sync --deadlock wound-wait",
        "bench tpcc --isolation read-committed --path here --mix no=45,p=43,os=4,d=4,sl=4 --think --load-only",
        "bench tpcc --in-memory --in-flight 8 --seed 7 --json out --scale 0.01",
        "bench micro --records 10 --threads 1 --rounds 1 --operations 10 --path here --json out",
        "bench gc --updates 10 --records 1 --threads 2 --json=out",
        "bench checkpoint --records 10 --value-bytes 5 --threads 2 --rounds 1 --seconds 1e-3",
        "dump here --output there --table one --table=two",
        "dump here -othere",
        "load here there --replace",
        "stats here --json",
        "verify -- --here",
        "backup here there",
        "restore there here",
        "help bench tpcc",
        "--version",
    ];
    lines.map(|line| line.replace(' ', "\n").into_bytes()).to_vec()
}
