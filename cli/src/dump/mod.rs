//! Dumps: the records of a database as text, for other programs, other versions and other machines.
//!
//! A dump is JSON, one object a line, in UTF-8:
//!
//! ```text
//! {"synod_dump":1,"timestamp":1795248000000000000}                       what it is, and of which moment
//! {"table":"accounts"}                                                   a table; its records follow
//! {"t":"accounts","k":"ann","v":"70"}
//! {"t":"accounts","k64":"/wA=","v64":"gAAA"}                             bytes that aren't UTF-8
//! {"end":{"tables":1,"records":2,"key_bytes":5,"value_bytes":5}}         what must have come
//! ```
//!
//! Keys and values are strings where they are UTF-8, and base64 (RFC 4648, section 4, always padded) under another
//! name where they aren't; the two may be mixed. A record names its table, so that a line that `grep` finds says
//! where it belongs. A table must be named before its records. Spaces and the order of an object's fields don't
//! matter; fields that nobody knows do, and are refused: whoever wrote them meant something by them.
//!
//! The last line is what tells a whole dump from one that was cut.
//!
//! **Limits.** A line has at most [`LINE_BYTES_MAX`] bytes. Whatever the input, reading it takes no more memory
//! than [`READING_BYTES_MAX`] and the names of its tables.
//!
//! Left out: old versions of records; a checksum (a file that is edited by hand should still load; the counts
//! notice what gets lost on the way).

mod fields;
mod line;
mod reader;
mod writer;

pub use line::{Counts, Line, LineError, Record};
pub use reader::{Amount, DumpError, DumpReader, Item, LINE_BYTES_MAX, Problem, READING_BYTES_MAX};
pub use writer::DumpWriter;

/// The version of the format that this build writes and reads.
pub const DUMP_VERSION: u64 = 1;
