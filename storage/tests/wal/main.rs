//! The write-ahead log from outside: in ordinary use, cut, damaged, crashed, shortened, and under many threads.

mod basics;
mod batches;
mod concurrency;
mod crash;
mod damage;
mod removal;
mod support;
mod torn;
