//! Strings: borrowed from the text where they have no escapes.

use std::borrow::Cow;

use super::{Kind, Reader};
use crate::error::DecodeError;

impl<'a> Reader<'a> {
    /// The string that is next.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        let found = self.peek()?;
        if found != Kind::String {
            return Err(self.mismatch("a string", found));
        }
        self.take(b'"');
        let plain = self.plain()?;
        if self.close() {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = String::from(plain);
        loop {
            text.push(self.escape()?);
            text.push_str(self.plain()?);
            if self.close() {
                return Ok(Cow::Owned(text));
            }
        }
    }

    /// A string of at most `longest` bytes without control characters: a name, an id, a parameter.
    pub(crate) fn text(&mut self, longest: usize) -> Result<Cow<'a, str>, DecodeError> {
        let text = self.string()?;
        if text.len() > longest {
            return Err(DecodeError::malformed(format!("a text of {} bytes, at most {longest} are taken here", text.len())));
        }
        if text.chars().any(char::is_control) {
            return Err(DecodeError::malformed("control characters (line ends, NUL, …) are not taken here"));
        }
        Ok(text)
    }

    fn close(&mut self) -> bool {
        match self.rest {
            [b'"', rest @ ..] => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Bytes up to a quote or a backslash, which is left.
    fn plain(&mut self) -> Result<&'a str, DecodeError> {
        let Some(end) = self.rest.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20) else {
            self.utf8(self.rest)?;
            return Err(DecodeError::malformed("the JSON ends within a string"));
        };
        let (plain, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
        let plain = self.utf8(plain)?;
        self.rest = rest;
        match rest.first() {
            Some(b'"' | b'\\') => Ok(plain),
            _ => Err(DecodeError::malformed(format!("a control character within a string, at byte {}: escape it", self.offset()))),
        }
    }

    fn utf8(&self, bytes: &'a [u8]) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(bytes)
            .map_err(|e| DecodeError::malformed(format!("invalid UTF-8 at byte {}: text is UTF-8", self.offset() + e.valid_up_to())))
    }

    /// An escape sequence, from its backslash on.
    fn escape(&mut self) -> Result<char, DecodeError> {
        let at = self.offset();
        let [_, letter, rest @ ..] = self.rest else {
            return Err(DecodeError::malformed("the JSON ends within a string"));
        };
        self.rest = rest;
        Ok(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(at),
            _ => return Err(DecodeError::malformed(format!("no such escape in JSON strings, at byte {at}"))),
        })
    }

    /// What follows `\u`: four hex digits, or a pair of surrogates.
    fn unicode(&mut self, at: usize) -> Result<char, DecodeError> {
        let first = self.hex(at)?;
        let code = match first {
            0xD800..=0xDBFF => {
                let second = match self.rest.strip_prefix(b"\\u") {
                    Some(rest) => {
                        self.rest = rest;
                        self.hex(at)?
                    }
                    None => 0,
                };
                match second {
                    0xDC00..=0xDFFF => 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00),
                    _ => first,
                }
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(|| DecodeError::malformed(format!("a lone surrogate at byte {at} is not text")))
    }

    fn hex(&mut self, at: usize) -> Result<u32, DecodeError> {
        let digits = self.rest.split_first_chunk::<4>().and_then(|(digits, rest)| {
            let value = digits.iter().try_fold(0, |value, &digit| Some(value * 16 + char::from(digit).to_digit(16)?))?;
            Some((value, rest))
        });
        let Some((value, rest)) = digits else {
            return Err(DecodeError::malformed(format!("\\u takes four hexadecimal digits, at byte {at}")));
        };
        self.rest = rest;
        Ok(value)
    }
}
