//! Forms of single values.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use serde_json::{Value as Json, json};

use super::did_you_mean::nearest;
use super::form::Form;
use super::reading::beside;
use super::{Mistake, Node, Reading};

/// A form whose values are written as one piece of text.
pub trait Scalar {
    type Value;

    /// A secret's text is never repeated in a problem.
    const SECRET: bool = false;

    fn parse(&self, text: &str) -> Result<Self::Value, Mistake>;

    /// See [`Form::write`].
    fn show(&self, value: &Self::Value) -> Json;

    /// See [`Form::schema`].
    fn describe(&self) -> Json;

    /// See [`Form::example`].
    fn example(&self, value: &Self::Value) -> Json {
        self.show(value)
    }
}

impl<S: Scalar> Form for S {
    type Value = S::Value;

    fn read(&self, node: &Node, reading: &mut Reading<'_>, from: S::Value) -> S::Value {
        let Some(text) = reading.text(node) else { return from };
        match self.parse(&text) {
            Ok(value) => return value,
            Err(mistake) if S::SECRET => reading.refuse(&node.place, mistake),
            Err(mistake) => reading.refuse_value(node, mistake),
        }
        from
    }

    fn write(&self, value: &S::Value) -> Json {
        self.show(value)
    }

    fn schema(&self, _: &S::Value) -> Json {
        self.describe()
    }

    fn example(&self, from: &S::Value) -> Json {
        Scalar::example(self, from)
    }
}

/// Any text but the empty one.
pub fn text() -> Text {
    Text
}

/// See [`text`].
pub struct Text;

impl Scalar for Text {
    type Value = String;

    fn parse(&self, text: &str) -> Result<String, Mistake> {
        if text.is_empty() { Err(Mistake::new("is empty", "write some text, or leave the key out")) } else { Ok(text.to_owned()) }
    }

    fn show(&self, value: &String) -> Json {
        json!(value)
    }

    fn describe(&self) -> Json {
        json!({ "type": "string", "minLength": 1 })
    }
}

/// `true` or `false`.
pub fn boolean() -> Boolean {
    Boolean
}

/// See [`boolean`].
pub struct Boolean;

impl Scalar for Boolean {
    type Value = bool;

    fn parse(&self, text: &str) -> Result<bool, Mistake> {
        text.parse().map_err(|_| Mistake::new("is neither true nor false", "write true or false"))
    }

    fn show(&self, value: &bool) -> Json {
        json!(value)
    }

    fn describe(&self) -> Json {
        json!({ "type": "boolean" })
    }
}

