//! The executor under shuttle, which runs the threads in one interleaving after another (random ones, and those of
//! probabilistic concurrency testing: Burckhardt et al., ASPLOS 2010). The engines are whole ones, in memory, without
//! threads of their own; where the engine's helpers are needed, shuttle's threads do their work.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" cargo test --release --lib -p synod shuttle_tests
//! ```
//!
//! Somebody who waits for what never comes is a deadlock, which shuttle reports. Shuttle makes every atomic operation
//! sequentially consistent: this finds missing locks, wake-ups and second looks, not weak orderings.

mod order;
mod procedures;
mod scene;
mod snapshots;
mod waiting;
