//! Names of keys and values, each kept once and known by a number.

use rustc_hash::FxHashMap;
use std::fmt;

/// What a key or a value is called: a number or bytes. Numbers come before bytes; bytes are ordered as in a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// A whole number.
    Int(i64),
    /// Bytes, mostly text.
    Bytes(Box<[u8]>),
}

impl From<i64> for Name {
    fn from(number: i64) -> Name {
        Name::Int(number)
    }
}

impl From<i32> for Name {
    fn from(number: i32) -> Name {
        Name::Int(number.into())
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Name {
        Name::Bytes(text.as_bytes().into())
    }
}

impl From<&[u8]> for Name {
    fn from(bytes: &[u8]) -> Name {
        Name::Bytes(bytes.into())
    }
}

/// As people read it: text as it is, other bytes in hexadecimal.
impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Int(number) => number.fmt(formatter),
            Name::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) if !text.is_empty() && !text.chars().any(char::is_control) => {
                    formatter.write_str(text)
                }
                _ => {
                    formatter.write_str("0x")?;
                    bytes.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
                }
            },
        }
    }
}

/// A key of a [`History`](super::History), which knows its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub(crate) u32);

/// A value of a [`History`](super::History), which knows its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(pub(crate) u32);

/// Names by number and numbers by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    all: Vec<Name>,
    ints: FxHashMap<i64, u32>,
    bytes: FxHashMap<Box<[u8]>, u32>,
}

impl Names {
    pub(crate) fn number(&mut self, name: Name) -> u32 {
        let next = u32::try_from(self.all.len()).expect("fewer than 2^32 names");
        let number = match &name {
            Name::Int(int) => *self.ints.entry(*int).or_insert(next),
            Name::Bytes(bytes) => match self.bytes.get(bytes) {
                Some(&number) => number,
                None => *self.bytes.entry(bytes.clone()).or_insert(next),
            },
        };
        if number == next {
            self.all.push(name);
        }
        number
    }

    pub(crate) fn get(&self, number: u32) -> &Name {
        &self.all[number as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_number() {
        let mut names = Names::default();
        assert_eq!([names.number(7.into()), names.number("7".into()), names.number(7.into())], [0, 1, 0]);
        assert_eq!((names.get(0), names.get(1), names.len()), (&Name::Int(7), &Name::from("7"), 2));
    }

    #[test]
    fn names_are_readable() {
        let shown =
            [Name::from(-3), "ann".into(), (&[0u8, 255][..]).into(), "".into()].map(|n| n.to_string());
        assert_eq!(shown, ["-3", "ann", "0x00ff", "0x"]);
    }
}
