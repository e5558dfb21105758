//! Random concurrent histories, and whether they are strictly serializable.
//!
//! Threads run small random transactions on few keys and write down what they asked for, what they were
//! answered, and when they began and ended (*real time* is a counter that everyone increments). Afterwards
//! the committed ones are replayed, one at a time, on a plain map:
//!
//! ```text
//! commit timestamps   10        20             30        40
//! writers        ──── W1 ────── W2 ─────────── W3 ────── W4 ──►  replayed in this order: same answers?
//! R wrote nothing          ^ here, ^ here … ^ or here?           some place must fit its answers, not before
//!                                                                those that had ended when it began, and not
//!                                                                after those that began when it had ended
//! ```
//!
//! Every value written is unique, so an answer tells who wrote it, and an aborted transaction's value shows.
//! That writers take effect in the order of their commit timestamps holds for two-phase locking (timestamps
//! are taken while all locks are held) and for validation at the timestamp; it would be too strict for
//! serializable snapshot isolation, where a reader may come before a writer with a smaller timestamp.

//!
//! That replay judges one generic workload. The named ones ([`bank`], [`long_fork`], [`monotonic`], [`predicate`],
//! [`black_box`]) are each about one anomaly, which their own clients can see, and are judged by `synod-checker`, too.

pub mod bank;
pub mod black_box;
pub mod clients;
pub mod long_fork;
pub mod monotonic;
pub mod predicate;
mod promise;
mod record;
mod verdict;
mod workload;

pub use promise::{beyond, promise};
pub use record::{Answer, Committed, Request};
pub use verdict::check;
pub use workload::{Workload, run};
