//! File, overrides and environment → [`Snapshot`].

use std::path::{Path, PathBuf};

use crate::overrides::Override;
use crate::problem::{Place, Problems};
use crate::snapshot::Snapshot;
use crate::tree::form::{Form, table};
use crate::tree::{Node, Origin, Reading};

/// A [`Snapshot`] and what it was made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    pub snapshot: Snapshot,
    /// Every file that was read: when one of them changes, loading again is worth it.
    pub files: Vec<PathBuf>,
}

impl Snapshot {
    /// Reads `file`. `overrides` are applied in their order, so that a later one wins: those of the environment first, then flags.
    /// `environment` looks up the variables that `${NAME}` names.
    pub fn load(file: &Path, overrides: &[Override], environment: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Problems> {
        let mut reading = Reading::with_references(environment);
        let root = reading.open(file, &Place::file(file));
        read(reading, root, overrides)
    }

    /// As [`Snapshot::load`], for text that is in memory: `name` is what problems call it, and where relative paths begin.
    pub fn parse(
        text: &str,
        name: &Path,
        overrides: &[Override],
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Loaded, Problems> {
        let mut reading = Reading::with_references(environment);
        let root = reading.parse(text, &Origin::file(name));
        read(reading, root, overrides)
    }
}

fn read(mut reading: Reading<'_>, root: Option<Node>, overrides: &[Override]) -> Result<Loaded, Problems> {
    // Text that is no tree is one problem; what it lacks would be a hundred more.
    let Some(mut root) = root else { return Err(reading.into_problems()) };
    for wanted in overrides {
        wanted.apply(&mut root, &mut reading);
    }
    let snapshot = table(Snapshot::declare).read(&root, &mut reading, Snapshot::blank());
    let (mut snapshot, sources) = reading.finish(snapshot)?;
    snapshot.version = sources.version;
    Ok(Loaded { snapshot, files: sources.files })
}
