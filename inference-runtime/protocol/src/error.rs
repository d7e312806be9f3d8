//! Why bytes are not what they should be: the kind, the place and a sentence that the sender can act on.
//!
//! Errors are made where the mistake is and learn their place on the way out ([`DecodeError::under`]), so that a good request pays nothing
//! for pointers. They never carry more than a few dozen bytes of what was sent, and those escaped.

use std::fmt::Write as _;

/// Why bytes are not a request, a picture or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    pub kind: DecodeErrorKind,
    /// JSON pointer (RFC 6901) into the JSON part; empty for the whole. Long names in it are cut.
    pub pointer: String,
    /// A sentence without a full stop that says what is wrong there.
    pub detail: String,
}

/// What the sender has to do differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DecodeErrorKind {
    /// Send other bytes: these are not of the form, contradict themselves or contradict the model (400).
    Malformed,
    /// Send another content type or content coding (415).
    Unsupported,
    /// Send less: a picture or a body is larger than is taken (413).
    TooLarge,
    /// Ask for another form of answer: this one cannot carry what is to be written, e.g. NaN in JSON (406).
    Unacceptable,
}

/// Longest piece of foreign bytes in a message, and longest name in a pointer.
const LONGEST_ECHO: usize = 48;

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pointer.as_str() {
            "" => f.write_str(&self.detail),
            pointer => write!(f, "{pointer}: {}", self.detail),
        }
    }
}

impl std::error::Error for DecodeError {}

impl DecodeError {
    fn new(kind: DecodeErrorKind, detail: impl Into<String>) -> Self {
        DecodeError { kind, pointer: String::new(), detail: detail.into() }
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(DecodeErrorKind::Malformed, detail)
    }

    pub(crate) fn unsupported(detail: impl Into<String>) -> Self {
        Self::new(DecodeErrorKind::Unsupported, detail)
    }

    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(DecodeErrorKind::TooLarge, detail)
    }

    pub(crate) fn unacceptable(detail: impl Into<String>) -> Self {
        Self::new(DecodeErrorKind::Unacceptable, detail)
    }

    /// The same mistake, seen from one level up, where it lies under `name`.
    pub(crate) fn under(mut self, name: &str) -> Self {
        let mut pointer = String::from("/");
        for (at, c) in name.char_indices() {
            if at >= LONGEST_ECHO {
                pointer.push('…');
                break;
            }
            match c {
                '~' => pointer.push_str("~0"),
                '/' => pointer.push_str("~1"),
                c => pointer.push(c),
            }
        }
        pointer.push_str(&self.pointer);
        self.pointer = pointer;
        self
    }

    /// The same mistake, seen from one level up, where it lies at `index`.
    pub(crate) fn at(mut self, index: usize) -> Self {
        self.pointer.insert_str(0, &format!("/{index}"));
        self
    }
}

/// Foreign text for a message: quoted, escaped and cut.
pub(crate) fn excerpt(text: &[u8]) -> String {
    let (shown, cut) = match text.get(..LONGEST_ECHO) {
        Some(start) if text.len() > LONGEST_ECHO => (start, "…"),
        _ => (text, ""),
    };
    let mut quoted = String::with_capacity(shown.len() + 8);
    quoted.push('"');
    for c in String::from_utf8_lossy(shown).chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if c.is_control() => {
                let _ = write!(quoted, "{}", c.escape_default());
            }
            c => quoted.push(c),
        }
    }
    quoted.push_str(cut);
    quoted.push('"');
    quoted
}

/// What a library says of bytes that it could not read, for a message: one line, cut, since it may repeat what was sent.
pub(crate) fn one_line(said: &dyn std::fmt::Display) -> String {
    const LONGEST: usize = 96;
    let said = said.to_string();
    said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_grows_from_the_inside_out_and_is_escaped() {
        let error = DecodeError::malformed("bad").at(17).under("a/b~c").under("inputs");
        assert_eq!(error.pointer, "/inputs/a~1b~0c/17");
        assert_eq!(error.to_string(), "/inputs/a~1b~0c/17: bad");
    }

    #[test]
    fn foreign_text_is_cut_and_escaped() {
        assert_eq!(excerpt(b"a\"\r\n\\"), r#""a\"\r\n\\""#);
        assert_eq!(excerpt(&[b'x'; 1000]).chars().count(), LONGEST_ECHO + 3);
        assert!(DecodeError::malformed("").under(&"é".repeat(500)).pointer.len() < LONGEST_ECHO + 8);
    }
}
