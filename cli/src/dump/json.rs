//! As much JSON (RFC 8259) as the lines of a dump need: objects, strings and whole numbers.
//!
//! A general parser would do, but for two things: it makes strings of whatever length the input has, also in its
//! error messages, and it takes more than a dump is (`null`, arrays for objects). Here a string is measured before
//! memory is taken for it, and one without escapes is borrowed from the line.

use std::borrow::Cow;

/// What is wrong with a text, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    /// What is wrong.
    pub(super) what: &'static str,
    /// Bytes before that place in the line, and one.
    pub(super) column: usize,
}

/// Reads a line from its beginning to its end.
#[derive(Debug)]
pub(super) struct Scanner<'l> {
    text: &'l [u8],
    at: usize,
}

impl<'l> Scanner<'l> {
    pub(super) fn new(text: &'l [u8]) -> Self {
        Scanner { text, at: 0 }
    }

    /// Reads an object. `field` gets each of its names, and reads the value.
    pub(super) fn object<E: From<Flaw>>(
        &mut self,
        mut field: impl FnMut(&str, &mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.token(b'{', "there should be a { here")?;
        if self.next_is(b'}') {
            return Ok(());
        }
        loop {
            let name = self.text_of_name()?;
            self.token(b':', "there should be a : here")?;
            field(&name, self)?;
            if self.next_is(b'}') {
                return Ok(());
            }
            self.token(b',', "there should be a , or a } here")?;
        }
    }

    /// Reads the name of a field. None that is known is long, or has an escape.
    fn text_of_name(&mut self) -> Result<Cow<'l, str>, Flaw> {
        self.string(64)?.map_err(|_| self.flaw("a dump has no field with such a name"))
    }

