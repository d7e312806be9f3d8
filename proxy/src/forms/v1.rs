//! The V1 protocol: `POST /v1/models/{model}:predict` with `instances`.

use forebay_protocol::DecodeError;
use forebay_protocol::v1::{self, Form};
use pingora::protocols::http::ServerSession;

use super::served;
use crate::answer::Answer;
use crate::body::BodyMemory;
use crate::infer::{self, gate};
use crate::rejection::Rejection;
use crate::request::{Request, Stopwatch};

pub(super) async fn predict(
    session: &mut ServerSession,
    request: &mut Request,
    model: &str,
    memory: &BodyMemory,
) -> Result<Answer, Rejection> {
    let served = served(request, model)?;
    let ready = gate(&served)?;
    let body = infer::body(session, request, memory).await?;
    let mut stopwatch = Stopwatch::start();
    let (live, name, known) = (request.live.clone(), served.name.clone(), ready.clone());
    let (asked, form) =
        infer::convert(body.len(), move || Ok(v1::decode_request(&name, &body, &known.metadata, &live.snapshot.decode)?)).await?;
    request.stages.decode = stopwatch.lap();
    let (ticket, rows) = infer::submit(&served, &ready, asked, &request.live.snapshot.decode).map_err(|e| placed(e, form))?;
    request.rows = Some(rows);
    let response = infer::answer(session, request, &served, ticket).await?;
    let mut stopwatch = Stopwatch::start();
    let bytes = response.outputs.iter().map(|output| output.data().len()).sum();
    let answer = Answer::json(infer::convert(bytes, move || Ok(v1::encode_response(&response, form)?)).await?);
    request.stages.encode = stopwatch.lap();
    Ok(answer)
}

/// A mistake that was found in the inner form, with a place that this request has.
fn placed(rejection: Rejection, form: Form) -> Rejection {
    let member = match form {
        Form::Rows => "/instances",
        Form::Columns => "/inputs",
    };
    match rejection {
        Rejection::Decode(error) => Rejection::Decode(DecodeError { pointer: member.to_owned(), ..error }),
        other => other,
    }
}
