//! Reads the operations of a transaction.

use super::error::{EdnError, EdnFault};
use super::token::{Token, Tokens};
use crate::history::{History, Key, KeyRange, Name, Operation, Value, Version};
use std::ops::Bound;

/// What stands for the version of a write that doesn't say it, until the transaction's timestamp is known.
pub(super) const OF_TIMESTAMP: Version = Version { stamp: u64::MAX, step: u32::MAX };

/// Reads operations after the bracket that opens them.
pub(super) fn operations(tokens: &mut Tokens<'_>, history: &mut History) -> Result<Vec<Operation>, EdnError> {
    let mut operations = Vec::new();
    loop {
        match tokens.next()? {
            Token::Open(b'[' | b'(') => operations.push(operation(tokens, history)?),
            Token::Close(b']' | b')') => return Ok(operations),
            other => return Err(tokens.unexpected("an operation like [:r 1 nil]", &other)),
        }
    }
}

fn operation(tokens: &mut Tokens<'_>, history: &mut History) -> Result<Operation, EdnError> {
    let what = match tokens.next()? {
        Token::Keyword(what) => what,
        other => return Err(tokens.unexpected("the name of an operation, like :r", &other)),
    };
    let operation = match what {
        "append" => Operation::Append { key: key(tokens, history)?, element: value(tokens, history)? },
        "w" => Operation::Write { key: key(tokens, history)?, value: value(tokens, history)? },
        "r" => {
            let key = key(tokens, history)?;
            read(tokens, history, key)?
        }
        "get" => Operation::Get { key: key(tokens, history)?, version: version(tokens)? },
        "scan" => scan(tokens, history)?,
        "put" | "del" => return write(tokens, history, what == "del"),
        other => return Err(tokens.error(EdnFault::NoOperation(other.to_owned()))),
    };
    close(tokens)?;
    Ok(operation)
}

fn close(tokens: &mut Tokens<'_>) -> Result<(), EdnError> {
    match tokens.next()? {
        Token::Close(b']' | b')') => Ok(()),
        other => Err(tokens.unexpected("the end of the operation", &other)),
    }
}

fn read(tokens: &mut Tokens<'_>, history: &mut History, key: Key) -> Result<Operation, EdnError> {
    match tokens.next()? {
        Token::Open(b'[' | b'(') => {
            let elements = elements(tokens, history)?;
            Ok(Operation::ReadList { key, elements: elements.into() })
        }
        // Whether this is an empty list is known at the end.
        Token::Nil => Ok(Operation::Read { key, value: None }),
        other => {
            let name = name(tokens, other, "a value, a list of values or nil")?;
            Ok(Operation::Read { key, value: Some(history.value(name)) })
        }
    }
}

fn elements(tokens: &mut Tokens<'_>, history: &mut History) -> Result<Vec<Value>, EdnError> {
    let mut elements = Vec::new();
    loop {
        while let Some(number) = tokens.small_int() {
            elements.push(history.value(number));
        }
        match tokens.next()? {
            Token::Close(b']' | b')') => return Ok(elements),
            other => {
                let name = name(tokens, other, "an element")?;
                elements.push(history.value(name));
            }
        }
    }
}

fn write(tokens: &mut Tokens<'_>, history: &mut History, is_deletion: bool) -> Result<Operation, EdnError> {
    let key = key(tokens, history)?;
    let version = match tokens.next()? {
        Token::Close(b']' | b')') => OF_TIMESTAMP,
        other => {
            let version = version_of(tokens, other)?;
            close(tokens)?;
            version
        }
    };
    Ok(if is_deletion { Operation::Delete { key, version } } else { Operation::Put { key, version } })
}

fn scan(tokens: &mut Tokens<'_>, history: &mut History) -> Result<Operation, EdnError> {
    let low = bound(tokens, Bound::Included)?;
    let high = bound(tokens, Bound::Excluded)?;
    match tokens.next()? {
        Token::Open(b'[' | b'(') => {}
        other => return Err(tokens.unexpected("what the scan found, like [[\"a\" 5]]", &other)),
    }
    let mut found = Vec::new();
    loop {
        match tokens.next()? {
            Token::Open(b'[' | b'(') => found.push((key(tokens, history)?, version(tokens)?)),
            Token::Close(b']' | b')') => break,
            other => return Err(tokens.unexpected("a key and its version, like [\"a\" 5]", &other)),
        }
        close(tokens)?;
    }
    Ok(Operation::Scan { range: Box::new(KeyRange { low, high }), found: found.into() })
}

