//! Why Forebay answered instead of the model or the server behind it: one type, and one table to status, problem type and metric label.
//!
//! The body is a problem document (RFC 9457). It also carries the protocol's `error` member, so that clients of the Open Inference
//! Protocol show the text.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use forebay_batch::BackendError;
use forebay_identity::Unidentified;
use forebay_limit::{Denial, ceil_seconds};
use forebay_protocol::{DecodeError, DecodeErrorKind};
use http::StatusCode;
use serde::Serialize;

/// Registered by draft-ietf-httpapi-ratelimit-headers for callers over their quota.
const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";

/// Why a request was not served.
#[derive(Clone, Debug)]
pub(crate) enum Rejection {
    /// The head could be read in two ways, or in none.
    BadHead {
        detail: &'static str,
    },
    HeadTooLarge {
        limit: usize,
    },
    TooManyHeaders {
        limit: usize,
    },
    HeadTimedOut,
    UnmetExpectation,
    /// A credential that nobody here knows.
    Unidentified {
        detail: &'static str,
    },
    OverQuota(Denial),
    TooManyInFlight,
    NotFound,
    UnknownModel {
        model: String,
    },
    UnknownVersion {
        model: String,
        version: String,
    },
    /// Understood, and not offered.
    NotOffered {
        detail: &'static str,
    },
    MethodNotAllowed {
        allow: &'static str,
    },
    /// `CONNECT` to somewhere else.
    NoTunnel,
    BodyTooLarge {
        limit: usize,
    },
    BodyTimedOut,
    BodyBroken {
        detail: String,
    },
    OutOfMemory {
        limit: usize,
    },
    Decode(DecodeError),
    /// The body's content coding is not taken.
    UnknownCoding(DecodeError),
    /// The model cannot be asked now.
    NotReady {
        model: Arc<str>,
        detail: String,
    },
    QueueFull {
        rows_waiting: usize,
        retry_after: Duration,
    },
    TimedOut {
        after: Duration,
    },
    Backend(BackendError),
    /// The server behind us cannot be reached or broke off.
    Upstream {
        detail: &'static str,
    },
    /// It has neither taken nor given anything for too long.
    UpstreamSilent {
        after: Duration,
    },
    /// The caller left; nobody reads the answer.
    CallerLeft,
    Internal {
        detail: &'static str,
    },
}

/// The body of a refusal (RFC 9457 section 3), with the members that this kind of problem has.
#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    /// Where in the request's JSON the mistake is (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows_waiting: Option<usize>,
    #[serde(rename = "violated-policies", skip_serializing_if = "Option::is_none")]
    violated_policies: Option<[&'a str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    /// The Open Inference Protocol's name for the detail. Its clients show nothing else, so that this also says where.
    error: &'a str,
}

/// A row of the table.
struct Row(u16, &'static str, &'static str);

