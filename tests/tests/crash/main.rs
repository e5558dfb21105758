//! Crashes, failing disks and killed processes: what was acknowledged stays, and nothing is there by halves.

mod cuts;
mod damage;
mod faults;
mod hangs;
mod kill;
mod levels;
mod power;
mod refusals;
mod sabotage;
mod timestamps;
