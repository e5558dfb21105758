//! One line of a dump.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};
use synod::{KEY_BYTES_MAX, TABLE_NAME_BYTES_MAX, VALUE_BYTES_MAX};

use super::{DUMP_VERSION, base64};

/// So much of the parser's explanation is shown.
const EXPLANATION_CHARACTERS_MAX: usize = 160;

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    #[error("this is no line of a dump: {0}")]
    Malformed(String),
    /// The fields don't make a header, a table, a record or an end.
    #[error("this is no line of a dump: {0}")]
    Incomplete(&'static str),
    /// Another version of the format.
    #[error("the dump has format version {0}; this build reads version {DUMP_VERSION}")]
    UnknownVersion(u64),
    /// Base64 that is none.
    #[error("the field {0} isn't base64 (RFC 4648, padded)")]
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

/// All fields that any line has. Those that aren't there aren't written.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Fields<'l> {
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    synod_dump: Option<u64>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    timestamp: Option<u64>,
    #[serde(borrow, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    table: Option<Text<'l>>,
    #[serde(borrow, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    t: Option<Text<'l>>,
    #[serde(borrow, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    k: Option<Text<'l>>,
    #[serde(borrow, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    k64: Option<Text<'l>>,
    #[serde(borrow, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    v: Option<Text<'l>>,
    #[serde(borrow, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    v64: Option<Text<'l>>,
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    end: Option<Counts>,
}

/// A field that is there has a value: `null` is none.
fn present<'l, D: Deserializer<'l>, T: Deserialize<'l>>(field: D) -> Result<Option<T>, D::Error> {
    T::deserialize(field).map(Some)
}

/// A string that is borrowed from the line where it has no escapes.
#[derive(Serialize, Deserialize)]
struct Text<'l>(#[serde(borrow)] Cow<'l, str>);

impl<'l> Line<'l> {
    /// Understands a line, without its line break.
    pub fn parse(text: &'l [u8]) -> Result<Line<'l>, LineError> {
        let malformed = |error: serde_json::Error| LineError::Malformed(explain(&error));
        match serde_json::from_slice(text).map_err(malformed)? {
            Fields { synod_dump: Some(version), .. } if version != DUMP_VERSION => {
                Err(LineError::UnknownVersion(version))
            }
            Fields {
                synod_dump: Some(_),
                timestamp: Some(timestamp),
                table: None,
                t: None,
                k: None,
                k64: None,
                v: None,
                v64: None,
                end: None,
            } => Ok(Line::Header { timestamp }),
            Fields { synod_dump: None, timestamp: None, table, t, k, k64, v, v64, end } => {
                let key = bytes(k, k64, "k64")?;
                let value = bytes(v, v64, "v64")?;
                Line::of_body(table, t, key, value, end)
            }
            _ => {
                Err(LineError::Incomplete("a header has the fields synod_dump and timestamp, and no others"))
            }
        }
    }

    fn of_body(
        table: Option<Text<'l>>,
        of_table: Option<Text<'l>>,
        key: Option<Cow<'l, [u8]>>,
        value: Option<Cow<'l, [u8]>>,
        end: Option<Counts>,
    ) -> Result<Line<'l>, LineError> {
        match (table, of_table, key, value, end) {
            (Some(name), None, None, None, None) => Ok(Line::Table { name: check_name(name.0)? }),
            (None, Some(table), Some(key), Some(value), None) => {
                check_length("key", key.len(), KEY_BYTES_MAX)?;
                check_length("value", value.len(), VALUE_BYTES_MAX)?;
                Ok(Line::Record(Record { table: check_name(table.0)?, key, value }))
            }
            (None, None, None, None, Some(counts)) => Ok(Line::End(counts)),
            _ => Err(LineError::Incomplete(
                "one needs the field table, or end, or else t with k or k64 and with v or v64",
            )),
        }
    }

    /// The line's text, with its line break.
    pub fn write(&self, to: &mut impl std::io::Write) -> std::io::Result<()> {
        let mut fields = Fields::default();
        match self {
            Line::Header { timestamp } => {
                (fields.synod_dump, fields.timestamp) = (Some(DUMP_VERSION), Some(*timestamp));
            }
            Line::Table { name } => fields.table = Some(Text(Cow::Borrowed(name))),
            Line::Record(Record { table, key, value }) => {
                fields.t = Some(Text(Cow::Borrowed(table)));
                (fields.k, fields.k64) = texts(key);
                (fields.v, fields.v64) = texts(value);
            }
            Line::End(counts) => fields.end = Some(*counts),
        }
        serde_json::to_writer(&mut *to, &fields)?;
        to.write_all(b"\n")
    }
}

/// The bytes that two fields, of which at most one is there, stand for.
fn bytes<'l>(
    plain: Option<Text<'l>>,
    encoded: Option<Text<'l>>,
    name: &'static str,
) -> Result<Option<Cow<'l, [u8]>>, LineError> {
    match (plain, encoded) {
        (Some(_), Some(_)) => Err(LineError::Incomplete("a key or value is there both plain and as base64")),
        (Some(Text(Cow::Borrowed(text))), None) => Ok(Some(Cow::Borrowed(text.as_bytes()))),
        (Some(Text(Cow::Owned(text))), None) => Ok(Some(Cow::Owned(text.into_bytes()))),
        (None, Some(Text(text))) => {
            let decoded = base64::decode(&text).ok_or(LineError::NotBase64(name))?;
            Ok(Some(Cow::Owned(decoded)))
        }
        (None, None) => Ok(None),
    }
}

/// The two fields, of which one is there, that stand for some bytes.
fn texts(bytes: &[u8]) -> (Option<Text<'_>>, Option<Text<'_>>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(Text(Cow::Borrowed(text))), None),
        Err(_) => (None, Some(Text(Cow::Owned(base64::encode(bytes))))),
    }
}

fn check_name(name: Cow<'_, str>) -> Result<Cow<'_, str>, LineError> {
    if name.is_empty() {
        return Err(LineError::NoName);
    }
    check_length("table's name", name.len(), TABLE_NAME_BYTES_MAX)?;
    Ok(name)
}

fn check_length(what: &'static str, bytes: usize, limit: usize) -> Result<(), LineError> {
    if bytes > limit { Err(LineError::TooLong { what, bytes, limit }) } else { Ok(()) }
}

/// The parser's words, with the column only: the line's number is told elsewhere. They may quote the line, so
/// they are cut, and stripped of what a terminal would obey.
fn explain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let words = text.rsplit_once(" at line ").map_or(text.as_str(), |(words, _)| words);
    let mut shown: String =
        words.chars().take(EXPLANATION_CHARACTERS_MAX).flat_map(char::escape_debug).collect();
    if shown.len() < words.len() {
        shown.push('…');
    }
    if error.column() > 0 {
        shown.push_str(&format!(" at column {}", error.column()));
    }
    shown
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
        }
    }

    #[test]
    fn whatever_is_no_line_is_refused() {
        for text in [
            "",
            "null",
            "[]",
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
        for text in [name, key] {
            assert!(matches!(Line::parse(text.as_bytes()), Err(LineError::TooLong { .. })));
        }
    }

    #[test]
    fn explanations_are_short_and_plain() {
        let text = format!("{{\"\u{9b}{}\":1}}", "x".repeat(10_000));
        let Err(LineError::Malformed(explanation)) = Line::parse(text.as_bytes()) else { panic!("accepted") };
        assert!(explanation.len() < 400 && explanation.chars().all(|it| !it.is_control()), "{explanation}");
        assert!(explanation.contains("at column"), "{explanation}");
    }
}
