//! The line that every request leaves: what it was, how it ended and where its time went.
//!
//! It holds no body, no key and no query string. It is serialized by itself, past the machinery for events: at a microsecond or so it
//! costs less than anything else that a request does.

use std::time::Duration;

use forebay_identity::Pseudonym;
use serde::{Serialize, Serializer};

use super::timestamp::Timestamp;

/// By which module the filter knows these lines: `info,forebay::request=off` leaves them out.
pub(super) const TARGET: &str = "forebay::request";

/// Characters of a path that are worth a line.
const LONGEST_PATH: usize = 256;

/// One finished request. What is `None` has no key in the line.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct RequestLine<'a> {
    pub(crate) request_id: &'a str,
    /// 32 hex digits of its `traceparent`.
    pub(crate) trace_id: &'a str,
    /// Absent when it was refused before anyone asked who it is.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "pseudonym")]
    pub(crate) principal: Option<Pseudonym>,
    pub(crate) method: &'a str,
    pub(crate) route: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<&'a str>,
    /// Only where the route does not tell it: for the upstream, or for none. Its query and all but its first 256 characters are cut.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "path_alone")]
    pub(crate) path: Option<&'a str>,
    pub(crate) status: u16,
    /// Why Forebay answered instead of the backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rows: Option<usize>,
    /// Rows of the batch that it ran in, its own included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) batch_rows: Option<usize>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub(crate) duration: Duration,
    pub(crate) stages: Stages,
    /// The caller's business: set only where the configuration asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) class: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) probability: Option<f64>,
}

/// How long each stage of a request took; `None` for one that it did not reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Stages {
    #[serde(rename = "admit_ms", skip_serializing_if = "Option::is_none", serialize_with = "optional_milliseconds")]
    pub(crate) admit: Option<Duration>,
    #[serde(rename = "read_ms", skip_serializing_if = "Option::is_none", serialize_with = "optional_milliseconds")]
    pub(crate) read: Option<Duration>,
    #[serde(rename = "decode_ms", skip_serializing_if = "Option::is_none", serialize_with = "optional_milliseconds")]
    pub(crate) decode: Option<Duration>,
    #[serde(rename = "queue_ms", skip_serializing_if = "Option::is_none", serialize_with = "optional_milliseconds")]
    pub(crate) queue: Option<Duration>,
    #[serde(rename = "run_ms", skip_serializing_if = "Option::is_none", serialize_with = "optional_milliseconds")]
    pub(crate) run: Option<Duration>,
    #[serde(rename = "encode_ms", skip_serializing_if = "Option::is_none", serialize_with = "optional_milliseconds")]
    pub(crate) encode: Option<Duration>,
}

impl RequestLine<'_> {
    /// A warning where the fault is ours or the backend's; a caller's mistake is everyday business.
    pub(super) fn is_warning(&self) -> bool {
        self.status >= 500
    }

    /// The whole line, with its line feed.
    pub(super) fn to_json(&self, timestamp: Timestamp) -> Vec<u8> {
        #[derive(Serialize)]
        struct Line<'a> {
            timestamp: Timestamp,
            level: &'static str,
            message: &'static str,
            target: &'static str,
            #[serde(flatten)]
            request: &'a RequestLine<'a>,
        }
        let level = if self.is_warning() { "warn" } else { "info" };
        let mut json = Vec::with_capacity(640);
        // Cannot fail: the sink is memory, every key is text, and serde_json writes a number that JSON lacks as null.
        serde_json::to_writer(&mut json, &Line { timestamp, level, message: "request", target: TARGET, request: self }).ok();
        json.push(b'\n');
        json
    }
}

fn pseudonym<S: Serializer>(principal: &Option<Pseudonym>, serializer: S) -> Result<S::Ok, S::Error> {
    match principal {
        Some(pseudonym) => serializer.collect_str(pseudonym),
        None => serializer.serialize_none(),
    }
}

fn path_alone<S: Serializer>(path: &Option<&str>, serializer: S) -> Result<S::Ok, S::Error> {
    let path = path.unwrap_or_default();
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let end = path.char_indices().nth(LONGEST_PATH).map_or(path.len(), |(at, _)| at);
    serializer.serialize_str(path.get(..end).unwrap_or_default())
}

/// Whole microseconds, so that there are three decimals at most.
fn milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_micros() as f64 / 1000.0)
}

fn optional_milliseconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    milliseconds(&duration.unwrap_or_default(), serializer)
}

#[cfg(test)]
mod tests {
    use forebay_identity::{Principal, Pseudonyms};
    use serde_json::{Value, json};

    use super::*;

    fn written(line: &RequestLine<'_>) -> Value {
        let json = line.to_json(Timestamp::now());
        assert_eq!(json.iter().filter(|byte| **byte == b'\n').count(), 1, "one line is one line");
        let mut value: Value = serde_json::from_slice(&json).unwrap();
        value.as_object_mut().unwrap().remove("timestamp").unwrap();
        value
    }

    #[test]
    fn a_served_request_tells_all() {
        let principal = Pseudonyms::new().unwrap().of(&Principal::Local);
        let line = RequestLine {
            request_id: "r-1",
            trace_id: "0af7651916cd43dd8448eb211c80319c",
            principal: Some(principal),
            method: "POST",
            route: "infer",
            model: Some("digits"),
            status: 200,
            rows: Some(2),
            batch_rows: Some(32),
            bytes_in: 1200,
            bytes_out: 340,
            duration: Duration::from_nanos(9_123_456),
            stages: Stages { admit: Some(Duration::from_micros(12)), run: Some(Duration::from_millis(8)), ..Stages::default() },
            class: Some("7"),
            probability: Some(0.5),
            ..RequestLine::default()
        };
        let expected = json!({
            "level": "info", "message": "request", "target": "forebay::request", "request_id": "r-1",
            "trace_id": "0af7651916cd43dd8448eb211c80319c", "principal": principal.to_string(), "method": "POST", "route": "infer",
            "model": "digits", "status": 200, "rows": 2, "batch_rows": 32, "bytes_in": 1200, "bytes_out": 340, "duration_ms": 9.123,
            "stages": { "admit_ms": 0.012, "run_ms": 8.0 }, "class": "7", "probability": 0.5,
        });
        assert_eq!(written(&line), expected);
    }

    #[test]
    fn a_fault_of_ours_is_a_warning_and_a_callers_is_not() {
        for (status, level) in [(200, "info"), (404, "info"), (429, "info"), (500, "warn"), (503, "warn")] {
            assert_eq!(written(&RequestLine { status, ..RequestLine::default() })["level"], level);
        }
    }

    #[test]
    fn a_path_is_logged_without_its_query_and_never_whole_if_long() {
        let long = "é".repeat(1000);
        for (path, logged) in
            [("/a/b?key=secret", "/a/b"), ("/a#x?key=secret", "/a"), ("/new\nline\u{1}", "/new\nline\u{1}"), (long.as_str(), &long[..512])]
        {
            assert_eq!(written(&RequestLine { path: Some(path), ..RequestLine::default() })["path"], logged);
        }
    }
}
