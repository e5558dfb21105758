//! One line of a dump.

use std::borrow::Cow;
use std::io::{self, Write};

use synod::{KEY_BYTES_MAX, TABLE_NAME_BYTES_MAX, VALUE_BYTES_MAX};

use super::json::{Flaw, Scanner};
use super::{DUMP_VERSION, base64};

/// A line, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line<'l> {
    /// The first one.
    Header {
        /// The moment that the dump shows, in nanoseconds since 1970.
        timestamp: u64,
    },
    /// A table whose records may follow.
    Table {
        /// Its name.
        name: Cow<'l, str>,
    },
    /// A record.
    Record(Record<'l>),
    /// The last line.
    End(Counts),
}

/// A record of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'l> {
    /// The table's name.
    pub table: Cow<'l, str>,
    /// The key.
    pub key: Cow<'l, [u8]>,
    /// The value.
    pub value: Cow<'l, [u8]>,
}

/// How much a dump holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tables, empty ones too.
    pub tables: u64,
    /// Records.
    pub records: u64,
    /// The bytes of their keys.
    pub key_bytes: u64,
    /// The bytes of their values.
    pub value_bytes: u64,
}

impl Counts {
    /// Counts a record.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        self.records += 1;
        self.key_bytes += key.len() as u64;
        self.value_bytes += value.len() as u64;
    }
}

/// Why a line is none of a dump.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// No JSON object with fields that are known.
    #[error("this is no line of a dump: {what} (column {column})")]
    Malformed {
        /// What is wrong.
        what: &'static str,
        /// Where, in bytes from 1 on.
        column: usize,
    },
    /// The fields don't make a header, a table, a record or an end.
    #[error("this is no line of a dump: {0}")]
    Incomplete(&'static str),
    /// Another version of the format.
    #[error("the dump has format version {0}; this build reads version {DUMP_VERSION}")]
    UnknownVersion(u64),
    /// Base64 that is none.
    #[error("the {0} isn't base64 (RFC 4648, padded)")]
    NotBase64(&'static str),
    /// Something is longer than the engine allows.
    #[error("the {what} has {bytes} bytes; at most {limit} are allowed")]
    TooLong {
        /// What it is.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The most that is allowed.
        limit: usize,
    },
    /// A table without a name.
    #[error("the table has no name")]
    NoName,
}

impl From<Flaw> for LineError {
    fn from(Flaw { what, column }: Flaw) -> LineError {
        LineError::Malformed { what, column }
    }
}

/// All fields that any line has.
#[derive(Default)]
struct Fields<'l> {
    synod_dump: Option<u64>,
    timestamp: Option<u64>,
    table: Option<Cow<'l, str>>,
    t: Option<Cow<'l, str>>,
    key: Option<Cow<'l, [u8]>>,
    value: Option<Cow<'l, [u8]>>,
    end: Option<Counts>,
}

impl<'l> Fields<'l> {
    fn read(text: &'l [u8]) -> Result<Fields<'l>, LineError> {
        let mut fields = Fields::default();
        let mut scanner = Scanner::new(text);
        scanner.object(|name, scanner| match name {
            "synod_dump" => set(&mut fields.synod_dump, scanner, |scanner| Ok(scanner.number()?)),
            "timestamp" => set(&mut fields.timestamp, scanner, |scanner| Ok(scanner.number()?)),
            "table" => set(&mut fields.table, scanner, table_name),
            "t" => set(&mut fields.t, scanner, table_name),
            "k" => set(&mut fields.key, scanner, |scanner| plain(scanner, "key", KEY_BYTES_MAX)),
            "v" => set(&mut fields.value, scanner, |scanner| plain(scanner, "value", VALUE_BYTES_MAX)),
            "k64" => set(&mut fields.key, scanner, |scanner| encoded(scanner, "key", KEY_BYTES_MAX)),
            "v64" => set(&mut fields.value, scanner, |scanner| encoded(scanner, "value", VALUE_BYTES_MAX)),
            "end" => set(&mut fields.end, scanner, counts),
            _ => Err(scanner.flaw("a dump has no field with such a name").into()),
        })?;
        scanner.end()?;
        Ok(fields)
    }
}

/// Reads the value of a field that wasn't there yet.
fn set<'l, T>(
    field: &mut Option<T>,
    scanner: &mut Scanner<'l>,
    read: impl FnOnce(&mut Scanner<'l>) -> Result<T, LineError>,
) -> Result<(), LineError> {
    if field.is_some() {
        return Err(scanner.flaw("the line has this a second time").into());
    }
    *field = Some(read(scanner)?);
    Ok(())
}

fn text<'l>(scanner: &mut Scanner<'l>, what: &'static str, limit: usize) -> Result<Cow<'l, str>, LineError> {
    scanner.string(limit)?.map_err(|bytes| LineError::TooLong { what, bytes, limit })
}

fn table_name<'l>(scanner: &mut Scanner<'l>) -> Result<Cow<'l, str>, LineError> {
    let name = text(scanner, "table's name", TABLE_NAME_BYTES_MAX)?;
    if name.is_empty() { Err(LineError::NoName) } else { Ok(name) }
}

