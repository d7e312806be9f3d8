//! What Forebay answers itself, form by form: the Open Inference Protocol V2 and V1, pictures, and the short forms of older clients.

use std::sync::Arc;

use bytes::Bytes;
use forebay_protocol::{DecodeError, v2};
use http::{HeaderMap, StatusCode};
use pingora::protocols::http::ServerSession;
use serde_json::json;

use crate::answer::{Answer, JSON_LENGTH};
use crate::body::BodyMemory;
use crate::drain::Draining;
use crate::infer::{self, gate, has_version};
use crate::metrics::Metrics;
use crate::rejection::Rejection;
use crate::request::{Label, Request, Stopwatch};
use crate::route::{ModelPath, Route, Short};
use crate::served::Served;

mod pages;
mod pictures;
mod v1;

/// Answers everything that is declared.
pub(crate) struct Forms {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) draining: Draining,
    /// Brings metrics up to date that nobody pushes.
    pub(crate) before_scrape: Box<dyn Fn() + Send + Sync>,
}

impl Forms {
    /// Answers `route`, which is not the upstream's.
    pub(crate) async fn answer(
        &self,
        session: &mut ServerSession,
        request: &mut Request,
        route: Route<'_>,
        memory: &BodyMemory,
    ) -> Result<Answer, Rejection> {
        match route {
            Route::Infer(path) => v2_infer(session, request, path, memory).await,
            Route::V1Predict(model) => v1::predict(session, request, model, memory).await,
            Route::Predict | Route::Short(Short::Infer) => pictures::predict(session, request, memory, pictures::Takes::Picture).await,
            Route::Short(Short::Predict) => pictures::predict(session, request, memory, pictures::Takes::PictureOrFeatures).await,
            Route::Short(Short::BatchPredict) => pictures::batch(session, request, memory).await,
            Route::Upstream => Err(Rejection::Internal { detail: "the upstream's request was not passed on" }),
            page => self.page(request, page),
        }
    }
}

/// The declared model of a path; the request is its from now on.
fn served(request: &mut Request, name: &str) -> Result<Arc<Served>, Rejection> {
    let served = request.live.served(name).cloned().ok_or_else(|| Rejection::UnknownModel { model: name.to_owned() })?;
    request.label = Label::Model(served.name.clone());
    Ok(served)
}

/// The model that forms without a model's name speak of.
fn default_model(request: &mut Request) -> Result<Arc<Served>, Rejection> {
    const WHICH: &str = "several models are declared and none of them is the default; set default_model, or name one in the path";
    let served = request.live.default_model().cloned().ok_or(Rejection::NotOffered { detail: WHICH })?;
    request.label = Label::Model(served.name.clone());
    Ok(served)
}

async fn v2_infer(
    session: &mut ServerSession,
    request: &mut Request,
    path: ModelPath<'_>,
    memory: &BodyMemory,
) -> Result<Answer, Rejection> {
    let served = served(request, path.model)?;
    let ready = gate(&served)?;
    has_version(&served, &ready, path.version)?;
    let json_length = json_length(&session.req_header().headers)?;
    let body = infer::body(session, request, memory).await?;
    let mut stopwatch = Stopwatch::start();
    let (live, model, version) = (request.live.clone(), served.name.clone(), path.version.map(str::to_owned));
    let (asked, form) =
        infer::convert(body.len(), move || Ok(v2::decode_request(&model, version.as_deref(), body, json_length, &live.snapshot.decode)?))
            .await?;
    let id = asked.id.clone();
    request.stages.decode = stopwatch.lap();
    let (ticket, rows) = infer::submit(&served, &ready, asked, &request.live.snapshot.decode)?;
    request.rows = Some(rows);
    let mut response = infer::answer(session, request, &served, ticket).await?;
    let mut stopwatch = Stopwatch::start();
    response.id = id;
    let bytes = response.outputs.iter().map(|output| output.data().len()).sum();
    let encoded =
        infer::convert(bytes, move || Ok(v2::encode_response(&response, &form, &|output, index| ready.label(output, index))?)).await?;
    let answer = Answer::inference(encoded);
    request.stages.encode = stopwatch.lap();
    Ok(answer)
}

/// How much of a body is JSON, where a header tells. Told twice it could be read in two ways.
fn json_length(headers: &HeaderMap) -> Result<Option<usize>, DecodeError> {
    let mut told = headers.get_all(JSON_LENGTH).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    match (told.next(), told.next()) {
        (None, _) => Ok(None),
        (Some(length), None) => v2::parse_json_length(&length).map(Some),
        (Some(first), Some(second)) => v2::parse_json_length(&format!("{first}, {second}")).map(Some),
    }
}

/// A JSON page.
fn page(value: &serde_json::Value) -> Answer {
    Answer::json(Bytes::from(serde_json::to_vec(value).unwrap_or_default()))
}

/// A JSON page with a status of its own.
fn page_with(status: StatusCode, value: &serde_json::Value) -> Answer {
    Answer { status, ..page(value) }
}

/// The protocol's answer to "are you ready?" (200 or 503, with a body that says which).
fn readiness(name: Option<&str>, ready: bool, reason: &str) -> Answer {
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut value = json!({ "ready": ready });
    if let Some(object) = value.as_object_mut() {
        if let Some(name) = name {
            object.insert("name".to_owned(), name.into());
        }
        if !ready {
            object.insert("reason".to_owned(), reason.into());
        }
    }
    page_with(status, &value)
}
