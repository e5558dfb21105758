//! Checkpoint files from outside: written and read back, damaged, and interrupted.

mod crashes;
mod damage;
mod round_trips;
mod support;
