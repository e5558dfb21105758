//! Checkpoints, recovery, time travel across restarts, backups, the change feed, and the space that all of it takes.

mod backups;
mod changes;
mod checkpoints;
mod deferred;
mod full_disk;
mod modes;
mod space;
mod support;
mod time_travel;