fn plain<'l>(
    scanner: &mut Scanner<'l>,
    what: &'static str,
    limit: usize,
) -> Result<Cow<'l, [u8]>, LineError> {
    Ok(match text(scanner, what, limit)? {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    })
}

fn encoded<'l>(
    scanner: &mut Scanner<'l>,
    what: &'static str,
    limit: usize,
) -> Result<Cow<'l, [u8]>, LineError> {
    let digits = scanner.string(limit.div_ceil(3) * 4)?;
    let digits = digits.map_err(|digits| LineError::TooLong { what, bytes: digits / 4 * 3, limit })?;
    let bytes = base64::decode(&digits).ok_or(LineError::NotBase64(what))?;
    match bytes.len() > limit {
        true => Err(LineError::TooLong { what, bytes: bytes.len(), limit }),
        false => Ok(Cow::Owned(bytes)),
    }
}

fn counts(scanner: &mut Scanner<'_>) -> Result<Counts, LineError> {
    let [mut tables, mut records, mut key_bytes, mut value_bytes] = [None; 4];
    scanner.object(|name, scanner| {
        let field = match name {
            "tables" => &mut tables,
            "records" => &mut records,
            "key_bytes" => &mut key_bytes,
            "value_bytes" => &mut value_bytes,
            _ => return Err(scanner.flaw("an end has no field with such a name").into()),
        };
        set(field, scanner, |scanner| Ok(scanner.number()?))
    })?;
    match (tables, records, key_bytes, value_bytes) {
        (Some(tables), Some(records), Some(key_bytes), Some(value_bytes)) => {
            Ok(Counts { tables, records, key_bytes, value_bytes })
        }
        _ => Err(LineError::Incomplete("an end has the fields tables, records, key_bytes and value_bytes")),
    }
}

impl<'l> Line<'l> {
    /// Understands a line, without its line break. Takes memory for keys, values and names within the engine's
    /// limits, and only for those with escapes or in base64: the others are borrowed.
    pub fn parse(text: &'l [u8]) -> Result<Line<'l>, LineError> {
        match Fields::read(text)? {
            Fields { synod_dump: Some(version), .. } if version != DUMP_VERSION => {
                Err(LineError::UnknownVersion(version))
            }
            Fields {
                synod_dump: Some(_),
                timestamp: Some(timestamp),
                table: None,
                t: None,
                key: None,
                value: None,
                end: None,
            } => Ok(Line::Header { timestamp }),
            Fields { synod_dump: None, timestamp: None, table, t, key, value, end } => {
                match (table, t, key, value, end) {
                    (Some(name), None, None, None, None) => Ok(Line::Table { name }),
                    (None, Some(table), Some(key), Some(value), None) => {
                        Ok(Line::Record(Record { table, key, value }))
                    }
                    (None, None, None, None, Some(counts)) => Ok(Line::End(counts)),
                    _ => Err(LineError::Incomplete(
                        "one has the field table, or end, or else t with k or k64 and with v or v64",
                    )),
                }
            }
            _ => {
                Err(LineError::Incomplete("a header has the fields synod_dump and timestamp, and no others"))
            }
        }
    }

    /// The line's text, with its line break.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        match self {
            Line::Header { timestamp } => {
                writeln!(to, "{{\"synod_dump\":{DUMP_VERSION},\"timestamp\":{timestamp}}}")
            }
            Line::Table { name } => {
                to.write_all(b"{\"table\":")?;
                serde_json::to_writer(&mut *to, name)?;
                to.write_all(b"}\n")
            }
            Line::Record(Record { table, key, value }) => {
                to.write_all(b"{\"t\":")?;
                serde_json::to_writer(&mut *to, table)?;
                write_bytes(to, "k", key)?;
                write_bytes(to, "v", value)?;
                to.write_all(b"}\n")
            }
            Line::End(Counts { tables, records, key_bytes, value_bytes }) => writeln!(
                to,
                "{{\"end\":{{\"tables\":{tables},\"records\":{records},\"key_bytes\":{key_bytes},\
                 \"value_bytes\":{value_bytes}}}}}"
            ),
        }
    }
}

