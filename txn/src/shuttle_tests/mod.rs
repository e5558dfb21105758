//! Small scenarios under shuttle, which runs the threads in one interleaving after another (random ones,
//! and those of probabilistic concurrency testing: Burckhardt et al., ASPLOS 2010). Index nodes have four
//! entries there, and the registry only a few slots more than have bits in a control word.
//!
//!     RUSTFLAGS="--cfg shuttle" cargo test -p synod-txn --lib
//!
//! Shuttle makes every atomic operation sequentially consistent: this finds missing locks, wake-ups, looks
//! and second looks, not weak orderings.

mod batches;
mod commits;
mod gaps;
mod garbage;
mod locks;
mod multi_version;
mod optimistic;
mod scene;
mod snapshots;
mod together;