impl Rejection {
    /// Status, metric label (and last part of the problem type), and title.
    fn row(&self) -> Row {
        match self {
            Self::BadHead { .. } => Row(400, "bad_head", "The request's head is malformed"),
            Self::HeadTooLarge { .. } => Row(431, "head_too_large", "The request's head is too large"),
            Self::TooManyHeaders { .. } => Row(431, "too_many_headers", "The request has too many headers"),
            Self::HeadTimedOut => Row(408, "head_timed_out", "The request's head took too long"),
            Self::UnmetExpectation => Row(417, "unmet_expectation", "The expectation cannot be met"),
            Self::Unidentified { .. } => Row(401, "unidentified", "The credential is not known"),
            Self::OverQuota(_) => Row(429, "over_quota", "Too many requests"),
            Self::TooManyInFlight => Row(503, "too_many_in_flight", "Too many requests are in flight"),
            Self::NotFound => Row(404, "not_found", "Nothing is served here"),
            Self::UnknownModel { .. } => Row(404, "unknown_model", "The model is not known"),
            Self::UnknownVersion { .. } => Row(404, "unknown_version", "The model has no such version"),
            Self::NotOffered { .. } => Row(404, "not_offered", "Not offered"),
            Self::MethodNotAllowed { .. } => Row(405, "method_not_allowed", "The method is not allowed here"),
            Self::NoTunnel => Row(405, "no_tunnel", "There are no tunnels here"),
            Self::BodyTooLarge { .. } => Row(413, "body_too_large", "The request's body is too large"),
            Self::BodyTimedOut => Row(408, "body_timed_out", "The request's body took too long"),
            Self::BodyBroken { .. } => Row(400, "body_broken", "The request's body broke off"),
            Self::OutOfMemory { .. } => Row(503, "out_of_memory", "Too many bodies are held at once"),
            Self::Decode(error) => match error.kind {
                DecodeErrorKind::Malformed => Row(400, "malformed", "The request is malformed"),
                DecodeErrorKind::Unsupported => Row(415, "unsupported_media", "The media type is not supported"),
                DecodeErrorKind::TooLarge => Row(413, "too_large", "The request is too large"),
                DecodeErrorKind::Unacceptable => Row(406, "unacceptable", "The answer cannot be written in the form asked for"),
            },
            Self::UnknownCoding(_) => Row(415, "unsupported_media", "The media type is not supported"),
            Self::NotReady { .. } => Row(503, "not_ready", "The model is not ready"),
            Self::QueueFull { .. } => Row(503, "queue_full", "The model's queue is full"),
            Self::TimedOut { .. } => Row(504, "timed_out", "The model did not answer in time"),
            Self::Backend(error) => backend_row(error),
            Self::Upstream { .. } => Row(502, "upstream", "The server behind Forebay cannot be reached"),
            Self::UpstreamSilent { .. } => Row(504, "upstream_silent", "The server behind Forebay is silent"),
            Self::CallerLeft => Row(499, "caller_left", "The caller left"),
            Self::Internal { .. } => Row(500, "internal", "Forebay failed"),
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.row().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// As a metric label and in the log.
    pub(crate) fn label(&self) -> &'static str {
        self.row().1
    }

    /// How long the caller should wait, where waiting helps.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        /// For what ends by itself within seconds and tells no better time.
        const SOON: Duration = Duration::from_secs(1);
        match self {
            Self::OverQuota(denial) => Some(denial.retry_after),
            Self::QueueFull { retry_after, .. } => Some(*retry_after),
            Self::NotReady { .. } | Self::TooManyInFlight | Self::OutOfMemory { .. } => Some(SOON),
            Self::Backend(BackendError::Unavailable { .. }) => Some(SOON),
            _ => None,
        }
    }

