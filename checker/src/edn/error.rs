//! What is wrong with a text, and where.

/// A text is no history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {fault}")]
pub struct EdnError {
    /// The line, counted from 1.
    pub line: u64,
    /// The column, in characters, counted from 1.
    pub column: u64,
    /// What is wrong there.
    pub fault: EdnFault,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EdnFault {
    /// The text ends in the middle of something.
    #[error("the text ends before {0}")]
    Ends(&'static str),
    /// Something else than what must be there.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A number that is none, or doesn't fit into 64 bits.
    #[error("{0} is no whole number, or one of more than 64 bits")]
    BadNumber(String),
    /// A backslash in a string, and a character that has no meaning after it.
    #[error("\\{0} means nothing in a string")]
    BadEscape(char),
    /// Bytes that aren't UTF-8 text.
    #[error("these bytes are not UTF-8")]
    NotText,
    /// Brackets within brackets, and so on.
    #[error("brackets are nested more than {0} deep")]
    TooDeep(usize),
    /// An operation with another name.
    #[error("there is no operation :{0}; there are :append, :r, :w, :get, :put, :del and :scan")]
    NoOperation(String),
    /// A write without a version, in a transaction without a timestamp.
    #[error("this write has no version, and its transaction no :ts")]
    NoVersion,
    /// An event without a type.
    #[error("this event has no :type")]
    NoType,
}
