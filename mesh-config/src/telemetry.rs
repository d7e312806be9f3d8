//! `telemetry:` what is logged.

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
