//! Whether a chunked body means one thing only (RFC 9112 section 7.1).
//!
//! pingora's reader is lenient: it takes an empty size for 0, a line feed inside an extension, and anything at all for a trailer. Forebay
//! frames the body anew for whoever stands behind it, but a proxy in front that read such a chunk otherwise would be out of step with us, and
//! take the answer to one caller's request for that of another's. So the bytes are followed on their way to pingora, one by one, and nothing of
//! them is kept.

use thiserror::Error;

/// Bytes of a line with a size and its extension. An extension in use is a signature or a checksum. pingora refuses a line of 8 KiB only
/// if it comes in pieces; below that the verdict does not depend on how a body was cut on its way.
const LINE: usize = 1 << 10;

/// What is wrong with a chunked body, in a sentence for its sender.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub(crate) struct BadChunk(&'static str);

/// How far a body has come with the bytes that were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// All of them belong to the body, and more must follow.
    More,
    /// So many of them do, and the body is complete.
    End(usize),
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Size,
    /// Blanks between a size and its extension.
    Blank,
    Extension,
    /// The line feed behind a size or an extension.
    SizeEnd,
    Data,
    /// The carriage return behind the data, and then the line feed.
    DataEnd,
    DataEndLf,
    /// The first byte of a trailer, or of the empty line that ends the body.
    TrailerLine,
    TrailerName,
    TrailerValue,
    TrailerEnd,
    /// The line feed that ends the body.
    LastLf,
    End,
}

/// Follows one body.
#[derive(Debug)]
pub(super) struct Chunks {
    part: Part,
    /// Of the chunk that has begun: its size, and from its data on what is left of it.
    size: u64,
    digits: usize,
    /// Bytes of the line that has begun.
    line: usize,
    /// What extensions and trailers may still take.
    spare: usize,
}

impl Chunks {
    /// `most` bytes are for all extensions and trailers together, so that a body of small chunks does not cost more than it brings.
    pub(super) fn new(most: usize) -> Self {
        Chunks { part: Part::Size, size: 0, digits: 0, line: 0, spare: most }
    }

    /// Follows the next bytes, up to the body's end.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Progress, BadChunk> {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            match self.part {
                Part::Data => rest = self.data(rest),
                _ => {
                    self.part = self.next(byte)?;
                    rest = after;
                }
            }
            if self.part == Part::End {
                return Ok(Progress::End(bytes.len() - rest.len()));
            }
        }
        Ok(Progress::More)
    }

    /// Passes over data, and gives what follows it.
    fn data<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let taken = usize::try_from(self.size).unwrap_or(usize::MAX).min(bytes.len());
        self.size -= taken as u64;
        if self.size == 0 {
            self.part = Part::DataEnd;
        }
        bytes.get(taken..).unwrap_or_default()
    }

    fn next(&mut self, byte: u8) -> Result<Part, BadChunk> {
        match self.part {
            Part::Size | Part::Blank | Part::Extension => self.line(byte),
            Part::SizeEnd => lf(byte, if self.size == 0 { Part::TrailerLine } else { Part::Data }),
            Part::DataEnd if byte == b'\r' => Ok(Part::DataEndLf),
            Part::DataEnd => Err(BadChunk("a chunk's data does not end with CR LF where its size says")),
            Part::DataEndLf => {
                (self.digits, self.line) = (0, 0);
                lf(byte, Part::Size)
            }
            Part::TrailerLine | Part::TrailerName | Part::TrailerValue => self.trailer(byte),
            Part::TrailerEnd => lf(byte, Part::TrailerLine),
            Part::LastLf => lf(byte, Part::End),
            Part::Data | Part::End => Ok(self.part),
        }
    }

    /// `size *( BWS ";" extension ) CR`. What an extension says is nobody's business here, as long as no reader ends a line in it.
    fn line(&mut self, byte: u8) -> Result<Part, BadChunk> {
        self.line += 1;
        if self.line > LINE {
            return Err(BadChunk("a chunk's extension is too long"));
        }
        match (self.part, byte) {
            (Part::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.digit(byte),
            (Part::Size, _) if self.digits == 0 => Err(BadChunk("a chunk's size is missing or does not begin with a hexadecimal digit")),
            (Part::Size | Part::Extension, b'\r') => Ok(Part::SizeEnd),
            (Part::Size | Part::Blank, b';') => self.spend(Part::Extension),
            (Part::Size | Part::Blank, b' ' | b'\t') => self.spend(Part::Blank),
            (Part::Extension, b) if is_text(b) => self.spend(Part::Extension),
            (Part::Extension, _) => Err(BadChunk("a chunk's extension has a control character")),
            _ => Err(BadChunk("a chunk's size is followed by something other than CR LF or an extension")),
        }
    }

    fn digit(&mut self, byte: u8) -> Result<Part, BadChunk> {
        /// As many as 64 bits have.
        const DIGITS: usize = 16;
        let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
        (self.size, self.digits) = ((self.size << 4) | digit, self.digits + 1);
        // Some readers count in signed numbers.
        if self.digits > DIGITS || i64::try_from(self.size).is_err() {
            return Err(BadChunk("a chunk's size has too many digits"));
        }
        Ok(Part::Size)
    }

    /// `*( name ":" value CR LF ) CR`: no folded lines, and nothing that is not a field (RFC 9112 sections 5.1, 5.2 and 7.1.2).
    fn trailer(&mut self, byte: u8) -> Result<Part, BadChunk> {
        match (self.part, byte) {
            (Part::TrailerLine, b'\r') => Ok(Part::LastLf),
            (Part::TrailerName, b':') => self.spend(Part::TrailerValue),
            (Part::TrailerLine | Part::TrailerName, b) if is_token(b) => self.spend(Part::TrailerName),
            (Part::TrailerValue, b'\r') => self.spend(Part::TrailerEnd),
            (Part::TrailerValue, b) if is_text(b) => self.spend(Part::TrailerValue),
            (Part::TrailerValue, _) => Err(BadChunk("a trailer has a control character")),
            _ => Err(BadChunk("a trailer is not a name, a colon and a value")),
        }
    }

    fn spend(&mut self, next: Part) -> Result<Part, BadChunk> {
        self.spare = self.spare.checked_sub(1).ok_or(BadChunk("extensions and trailers are longer than a head may be"))?;
        Ok(next)
    }
}

fn lf(byte: u8, next: Part) -> Result<Part, BadChunk> {
    if byte == b'\n' { Ok(next) } else { Err(BadChunk("a CR is not followed by LF")) }
}

/// What may stand in a field's value or an extension: anything but control characters.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// RFC 9110 section 5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests;