/// A bound of a scan; a bare key is one of this kind.
fn bound(tokens: &mut Tokens<'_>, bare: fn(Name) -> Bound<Name>) -> Result<Bound<Name>, EdnError> {
    let kind: fn(Name) -> Bound<Name> = match tokens.next()? {
        Token::Nil => return Ok(Bound::Unbounded),
        Token::Open(b'[' | b'(') => match tokens.next()? {
            Token::Keyword("<" | ">") => Bound::Excluded,
            Token::Keyword("<=" | ">=") => Bound::Included,
            other => return Err(tokens.unexpected("one of :<, :<=, :> and :>=", &other)),
        },
        other => return Ok(bare(name(tokens, other, "a key, a bound like [:<= 5], or nil")?)),
    };
    let token = tokens.next()?;
    let name = name(tokens, token, "a key")?;
    close(tokens)?;
    Ok(kind(name))
}

fn key(tokens: &mut Tokens<'_>, history: &mut History) -> Result<Key, EdnError> {
    if let Some(number) = tokens.small_int() {
        return Ok(history.key(number));
    }
    let token = tokens.next()?;
    Ok(history.key(name(tokens, token, "a key: a number, a string, a keyword or #bytes")?))
}

fn value(tokens: &mut Tokens<'_>, history: &mut History) -> Result<Value, EdnError> {
    let token = tokens.next()?;
    Ok(history.value(name(tokens, token, "a value: a number, a string, a keyword or #bytes")?))
}

fn version(tokens: &mut Tokens<'_>) -> Result<Version, EdnError> {
    let token = tokens.next()?;
    version_of(tokens, token)
}

/// The version that begins with this token.
fn version_of(tokens: &mut Tokens<'_>, token: Token<'_>) -> Result<Version, EdnError> {
    match token {
        Token::Nil => Ok(Version::UNBORN),
        Token::Open(b'[' | b'(') => {
            let stamp = unsigned(tokens)?;
            let step = unsigned(tokens)?;
            let step =
                u32::try_from(step).map_err(|_| tokens.error(EdnFault::BadNumber(step.to_string())))?;
            close(tokens)?;
            Ok(Version { stamp, step })
        }
        Token::Int(number) => match u64::try_from(number) {
            Ok(stamp) => Ok(Version::at(stamp)),
            Err(_) => Err(tokens.error(EdnFault::BadNumber(number.to_string()))),
        },
        other => Err(tokens.unexpected("a version: a timestamp, [timestamp step], or nil", &other)),
    }
}

/// A number that isn't negative.
pub(super) fn unsigned(tokens: &mut Tokens<'_>) -> Result<u64, EdnError> {
    match tokens.next()? {
        Token::Int(number) if u64::try_from(number).is_ok() => Ok(number as u64),
        other => Err(tokens.unexpected("a number that isn't negative", &other)),
    }
}

/// The name that begins with this token.
fn name(tokens: &mut Tokens<'_>, token: Token<'_>, expected: &'static str) -> Result<Name, EdnError> {
    match token {
        Token::Int(number) => match i64::try_from(number) {
            Ok(number) => Ok(Name::Int(number)),
            Err(_) => Err(tokens.error(EdnFault::BadNumber(number.to_string()))),
        },
        Token::Text(text) => Ok(Name::from(&*text)),
        Token::Keyword(word) | Token::Symbol(word) => Ok(Name::from(word)),
        Token::Tag("bytes") => match tokens.next()? {
            Token::Text(digits) => bytes(&digits).ok_or_else(|| {
                tokens.unexpected("pairs of hexadecimal digits", &Token::Text(digits.clone()))
            }),
            other => Err(tokens.unexpected("a string of hexadecimal digits", &other)),
        },
        other => Err(tokens.unexpected(expected, &other)),
    }
}

fn bytes(digits: &str) -> Option<Name> {
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
    let bytes: Option<Box<[u8]>> = (0..digits.len()).step_by(2).map(byte).collect();
    bytes.map(Name::Bytes)
}
