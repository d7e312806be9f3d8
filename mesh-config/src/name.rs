//! Names that travel in headers, paths and folders: letters, digits, `_`, `.` and `-`.

use serde_json::{Value as Json, json};

use crate::tree::Mistake;
use crate::tree::form::Scalar;

/// A name of at most `longest` characters. It cannot begin with a dot or a hyphen: a model's name is a folder too, and `..` is another one's.
pub(crate) fn name(longest: usize) -> Name {
    Name { longest }
}

pub(crate) struct Name {
    longest: usize,
}

impl Scalar for Name {
    type Value = String;

    fn parse(&self, text: &str) -> Result<String, Mistake> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if !text.is_empty() && text.len() <= self.longest && text.chars().all(plain) && !text.starts_with(['.', '-']) {
            return Ok(text.to_owned());
        }
        let hint = format!("write 1 to {} letters, digits, _ . or -, beginning with neither of the last two", self.longest);
        Err(Mistake::new("is not a name", hint))
    }

    fn show(&self, value: &String) -> Json {
        json!(value)
    }

    fn describe(&self) -> Json {
        json!({ "type": "string", "pattern": format!("^[A-Za-z0-9_][A-Za-z0-9_.-]{{0,{}}}$", self.longest - 1) })
    }
}