/// One of some words, each for a value.
pub fn choice<T: Copy + PartialEq + 'static>(words: &'static [(&'static str, T)]) -> Choice<T> {
    Choice(words)
}

/// See [`choice`].
pub struct Choice<T: 'static>(&'static [(&'static str, T)]);

impl<T: Copy + PartialEq + 'static> Scalar for Choice<T> {
    type Value = T;

    fn parse(&self, text: &str) -> Result<T, Mistake> {
        if let Some((_, value)) = self.0.iter().find(|(word, _)| *word == text) {
            return Ok(*value);
        }
        let words = self.0.iter().map(|(word, _)| *word);
        Err(match nearest(text, words.clone()) {
            Some(meant) => Mistake::new("is not known here", format!("did you mean {meant}?")),
            None => Mistake::new("is not known here", format!("write {}", words.collect::<Vec<_>>().join(" or "))),
        })
    }

    fn show(&self, value: &T) -> Json {
        self.0.iter().find(|(_, known)| known == value).map_or(Json::Null, |(word, _)| json!(word))
    }

    fn describe(&self) -> Json {
        json!({ "enum": self.0.iter().map(|(word, _)| *word).collect::<Vec<_>>() })
    }
}

/// A type that [`whole`] reads.
pub trait WholeNumber: Copy {
    const LEAST: u64;
    const MOST: u64;
    fn from_u64(number: u64) -> Option<Self>;
    fn to_u64(self) -> u64;
}

macro_rules! whole_number {
    ($($type:ty, $least:expr, $most:expr, $from:expr, $to:expr;)*) => {$(
        impl WholeNumber for $type {
            const LEAST: u64 = $least;
            const MOST: u64 = $most;
            fn from_u64(number: u64) -> Option<Self> {
                ($from)(number)
            }
            fn to_u64(self) -> u64 {
                ($to)(self)
            }
        }
    )*};
}

whole_number! {
    u8, 0, u8::MAX as u64, |n| u8::try_from(n).ok(), u64::from;
    u32, 0, u32::MAX as u64, |n| u32::try_from(n).ok(), u64::from;
    u64, 0, u64::MAX, Some, |n| n;
    usize, 0, usize::MAX as u64, |n| usize::try_from(n).ok(), |n| n as u64;
    NonZeroU32, 1, u32::MAX as u64, |n| u32::try_from(n).ok().and_then(NonZeroU32::new), |n: NonZeroU32| u64::from(n.get());
    NonZeroUsize, 1, usize::MAX as u64, |n| usize::try_from(n).ok().and_then(NonZeroUsize::new), |n: NonZeroUsize| n.get() as u64;
}

/// A whole number, not negative.
pub fn whole<T: WholeNumber>() -> Whole<T> {
    Whole { least: T::LEAST, most: T::MOST, of: std::marker::PhantomData }
}

/// See [`whole`].
pub struct Whole<T> {
    least: u64,
    most: u64,
    of: std::marker::PhantomData<T>,
}

impl<T> Whole<T> {
    pub fn at_least(self, least: u64) -> Self {
        Self { least, ..self }
    }

    pub fn at_most(self, most: u64) -> Self {
        Self { most, ..self }
    }

    fn hint(&self) -> String {
        format!("write a whole number from {} to {}", self.least, self.most)
    }
}

impl<T: WholeNumber> Scalar for Whole<T> {
    type Value = T;

    fn parse(&self, text: &str) -> Result<T, Mistake> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Mistake::new("is not a whole number", self.hint()));
        }
        let number: Option<u64> = text.parse().ok().filter(|number| (self.least..=self.most).contains(number));
        number.and_then(T::from_u64).ok_or_else(|| Mistake::new("is out of range", self.hint()))
    }

    fn show(&self, value: &T) -> Json {
        json!(value.to_u64())
    }

    fn describe(&self) -> Json {
        json!({ "type": "integer", "minimum": self.least, "maximum": self.most })
    }
}

/// A finite number.
pub fn number(least: f64, most: f64) -> Number {
    Number { least, most }
}

/// See [`number`].
pub struct Number {
    least: f64,
    most: f64,
}

impl Scalar for Number {
    type Value = f64;

    fn parse(&self, text: &str) -> Result<f64, Mistake> {
        let (least, most) = (self.least, self.most);
        let plain = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
        match text.parse::<f64>() {
            Ok(number) if plain && (least..=most).contains(&number) => Ok(number),
            Ok(number) if plain && number.is_finite() => {
                Err(Mistake::new("is out of range", format!("write a number from {least} to {most}")))
            }
            _ => Err(Mistake::new("is not a number", format!("write a number from {least} to {most}"))),
        }
    }

    fn show(&self, value: &f64) -> Json {
        json!(value)
    }

    fn describe(&self) -> Json {
        json!({ "type": "number", "minimum": self.least, "maximum": self.most })
    }
}

/// The path of a file or folder; relative to the file that it is written in.
pub fn path() -> Path {
    Path
}

/// See [`path`].
pub struct Path;

impl Form for Path {
    type Value = PathBuf;

    fn read(&self, node: &Node, reading: &mut Reading<'_>, from: PathBuf) -> PathBuf {
        match reading.text(node) {
            Some(text) if text.is_empty() || text.contains('\0') => {
                reading.refuse_value(node, Mistake::new("is not a path", "write the path of a file or folder, or leave the key out"));
                from
            }
            Some(text) => beside(&node.place, &text),
            None => from,
        }
    }

    fn write(&self, value: &PathBuf) -> Json {
        json!(value.display().to_string())
    }

    fn schema(&self, _: &PathBuf) -> Json {
        json!({ "type": "string", "minLength": 1 })
    }
}
