//! One line of a dump.

use std::borrow::Cow;
use std::io::{self, Write};

use base64::Engine;
use base64::display::Base64Display;
use base64::prelude::BASE64_STANDARD as BASE64;
use synod::{KEY_BYTES_MAX, TABLE_NAME_BYTES_MAX, VALUE_BYTES_MAX};

use super::DUMP_VERSION;
use super::fields::{Fields, Written};

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
        what: String,
        /// Where, in bytes from 1 on: there, or just before.
        column: usize,
    },
    /// The fields don't make a header, a table, a record or an end.
    #[error("this is no line of a dump: {0}")]
    Incomplete(&'static str),
    /// Another version of the format.
    #[error("the dump has format version {0}; this build reads version {DUMP_VERSION}")]
    UnknownVersion(u64),
    /// Base64 that is none, or isn't written as it should be: every string of bytes has exactly one text.
    #[error("the {what} isn't base64 (RFC 4648, section 4, padded): {reason}")]
    NotBase64 {
        /// What it is.
        what: &'static str,
        /// What is wrong.
        reason: base64::DecodeError,
    },
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

impl From<serde_json::Error> for LineError {
    fn from(error: serde_json::Error) -> LineError {
        let column = error.column();
        // To the parser, each line is the first.
        let (what, place) = (error.to_string(), format!(" at line {} column {column}", error.line()));
        let what = what.strip_suffix(&place).unwrap_or(&what).to_owned();
        LineError::Malformed { what, column }
    }
}

/// The name of a table.
fn table_name(name: Cow<'_, str>) -> Result<Cow<'_, str>, LineError> {
    match name.len() {
        0 => Err(LineError::NoName),
        bytes => within("table's name", bytes, TABLE_NAME_BYTES_MAX).map(|()| name),
    }
}

fn within(what: &'static str, bytes: usize, limit: usize) -> Result<(), LineError> {
    if bytes > limit { Err(LineError::TooLong { what, bytes, limit }) } else { Ok(()) }
}

impl<'l> Written<'l> {
    /// The bytes of a key or a value.
    fn bytes(self, what: &'static str, limit: usize) -> Result<Cow<'l, [u8]>, LineError> {
        let bytes = match self {
            Written::Plain(Cow::Borrowed(text)) => Cow::Borrowed(text.as_bytes()),
            Written::Plain(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
            Written::Base64(text) => {
                let bytes = BASE64.decode(text.as_bytes());
                Cow::Owned(bytes.map_err(|reason| LineError::NotBase64 { what, reason })?)
            }
        };
        within(what, bytes.len(), limit).map(|()| bytes)
    }
}

impl<'l> Line<'l> {
    /// Understands a line, without its line break. Keys, values and names are borrowed from it, unless they have
    /// escapes or are in base64.
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
                    (Some(name), None, None, None, None) => Ok(Line::Table { name: table_name(name)? }),
                    (None, Some(table), Some(key), Some(value), None) => {
                        let table = table_name(table)?;
                        let key = key.bytes("key", KEY_BYTES_MAX)?;
                        let value = value.bytes("value", VALUE_BYTES_MAX)?;
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
        Err(_) => write!(to, ",\"{name}64\":\"{}\"", Base64Display::new(bytes, &BASE64)),
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
            r#"{"t":"t","k":"\u00g0","v":""}"#,
            r#"{"t":"t","k":"\x","v":""}"#,
            "{\"t\":\"t\",\"k\":\"\u{1}\",\"v\":\"\"}",
            r#"{"synod_dump":1,"timestamp":01}"#,
            r#"{"synod_dump":1,"timestamp":1.0}"#,
            r#"{"synod_dump":1,"timestamp":1e3}"#,
            r#"{"synod_dump":1,"timestamp":"1"}"#,
            r#"{"synod_dump":1,"timestamp":18446744073709551616}"#,
            r#"{"synod_dump":1,"timestamp":null}"#,
            r#"{"end":{"tables":1,"records":1,"key_bytes":1}}"#,
            r#"{"end":{"tables":1,"tables":1,"records":1,"key_bytes":1,"value_bytes":1}}"#,
            r#"{"end":{"tables":1,"records":1,"key_bytes":1,"value_bytes":null}}"#,
            r#"{"tables":1,"records":1,"key_bytes":1,"value_bytes":1}"#,
            r#"{"end":{"tables":1,"records":1,"key_bytes":1,"value_bytes":1,"more":1}}"#,
        ] {
            assert!(Line::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Line::parse(b"{\"table\":\"\xff\"}").is_err());
    }

    #[test]
    fn base64_is_read_strictly() {
        let key = |text: &str| {
            let line = format!("{{\"t\":\"t\",\"k64\":\"{text}\",\"v\":\"\"}}");
            match Line::parse(line.as_bytes()) {
                Ok(Line::Record(record)) => Ok(record.key.into_owned()),
                other => Err(other.expect_err("no record").to_string()),
            }
        };
        for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("\\u005am9v", "foo")]
        {
            assert_eq!(key(text).as_deref(), Ok(bytes.as_bytes()));
        }
        for text in [
            "Z", "Zg", "Zg=", "Zg===", "=", "====", "Zh==", "Zm9=", "Zm 9", "Zm9v\\n", "Zg==Zg==", "Z-_v",
            "Zmé",
        ] {
            let error = key(text).expect_err(text);
            assert!(error.contains("the key isn't base64 (RFC 4648, section 4, padded): Invalid"), "{error}");
        }
    }

    #[test]
    fn errors_say_what_was_expected_and_where() {
        for (text, what, column) in [
            (r#"{"table":7}"#, "invalid type: integer `7`, expected a string", 10),
            (r#"{"table":null}"#, "invalid type: null, expected a string", 13),
            (r#"{"Table":"t"}"#, "unknown field, expected synod_dump, timestamp, table, t, k", 8),
            (r#"{"t":"t","t":"t"}"#, "the line has this a second time", 12),
            (r#"{"t":"t","k":"a","k64":"YQ==","v":""}"#, "the line has this a second time", 22),
            (r#"{"timestamp":"1"}"#, "invalid type: string, expected a whole number from 0 to 18446", 16),
            (r#"{"timestamp":-1}"#, "invalid type: integer `-1`, expected a whole number from 0", 15),
            (r#"{"end":[1,2,3,4]}"#, "invalid type: sequence, expected an object", 8),
            (r#"{"end":{"records":1}}"#, "missing field `tables`", 20),
            (r#"{"end":{"table":1}}"#, "unknown field, expected tables, records, key_bytes or", 15),
            ("[1,7]", "invalid type: sequence, expected an object", 1),
            (r#"{"t":"t","k":"a"#, "EOF while parsing a string", 15),
            (r#"{"table":"t"} {}"#, "trailing characters", 15),
        ] {
            let Err(LineError::Malformed { what: told, column: at }) = Line::parse(text.as_bytes()) else {
                panic!("{text} is malformed");
            };
            assert!(told.starts_with(what) && !told.contains(" line 1"), "{told} for {text}");
            assert_eq!(at, column, "{told} for {text}");
        }
    }

    #[test]
    fn what_is_out_of_place_is_not_repeated() {
        let long = "\\u001b".to_owned() + &"x".repeat(1_000);
        for text in [
            format!("\"{long}\""),
            format!("{{\"{long}\":1}}"),
            format!("{{\"timestamp\":\"{long}\"}}"),
            format!("{{\"timestamp\":{}}}", "1".repeat(1_000)),
            format!("{{\"end\":\"{long}\"}}"),
            format!("{{\"end\":{{\"{long}\":1}}}}"),
            format!("{{\"end\":{{\"tables\":\"{long}\"}}}}"),
            format!("{{\"t\":\"t\",\"k64\":\"{}\",\"v\":\"\"}}", "x".repeat(1_001)),
        ] {
            let error = Line::parse(text.as_bytes()).expect_err(&text).to_string();
            assert!(error.len() < 200 && !error.contains('\u{1b}'), "{error}");
        }
    }

    #[test]
    fn plain_strings_are_borrowed() {
        let is_borrowed = |text: &[u8]| match Line::parse(text) {
            Ok(Line::Record(Record { table, key, value })) => [
                matches!(table, Cow::Borrowed("t")),
                matches!(key, Cow::Borrowed(_)),
                matches!(value, Cow::Borrowed(_)),
            ],
            other => panic!("{other:?}"),
        };
        assert_eq!(is_borrowed(br#"{"t":"t","k":"a","v":"b"}"#), [true, true, true]);
        assert_eq!(is_borrowed(br#"{"t":"t","k":"\n","v":"b"}"#), [true, false, true]);
    }

    #[test]
    fn what_the_engine_would_refuse_is_refused_here() {
        let long = |bytes: usize| "x".repeat(bytes);
        let name = |bytes| format!("{{\"table\":\"{}\"}}", long(bytes));
        let table = |bytes| format!("{{\"t\":\"{}\",\"k\":\"\",\"v\":\"\"}}", long(bytes));
        let key = |bytes| format!("{{\"t\":\"t\",\"k\":\"{}\",\"v\":\"\"}}", long(bytes));
        let encoded = |bytes| BASE64.encode(vec![0xff; bytes]);
        let key64 = |bytes| format!("{{\"t\":\"t\",\"k64\":\"{}\",\"v\":\"\"}}", encoded(bytes));
        let value = |bytes| format!("{{\"t\":\"t\",\"k\":\"\",\"v\":\"{}\"}}", long(bytes));
        let value64 = |bytes| format!("{{\"t\":\"t\",\"k\":\"\",\"v64\":\"{}\"}}", encoded(bytes));
        let cases: [(&dyn Fn(usize) -> String, usize); 6] = [
            (&name, TABLE_NAME_BYTES_MAX),
            (&table, TABLE_NAME_BYTES_MAX),
            (&key, KEY_BYTES_MAX),
            (&key64, KEY_BYTES_MAX),
            (&value, VALUE_BYTES_MAX),
            (&value64, VALUE_BYTES_MAX),
        ];
        for (line, limit) in cases {
            assert!(Line::parse(line(limit).as_bytes()).is_ok());
            match Line::parse(line(limit + 1).as_bytes()) {
                Err(LineError::TooLong { bytes, limit: told, .. }) => {
                    assert_eq!((bytes, told), (limit + 1, limit));
                }
                other => panic!("{:?}", other.map(|_| "a line")),
            }
        }
        let no_name = Line::parse(br#"{"t":"","k":"","v":""}"#);
        assert_eq!(no_name, Err(LineError::NoName));
    }
}
