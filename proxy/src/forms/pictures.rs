//! Pictures and named features for the default model: one of them, or a list. The answer is a class.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_batch::Timing;
use forebay_protocol::prediction::{Prediction, PredictionAnswer, predict as read};
use forebay_protocol::{Classes, DecodeError, InferRequest, InferResponse, form};
use futures_util::future::join_all;
use http::header::CONTENT_TYPE;
use pingora::protocols::http::ServerSession;
use serde_json::value::RawValue;

use super::default_model;
use crate::answer::Answer;
use crate::body::BodyMemory;
use crate::infer::{self, gate};
use crate::live::Live;
use crate::rejection::Rejection;
use crate::request::{Predicted, Request, Stopwatch};
use crate::served::{Ready, Served};

/// What a form takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Picture,
    PictureOrFeatures,
}

/// A model that is ready and whose output has a meaning.
struct Model {
    served: Arc<Served>,
    ready: Arc<Ready>,
    live: Arc<Live>,
}

impl Model {
    fn of(request: &mut Request) -> Result<Self, Rejection> {
        const NO_CLASSES: &str = "the model's manifest does not say which of its outputs holds the classes; use the protocol's infer path";
        let served = default_model(request)?;
        let ready = gate(&served)?;
        if ready.meaning.classes.is_none() {
            return Err(Rejection::NotOffered { detail: NO_CLASSES });
        }
        Ok(Model { served, ready, live: request.live.clone() })
    }

    /// Decodes a body with one of the forms' functions, where no other request waits for it: two kilobytes may hold a picture of 16 million
    /// pixels.
    async fn decode<T: Send + 'static>(
        &self,
        session: &ServerSession,
        body: Bytes,
        form: impl FnOnce(form::Forms<'_>, Option<&str>, &Bytes) -> Result<T, DecodeError> + Send + 'static,
    ) -> Result<T, Rejection> {
        let content_type = session.req_header().headers.get(CONTENT_TYPE).map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
        let (served, ready, live) = (self.served.clone(), self.ready.clone(), self.live.clone());
        infer::apart(move || {
            let forms =
                form::Forms { model: &served.name, metadata: &ready.metadata, meaning: &ready.meaning, limits: &live.snapshot.decode };
            Ok(form(forms, content_type.as_deref(), &body)?)
        })
        .await
    }

    /// Reads the class of the first row of an answer.
    fn read(&self, response: &InferResponse) -> Result<Prediction, Rejection> {
        const NOT_AS_DECLARED: &str = "the model's answer is not what its manifest says";
        let classes: &Classes = self.ready.meaning.classes.as_ref().ok_or(Rejection::Internal { detail: NOT_AS_DECLARED })?;
        read(response, 0, classes).map_err(|error| {
            tracing::error!(model = &*self.served.name, %error, "{NOT_AS_DECLARED}");
            Rejection::Internal { detail: NOT_AS_DECLARED }
        })
    }

    fn write(&self, prediction: &Prediction, response: &InferResponse, request: &Request, run: Duration) -> Bytes {
        let request_id = request.trace.as_ref().map_or("", |t| t.request_id.as_str());
        let answer = PredictionAnswer {
            prediction,
            model: &self.served.name,
            version: response.version.as_deref(),
            request_id,
            inference_time_ms: run.as_secs_f64() * 1e3,
        };
        answer.to_json()
    }
}

/// One picture, or one object of features.
pub(super) async fn predict(
    session: &mut ServerSession,
    request: &mut Request,
    memory: &BodyMemory,
    takes: Takes,
) -> Result<Answer, Rejection> {
    let model = Model::of(request)?;
    let body = infer::body(session, request, memory).await?;
    let mut stopwatch = Stopwatch::start();
    let asked = model
        .decode(session, body, move |forms, content_type, body| match takes {
            Takes::Picture => forms.picture(content_type, body),
            Takes::PictureOrFeatures => forms.picture_or_features(content_type, body),
        })
        .await?;
    request.stages.decode = stopwatch.lap();
    let (ticket, rows) = infer::submit(&model.served, &model.ready, asked, &model.live.snapshot.decode)?;
    request.rows = Some(rows);
    let response = infer::answer(session, request, &model.served, ticket).await?;
    let mut stopwatch = Stopwatch::start();
    let prediction = model.read(&response)?;
    let answer = Answer::json(model.write(&prediction, &response, request, request.stages.run.unwrap_or_default()));
    request.predicted = Some(Predicted { class: prediction.class, probability: prediction.probability });
    request.stages.encode = stopwatch.lap();
    Ok(answer)
}

/// A list of pictures or features: a list of predictions, each element with its own error.
pub(super) async fn batch(session: &mut ServerSession, request: &mut Request, memory: &BodyMemory) -> Result<Answer, Rejection> {
    let model = Model::of(request)?;
    let body = infer::body(session, request, memory).await?;
    let mut stopwatch = Stopwatch::start();
    let elements = model.decode(session, body, |forms, content_type, body| forms.list(content_type, body)).await?;
    request.rows = Some(elements.len());
    request.stages.decode = stopwatch.lap();
    let running = join_all(elements.into_iter().map(|element| run(&model, element)));
    let answered = infer::wait(session, &model.served, running).await?;
    let timings = || answered.iter().flatten().map(|(_, timing)| timing);
    request.stages.queue = timings().map(|t| t.queue).max();
    request.stages.run = timings().map(|t| t.run).max();
    request.batch_rows = timings().map(|t| t.batch_rows).max();
    let mut stopwatch = Stopwatch::start();
    let list: Vec<Box<RawValue>> = answered.iter().map(|element| write_element(&model, request, element)).collect::<Result<_, _>>()?;
    let list = serde_json::to_vec(&list).map_err(|_| Rejection::Internal { detail: "the list cannot be written" })?;
    request.stages.encode = stopwatch.lap();
    Ok(Answer::json(list.into()))
}

/// Runs one element of a list.
async fn run(model: &Model, element: Result<InferRequest, DecodeError>) -> Result<(InferResponse, Timing), Rejection> {
    let (ticket, _) = infer::submit(&model.served, &model.ready, element?, &model.live.snapshot.decode)?;
    let answer = ticket.await.map_err(|error| infer::failed(&model.served, error))?;
    Ok((answer.response, answer.timing))
}

/// A prediction, or the problem of this element.
fn write_element(
    model: &Model,
    request: &Request,
    element: &Result<(InferResponse, Timing), Rejection>,
) -> Result<Box<RawValue>, Rejection> {
    let written = match element {
        Ok((response, timing)) => model
            .read(response)
            .map(|prediction| model.write(&prediction, response, request, timing.run))
            .unwrap_or_else(|e| e.problem(None)),
        Err(rejection) => rejection.problem(None),
    };
    let text = String::from_utf8_lossy(&written).into_owned();
    RawValue::from_string(text).map_err(|_| Rejection::Internal { detail: "an element of the list cannot be written" })
}
