//! Values from outside the file: flags win over environment variables, which win over the file.
//!
//! A path names keys and list indexes, joined by dots: `limits.quotas.0.token_bucket.burst`. In an environment variable the
//! joint is a double underscore and letters are lower-cased: `FOREBAY__LIMITS__QUOTAS__0__TOKEN_BUCKET__BURST`. A value is read
//! as YAML, as if it stood in the file, references included. A key that holds a dot cannot be addressed.

use std::sync::Arc;

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
}
