//! `telemetry:` what is logged.

use serde_json::{Value as Json, json};

use crate::tree::form::{Scalar, boolean, number, table};
use crate::tree::{Keys, Mistake};

#[derive(Clone, Debug, PartialEq)]
pub struct Telemetry {
    /// `error`, `warn`, `info`, `debug` or `trace`, or a filter such as `info,forebay_batch=debug`. Default `info`.
    pub log: String,
    pub requests: RequestLog,
}

/// The line per request.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestLog {
    /// Share of successful requests that get a line, 0 to 1. Default 1. Answers of 500 and above always get one.
    pub sample: f64,
    /// Whether the predicted class and its probability are in the line. Default false: they are the caller's business.
    pub predictions: bool,
}

impl Default for Telemetry {
    fn default() -> Self {
        Telemetry { log: "info".to_owned(), requests: RequestLog { sample: 1.0, predictions: false } }
    }
}

impl Telemetry {
    pub(crate) fn declare(keys: &mut Keys<'_, '_>, from: Self) -> Self {
        Telemetry {
            log: keys.key(
                "log",
                LogFilter,
                from.log,
                "error, warn, info, debug, trace or off; or a filter by module: info,forebay_batch=debug. Changed at run time.",
            ),
            requests: keys.key("requests", table(RequestLog::declare), from.requests, "The line per request."),
        }
    }
}

impl RequestLog {
    fn declare(keys: &mut Keys<'_, '_>, from: Self) -> Self {
        RequestLog {
            sample: keys.key(
                "sample",
                number(0.0, 1.0),
                from.sample,
                "Share of successful requests that get a line. Answers of 500 and above always get one.",
            ),
            predictions: keys.key(
                "predictions",
                boolean(),
                from.predictions,
                "Whether the predicted class and its probability are in the line. They are the caller's business.",
            ),
        }
    }
}

/// A level, or levels by module, joined by commas.
struct LogFilter;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

impl Scalar for LogFilter {
    type Value = String;

    fn parse(&self, text: &str) -> Result<String, Mistake> {
        let module = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'));
        let known = |directive: &str| match directive.split_once('=') {
            Some((name, level)) => module(name) && LEVELS.contains(&level),
            None => LEVELS.contains(&directive),
        };
        if text.split(',').all(known) {
            return Ok(text.to_owned());
        }
        Err(Mistake::new("is no log filter", format!("write {}, or info,forebay_batch=debug", LEVELS.join(", "))))
    }

    fn show(&self, value: &String) -> Json {
        json!(value)
    }

    fn describe(&self) -> Json {
        let level = LEVELS.join("|");
        json!({ "type": "string", "pattern": format!("^([A-Za-z0-9_:]+=)?({level})(,([A-Za-z0-9_:]+=)?({level}))*$") })
    }
}
