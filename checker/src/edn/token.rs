//! Cuts EDN into tokens, without making a tree of it: a list that was read a hundred thousand times would be most of it.

use super::error::{EdnError, EdnFault};
use std::borrow::Cow;

/// How deep brackets may be nested in what is passed over.
const DEPTH: usize = 100;

/// One piece of EDN.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// `[`, `(` or `{`.
    Open(u8),
    /// `#{`, or `#` and the name that follows: the next value belongs to it.
    Set,
    Tag(&'a str),
    /// `]`, `)` or `}`.
    Close(u8),
    Keyword(&'a str),
    Symbol(&'a str),
    /// As large as any number that something here can be.
    Int(i128),
    Text(Cow<'a, str>),
    Nil,
    End,
}

/// Reads tokens from a text.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    /// Where the last token began.
    start: usize,
    /// How many lines begin before `at`, and after the first one.
    lines: u64,
    /// How many discards it is in.
    discards: usize,
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\t' | b'\r' | b',' | 0x0b | 0x0c)
}

/// Whether a byte can be part of a number, a symbol or a keyword.
fn is_word(byte: u8) -> bool {
    !is_space(byte) && !matches!(byte, b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'"' | b';')
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a [u8]) -> Tokens<'a> {
        Tokens { text, at: 0, start: 0, lines: 0, discards: 0 }
    }

    /// How many bytes have been read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The line of the next token at the earliest, counted from 1.
    pub(super) fn line(&self) -> u64 {
        self.lines + 1
    }

    /// An error at the last token.
    pub(super) fn error(&self, fault: EdnFault) -> EdnError {
        let before = &self.text[..self.start.min(self.text.len())];
        let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        let line = before.iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
        let column = String::from_utf8_lossy(&before[line_start..]).chars().count() as u64 + 1;
        EdnError { line, column, fault }
    }

    /// An error: the last token, `found`, is not what was expected.
    pub(super) fn unexpected(&self, expected: &'static str, found: &Token<'_>) -> EdnError {
        self.error(match found {
            Token::End => EdnFault::Ends(expected),
            found => EdnFault::Unexpected { expected, found: found.shown() },
        })
    }

    fn skip_space(&mut self) {
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b'\n' => self.lines += 1,
                b';' => {
                    while self.text.get(self.at + 1).is_some_and(|&byte| byte != b'\n') {
                        self.at += 1;
                    }
                }
                byte if is_space(byte) => {}
                _ => break,
            }
            self.at += 1;
        }
    }

    /// If the next token is a whole number of few digits, it; faster than [`Tokens::next`].
    pub(super) fn small_int(&mut self) -> Option<i64> {
        self.skip_space();
        let digits = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).take(18);
        let (mut number, mut length) = (0i64, 0);
        for digit in digits {
            number = number * 10 + i64::from(digit - b'0');
            length += 1;
        }
        let is_end = self.text.get(self.at + length).is_none_or(|&byte| !is_word(byte));
        if length == 0 || !is_end {
            return None;
        }
        self.start = self.at;
        self.at += length;
        Some(number)
    }

    /// The next token; [`Token::End`] at the end of the text.
    pub(super) fn next(&mut self) -> Result<Token<'a>, EdnError> {
        loop {
            self.skip_space();
            self.start = self.at;
            let Some(&byte) = self.text.get(self.at) else { return Ok(Token::End) };
            match byte {
                b'[' | b'(' | b'{' => return Ok(self.single(Token::Open(byte))),
                b']' | b')' | b'}' => return Ok(self.single(Token::Close(byte))),
                b'"' => return self.string().map(Token::Text),
                b'#' => match self.text.get(self.at + 1) {
                    Some(b'_') => {
                        self.at += 2;
                        self.discard()?;
                    }
                    Some(b'{') => {
                        self.at += 2;
                        return Ok(Token::Set);
                    }
                    _ => {
                        self.at += 1;
                        return self.word().map(Token::Tag);
                    }
                },
                b'\\' => return self.word().map(Token::Symbol),
                _ => return self.atom(),
            }
        }
    }

    fn single(&mut self, token: Token<'a>) -> Token<'a> {
        self.at += 1;
        token
    }

    fn word(&mut self) -> Result<&'a str, EdnError> {
        let start = self.at;
        // A character like \[ is a word, too.
        self.at += usize::from(self.text.get(self.at) == Some(&b'\\')) * 2;
        self.at = self.at.min(self.text.len());
        while self.text.get(self.at).is_some_and(|&byte| is_word(byte)) {
            self.at += 1;
        }
        std::str::from_utf8(&self.text[start..self.at]).map_err(|_| self.error(EdnFault::NotText))
    }

    fn atom(&mut self) -> Result<Token<'a>, EdnError> {
        let word = self.word()?;
        let digits = word.strip_prefix(['+', '-']).unwrap_or(word);
        if digits.starts_with(|first: char| first.is_ascii_digit()) {
            // 5N is 5, of arbitrary size. A fraction is no name of anything, but may be in what is passed over.
            let whole = word.strip_suffix('N').unwrap_or(word);
            return match whole.parse() {
                Ok(number) => Ok(Token::Int(number)),
                Err(_) if word.contains(['.', 'e', 'E', '/', 'M']) => Ok(Token::Symbol(word)),
                Err(_) => Err(self.error(EdnFault::BadNumber(word.to_owned()))),
            };
        }
        Ok(match word {
            "nil" => Token::Nil,
            _ => match word.strip_prefix(':') {
                Some(name) => Token::Keyword(name),
                None => Token::Symbol(word),
            },
        })
    }

    fn string(&mut self) -> Result<Cow<'a, str>, EdnError> {
        self.at += 1;
        let start = self.at;
        let mut owned: Option<Vec<u8>> = None;
        loop {
            let Some(&byte) = self.text.get(self.at) else {
                return Err(self.error(EdnFault::Ends("the end of this string")));
            };
            self.at += 1;
            match byte {
                b'"' => break,
                b'\\' => {
                    let escape = self.escape()?;
                    let before = &self.text[start..self.at - 2];
                    owned.get_or_insert_with(|| before.to_vec()).push(escape);
                }
                byte => {
                    self.lines += u64::from(byte == b'\n');
                    owned.iter_mut().for_each(|owned| owned.push(byte));
                }
            }
        }
        let not_text = |_| self.error(EdnFault::NotText);
        match owned {
            Some(bytes) => {
                String::from_utf8(bytes).map(Cow::Owned).map_err(|_| self.error(EdnFault::NotText))
            }
            None => std::str::from_utf8(&self.text[start..self.at - 1]).map(Cow::Borrowed).map_err(not_text),
        }
    }

    fn escape(&mut self) -> Result<u8, EdnError> {
        let Some(&byte) = self.text.get(self.at) else {
            return Err(self.error(EdnFault::Ends("the end of this string")));
        };
        self.at += 1;
        match byte {
            b'n' => Ok(b'\n'),
            b't' => Ok(b'\t'),
            b'r' => Ok(b'\r'),
            b'"' | b'\\' => Ok(byte),
            other => Err(self.error(EdnFault::BadEscape(other.into()))),
        }
    }

    /// Passes over the value after `#_`; its discards may not be nested without bounds.
    fn discard(&mut self) -> Result<(), EdnError> {
        self.discards += 1;
        if self.discards > DEPTH {
            return Err(self.error(EdnFault::TooDeep(DEPTH)));
        }
        self.skip_value()?;
        self.discards -= 1;
        Ok(())
    }

    /// Passes over the next value, whatever it is.
    pub(super) fn skip_value(&mut self) -> Result<(), EdnError> {
        let token = self.next()?;
        self.skip_rest(&token)
    }

    /// Passes over what is left of the value that begins with this token.
    pub(super) fn skip_rest(&mut self, first: &Token<'_>) -> Result<(), EdnError> {
        let mut open: Vec<u8> = Vec::new();
        let mut token = first.clone();
        loop {
            let is_tag = matches!(token, Token::Tag(_));
            match token {
                Token::Open(bracket) => open.push(closing(bracket)),
                Token::Set => open.push(b'}'),
                Token::Close(bracket) if open.last() == Some(&bracket) => drop(open.pop()),
                Token::Close(_) | Token::End => return Err(self.unexpected("a value", &token)),
                _ => {}
            }
            if open.len() > DEPTH {
                return Err(self.error(EdnFault::TooDeep(DEPTH)));
            }
            if open.is_empty() && !is_tag {
                return Ok(());
            }
            token = self.next()?;
        }
    }
}

