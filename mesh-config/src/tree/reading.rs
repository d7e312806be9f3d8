//! One walk through a tree: where it is, what it found wrong, and what it read from outside.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{MAX_BYTES, Node, Origin, Value, parse};
use crate::path::{KeyPath, Segment};
use crate::problem::{Place, Problem, Problems};
use crate::references::{self, Environment};

/// What is wrong with a value and what to write instead. Displayed after the value: `"5x" is not a duration; write 250ms, 5s …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Begins with a verb: `is not a duration`.
    pub is: String,
    pub hint: Option<String>,
}

impl Mistake {
    pub fn new(is: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { is: is.into(), hint: Some(hint.into()) }
    }
}

/// A walk through one tree and the files that it names.
pub struct Reading<'e> {
    path: KeyPath,
    problems: Vec<Problem>,
    /// Absent: scalars are taken literally.
    environment: Option<Environment<'e>>,
    files: Vec<PathBuf>,
    seen: Sha256,
}

impl<'e> Reading<'e> {
    /// References in scalars are text like any other.
    pub(crate) fn literal() -> Self {
        Self { path: KeyPath::default(), problems: Vec::new(), environment: None, files: Vec::new(), seen: Sha256::new() }
    }

    /// `${NAME}` and `file:PATH` in scalars are replaced by what they name.
    pub(crate) fn with_references(environment: Environment<'e>) -> Self {
        Self { environment: Some(environment), ..Self::literal() }
    }

    /// Reports what is wrong at `place` with the value that is being read.
    pub fn refuse(&mut self, place: &Place, mistake: Mistake) {
        self.problems.push(Problem { place: place.clone(), path: self.path.clone(), message: mistake.is, hint: mistake.hint });
    }

    /// As [`Reading::refuse`], with the value as it was written before it; long ones are cut.
    pub fn refuse_value(&mut self, node: &Node, mistake: Mistake) {
        let is = match &node.value {
            Value::Scalar(written) => format!("{} {}", quoted(written), mistake.is),
            Value::Empty | Value::List(_) | Value::Map(_) => mistake.is,
        };
        self.refuse(&node.place, Mistake { is, hint: mistake.hint });
    }

    /// Reports a value of another shape than the expected one.
    pub fn refuse_shape(&mut self, node: &Node, expected: &str, hint: &str) {
        self.refuse(&node.place, Mistake::new(format!("is {}, not {expected}", node.shape()), hint));
    }

    /// How many problems there are so far.
    pub(crate) fn reported(&self) -> usize {
        self.problems.len()
    }

    /// Reads what lies under a key.
    pub(crate) fn at_key<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.within(Segment::Key(key.to_owned()), read)
    }

    /// Reads what lies under an index.
    pub(crate) fn at_index<T>(&mut self, index: usize, read: impl FnOnce(&mut Self) -> T) -> T {
        self.within(Segment::Index(index), read)
    }

    fn within<T>(&mut self, segment: Segment, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(segment);
        let value = read(self);
        self.path.pop();
        value
    }

    /// The text of a scalar, references replaced. Reports another shape, and references that lead nowhere.
    pub fn text<'n>(&mut self, node: &'n Node) -> Option<Cow<'n, str>> {
        let Value::Scalar(written) = &node.value else {
            self.refuse_shape(node, "a single value", "write the value behind the key, on its line");
            return None;
        };
        let Some(environment) = self.environment else { return Some(Cow::Borrowed(written)) };
        let replaced = match references::replace(written, environment) {
            Ok(text) => text,
            Err(mistake) => {
                self.refuse(&node.place, mistake);
                return None;
            }
        };
        match (written.starts_with(references::FILE), replaced.strip_prefix(references::FILE)) {
            (true, Some(path)) => self.content(&beside(&node.place, path), &node.place).map(Cow::Owned),
            _ => {
                if let Cow::Owned(text) = &replaced {
                    self.saw(text);
                }
                Some(replaced)
            }
        }
    }

    /// The text of a file that a scalar is replaced by: without its last line break.
    fn content(&mut self, file: &Path, place: &Place) -> Option<String> {
        let mut text = self.slurp(file, place)?;
        let end = text.trim_end_matches(['\r', '\n']).len();
        text.truncate(end);
        Some(text)
    }

    /// The tree of a file. Reports, at `place`, one that cannot be read.
    pub(crate) fn open(&mut self, file: &Path, place: &Place) -> Option<Node> {
        let text = self.slurp(file, place)?;
        parse(&text, &Origin::file(file), &mut self.problems)
    }

    /// The tree of text that is in memory.
    pub(crate) fn parse(&mut self, text: &str, origin: &Origin) -> Option<Node> {
        self.saw(text);
        parse(text, origin, &mut self.problems)
    }

    fn slurp(&mut self, file: &Path, place: &Place) -> Option<String> {
        if !self.files.iter().any(|known| known == file) {
            self.files.push(file.to_owned());
        }
        match bounded_text(file) {
            Ok(text) => {
                self.saw(&text);
                Some(text)
            }
            Err(mistake) => {
                self.refuse(place, mistake);
                None
            }
        }
    }

    /// Counts text into the version. With its length, or `ab` and `c` would be `a` and `bc`.
    pub(crate) fn saw(&mut self, text: &str) {
        self.seen.update(text.len().to_le_bytes());
        self.seen.update(text);
    }

    /// The value and what it was read from, if nothing was reported.
    pub(crate) fn finish<T>(self, value: T) -> Result<(T, Sources), Problems> {
        if self.problems.is_empty() {
            let digest = self.seen.finalize();
            let version = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
            return Ok((value, Sources { files: self.files, version }));
        }
        Err(self.into_problems())
    }

    /// What was reported, for a text that is not worth reading on.
    pub(crate) fn into_problems(self) -> Problems {
        Problems::new(self.problems, self.files)
    }
}

/// What a value was read from.
pub(crate) struct Sources {
    pub(crate) files: Vec<PathBuf>,
    /// First 12 hex digits of the SHA-256 over all text.
    pub(crate) version: String,
}

/// A relative path is relative to the file that it is written in; one from a flag or a variable to the working directory.
pub(crate) fn beside(place: &Place, path: &str) -> PathBuf {
    match place {
        Place::File { file, .. } => file.parent().unwrap_or(Path::new("")).join(path),
        Place::Origin(_) => PathBuf::from(path),
    }
}

fn bounded_text(file: &Path) -> Result<String, Mistake> {
    let name = file.display();
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|open| open.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| Mistake::new(format!("cannot read {name}: {error}"), "check the path and its permissions"))?;
    if bytes.len() > MAX_BYTES {
        return Err(Mistake::new(format!("cannot read {name}: it is too long"), format!("at most {MAX_BYTES} bytes are read")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        Mistake::new(format!("cannot read {name}: byte {} is not UTF-8", valid + 1), "save it as UTF-8")
    })
}

fn quoted(written: &str) -> String {
    const LONGEST: usize = 60;
    match written.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{:?}…", written.get(..cut).unwrap_or_default()),
        None => format!("{written:?}"),
    }
}