    /// Headers beside those that every answer has, with lower-case names.
    pub(crate) fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        if let Some(wait) = self.retry_after() {
            headers.push(("retry-after", ceil_seconds(wait).max(1).to_string()));
        }
        match self {
            Self::MethodNotAllowed { allow } => headers.push(("allow", (*allow).to_owned())),
            // RFC 9110 section 15.5.16.
            Self::UnknownCoding(_) => headers.push(("accept-encoding", "gzip, deflate".to_owned())),
            // Of no path in particular.
            Self::NoTunnel => headers.push(("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS".to_owned())),
            Self::Unidentified { .. } => headers.push(("www-authenticate", "Bearer".to_owned())),
            _ => {}
        }
        headers
    }

    /// The problem document; `request_id` tells which log line belongs to it.
    pub(crate) fn problem(&self, request_id: Option<&str>) -> Bytes {
        let Row(status, label, title) = self.row();
        let detail = self.detail();
        let error = match self {
            Self::Decode(error) if !error.pointer.is_empty() => format!("{}: {detail}", error.pointer),
            _ => detail.clone(),
        };
        let problem = Problem {
            kind: match self {
                Self::OverQuota(_) => QUOTA_EXCEEDED.to_owned(),
                _ => format!("urn:forebay:problem:{label}"),
            },
            title,
            status,
            detail: &detail,
            pointer: if let Self::Decode(error) | Self::UnknownCoding(error) = self { Some(&error.pointer) } else { None },
            retry_after_ms: self.retry_after().map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            rows_waiting: if let Self::QueueFull { rows_waiting, .. } = self { Some(*rows_waiting) } else { None },
            violated_policies: if let Self::OverQuota(denial) = self { Some([&*denial.quota]) } else { None },
            request_id,
            error: &error,
        };
        serde_json::to_vec(&problem).unwrap_or_default().into()
    }

    /// What happened and what to do about it, in a sentence.
    fn detail(&self) -> String {
        match self {
            Self::BadHead { detail } | Self::Unidentified { detail } | Self::NotOffered { detail } | Self::Internal { detail } => {
                (*detail).to_owned()
            }
            Self::Upstream { detail } => (*detail).to_owned(),
            Self::HeadTooLarge { limit } => format!("the head may have {limit} bytes"),
            Self::TooManyHeaders { limit } => format!("a request may have {limit} header lines"),
            Self::HeadTimedOut => "the head was not complete in time".to_owned(),
            Self::UnmetExpectation => "the only expectation that is met is 100-continue".to_owned(),
            Self::OverQuota(denial) if denial.at_cap => "no more callers can be remembered; try again later".to_owned(),
            Self::OverQuota(denial) => format!("the quota {:?} is used up; wait {} ms", denial.quota, denial.retry_after.as_millis()),
            Self::TooManyInFlight => "as many requests as are allowed are in flight; try again".to_owned(),
            Self::NotFound => "no model, form or upstream is declared for this path".to_owned(),
            Self::UnknownModel { model } => format!("no model {model:?} is declared"),
            Self::UnknownVersion { model, version } => format!("model {model:?} has no version {version:?}"),
            Self::MethodNotAllowed { allow } => format!("this path takes {allow}"),
            Self::NoTunnel => "Forebay connects nobody to anywhere".to_owned(),
            Self::BodyTooLarge { limit } => format!("a body may have {limit} bytes, also after decompression"),
            Self::BodyTimedOut => "the body was not complete in time".to_owned(),
            Self::BodyBroken { detail } => detail.clone(),
            Self::OutOfMemory { limit } => format!("all bodies together may have {limit} bytes; try again"),
            Self::Decode(error) | Self::UnknownCoding(error) => error.detail.clone(),
            Self::NotReady { model, detail } => format!("model {model:?} is not ready: {detail}"),
            Self::QueueFull { rows_waiting, retry_after } => {
                format!("{rows_waiting} rows wait already; try again in {} ms", retry_after.as_millis())
            }
            Self::TimedOut { after } => format!("there was no answer within {} ms", after.as_millis()),
            Self::Backend(error) => error.to_string(),
            Self::UpstreamSilent { after } => format!("it has neither taken nor given anything for {} s", after.as_secs()),
            Self::CallerLeft => "the caller left before the answer".to_owned(),
        }
    }
}

fn backend_row(error: &BackendError) -> Row {
    match error {
        BackendError::Refused { status, .. } => Row(*status, "refused_by_backend", "The model refused the request"),
        BackendError::Failed { .. } => Row(502, "backend_failed", "The model failed"),
        BackendError::Unavailable { .. } => Row(503, "backend_unavailable", "The model cannot be asked"),
        BackendError::TimedOut => Row(504, "backend_timed_out", "The model did not answer in time"),
    }
}

impl From<Unidentified> for Rejection {
    fn from(reason: Unidentified) -> Self {
        let detail = match reason {
            Unidentified::UnknownKey => "the API key is not known",
            Unidentified::SeveralKeys => "more than one API key was sent",
            Unidentified::Unreadable => "the credential is not readable text",
        };
        Rejection::Unidentified { detail }
    }
}

impl From<DecodeError> for Rejection {
    fn from(error: DecodeError) -> Self {
        Rejection::Decode(error)
    }
}

/// A whole HTTP/1.1 answer, for the place where no request exists yet. It closes the connection.
pub(crate) fn wire(rejection: &Rejection) -> Bytes {
    let (status, body) = (rejection.status(), rejection.problem(None));
    let reason = status.canonical_reason().unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        status.as_u16(),
        body.len()
    );
    let mut answer = BytesMut::with_capacity(head.len() + body.len());
    answer.extend_from_slice(head.as_bytes());
    answer.extend_from_slice(&body);
    answer.freeze()
}
