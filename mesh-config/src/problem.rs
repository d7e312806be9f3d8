//! Every mistake of a file with its place, its key and what to write instead, reported together.
//!
//! One line per problem, in a form that editors and CI systems turn into links:
//! `everything.yaml:14:11: limits.quotas[1].token_bucket.rate: "50/x" is not a rate; write 50/s, 100/m, 1000/h or 5000/d`.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::path::KeyPath;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a file. Lines and columns count from 1; a problem with the file as a whole has line 0.
    File { file: Arc<Path>, line: usize, column: usize },
    /// Not in a file: a flag or an environment variable, by its name.
    Origin(Arc<str>),
}

impl Place {
    /// The file as a whole.
    pub fn file(file: &Path) -> Self {
        Self::File { file: file.into(), line: 0, column: 0 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line: 0, .. } => write!(f, "{}", file.display()),
            Self::File { file, line, column } => write!(f, "{}:{line}:{column}", file.display()),
            Self::Origin(origin) => f.write_str(origin),
        }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    /// The key that is wrong; empty for the document as a whole.
    pub path: KeyPath,
    /// What is wrong. It never holds a secret, nor the content of a `file:` reference.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    /// One line, also where the system repeats a path that has several.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write_line(f, &self.message)?;
        match &self.hint {
            Some(hint) => {
                f.write_str("; ")?;
                write_line(f, hint)
            }
            None => Ok(()),
        }
    }
}

/// Control characters as escapes.
fn write_line(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for c in text.chars() {
        match c {
            c if c.is_control() => write!(f, "{}", c.escape_default())?,
            c => f.write_char(c)?,
        }
    }
    Ok(())
}

/// All problems of one load, by file and line; those of flags and environment variables come last. Displayed one per line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    problems: Vec<Problem>,
    files: Vec<PathBuf>,
}

impl Problems {
    pub(crate) fn new(mut problems: Vec<Problem>, files: Vec<PathBuf>) -> Self {
        problems.sort_by(|a, b| a.place.cmp(&b.place));
        Self { problems, files }
    }

    /// Sorted; never empty.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.problems.iter()
    }

    /// Every file that was read or looked for: when one of them changes, another try is worth it.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
