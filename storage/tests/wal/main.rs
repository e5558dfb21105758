//! The write-ahead log from outside: in ordinary use, cut, damaged, crashed, and under many threads.

mod basics;
mod support;
