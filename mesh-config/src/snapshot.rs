//! The checked, immutable whole. [`Snapshot::parse`] is the only way in.

use crate::drain::Drain;
use crate::identity::IdentitySource;
use crate::listen::Listen;
use crate::models::{Model, Upstream};
use crate::quota::Limits;
use crate::telemetry::Telemetry;

/// A whole configuration. A request keeps the one it began with.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub listen: Listen,
    /// Default: one address source.
    pub identity: Vec<IdentitySource>,
    pub limits: Limits,
    /// In the order of the file; names are unique.
    pub models: Vec<Model>,
    /// The model that short forms and `/v1/predict` speak of: the one named by `default_model`, or the only one.
    pub default_model: Option<String>,
    /// Whether `/predict`, `/batch-predict`, `/infer`, `/model-info`, `/health` and `/metrics` are answered on the API listener. Default false.
    pub short_forms: bool,
    /// Where everything goes that is not declared above. Absent: 404.
    pub upstream: Option<Upstream>,
    pub telemetry: Telemetry,
    pub drain: Drain,
    /// First 12 hex digits of the SHA-256 of the text that was parsed, references included.
    pub version: String,
}
