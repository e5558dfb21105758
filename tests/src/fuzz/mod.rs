//! Fuzzing: whatever bytes come in from outside, nothing panics, nothing asks for huge memory, and those who look
//! at the same bytes in different ways agree on them.
//!
//! Each target is a plain function of bytes ([`log`], [`batch`], [`checkpoint`], [`note`], [`dump`], [`arguments`]), called by
//! libFuzzer (the crate in `fuzz/`, nightly) and by a test that runs on stable: it replays `tests/corpus/` and tries
//! some thousand mutations of it.
//!
//! Checksums keep a fuzzer out: nearly every mutation of a log ends at the first one. So each input is judged twice,
//! as it came, and with its checksums set right:
//!
//! ```text
//! input ──┬──────────────────────► judge      damage, as a disk makes it
//!         └─ repair the checksums ─► judge      what no disk makes, and only an enemy or another program
//! ```
//!
//! | file | what it is for |
//! | --- | --- |
//! | `log`, `batch`, `checkpoint`, `note`, `dump`, `arguments` | one target each: seeds, repair, judgement |
//! | [`layout`] | numbers and checksums at places in files |
//! | [`mutation`], [`exploration`] | new inputs of old ones, without libFuzzer |

mod arguments;
mod batch;
mod checkpoint;
mod dump;
pub mod exploration;
pub mod layout;
mod log;
pub mod mutation;
mod note;

use std::fmt;

use crate::memory::largest_allocation;

/// Longer inputs are passed over.
pub const INPUT_BYTES_MAX: usize = 32 << 10;

/// No input of that length makes anything ask for more memory at once. (Compressed bytes grow to the 255-fold.)
pub const LARGEST_ALLOCATION_BYTES: usize = 9 << 20;

/// What became of an input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It was understood.
    Accepted,
    /// It was refused, for this reason.
    Refused(String),
}

impl Outcome {
    /// The refusal with this error, less what differs from one input to the next: numbers and names.
    fn refused(error: &impl fmt::Display) -> Outcome {
        let text = error.to_string();
        let is_letter = |character: char| character.is_ascii_alphabetic() || character == '\'';
        let words = text.split_whitespace().filter(|word| !word.contains('"'));
        let words = words.map(|word| word.trim_matches(|character: char| character.is_ascii_punctuation()));
        let words = words.filter(|word| !word.is_empty() && word.chars().all(is_letter));
        Outcome::Refused(words.collect::<Vec<_>>().join(" "))
    }
}

/// Something that is fuzzed.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its folder in the corpus.
    pub name: &'static str,
    /// Inputs that real encoders make.
    pub seeds: fn() -> Vec<Vec<u8>>,
    judge: fn(&[u8]) -> Outcome,
    /// The input with its checksums, and the like, set right.
    repair: fn(&[u8]) -> Vec<u8>,
}

/// The targets.
pub const TARGETS: [Target; 6] =
    [log::TARGET, batch::TARGET, checkpoint::TARGET, note::TARGET, dump::TARGET, arguments::TARGET];

impl Target {
    /// An input with its checksums set right, if there are any in it.
    pub fn repaired(&self, input: &[u8]) -> Vec<u8> {
        (self.repair)(input)
    }

    /// Judges an input, and the same with its checksums set right.
    ///
    /// # Panics
    /// If anything is wrong.
    pub fn run(&self, input: &[u8]) -> Vec<Outcome> {
        if input.len() > INPUT_BYTES_MAX {
            return Vec::new();
        }
        let mut outcomes = vec![(self.judge)(input)];
        let repaired = self.repaired(input);
        if repaired != input {
            outcomes.push((self.judge)(&repaired));
        }
        let largest = largest_allocation();
        assert!(largest <= LARGEST_ALLOCATION_BYTES, "{}: {largest} bytes were asked for at once", self.name);
        outcomes
    }
}

/// The segments of a log, one behind the other: verification, opening and replay agree on them.
pub fn log(input: &[u8]) {
    log::TARGET.run(input);
}

/// A batch of the sequencer: what can be decoded is what would be encoded.
pub fn batch(input: &[u8]) {
    batch::TARGET.run(input);
}

/// A checkpoint: what verification takes for whole can be loaded, and is what can be read.
pub fn checkpoint(input: &[u8]) {
    checkpoint::TARGET.run(input);
}

/// A note, as that of a database and as that of a backup.
pub fn note(input: &[u8]) {
    note::TARGET.run(input);
}

/// The text of a dump: what can be loaded comes back when it is dumped again.
pub fn dump(input: &[u8]) {
    dump::TARGET.run(input);
}

/// The arguments of `synod`, separated by line breaks.
pub fn arguments(input: &[u8]) {
    arguments::TARGET.run(input);
}
