//! The workloads that have names.

use super::{Mix, Popularity, Settings};
use std::fmt;
use std::str::FromStr;

/// A workload with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Half reads, half updates.
    A,
    /// Mostly reads, some updates.
    B,
    /// Only reads.
    C,
    /// Reads of the latest, and inserts.
    D,
    /// Short scans, and inserts.
    E,
    /// Reads, and read-modify-writes.
    F,
    /// Transactions of reads and read-modify-writes.
    T,
    /// Transactions that meet on a few hot records.
    Contention,
}

impl Preset {
    /// All of them.
    pub const ALL: [Preset; 8] =
        [Preset::A, Preset::B, Preset::C, Preset::D, Preset::E, Preset::F, Preset::T, Preset::Contention];

    fn name(self) -> &'static str {
        match self {
            Preset::A => "a",
            Preset::B => "b",
            Preset::C => "c",
            Preset::D => "d",
            Preset::E => "e",
            Preset::F => "f",
            Preset::T => "t",
            Preset::Contention => "contention",
        }
    }

    /// Its settings: a million records, keys of 8 bytes, values of 100.
    pub fn settings(self) -> Settings {
        let mix = |read, update, read_modify_write, insert| Mix { read, update, read_modify_write, insert };
        let zipf = Popularity::Zipf(0.99);
        let (operations, mix, popularity) = match self {
            Preset::A => (1, mix(50, 50, 0, 0), zipf),
            Preset::B => (1, mix(95, 5, 0, 0), zipf),
            Preset::C => (1, mix(100, 0, 0, 0), zipf),
            Preset::D => (1, mix(95, 0, 0, 5), Popularity::Latest(0.99)),
            Preset::E => (1, mix(0, 0, 0, 5), zipf),
            Preset::F => (1, mix(50, 0, 50, 0), zipf),
            Preset::T => (10, mix(50, 0, 50, 0), Popularity::Zipf(0.9)),
            Preset::Contention => (10, mix(0, 0, 100, 0), Popularity::Hot { records: 10, operations: 2 }),
        };
        Settings {
            preset: self,
            records: 1_000_000,
            key_bytes: 8,
            value_bytes: 100,
            operations,
            mix,
            popularity,
            scan_max: 100,
            one_by_one: false,
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Preset {
    type Err = String;

    fn from_str(text: &str) -> Result<Preset, String> {
        let known =
            Preset::ALL.into_iter().find(|preset| preset.name() == text && *preset != Preset::Contention);
        known.ok_or_else(|| format!("unknown workload \"{text}\": use a, b, c, d, e, f or t"))
    }
}
