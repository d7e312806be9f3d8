//! Lists and objects: each element or member is handed to a function, and its mistakes get their place.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{Kind, Reader};
use crate::error::DecodeError;

/// Reads `text`, which must be one JSON value of at most `levels` nested lists and objects and nothing else.
pub(crate) fn whole<'a, T>(
    text: &'a [u8],
    levels: usize,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let mut reader = Reader { rest: text, length: text.len(), levels, non_finite: false };
    let value = read(&mut reader)?;
    reader.end()?;
    Ok(value)
}

impl<'a> Reader<'a> {
    /// From here on, `NaN`, `Infinity` and `-Infinity` are floats.
    pub(crate) fn with_non_finite(&mut self) -> &mut Self {
        self.non_finite = true;
        self
    }

    fn end(&mut self) -> Result<(), DecodeError> {
        match self.peek_byte() {
            None => Ok(()),
            Some(_) => Err(DecodeError::malformed(format!("bytes follow the JSON, from byte {}", self.offset()))),
        }
    }

    /// Hands each element of the list that is next to `each`, with its index. Returns how many there were.
    #[inline]
    pub(crate) fn array(&mut self, mut each: impl FnMut(&mut Self, usize) -> Result<(), DecodeError>) -> Result<usize, DecodeError> {
        self.open(b'[', Kind::Array)?;
        let mut index = 0;
        if !self.take(b']') {
            loop {
                each(self, index).map_err(|e| e.at(index))?;
                index += 1;
                if self.take(b',') {
                    continue;
                }
                if self.take(b']') {
                    break;
                }
                return Err(self.unexpected("',' or ']'").at(index - 1));
            }
        }
        self.levels += 1;
        Ok(index)
    }

    /// Hands each member of the object that is next to `each`, by name. A doubled name is refused.
    pub(crate) fn object(&mut self, mut each: impl FnMut(&mut Self, &str) -> Result<(), DecodeError>) -> Result<(), DecodeError> {
        self.open(b'{', Kind::Object)?;
        let mut names = Names::default();
        if !self.take(b'}') {
            loop {
                if self.peek_byte() != Some(b'"') {
                    return Err(self.unexpected("a member's name in quotes"));
                }
                let name = self.string()?;
                if !self.take(b':') {
                    return Err(self.unexpected("':'").under(&name));
                }
                each(self, &name).map_err(|e| e.under(&name))?;
                names.insert(name)?;
                if self.take(b',') {
                    continue;
                }
                if self.take(b'}') {
                    break;
                }
                return Err(self.unexpected("',' or '}'"));
            }
        }
        self.levels += 1;
        Ok(())
    }

    fn open(&mut self, bracket: u8, kind: Kind) -> Result<(), DecodeError> {
        let found = self.peek()?;
        if found != kind {
            return Err(self.mismatch(kind.name(), found));
        }
        let Some(levels) = self.levels.checked_sub(1) else {
            return Err(DecodeError::malformed(format!("lists and objects are nested too deep, at byte {}", self.offset())));
        };
        self.levels = levels;
        self.take(bracket);
        Ok(())
    }

    /// Passes over the next value, checking that it is one.
    pub(crate) fn skip(&mut self) -> Result<(), DecodeError> {
        if self.non_finite_literal().is_some() {
            return Ok(());
        }
        match self.peek()? {
            Kind::Object => self.object(|reader, _| reader.skip()),
            Kind::Array => self.array(|reader, _| reader.skip()).map(|_| ()),
            Kind::String => self.string().map(|_| ()),
            Kind::Number => self.number().map(|_| ()),
            Kind::Bool => self.bool().map(|_| ()),
            Kind::Null => self.null().map(|_| ()),
        }
    }
}

/// Above this many names a set is faster than looking at each, and a stranger decides how many there are.
const FEW: usize = 16;

/// No object of any protocol here has so many members; without a limit they would cost more to compare than to read.
const MOST: usize = 4_096;

/// Names seen in one object.
#[derive(Default)]
struct Names<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Names<'a> {
    fn insert(&mut self, name: Cow<'a, str>) -> Result<(), DecodeError> {
        if self.few.contains(&name) || self.many.contains(&name) {
            return Err(DecodeError::malformed("the name occurs twice in its object").under(&name));
        }
        if self.few.len() < FEW {
            self.few.push(name);
        } else if self.many.len() < MOST - FEW {
            self.many.insert(name);
        } else {
            return Err(DecodeError::malformed(format!("an object of more than {MOST} members")));
        }
        Ok(())
    }
}
