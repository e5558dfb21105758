//! Workloads run under every mode: their rules hold afterwards, and don't where the data have been changed behind the
//! engine's back.

mod bank;
mod declared;
mod harness;
mod smallbank;
mod tatp;
mod ycsb;
