//! The fields of a line, read with `serde_json`.
//!
//! What serde derives takes more than a dump is: an array for an object, `null` for a field that is left out. And
//! its messages repeat names that it doesn't know and strings that are out of place, however long: a line of 128 MiB
//! would come back as a message of several times that. So objects and numbers have visitors here, which take nothing
//! else, and repeat no text.

use std::borrow::Cow;
use std::fmt::{self, Formatter};

use serde::de::{Deserialize, Deserializer, Error, Expected, MapAccess, Unexpected, Visitor};

use super::Counts;

/// All fields that any line has.
#[derive(Default)]
pub(super) struct Fields<'l> {
    pub(super) synod_dump: Option<u64>,
    pub(super) timestamp: Option<u64>,
    pub(super) table: Option<Cow<'l, str>>,
    pub(super) t: Option<Cow<'l, str>>,
    pub(super) key: Option<Written<'l>>,
    pub(super) value: Option<Written<'l>>,
    pub(super) end: Option<Counts>,
}

/// A key or a value as the line has it.
pub(super) enum Written<'l> {
    Plain(Cow<'l, str>),
    Base64(Cow<'l, str>),
}

impl<'l> Fields<'l> {
    /// Reads a line to its end. Strings without escapes are borrowed from it.
    pub(super) fn read(line: &'l [u8]) -> serde_json::Result<Fields<'l>> {
        let mut json = serde_json::Deserializer::from_slice(line);
        let fields = json.deserialize_any(FieldsVisitor)?;
        json.end()?;
        Ok(fields)
    }
}

/// The name of a field, of a line or of an end.
#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Name {
    SynodDump,
    Timestamp,
    Table,
    T,
    K,
    K64,
    V,
    V64,
    End,
    Tables,
    Records,
    KeyBytes,
    ValueBytes,
    #[serde(other)]
    Unknown,
}

/// Reads the value of a field that wasn't there yet.
fn set<'l, T, U, A>(field: &mut Option<U>, map: &mut A, from: impl FnOnce(T) -> U) -> Result<(), A::Error>
where
    T: Deserialize<'l>,
    A: MapAccess<'l>,
{
    if field.is_some() {
        return Err(A::Error::custom("the line has this a second time"));
    }
    *field = Some(from(map.next_value()?));
    Ok(())
}

/// A string where something else is expected.
fn not_a_string<E: Error>(expected: &dyn Expected) -> E {
    E::invalid_type(Unexpected::Other("string"), expected)
}

struct FieldsVisitor;

impl<'l> Visitor<'l> for FieldsVisitor {
    type Value = Fields<'l>;

    fn expecting(&self, to: &mut Formatter<'_>) -> fmt::Result {
        to.write_str("an object")
    }

    fn visit_map<A: MapAccess<'l>>(self, mut map: A) -> Result<Fields<'l>, A::Error> {
        let mut fields = Fields::default();
        while let Some(name) = map.next_key()? {
            match name {
                Name::SynodDump => set(&mut fields.synod_dump, &mut map, |Number(version)| version)?,
                Name::Timestamp => set(&mut fields.timestamp, &mut map, |Number(timestamp)| timestamp)?,
                Name::Table => set(&mut fields.table, &mut map, |Text(name)| name)?,
                Name::T => set(&mut fields.t, &mut map, |Text(name)| name)?,
                Name::K => set(&mut fields.key, &mut map, |Text(key)| Written::Plain(key))?,
                Name::K64 => set(&mut fields.key, &mut map, |Text(key)| Written::Base64(key))?,
                Name::V => set(&mut fields.value, &mut map, |Text(value)| Written::Plain(value))?,
                Name::V64 => set(&mut fields.value, &mut map, |Text(value)| Written::Base64(value))?,
                Name::End => set(&mut fields.end, &mut map, |counts: Counts| counts)?,
                _ => {
                    let known = "synod_dump, timestamp, table, t, k, k64, v, v64 or end";
                    return Err(A::Error::custom(format_args!("unknown field, expected {known}")));
                }
            }
        }
        Ok(fields)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Fields<'l>, E> {
        Err(not_a_string(&self))
    }
}

struct CountsVisitor;

impl<'l> Visitor<'l> for CountsVisitor {
    type Value = Counts;

    fn expecting(&self, to: &mut Formatter<'_>) -> fmt::Result {
        to.write_str("an object")
    }

    fn visit_map<A: MapAccess<'l>>(self, mut map: A) -> Result<Counts, A::Error> {
        let [mut tables, mut records, mut key_bytes, mut value_bytes] = [None; 4];
        while let Some(name) = map.next_key()? {
            let field = match name {
                Name::Tables => &mut tables,
                Name::Records => &mut records,
                Name::KeyBytes => &mut key_bytes,
                Name::ValueBytes => &mut value_bytes,
                _ => {
                    let known = "tables, records, key_bytes or value_bytes";
                    return Err(A::Error::custom(format_args!("unknown field, expected {known}")));
                }
            };
            set(field, &mut map, |Number(count)| count)?;
        }
        let missing = |name| move || A::Error::missing_field(name);
        Ok(Counts {
            tables: tables.ok_or_else(missing("tables"))?,
            records: records.ok_or_else(missing("records"))?,
            key_bytes: key_bytes.ok_or_else(missing("key_bytes"))?,
            value_bytes: value_bytes.ok_or_else(missing("value_bytes"))?,
        })
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Counts, E> {
        Err(not_a_string(&self))
    }
}

impl<'l> Deserialize<'l> for Counts {
    fn deserialize<D: Deserializer<'l>>(json: D) -> Result<Counts, D::Error> {
        json.deserialize_any(CountsVisitor)
    }
}

/// A whole number.
struct Number(u64);

impl<'l> Deserialize<'l> for Number {
    fn deserialize<D: Deserializer<'l>>(json: D) -> Result<Number, D::Error> {
        json.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, to: &mut Formatter<'_>) -> fmt::Result {
        write!(to, "a whole number from 0 to {}", u64::MAX)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
        Ok(Number(number))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Number, E> {
        Err(not_a_string(&self))
    }
}

/// A string, borrowed from the line if it has no escapes. (Serde makes an owned one of any `Option<Cow<str>>`.)
struct Text<'l>(Cow<'l, str>);

impl<'l> Deserialize<'l> for Text<'l> {
    fn deserialize<D: Deserializer<'l>>(json: D) -> Result<Text<'l>, D::Error> {
        json.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'l> Visitor<'l> for TextVisitor {
    type Value = Text<'l>;

    fn expecting(&self, to: &mut Formatter<'_>) -> fmt::Result {
        to.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'l str) -> Result<Text<'l>, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text<'l>, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}
