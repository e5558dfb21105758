//! Deterministic execution: the order comes first.
//!
//! **The problem.** Locks, validation and timestamps let transactions run in any order and find out, while they
//! run, which one it was; two runs of the same transactions need not agree, and some are aborted because they
//! met. If instead the order is fixed *before* they run, and made durable, then the outcome is a function of
//! that order: replicas and replays that follow the same log come to the same state, nobody deadlocks, and
//! nobody is aborted on account of others (Thomson et al., "Calvin", SIGMOD 2012).
//!
//! **The idea.** A transaction runs when all those before it have finished that write what it reads or writes; all others
//! run at the same time. That takes knowing what a transaction will touch: its [`Footprint`]. A footprint names keys
//! whether they're there or not, and ranges; so there are no phantoms. Calvin keeps a queue of lock requests for each
//! key, and one thread that makes all requests in log order:
//!
//! ```text
//!      log      1: w(a)   2: r(a) w(b)   3: r(a)   4: w(c)   5: w(a) w(c)
//!
//!      queues   a   w1 ◄ r2 r3 ◄ w5          graph   1 ──► 2
//!               b   w2                               ├───► 3
//!               c   w4 ◄ w5                          └───► 5 ◄── 4
//! ```
//!
//! **A graph instead of queues.** All that the queues are asked is who has to wait for whom, and all that is
//! known when a transaction comes in. So the [`Scheduler`] asks once: of each key it keeps the last writer, links the
//! newcomer behind it, and counts how many it waits for. A transaction that finishes lowers the counts of its
//! successors, wherever their keys are; who comes to zero is ready. There are no requests to grant, and the table of keys
//! holds nothing but what is being written, which stays in the cache.
//!
//! **Nobody waits for readers.** In the picture 5 overwrites `a` while 2 and 3 may still be reading it: they come before, and
//! look for the version of their own time, which the store keeps as long as they haven't finished ([`Execution`]). So
//! shared locks don't exist, and a key that all read and some write holds up only those who come after a writer.
//!
//! **Relatives.** VLL (Ren, Thomson & Abadi, "Lightweight locking for main memory database systems", VLDB 2013)
//! does away with the queues too: two counters beside each record say that somebody wants it, but no longer who,
//! so that those who are blocked have to be found by another search (SCA). DGCC (Yao et al., "DGCC: a new
//! dependency graph based concurrency control protocol for multicore database systems", 2015, arXiv 1503.03642)
//! builds a graph like this one for each batch, of parts of transactions, and runs one batch after the other;
//! here the window slides, and nobody waits at the end of a batch. BOHM (Faleiro & Abadi, "Rethinking
//! serializable multiversion concurrency control", VLDB 2015) puts placeholders for all versions in place before
//! anything runs; here, too, writers don't wait for the readers of the version before, but readers are found ready only
//! when their versions are there, so no placeholder is needed.
//!
//! **The window** holds the transactions from the first unfinished one on. Others behind it may have finished;
//! what they leave behind is delivered in log order, once all before them have finished: the *executed prefix*
//! is all that a reader may see.
//!
//! ```text
//!   … 6 7 8 │ 9  10  11  12  13  14 │ 15 …
//!   prefix  │ ▶   ✓   ✓   ▶   ·   · │ not admitted yet       ▶ running   ✓ finished   · waits
//! ```
//!
//! **Left out.** Splitting transactions into parts that are scheduled by themselves, as DGCC does; blind writes that
//! wouldn't wait for the writers before them, as in BOHM.

mod access;
mod clip;
mod conflicts;
mod encoding;
mod execution;
mod footprint;
mod lists;
mod protocol;
mod range;
mod reconnaissance;
mod scheduler;
mod state_hash;
#[cfg(test)]
mod tests;

pub use encoding::FootprintError;
pub use execution::{Execution, Replaced};
pub use footprint::Footprint;
pub use protocol::Deterministic;
pub use reconnaissance::Reconnaissance;
pub use scheduler::{Scheduler, Sequence};
pub use state_hash::stable_hash;
