//! How many of the transactions that the multi-version mode aborts at the serializable level would have done no harm.
//!
//! The serial safety net looks at two times of each transaction, not at the graph of all, so it aborts some
//! that are in no cycle. Which ones can be told afterwards: what they had read and written is recorded, and
//! the checker sees all of the history.
//!
//! ```text
//! U     ··· write x ── commit                    T → U: T read x before U wrote it, and U committed first
//! R     ··· read y ─────────────── commit        R → T: R read y before T wrote it
//! T     read x ·············· write y ── aborted, for U may come before R. Does it?
//! ```
//!
//! If R read what U wrote, or began after U had ended, T would have been in a cycle; if not, its abort was a
//! *false* one.
//!
//! So each aborted transaction is added, as if it had committed, to the history of what had committed until
//! then, and to nothing later: whoever commits later has its own check. (An audit at the snapshot level would
//! be simpler to count, but there those that should have been aborted commit all the same, and what they
//! write misleads all others.)

mod judge;
mod workload;

pub use judge::{Counts, judge};
pub use workload::{Workload, run};
