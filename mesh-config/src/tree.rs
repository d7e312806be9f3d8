//! YAML with positions, and sections read from it with every mistake collected.
//!
//! A section is a function from its value so far to its value as written. It declares each key once: name, form, and what the key
//! means. The same declaration reads a file, describes the file's JSON Schema, and shows the value again in the file's own shape.
//!
//! ```
//! use forebay_mesh_config::tree::{self, Keys, form};
//!
//! #[derive(Clone)]
//! struct Shelf {
//!     name: String,
//!     width: u32,
//!     colours: Vec<String>,
//! }
//!
//! fn shelf(keys: &mut Keys, from: Shelf) -> Shelf {
//!     Shelf {
//!         name: keys.required("name", form::text(), from.name, "What the label says."),
//!         width: keys.key("width", form::whole().at_most(500), from.width, "In centimetres."),
//!         colours: keys.key("colours", form::list(form::text(), String::new), from.colours, "From top to bottom."),
//!     }
//! }
//!
//! // What is there before a file is read: the defaults, and an example for the keys that have none.
//! let blank = Shelf { name: "books".into(), width: 80, colours: vec![] };
//!
//! let read = tree::read_text("name: jars\ncolours: [red, blue]", "shelf.yaml".as_ref(), shelf, blank.clone())?;
//! assert_eq!((read.name.as_str(), read.width, read.colours.len()), ("jars", 80, 2));
//!
//! let Err(problems) = tree::read_text("widht: 900", "shelf.yaml".as_ref(), shelf, blank) else { panic!() };
//! assert_eq!(
//!     problems.to_string(),
//!     "shelf.yaml:1:1: name: is missing; add it, for example name: books\n\
//!      shelf.yaml:1:1: widht: is not a known key; did you mean width?"
//! );
//! # Ok::<(), forebay_mesh_config::Problems>(())
//! ```
//!
//! A wrong value is reported, the value so far takes its place, and reading goes on; nothing is returned once a problem was reported.
//! Anchors, aliases, tags and second documents are refused: a file means what it says where it says it. Limits hold before a tree
//! is built: [`MAX_BYTES`], [`MAX_DEPTH`], [`MAX_NODES`].

use std::path::Path;

use crate::problem::{Place, Problems};

mod did_you_mean;
pub mod form;
mod keys;
mod parse;
mod reading;
mod scalar;

pub(crate) use did_you_mean::nearest;
pub(crate) use keys::described;
pub use keys::{Keys, Section};
pub(crate) use parse::{Origin, parse};
pub(crate) use reading::beside;
pub use reading::{Mistake, Reading};

/// Bytes of a file. A configuration of a thousand models has about 200 KB.
pub const MAX_BYTES: usize = 1 << 20;

/// Lists and mappings inside each other. Sections need six; the rest is room for values that are passed on.
pub const MAX_DEPTH: usize = 32;

/// Values and keys of a file.
pub const MAX_NODES: usize = 100_000;

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub place: Place,
    pub value: Value,
}

/// What was written. Scalars stay text: what `8` or `no` means is for the key's form to say, not for YAML to guess.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing, `~` or `null`: as if the key were absent.
    Empty,
    Scalar(String),
    List(Vec<Node>),
    /// In the order of the file, keys unique.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    /// Where the key was written.
    pub place: Place,
    pub value: Node,
}

impl Node {
    /// What a problem calls a value of this shape.
    pub fn shape(&self) -> &'static str {
        match self.value {
            Value::Empty => "nothing",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// Reads a file that holds one section and no references: `${…}` and `file:` stay as they are.
pub fn read_file<T: Clone>(file: &Path, section: Section<T>, blank: T) -> Result<T, Problems> {
    let mut reading = Reading::literal();
    let root = reading.open(file, &Place::file(file));
    finish(reading, root, section, blank)
}

/// As [`read_file`], for text that is in memory; `name` is what problems call it.
pub fn read_text<T: Clone>(text: &str, name: &Path, section: Section<T>, blank: T) -> Result<T, Problems> {
    let mut reading = Reading::literal();
    let root = reading.parse(text, &Origin::file(name));
    finish(reading, root, section, blank)
}

fn finish<T: Clone>(mut reading: Reading<'_>, root: Option<Node>, section: Section<T>, blank: T) -> Result<T, Problems> {
    use form::Form;
    let value = match &root {
        Some(root) => form::table(section).read(root, &mut reading, blank),
        None => blank,
    };
    reading.finish(value).map(|read| read.0)
}
