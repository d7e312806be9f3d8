//! Pages about the server and its models, which ask nothing of a model.

use forebay_protocol::v2;
use http::StatusCode;
use prometheus::{Encoder, TextEncoder};
use serde_json::json;

use super::{Forms, default_model, page, page_with, readiness, served};
use crate::answer::Answer;
use crate::infer::{gate, has_version};
use crate::rejection::Rejection;
use crate::request::{Label, Request};
use crate::route::{Route, Short};

/// Extensions of the protocol that are taken and answered.
const EXTENSIONS: [&str; 4] = ["binary_tensor_data", "classification", "parameters", "model_versions"];

impl Forms {
    pub(super) fn page(&self, request: &mut Request, route: Route<'_>) -> Result<Answer, Rejection> {
        request.label = Label::Server;
        match route {
            Route::Server => Ok(server()),
            Route::Live => Ok(page(&json!({ "live": true }))),
            Route::Ready => Ok(self.ready(request)),
            Route::Metadata(path) => {
                let model = served(request, path.model)?;
                let ready = gate(&model)?;
                has_version(&model, &ready, path.version)?;
                Ok(Answer::json(v2::encode_metadata(&ready.metadata)))
            }
            Route::ModelReady(path) => {
                let model = served(request, path.model)?;
                let state = model.ready();
                if let Ok(ready) = &state {
                    has_version(&model, ready, path.version)?;
                }
                Ok(readiness(Some(&model.name), state.is_ok(), &state.err().unwrap_or_default()))
            }
            Route::ModelConfig => Err(Rejection::NotOffered {
                detail: "Triton's model configuration does not exist here; the model's metadata is at the path without /config",
            }),
            Route::V1Status(name) => {
                let model = served(request, name)?;
                let state = model.ready();
                Ok(readiness(Some(name), state.is_ok(), &state.err().unwrap_or_default()))
            }
            Route::Short(Short::Health) => Ok(self.ready(request)),
            Route::Short(Short::ModelInfo) => model_info(request),
            Route::Short(Short::Metrics) => self.metrics_text(),
            _ => Err(Rejection::NotFound),
        }
    }

    /// 200 when every model can be asked and Forebay is not stopping; else 503 and the first reason.
    fn ready(&self, request: &Request) -> Answer {
        if self.draining.has_begun() {
            return readiness(None, false, "Forebay is stopping");
        }
        match request.live.unready() {
            None => readiness(None, true, ""),
            Some((model, reason)) => readiness(None, false, &format!("model {:?}: {reason}", model.name)),
        }
    }

    fn metrics_text(&self) -> Result<Answer, Rejection> {
        (self.before_scrape)();
        let mut text = Vec::new();
        let written = TextEncoder::new().encode(&self.metrics.registry.gather(), &mut text);
        written.map_err(|_| Rejection::Internal { detail: "the metrics cannot be written" })?;
        Ok(Answer { content_type: "text/plain; version=0.0.4; charset=utf-8", ..Answer::json(text.into()) })
    }
}

fn server() -> Answer {
    let metadata = v2::ServerMetadata {
        name: "forebay".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        extensions: EXTENSIONS.iter().map(|&e| e.to_owned()).collect(),
    };
    Answer::json(v2::encode_server_metadata(&metadata))
}

/// `GET /model-info`: metadata of the default model, and what its manifest says of it.
fn model_info(request: &mut Request) -> Result<Answer, Rejection> {
    let model = default_model(request)?;
    let ready = gate(&model)?;
    let mut info: serde_json::Value = serde_json::from_slice(&v2::encode_metadata(&ready.metadata)).unwrap_or_default();
    if let Some(info) = info.as_object_mut() {
        let meaning = &ready.meaning;
        info.insert("max_rows".to_owned(), ready.max_rows.unwrap_or(1).into());
        if let Some(classes) = &meaning.classes {
            info.insert("classes".to_owned(), classes.labels.clone().into());
        }
        if let Some(image) = &meaning.image {
            info.insert("image".to_owned(), json!({ "width": image.width, "height": image.height }));
        }
    }
    Ok(page_with(StatusCode::OK, &info))
}
