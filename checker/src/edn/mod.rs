//! Histories as text, in EDN: what Jepsen writes and Elle reads, and a form for engines that record themselves.
//!
//! # Black-box
//!
//! One map for each event, one after the other or in a vector: an `:invoke`, and later an event of the same process that
//! says how the transaction ended: `:ok` committed, `:fail` aborted, `:info` nobody knows.
//!
//! ```text
//! {:index 0, :type :invoke, :process 0, :f :txn, :value [[:append 5 1] [:r 6 nil]]}
//! {:index 1, :type :ok,     :process 0, :f :txn, :value [[:append 5 1] [:r 6 [1 2]]]}
//! ```
//!
//! | operation | meaning |
//! | --- | --- |
//! | `[:append k v]` | appends `v` to the list `k` |
//! | `[:r k [1 2]]` | reads the list `k`; `nil` is the empty list |
//! | `[:w k v]` | writes `v` to the register `k` |
//! | `[:r k v]` | reads the register `k`; `nil` is what was never written |
//!
//! Processes are sessions. Real time is the order of events: `:index` where there is one, otherwise that in the file.
//! Events of processes that aren't numbers (`:nemesis`) are passed over, and so are other entries of maps, and tags.
//!
//! # White-box
//!
//! One map for each transaction, without an `:invoke`. All entries but `:type` and `:value` may be missing.
//!
//! ```text
//! {:type :ok, :process 3, :begin 10, :end 17, :ts 15, :value [[:get "x" 12] [:put "x"] [:scan "a" "c" [["b" 9]]]]}
//! ```
//!
//! | operation | meaning |
//! | --- | --- |
//! | `[:get k v]` | reads `k` and sees version `v`; `nil` is what was never written |
//! | `[:put k v]` | writes `k` and makes version `v`; without `v` one of the transaction's timestamp `:ts` |
//! | `[:del k v]` | deletes `k` and makes the tombstone `v`; without `v` one of `:ts` |
//! | `[:scan low high [[k v] …]]` | reads all keys from `low` on and before `high`, and finds these |
//!
//! A version is a commit timestamp, `15`, or, for the second write of its transaction to the same key, `[15 1]`, and so on. A bound
//! of a scan is a key, `nil` for none, or `[:> k]`, `[:>= k]`, `[:< k]`, `[:<= k]`. `:begin` and `:end` are real time.
//!
//! # Names
//!
//! Keys and values are whole numbers, strings, `#bytes "00ff"` for bytes that aren't UTF-8, or keywords and symbols, which are
//! the same as strings.

mod error;
mod event;
mod operation;
mod read;
mod token;
mod write;

pub use error::{EdnError, EdnFault};
pub use read::read_edn;
pub use write::write_edn;
