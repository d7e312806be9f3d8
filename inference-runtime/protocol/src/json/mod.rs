//! JSON, read from the front in one pass, without a tree, under a depth.
//!
//! Tensors arrive as long lists of numbers whose datatype is known: they are read straight into the tensor's bytes. RFC 8259 to the letter:
//! no byte order mark, no trailing bytes, no doubled names, no lone surrogates, no `NaN`. What is skipped is checked as well.

mod number;
mod string;
mod walk;
mod write;

pub(crate) use number::Number;
pub(crate) use walk::whole;
pub(crate) use write::{write_string, write_value};

use crate::error::{DecodeError, excerpt};

/// What the next value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Object => "an object",
            Kind::Array => "a list",
            Kind::String => "a string",
            Kind::Number => "a number",
            Kind::Bool => "a boolean",
            Kind::Null => "null",
        }
    }
}

/// A place in a JSON text. Cloning it remembers the place.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// Bytes of the whole text, to tell where in it the rest begins.
    length: usize,
    /// Levels that may still be opened.
    levels: usize,
    /// Whether `NaN`, `Infinity` and `-Infinity` are taken where a float is read: some servers write them.
    non_finite: bool,
}

impl<'a> Reader<'a> {
    /// Where the rest begins, for messages.
    fn offset(&self) -> usize {
        self.length - self.rest.len()
    }

    /// Bytes that are left of the whole text.
    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next byte that is not white space, not taken.
    #[inline]
    fn peek_byte(&mut self) -> Option<u8> {
        while let [first, rest @ ..] = self.rest {
            match first {
                b' ' | b'\n' | b'\r' | b'\t' => self.rest = rest,
                byte => return Some(*byte),
            }
        }
        None
    }

    /// Takes the next byte that is not white space if it is `wanted`.
    #[inline]
    fn take(&mut self, wanted: u8) -> bool {
        if self.peek_byte() != Some(wanted) {
            return false;
        }
        self.rest = self.rest.get(1..).unwrap_or(&[]);
        true
    }

    /// What the next value is. Nothing is taken but white space.
    #[inline]
    pub(crate) fn peek(&mut self) -> Result<Kind, DecodeError> {
        match self.peek_byte() {
            Some(b'0'..=b'9' | b'-') => Ok(Kind::Number),
            Some(b'"') => Ok(Kind::String),
            Some(b'[') => Ok(Kind::Array),
            Some(b'{') => Ok(Kind::Object),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            _ => Err(self.unexpected("a value")),
        }
    }

    /// Whether the next value is a list whose first element is a list.
    pub(crate) fn peek_nested(&self) -> bool {
        let mut ahead = self.clone();
        ahead.take(b'[') && ahead.peek_byte() == Some(b'[')
    }

    /// Steps into the list that is next and tells what its first element is; `None` if it is empty. For looking ahead, on a clone.
    pub(crate) fn peek_first(&mut self) -> Result<Option<Kind>, DecodeError> {
        self.take(b'[');
        match self.peek_byte() {
            Some(b']') => Ok(None),
            _ => self.peek().map(Some),
        }
    }

    /// Name of the first member of the object that is next, if it is written without escapes.
    pub(crate) fn peek_member(&self) -> Option<&'a str> {
        let mut ahead = self.clone();
        if !ahead.take(b'{') {
            return None;
        }
        match ahead.string() {
            Ok(std::borrow::Cow::Borrowed(name)) => Some(name),
            _ => None,
        }
    }

    pub(crate) fn bool(&mut self) -> Result<bool, DecodeError> {
        match self.peek()? {
            Kind::Bool if self.word(b"true") => Ok(true),
            Kind::Bool if self.word(b"false") => Ok(false),
            Kind::Bool => Err(self.unexpected("a value")),
            other => Err(self.mismatch("true or false", other)),
        }
    }

    /// Takes `null` if it is next.
    pub(crate) fn null(&mut self) -> Result<bool, DecodeError> {
        match self.peek()? {
            Kind::Null if self.word(b"null") => Ok(true),
            Kind::Null => Err(self.unexpected("a value")),
            _ => Ok(false),
        }
    }

    fn word(&mut self, word: &[u8]) -> bool {
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// The next value is of another kind than is wanted.
    #[cold]
    pub(crate) fn mismatch(&self, wanted: &str, found: Kind) -> DecodeError {
        match found {
            Kind::Number | Kind::Bool => DecodeError::malformed(format!("expected {wanted}, found {} {}", found.name(), self.token())),
            _ => DecodeError::malformed(format!("expected {wanted}, found {}", found.name())),
        }
    }

    /// The next byte cannot be there.
    #[cold]
    fn unexpected(&mut self, wanted: &str) -> DecodeError {
        let at = self.peek_byte();
        let offset = self.offset();
        DecodeError::malformed(match at {
            None => format!("the JSON ends at byte {offset}, where {wanted} should be"),
            Some(b'N' | b'I') if self.rest.starts_with(b"NaN") || self.rest.starts_with(b"Inf") => non_finite(offset),
            Some(0xEF) if offset == 0 => "the JSON begins with a byte order mark, which RFC 8259 forbids".to_owned(),
            Some(_) => format!("expected {wanted} at byte {offset}, found {}", self.token()),
        })
    }

    /// The text from here to the end of the word, for messages.
    fn token(&self) -> String {
        let end = self.rest.iter().position(|b| b",]}:\" \n\r\t".contains(b)).unwrap_or(self.rest.len());
        excerpt(self.rest.get(..end.max(1)).unwrap_or(self.rest))
    }
}

fn non_finite(offset: usize) -> String {
    format!("NaN and Infinity are not JSON (byte {offset}): send the tensor as binary data, or a finite number")
}
