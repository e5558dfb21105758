//! The write-ahead log from outside: in ordinary use, cut, damaged, crashed, and under many threads.

mod basics;
mod concurrency;
mod crash;
mod damage;
mod support;
mod torn;