/// The bracket that closes this one.
pub(super) fn closing(bracket: u8) -> u8 {
    match bracket {
        b'(' => b')',
        b'[' => b']',
        _ => b'}',
    }
}

impl Token<'_> {
    /// As it is shown in an error.
    fn shown(&self) -> String {
        match self {
            Token::Open(bracket) | Token::Close(bracket) => char::from(*bracket).to_string(),
            Token::Set => "#{".to_owned(),
            Token::Tag(name) => format!("#{name}"),
            Token::Keyword(name) => format!(":{name}"),
            Token::Symbol(name) => (*name).to_owned(),
            Token::Int(number) => number.to_string(),
            Token::Text(text) => format!("{text:?}"),
            Token::Nil => "nil".to_owned(),
            Token::End => "the end".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<Token<'_>>, EdnError> {
        let mut tokens = Tokens::new(text.as_bytes());
        let mut found = Vec::new();
        loop {
            match tokens.next()? {
                Token::End => return Ok(found),
                token => found.push(token),
            }
        }
    }

    #[test]
    fn all_kinds_of_tokens() {
        let text = r#"{:type ok, 5 -7 +3 8N [nil "a\"\n" #inst "x"] #_ (1 [2]) #{1.5} \[ } ; the end"#;
        let expected = [
            Token::Open(b'{'),
            Token::Keyword("type"),
            Token::Symbol("ok"),
            Token::Int(5),
            Token::Int(-7),
            Token::Int(3),
            Token::Int(8),
            Token::Open(b'['),
            Token::Nil,
            Token::Text("a\"\n".into()),
            Token::Tag("inst"),
            Token::Text("x".into()),
            Token::Close(b']'),
            Token::Set,
            Token::Symbol("1.5"),
            Token::Close(b'}'),
            Token::Symbol("\\["),
            Token::Close(b'}'),
        ];
        assert_eq!(all(text), Ok(expected.to_vec()));
    }

    #[test]
    fn errors_have_a_place() {
        for (text, line, column, fault) in [
            ("1\n  9x9", 2, 3, EdnFault::BadNumber("9x9".into())),
            ("é \"ab", 1, 3, EdnFault::Ends("the end of this string")),
            (r#""a\x""#, 1, 1, EdnFault::BadEscape('x')),
            ("#_)", 1, 3, EdnFault::Unexpected { expected: "a value", found: ")".into() }),
            ("#_", 1, 3, EdnFault::Ends("a value")),
        ] {
            assert_eq!(all(text), Err(EdnError { line, column, fault }), "{text}");
        }
        assert!(matches!(all(&"#_".repeat(100_000)), Err(EdnError { fault: EdnFault::TooDeep(_), .. })));
        assert!(matches!(
            all(&format!("#_{}", "[".repeat(100_000))),
            Err(EdnError { fault: EdnFault::TooDeep(_), .. })
        ));
    }

    #[test]
    fn values_are_passed_over() {
        let mut tokens = Tokens::new(b"{:a [1 (2)] #x #{3}} 4");
        assert_eq!(tokens.skip_value(), Ok(()));
        assert_eq!(tokens.next(), Ok(Token::Int(4)));
        assert!(Tokens::new(b"[1 }").skip_value().is_err());
    }
}