    /// Reads a string; the inner error is the length of one that is longer than `limit`.
    pub(super) fn string(&mut self, limit: usize) -> Result<Result<Cow<'l, str>, usize>, Flaw> {
        self.token(b'"', "there should be a string here")?;
        let begin = self.at;
        let mut bytes = 0;
        let pieces = self.walk(&mut |piece| bytes += piece.len())?;
        if bytes > limit {
            return Ok(Err(bytes));
        }
        let not_text = Flaw { what: "the string is not UTF-8", column: begin + 1 };
        if pieces <= 1 {
            let text = std::str::from_utf8(&self.text[begin..begin + bytes]);
            return text.map(|text| Ok(Cow::Borrowed(text))).map_err(|_| not_text);
        }
        let mut decoded = Vec::with_capacity(bytes);
        self.at = begin;
        self.walk(&mut |piece| decoded.extend_from_slice(piece))?;
        String::from_utf8(decoded).map(|text| Ok(Cow::Owned(text))).map_err(|_| not_text)
    }

    /// Reads a string behind its quotation mark, piece by piece, to the other one. Returns the number of pieces:
    /// an escape is one, and what stands before the first, between two, or behind the last.
    fn walk(&mut self, piece: &mut dyn FnMut(&[u8])) -> Result<usize, Flaw> {
        let mut pieces = 0;
        loop {
            let rest = &self.text[self.at..];
            let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
            let plain = rest.iter().position(is_special).ok_or(self.flaw("the string has no end"))?;
            piece(&rest[..plain]);
            pieces += 1;
            self.at += plain + 1;
            match rest[plain] {
                b'"' => return Ok(pieces),
                b'\\' => piece(self.escape()?.encode_utf8(&mut [0; 4]).as_bytes()),
                _ => return Err(self.flaw_before("a control character must be written as \\u00…")),
            }
            pieces += 1;
        }
    }

    /// Reads an escape behind its backslash.
    fn escape(&mut self) -> Result<char, Flaw> {
        let character = match self.byte() {
            Some(character @ (b'"' | b'\\' | b'/')) => char::from(character),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.flaw_before("there is no such escape")),
        };
        Ok(character)
    }

    /// Reads `XXXX` or, for what UTF-16 needs a pair for, `XXXX\uXXXX`.
    fn unicode_escape(&mut self) -> Result<char, Flaw> {
        let first = self.four_digits()?;
        let half = self.flaw_before("half a pair of UTF-16 surrogates");
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or(half);
        }
        if self.byte() != Some(b'\\') || self.byte() != Some(b'u') {
            return Err(half);
        }
        let second = self.four_digits()?.checked_sub(0xdc00).filter(|low| *low < 0x400).ok_or(half)?;
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + second).ok_or(half)
    }

    fn four_digits(&mut self) -> Result<u32, Flaw> {
        let mut number = 0;
        for _ in 0..4 {
            let digit = self.byte().and_then(|byte| char::from(byte).to_digit(16));
            number = number << 4 | digit.ok_or(self.flaw_before("\\u needs four hexadecimal digits"))?;
        }
        Ok(number)
    }

    /// Reads a whole number from 0 to 2⁶⁴ − 1.
    pub(super) fn number(&mut self) -> Result<u64, Flaw> {
        self.space();
        let flaw = self.flaw("there should be a whole number here, from 0 to 18446744073709551615");
        let rest = &self.text[self.at..];
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let goes_on = matches!(rest.get(length), Some(b'.' | b'e' | b'E'));
        if goes_on || length > 1 && rest[0] == b'0' {
            return Err(flaw);
        }
        let digits = std::str::from_utf8(&rest[..length]).expect("digits are ASCII");
        let number = digits.parse().map_err(|_| flaw)?;
        self.at += length;
        Ok(number)
    }

    /// Checks that nothing follows.
    pub(super) fn end(mut self) -> Result<(), Flaw> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.flaw("something follows the object")) }
    }

    /// A flaw at what comes next.
    pub(super) fn flaw(&self, what: &'static str) -> Flaw {
        Flaw { what, column: self.at + 1 }
    }

    /// A flaw at what was read last.
    fn flaw_before(&self, what: &'static str) -> Flaw {
        Flaw { what, column: self.at.max(1) }
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.text.get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte
    }

    fn space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
    }

    /// Reads a byte that may have space before it, if it comes next.
    fn next_is(&mut self, byte: u8) -> bool {
        self.space();
        let is_next = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn token(&mut self, byte: u8, what: &'static str) -> Result<(), Flaw> {
        if self.next_is(byte) { Ok(()) } else { Err(self.flaw(what)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> Option<String> {
        let mut scanner = Scanner::new(text.as_bytes());
        let found = scanner.string(1 << 20).ok()?.expect("short");
        scanner.end().ok()?;
        Some(found.into_owned())
    }

    /// Both parsers take the same strings, and make the same of them.
    fn agrees(text: &str) {
        assert_eq!(string(text), serde_json::from_str::<String>(text).ok(), "{text}");
    }

    #[test]
    fn strings_are_what_a_general_parser_makes_of_them() {
        for character in (0..=0x2_ffff).filter_map(char::from_u32) {
            agrees(&format!("\"a{character}b\""));
        }
        for unit in 0..=0xffffu32 {
            agrees(&format!("\"\\u{unit:04x}\""));
            agrees(&format!("\"\\ud83d\\u{unit:04X}é\""));
        }
        for escape in 0..=0x7fu8 {
            agrees(&format!("\"\\{}x\"", char::from(escape)));
        }
        for text in
            ["", "\"", "\"\\", "\"\\\"", "\"\\u12\"", "\"\\u00g0\"", "\"\\u+123\"", " \"a\" ", "\"a\"b", "a"]
        {
            agrees(text);
        }
    }

    #[test]
    fn numbers_are_whole_and_fit() {
        let number = |text: &str| {
            let mut scanner = Scanner::new(text.as_bytes());
            scanner.number().and_then(|number| scanner.end().map(|()| number)).ok()
        };
        assert_eq!(number(" 18446744073709551615 "), Some(u64::MAX));
        assert_eq!(number("0"), Some(0));
        for text in ["", "-1", "+1", "01", "1.0", "1e3", "18446744073709551616", "1 2", "x", "\"1\""] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn long_strings_are_measured_and_plain_ones_borrowed() {
        fn length(text: &str, limit: usize) -> Result<Cow<'_, str>, usize> {
            Scanner::new(text.as_bytes()).string(limit).expect("a string")
        }
        assert_eq!(length("\"ab\\n\"", 3).expect("short").len(), 3);
        assert_eq!(length("\"ab\\n\"", 2), Err(3));
        assert!(matches!(length("\"ab\"", 2), Ok(Cow::Borrowed("ab"))));
    }
}
