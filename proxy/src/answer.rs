//! Writes an answer of Forebay's own: content coding, length, and the headers that every answer has.

use bytes::Bytes;
use forebay_limit::rate_limit_field;
use forebay_protocol::coding::{self, Coding};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY};
use http::{HeaderName, HeaderValue, StatusCode};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;

use crate::cors;
use crate::infer::INLINE_BYTES;
use crate::rejection::Rejection;
use crate::request::Request;
use crate::trace::{REQUEST_ID, TRACEPARENT};

/// Header of the binary tensor extension: how many bytes of the body are JSON.
pub(crate) const JSON_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");
const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// A body is worth compressing from this size on; below, the coding's own bytes and time cost more than they save.
const WORTH_CODING: usize = 1 << 10;

/// An answer before it is written.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(body: Bytes) -> Self {
        Answer { status: StatusCode::OK, content_type: JSON, headers: Vec::new(), body }
    }

    pub(crate) fn empty(status: StatusCode) -> Self {
        Answer { status, content_type: "", headers: Vec::new(), body: Bytes::new() }
    }

    pub(crate) fn problem(rejection: &Rejection, request_id: Option<&str>) -> Self {
        let name = |(name, value): (&'static str, String)| HeaderValue::try_from(value).ok().map(|v| (HeaderName::from_static(name), v));
        Answer {
            status: rejection.status(),
            content_type: PROBLEM,
            headers: rejection.headers().into_iter().filter_map(name).collect(),
            body: rejection.problem(request_id),
        }
    }

    /// Body and headers of an encoded inference answer.
    pub(crate) fn inference(encoded: forebay_protocol::v2::Encoded) -> Self {
        match encoded.json_length {
            None => Answer::json(encoded.body),
            Some(length) => Answer {
                content_type: "application/octet-stream",
                headers: vec![(JSON_LENGTH, HeaderValue::from(length))],
                ..Answer::json(encoded.body)
            },
        }
    }

    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }
}

/// Compresses the body if the caller takes that and it is worth it; names the coding. A large one is compressed where no other request waits
/// for it.
async fn code(answer: &mut Answer, wanted: Option<&HeaderValue>) -> Option<&'static str> {
    let coding = Coding::accepted(wanted?.to_str().ok()?);
    let name = coding.header().filter(|_| answer.body.len() >= WORTH_CODING)?;
    let body = answer.body.clone();
    answer.body = match body.len() {
        0..=INLINE_BYTES => coding::encode(coding, &body),
        _ => tokio::task::spawn_blocking(move || coding::encode(coding, &body)).await.ok()?,
    };
    Some(name)
}

/// Writes `answer` to the client, with what every answer carries.
pub(crate) async fn write(session: &mut ServerSession, request: &Request, mut answer: Answer) -> pingora::Result<()> {
    let incoming = &session.req_header().headers;
    let coding = code(&mut answer, incoming.get(ACCEPT_ENCODING)).await;
    let mut head = ResponseHeader::build_no_case(answer.status, Some(12 + answer.headers.len()))?;
    if !answer.content_type.is_empty() {
        head.insert_header(CONTENT_TYPE, HeaderValue::from_static(answer.content_type))?;
    }
    if let Some(coding) = coding {
        head.insert_header(CONTENT_ENCODING, HeaderValue::from_static(coding))?;
        head.append_header(VARY, HeaderValue::from_static("accept-encoding"))?;
    }
    head.insert_header(CONTENT_LENGTH, HeaderValue::from(answer.body.len()))?;
    for (name, value) in answer.headers {
        head.append_header(name, value)?;
    }
    common(&mut head, request)?;
    if let Some(declared) = &request.live.snapshot.listen.cors {
        cors::answer(declared, incoming, &mut head)?;
    }
    let bodiless = session.req_header().method == http::Method::HEAD || answer.body.is_empty();
    write_head(session, head, bodiless).await?;
    if bodiless { finish(session).await } else { session.write_response_body(answer.body, true).await }
}

/// Writes the head of an answer, which may be all of it.
pub(crate) async fn write_head(session: &mut ServerSession, head: ResponseHeader, bodiless: bool) -> pingora::Result<()> {
    match session {
        ServerSession::H2(stream) => stream.write_response_header(Box::new(head), bodiless),
        session => session.write_response_header(Box::new(head)).await,
    }
}

/// Ends an answer that has not ended with its head or its trailers; over HTTP/1.1 none has.
pub(crate) async fn finish(session: &mut ServerSession) -> pingora::Result<()> {
    match session {
        ServerSession::H2(stream) => stream.finish(),
        session => session.write_response_body(Bytes::new(), true).await,
    }
}

/// Whether the client has the head of an answer, so that it can get no other.
pub(crate) fn has_begun(session: &ServerSession) -> bool {
    session.response_written().is_some_and(|head| !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS)
}

/// The headers that answers of the upstream get too.
pub(crate) fn common(head: &mut ResponseHeader, request: &Request) -> pingora::Result<()> {
    if let Some(trace) = &request.trace {
        head.insert_header(REQUEST_ID, trace.request_id.as_str())?;
        head.insert_header(TRACEPARENT, trace.traceparent.as_str())?;
    }
    if let Some(policy) = request.live.limiter.policy()
        && !request.standings.is_empty()
    {
        head.insert_header("ratelimit-policy", policy)?;
        head.insert_header("ratelimit", rate_limit_field(&request.standings))?;
    }
    Ok(())
}
