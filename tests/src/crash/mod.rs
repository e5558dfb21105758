//! What a crash may do to a database, and how to tell whether it did more than that.
//!
//! A workload commits numbered transactions; what a transaction writes follows from its number, so that the
//! state after any sequence of commits can be computed without the engine. The recorder keeps what the engine
//! has said about each number. A crash is an *image*: the device as it is found afterwards, with what the
//! recorder held just before it and just after it.
//!
//! ```text
//! recorder   1 2 4 3 5 7 6 8 9 …            commits, in the order of their timestamps
//!            a a   a a       ▲              a: acknowledged as durable before the crash
//! image      1 2 4 3 5 7 │ cut              whatever is there must be all up to some cut,
//!            └────────── whole ──────┘      behind the last acknowledged one, and nothing else
//! ```
//!
//! | file | what it is for |
//! | --- | --- |
//! | [`history`] | numbered commits, the recorder, the state that they lead to |
//! | [`workload`] | threads that commit at every level, create and drop tables |
//! | [`log_files`] | the log's files, and copies that are cut somewhere |
//! | [`verdict`] | opens an image and judges it |
//! | [`gate`] | a device whose syncs can be held up |
//! | [`failure`] | what an error is at bottom, and a time limit for what might hang |

pub mod failure;
pub mod gate;
pub mod history;
pub mod log_files;
pub mod verdict;
pub mod workload;
