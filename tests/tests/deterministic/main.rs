//! The deterministic mode as a whole: procedures, their order, and what must follow from it.

mod backups;
mod crashes;
mod epochs;
mod histories;
mod modes;
mod outcomes;
mod reconnaissance;
mod replay;
mod scripts;
mod serial;
mod strict;
mod timestamps;
