//! The deterministic mode as a whole: random procedures, and what a plain map says they should do.
//!
//! A *script* is a procedure whose arguments are a little program: reads, writes, scans, savepoints, decisions that depend
//! on what was read. It says beforehand what it will touch, all of it or not quite, or leaves that to the engine. Scripts
//! are handed in by many threads; each notes the place that it was given; and then one thread runs the same scripts in the
//! order of their places, on a map.
//!
//! ```text
//!  clients   s1 s4 ··┐                             ┌─ every answer is the same
//!            s2 s5 ··┼─► engine ─► places ─► serial ┼─ the state is the same, at the end and wherever anybody looked
//!            s3 s6 ··┘                             └─ the order respects real time
//! ```
//!
//! | file | what it is for |
//! | --- | --- |
//! | [`places`] | keys and ranges, few and close to each other |
//! | [`script`] | the little language, and what a script declares |
//! | [`perform`] | a script as a procedure |
//! | [`serial`] | a script on a map |
//! | [`witness`] | the places that scripts were given |
//! | [`trouble`] | delays that depend on nothing that a procedure may depend on |
//! | [`world`] | engines, and what is in them |
//! | [`clients`] | threads that hand in scripts and look at the state |
//! | [`crashes`] | clients whose database crashes |
//! | [`verdict`] | whether all that fits together |

pub mod clients;
pub mod crashes;
pub mod perform;
pub mod places;
pub mod script;
pub mod serial;
pub mod trouble;
pub mod verdict;
pub mod witness;
pub mod world;
