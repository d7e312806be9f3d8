//! The line that every request leaves: what it was, how it ended and where its time went.
//!
//! It holds no body, no key and no query string. It is written by itself, past the machinery for events: at half a microsecond it
//! costs less than anything else that a request does.

use std::time::Duration;

use forebay_identity::Pseudonym;

use super::json::Object;
use super::timestamp::Timestamp;

/// By which module the filter knows these lines: `info,forebay::request=off` leaves them out.
pub(super) const TARGET: &str = "forebay::request";

/// Characters of a path that are worth a line.
const LONGEST_PATH: usize = 256;

/// One finished request. What is `None` has no key in the line.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestLine<'a> {
    pub(crate) request_id: &'a str,
    /// 32 hex digits of its `traceparent`.
    pub(crate) trace_id: &'a str,
    /// Absent when it was refused before anyone asked who it is.
    pub(crate) principal: Option<Pseudonym>,
    pub(crate) method: &'a str,
    pub(crate) route: &'a str,
    pub(crate) model: Option<&'a str>,
    /// Only where the route does not tell it: for the upstream, or for none. Its query and all but its first 256 characters are cut.
    pub(crate) path: Option<&'a str>,
    pub(crate) status: u16,
    /// Why Forebay answered instead of the backend.
    pub(crate) reason: Option<&'a str>,
    pub(crate) rows: Option<usize>,
    /// Rows of the batch that it ran in, its own included.
    pub(crate) batch_rows: Option<usize>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) duration: Duration,
    pub(crate) stages: Stages,
    /// The caller's business: set only where the configuration asks for it.
    pub(crate) class: Option<&'a str>,
    pub(crate) probability: Option<f64>,
}

/// How long each stage of a request took; `None` for one that it did not reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stages {
    pub(crate) admit: Option<Duration>,
    pub(crate) read: Option<Duration>,
    pub(crate) decode: Option<Duration>,
    pub(crate) queue: Option<Duration>,
    pub(crate) run: Option<Duration>,
    pub(crate) encode: Option<Duration>,
}

impl RequestLine<'_> {
    /// A warning where the fault is ours or the backend's; a caller's mistake is everyday business.
    pub(super) fn is_warning(&self) -> bool {
        self.status >= 500
    }

    /// The whole line, with its line feed.
    pub(super) fn to_json(&self, timestamp: Timestamp) -> Vec<u8> {
        let mut json = Vec::with_capacity(640);
        let mut line = Object::begin(&mut json);
        line.plain("timestamp", &timestamp.text());
        line.plain("level", if self.is_warning() { b"warn" } else { b"info" });
        line.plain("message", b"request");
        line.plain("target", TARGET.as_bytes());
        line.text("request_id", self.request_id);
        line.text("trace_id", self.trace_id);
        if let Some(principal) = self.principal {
            line.plain("principal", &principal.hex());
        }
        line.text("method", self.method);
        line.text("route", self.route);
        if let Some(model) = self.model {
            line.text("model", model);
        }
        if let Some(path) = self.path {
            line.text("path", path_alone(path));
        }
        line.number("status", self.status.into());
        if let Some(reason) = self.reason {
            line.text("reason", reason);
        }
        for (key, rows) in [("rows", self.rows), ("batch_rows", self.batch_rows)] {
            if let Some(rows) = rows {
                line.number(key, rows as u64);
            }
        }
        line.number("bytes_in", self.bytes_in);
        line.number("bytes_out", self.bytes_out);
        line.milliseconds("duration_ms", self.duration);
        self.stages.write(line.object("stages"));
        if let Some(class) = self.class {
            line.text("class", class);
        }
        if let Some(probability) = self.probability {
            line.float("probability", probability);
        }
        line.end();
        json.push(b'\n');
        json
    }
}

impl Stages {
    fn write(&self, mut stages: Object<'_>) {
        let all = [
            ("admit_ms", self.admit),
            ("read_ms", self.read),
            ("decode_ms", self.decode),
            ("queue_ms", self.queue),
            ("run_ms", self.run),
            ("encode_ms", self.encode),
        ];
        for (key, took) in all {
            if let Some(took) = took {
                stages.milliseconds(key, took);
            }
        }
        stages.end();
    }
}

/// Without its query, and not whole if long.
fn path_alone(path: &str) -> &str {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let end = path.char_indices().nth(LONGEST_PATH).map_or(path.len(), |(at, _)| at);
    path.get(..end).unwrap_or_default()
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
        let principal = Pseudonyms::new().of(&Principal::Local);
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