/// Writes a field with some bytes: plain if they are UTF-8, else in base64 and with a name that says so.
fn write_bytes(to: &mut impl Write, name: &str, bytes: &[u8]) -> io::Result<()> {
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            write!(to, ",\"{name}\":")?;
            Ok(serde_json::to_writer(to, text)?)
        }
        Err(_) => write!(to, ",\"{name}64\":\"{}\"", base64::encode(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(line: &Line<'_>) -> String {
        let mut text = Vec::new();
        line.write(&mut text).expect("memory takes everything");
        String::from_utf8(text).expect("JSON is UTF-8")
    }

    fn record<'l>(key: &'l [u8], value: &'l [u8]) -> Line<'l> {
        Line::Record(Record { table: "t".into(), key: key.into(), value: value.into() })
    }

    #[test]
    fn lines_look_like_this_and_come_back() {
        let counts = Counts { tables: 1, records: 2, key_bytes: 5, value_bytes: 5 };
        for (line, text) in [
            (Line::Header { timestamp: u64::MAX }, r#"{"synod_dump":1,"timestamp":18446744073709551615}"#),
            (Line::Table { name: "a\"\u{7}é".into() }, r#"{"table":"a\"\u0007é"}"#),
            (record(b"k", b""), r#"{"t":"t","k":"k","v":""}"#),
            (record(b"\xff", b"\0\x80"), r#"{"t":"t","k64":"/w==","v64":"AIA="}"#),
            (record(b"\0", b"\n"), r#"{"t":"t","k":"\u0000","v":"\n"}"#),
            (Line::End(counts), r#"{"end":{"tables":1,"records":2,"key_bytes":5,"value_bytes":5}}"#),
        ] {
            assert_eq!(written(&line), format!("{text}\n"));
            assert_eq!(Line::parse(text.as_bytes()).as_ref(), Ok(&line));
        }
    }

    #[test]
    fn every_byte_comes_back_in_keys_and_values() {
        for byte in 0..=u8::MAX {
            let bytes = [b'a', byte, b'b'];
            let line = record(&bytes, &bytes[1..2]);
            let text = written(&line);
            assert_eq!(Line::parse(text.trim_end().as_bytes()), Ok(line), "{text}");
            serde_json::from_str::<serde_json::Value>(&text).expect("others can read it, too");
        }
    }

    #[test]
    fn whatever_is_no_line_is_refused() {
        for text in [
            "",
            "null",
            "[]",
            "[1,7]",
            r#"{"end":[1,2,3,4]}"#,
            r#"{"t":"t","k":"a","k":"b","v":""}"#,
            "{}",
            "{\"table\":\"t\"} {}",
            r#"{"table":""}"#,
            r#"{"table":null}"#,
            r#"{"table":"t","end":null}"#,
            r#"{"table":"t","t":"t"}"#,
            r#"{"table":"t","table":"t"}"#,
            r#"{"t":"t","k":"a"}"#,
            r#"{"t":"t","v":"a"}"#,
            r#"{"k":"a","v":"a"}"#,
            r#"{"t":"t","k":"a","k64":"YQ==","v":""}"#,
            r#"{"t":"t","k":null,"k64":"YQ==","v":""}"#,
            r#"{"t":"t","k64":"YQ","v":""}"#,
            r#"{"t":"t","k":1,"v":""}"#,
            r#"{"t":"t","k":"a","v":"","x":0}"#,
            r#"{"t":"t","k":"\ud800","v":""}"#,
            r#"{"synod_dump":1}"#,
            r#"{"synod_dump":1,"timestamp":-1}"#,
            r#"{"synod_dump":1,"timestamp":1,"table":"t"}"#,
            r#"{"synod_dump":2,"timestamp":1}"#,
            r#"{"end":{"tables":1,"records":1,"key_bytes":1}}"#,
            r#"{"end":{"tables":1,"records":1,"key_bytes":1,"value_bytes":1,"more":1}}"#,
        ] {
            assert!(Line::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Line::parse(b"{\"table\":\"\xff\"}").is_err());
    }

    #[test]
    fn what_the_engine_would_refuse_is_refused_here() {
        let too_long = "x".repeat(KEY_BYTES_MAX + 1);
        let name = format!("{{\"table\":\"{}\"}}", &too_long[..TABLE_NAME_BYTES_MAX + 1]);
        let key = format!("{{\"t\":\"t\",\"k\":\"{too_long}\",\"v\":\"\"}}");
        let encoded = |bytes| base64::encode(&vec![0xff; bytes]);
        let key64 = |bytes| format!("{{\"t\":\"t\",\"k64\":\"{}\",\"v\":\"\"}}", encoded(bytes));
        assert!(Line::parse(key64(KEY_BYTES_MAX).as_bytes()).is_ok());
        for text in [name, key, key64(KEY_BYTES_MAX + 1), key64(KEY_BYTES_MAX + 100)] {
            assert!(matches!(Line::parse(text.as_bytes()), Err(LineError::TooLong { .. })));
        }
    }
}
