//! Reads one event: the map of an invocation, of how it ended, or of a whole transaction.

use super::error::{EdnError, EdnFault};
use super::operation::{OF_TIMESTAMP, operations, unsigned};
use super::token::{Token, Tokens};
use crate::history::{History, Key, Operation, Version};
use rustc_hash::FxHashMap;

/// What kind of event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Invoke,
    Ok,
    Fail,
    Info,
}

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Process {
    /// It doesn't say.
    Unnamed,
    Number(u64),
    /// Something that isn't a client.
    Other,
}

/// An event.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) what: Type,
    pub(super) process: Process,
    pub(super) index: Option<u64>,
    pub(super) begin: Option<u64>,
    pub(super) end: Option<u64>,
    pub(super) operations: Vec<Operation>,
    pub(super) line: u64,
}

/// Reads an event after the bracket that opens it; none if it is not one of a client.
pub(super) fn event(tokens: &mut Tokens<'_>, history: &mut History) -> Result<Option<Event>, EdnError> {
    let line = tokens.line();
    let (mut what, mut process) = (None, Process::Unnamed);
    let (mut index, mut begin, mut end, mut timestamp) = (None, None, None, None);
    let mut operations = Value::None;
    loop {
        match tokens.next()? {
            Token::Keyword("type") => what = Some(kind(tokens)?),
            Token::Keyword("process") => process = who(tokens)?,
            Token::Keyword("index") => index = Some(unsigned(tokens)?),
            Token::Keyword("begin") => begin = Some(unsigned(tokens)?),
            Token::Keyword("end") => end = Some(unsigned(tokens)?),
            Token::Keyword("ts") => timestamp = Some(unsigned(tokens)?),
            Token::Keyword("value") => operations = value(tokens, history)?,
            Token::Close(b'}') => break,
            Token::Close(bracket) => {
                return Err(tokens.unexpected("an entry like :type :ok", &Token::Close(bracket)));
            }
            Token::End => return Err(tokens.unexpected("the } of this event", &Token::End)),
            other => {
                tokens.skip_rest(&other)?;
                tokens.skip_value()?;
            }
        }
    }
    if process == Process::Other {
        return Ok(None);
    }
    let what = what.ok_or_else(|| tokens.error(EdnFault::NoType))?;
    let mut operations = match operations {
        Value::Operations(operations) => operations,
        Value::None => Vec::new(),
        Value::Other(error) => return Err(error),
    };
    stamp(&mut operations, timestamp).map_err(|NoTimestamp| tokens.error(EdnFault::NoVersion))?;
    Ok(Some(Event { what, process, index, begin, end, operations, line }))
}

/// What an event's `:value` is.
enum Value {
    None,
    Operations(Vec<Operation>),
    /// Something else, which is an error if the event turns out to be a client's.
    Other(EdnError),
}

fn value(tokens: &mut Tokens<'_>, history: &mut History) -> Result<Value, EdnError> {
    match tokens.next()? {
        Token::Nil => Ok(Value::None),
        Token::Open(b'[' | b'(') => operations(tokens, history).map(Value::Operations),
        other => {
            let error = tokens.unexpected("operations like [[:r 1 nil]]", &other);
            tokens.skip_rest(&other)?;
            Ok(Value::Other(error))
        }
    }
}

fn kind(tokens: &mut Tokens<'_>) -> Result<Type, EdnError> {
    match tokens.next()? {
        Token::Keyword("invoke") => Ok(Type::Invoke),
        Token::Keyword("ok") => Ok(Type::Ok),
        Token::Keyword("fail") => Ok(Type::Fail),
        Token::Keyword("info") => Ok(Type::Info),
        other => Err(tokens.unexpected("one of :invoke, :ok, :fail and :info", &other)),
    }
}

fn who(tokens: &mut Tokens<'_>) -> Result<Process, EdnError> {
    match tokens.next()? {
        Token::Nil => Ok(Process::Unnamed),
        Token::Int(number) => Ok(u64::try_from(number).map_or(Process::Other, Process::Number)),
        Token::Keyword(_) | Token::Symbol(_) | Token::Text(_) => Ok(Process::Other),
        other => Err(tokens.unexpected("a process", &other)),
    }
}

struct NoTimestamp;

/// Gives writes that don't say their version that of the transaction's timestamp.
fn stamp(operations: &mut [Operation], timestamp: Option<u64>) -> Result<(), NoTimestamp> {
    let mut steps: FxHashMap<Key, u32> = FxHashMap::default();
    for operation in operations {
        let (Operation::Put { key, version } | Operation::Delete { key, version }) = operation else {
            continue;
        };
        let step = steps.entry(*key).or_default();
        if *version == OF_TIMESTAMP {
            *version = Version { stamp: timestamp.ok_or(NoTimestamp)?, step: *step };
        }
        *step += 1;
    }
    Ok(())
}
