//! The kill campaign: a process under load is killed at random moments, over and over, and what it leaves is
//! judged against what it had said until then.
//!
//! ```text
//! parent   start ────────── kill ─ start ─ kill ─ reopen, judge, clear the ledger ─ start ── …
//!            │ ▲ ▲ ▲ ▲ ▲ ▲    │      │       │
//! child      └ says what it   ╳      └ still ╳                one epoch: from one clearing to the next
//!              has committed,          recovering             one life:  from a start to its kill
//!              what is durable
//! ```
//!
//! What a transaction does follows from its name (life, thread, number) and the campaign's seed alone, and each
//! leaves its name in a ledger. So the names that are found say what all other tables must hold, to the byte: no
//! effect is lost, none is there by halves, none comes back. What the child says goes through a pipe to its parent,
//! where no crash reaches it.
//!
//! A killed process loses its memory, and nothing that it has written, synced or not: that is the kernel's by
//! then. Commits at [`Durability::Buffered`](synod::Durability::Buffered) stay in the process's memory for up to
//! the flush interval, so of them no more is promised than of any commit that is waited for: those before the last
//! durable one are there, and what is there is a prefix of the commit order.
//!
//! | file | what it is for |
//! | --- | --- |
//! | [`work`] | what transactions do, with and without an engine |
//! | [`load`] | the process that is killed |
//! | [`process`] | starting and killing it |
//! | [`said`] | what it has said |
//! | [`verdict`] | whether what is found is what was promised |
//! | [`campaign`] | the whole of it |

pub mod campaign;
pub mod load;
pub mod process;
pub mod said;
pub mod verdict;
pub mod work;
