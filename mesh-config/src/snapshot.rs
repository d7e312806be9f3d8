//! The checked, immutable whole. [`Snapshot::load`] and [`Snapshot::parse`] are the only ways in.

use std::path::PathBuf;

use serde_json::Value as Json;

use crate::address::UpstreamForm;
use crate::decode::DecodeLimits;
use crate::drain::Drain;
use crate::identity::{AddressSource, Identity, IdentitySource};
use crate::listen::Listen;
use crate::models::{Model, Upstream};
use crate::name::name;
use crate::quota::Limits;
use crate::runtime::Runtime;
use crate::telemetry::Telemetry;
use crate::tree::form::{Form, boolean, maybe, named, table};
use crate::tree::{Keys, Mistake, nearest};

/// A whole configuration. A request keeps the one it began with.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub listen: Listen,
    /// Default: one address source.
    pub identity: Vec<IdentitySource>,
    pub limits: Limits,
    pub decode: DecodeLimits,
    pub runtime: Runtime,
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

impl Snapshot {
    /// The effective configuration in the file's own shape, defaults written out. Digests of keys are redacted; nothing else is a secret.
    pub fn to_redacted_json(&self) -> Json {
        table(Self::declare).write(self)
    }

    /// What holds without a file: every default.
    pub(crate) fn blank() -> Self {
        Snapshot {
            listen: Listen::default(),
            identity: vec![IdentitySource::Address(AddressSource::default())],
            limits: Limits::default(),
            decode: DecodeLimits::default(),
            runtime: Runtime::default(),
            models: Vec::new(),
            default_model: None,
            short_forms: false,
            upstream: None,
            telemetry: Telemetry::default(),
            drain: Drain::default(),
            version: String::new(),
        }
    }

    pub(crate) fn declare(keys: &mut Keys<'_, '_>, from: Self) -> Self {
        let mut snapshot = Snapshot {
            listen: keys.key("listen", table(Listen::declare), from.listen, "Where Forebay listens, and what one connection or one request may take."),
            identity: keys.key("identity", Identity, from.identity, "How a request's principal is found; sources are tried in order."),
            limits: keys.key("limits", table(Limits::declare), from.limits, "How much each principal, and all of them together, may ask."),
            decode: keys.key("decode", table(DecodeLimits::declare), from.decode, "What one small request may make the decoders hold."),
            runtime: keys.key("runtime", table(Runtime::declare), from.runtime, "ONNX Runtime inside this process, for models with a repository."),
            models: keys.key(
                "models",
                named(name(128), Model::declare, Model::named, |model| &model.name),
                from.models,
                "The models that Forebay answers for, by the name in the path /v2/models/NAME.",
            ),
            default_model: keys.key(
                "default_model",
                maybe(name(128), String::new),
                from.default_model,
                "The model that short forms and /v1/predict speak of. Without it: the only one.",
            ),
            short_forms: keys.key(
                "short_forms",
                boolean(),
                from.short_forms,
                "Whether /predict, /batch-predict, /infer, /model-info, /health and /metrics are answered on the API listener, for the default model.",
            ),
            upstream: keys.key(
                "upstream",
                maybe(UpstreamForm, || Upstream::Unix(PathBuf::new())),
                from.upstream,
                "Where everything goes that is not declared above, byte for byte: http://host:port or unix:/path. Without it: 404.",
            ),
            telemetry: keys.key("telemetry", table(Telemetry::declare), from.telemetry, "What is logged."),
            drain: keys.key("drain", table(Drain::declare), from.drain, "How Forebay stops."),
            version: from.version,
        };
        snapshot.choose_default_model(keys);
        snapshot
    }

    fn choose_default_model(&mut self, keys: &mut Keys<'_, '_>) {
        match (&self.default_model, self.models.as_slice()) {
            (Some(chosen), models) if !models.iter().any(|model| model.name == *chosen) => {
                let names = models.iter().map(|model| model.name.as_str());
                let hint = match nearest(chosen, names.clone()) {
                    Some(meant) => format!("did you mean {meant}?"),
                    None if models.is_empty() => "there are none; add it".to_owned(),
                    None => format!("known: {}", names.collect::<Vec<_>>().join(", ")),
                };
                let mistake = Mistake::new(format!("{chosen:?} is none of the models"), hint);
                keys.refuse("default_model", mistake);
            }
            (None, [only]) => self.default_model = Some(only.name.clone()),
            (None, []) if self.short_forms => {
                keys.refuse("short_forms", Mistake::new("has no model to speak of", "declare one under models, or remove the key"));
            }
            (None, [_, _, ..]) if self.short_forms => {
                keys.refuse("short_forms", Mistake::new("could mean any of the models", "say which with default_model"));
            }
            (Some(_) | None, _) => {}
        }
    }
}
