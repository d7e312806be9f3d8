//! Values from outside the file: flags win over environment variables, which win over the file.
//!
//! A path names keys and list indexes, joined by dots: `limits.quotas.0.token_bucket.burst`. In an environment variable the
//! joint is a double underscore and letters are lower-cased: `FOREBAY__LIMITS__QUOTAS__0__TOKEN_BUCKET__BURST`. A value is read
//! as YAML, as if it stood in the file, references included; an empty one takes the key away. The index after a list's last adds
//! an item. A key that holds a dot cannot be addressed.

use std::sync::Arc;

use crate::problem::Place;
use crate::tree::{Entry, MAX_DEPTH, Mistake, Node, Origin, Reading, Value};

/// Environment variables that begin so are overrides, all of them: a mistyped one is a problem, not a silence.
pub const ENVIRONMENT_PREFIX: &str = "FOREBAY__";

/// One value that replaces what the file says, or adds to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Keys and indexes joined by dots.
    pub path: String,
    /// The value as YAML.
    pub value: String,
    /// What a problem names in place of a file and a line.
    pub origin: Arc<str>,
}

/// A `--set` that is not `path=value`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an override; write a path and a value: listen.api=127.0.0.1:8080")]
pub struct NotAnOverride(String);

impl Override {
    /// Reads `listen.api=127.0.0.1:8080`, as `--set` takes it.
    pub fn from_flag(flag: &str) -> Result<Self, NotAnOverride> {
        match flag.split_once('=') {
            Some((path, value)) if !path.trim().is_empty() => {
                let path = path.trim().to_owned();
                Ok(Self { origin: format!("--set {path}").into(), path, value: value.to_owned() })
            }
            _ => Err(NotAnOverride(flag.to_owned())),
        }
    }

    /// The overrides among environment variables, by name, so that their order does not depend on the system's.
    pub fn from_environment(variables: impl IntoIterator<Item = (String, String)>) -> Vec<Self> {
        let mut overrides: Vec<Self> = variables
            .into_iter()
            .filter_map(|(name, value)| {
                let path = name.strip_prefix(ENVIRONMENT_PREFIX)?.to_lowercase().replace("__", ".");
                Some(Self { path, value, origin: name.into() })
            })
            .collect();
        overrides.sort_by(|a, b| a.origin.cmp(&b.origin));
        overrides
    }

    /// Puts the value where the path leads, making what is missing on the way.
    pub(crate) fn apply(&self, root: &mut Node, reading: &mut Reading<'_>) {
        reading.saw(&self.path);
        let place = Place::Origin(Arc::clone(&self.origin));
        let Some(value) = reading.parse(&self.value, &Origin::Named(Arc::clone(&self.origin))) else { return };
        let steps: Vec<&str> = self.path.split('.').collect();
        if steps.len() > MAX_DEPTH {
            return reading.refuse(&place, Mistake::new("has too many steps", format!("at most {MAX_DEPTH} are taken")));
        }
        set(root, &steps, value, &place, reading);
    }
}

fn set(node: &mut Node, steps: &[&str], value: Node, place: &Place, reading: &mut Reading<'_>) {
    let Some((step, rest)) = steps.split_first() else {
        *node = value;
        return;
    };
    let index = step.parse::<usize>().ok();
    if node.value == Value::Empty {
        let made = if index == Some(0) { Value::List(Vec::new()) } else { Value::Map(Vec::new()) };
        *node = Node { place: place.clone(), value: made };
    }
    let shape = node.shape();
    match (&mut node.value, index) {
        (Value::Map(entries), _) => reading.at_key(step, |reading| set(under(entries, step, place), rest, value, place, reading)),
        (Value::List(items), Some(index)) if index <= items.len() => {
            if index == items.len() {
                items.push(nothing(place));
            }
            if let Some(item) = items.get_mut(index) {
                reading.at_index(index, |reading| set(item, rest, value, place, reading));
            }
        }
        (Value::List(items), _) => {
            let mistake = Mistake::new(format!("is a list and has no {step:?}"), format!("write an index from 0 to {}", items.len()));
            reading.refuse(place, mistake);
        }
        (Value::Empty | Value::Scalar(_), _) => {
            reading.refuse(place, Mistake::new(format!("is {shape} and has no {step:?}"), "shorten the path"));
        }
    }
}

fn under<'n>(entries: &'n mut Vec<Entry>, key: &str, place: &Place) -> &'n mut Node {
    let at = entries.iter().position(|entry| entry.key == key).unwrap_or(entries.len());
    if at == entries.len() {
        entries.push(Entry { key: key.to_owned(), place: place.clone(), value: nothing(place) });
    }
    #[expect(clippy::indexing_slicing, reason = "found there, or just put there")]
    &mut entries[at].value
}

fn nothing(place: &Place) -> Node {
    Node { place: place.clone(), value: Value::Empty }
}
