//! What to do about transactions that would wait for each other forever.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The deadlock policy of an engine. The age of a transaction counts from its first attempt, so that one
/// that is retried grows old and wins at last (Rosenkrantz, Stearns & Lewis, "System level concurrency
/// control for distributed database systems", TODS 1978).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeadlockPolicy {
    /// Anybody may wait. A cycle is found at the moment when it closes, and its youngest member is aborted
    /// with a description of the cycle.
    #[default]
    Detect,
    /// The older waits for the younger; the younger is aborted by an older one that needs its lock.
    WoundWait,
    /// The older waits for the younger; the younger aborts itself instead of waiting for an older one.
    WaitDie,
    /// Nobody waits: whoever meets a conflicting lock aborts.
    NoWait,
}

impl DeadlockPolicy {
    /// All policies.
    pub const ALL: [DeadlockPolicy; 4] = [Self::Detect, Self::WoundWait, Self::WaitDie, Self::NoWait];
}

impl fmt::Display for DeadlockPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            DeadlockPolicy::Detect => "detect",
            DeadlockPolicy::WoundWait => "wound-wait",
            DeadlockPolicy::WaitDie => "wait-die",
            DeadlockPolicy::NoWait => "no-wait",
        })
    }
}

impl FromStr for DeadlockPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        DeadlockPolicy::ALL.into_iter().find(|policy| policy.to_string() == text).ok_or_else(|| {
            format!("unknown deadlock policy \"{text}\": use detect, wound-wait, wait-die or no-wait")
        })
    }
}
