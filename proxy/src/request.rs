//! One request on its way: what was learned of it so far, for its answer, its log line and its metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use forebay_identity::Principal;
use forebay_limit::{Admission, Standing};

use crate::body::Held;
use crate::decimal;
use crate::edge::Connection;
use crate::live::Live;
use crate::log::Stages;
use crate::trace::Trace;

/// Requests that are in flight.
#[derive(Clone, Debug, Default)]
pub(crate) struct InFlight(Arc<AtomicUsize>);

/// The right to be in flight; given back on drop.
#[derive(Debug)]
pub(crate) struct Permit(InFlight);

impl InFlight {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes a permit; `Err` when `limit` are taken. The permit is taken in any case, so that a refusal is in flight too.
    pub(crate) fn enter(&self, limit: usize) -> (Permit, bool) {
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        (Permit(self.clone()), before < limit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Who a request is for, as a metric label and in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Label {
    /// Not known yet, or nothing that is served.
    #[default]
    None,
    /// A page about Forebay itself.
    Server,
    Upstream,
    Model(Arc<str>),
}

impl Label {
    pub(crate) fn text(&self) -> &str {
        match self {
            Label::None => "none",
            Label::Server => "server",
            Label::Upstream => "upstream",
            Label::Model(name) => name,
        }
    }
}

/// The predicted class, when the log is to have it.
#[derive(Clone, Debug)]
pub(crate) struct Predicted {
    pub(crate) class: String,
    pub(crate) probability: f64,
}

/// Everything that is known of one request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) live: Arc<Live>,
    pub(crate) began: Instant,
    pub(crate) connection: Connection,
    pub(crate) trace: Option<Trace>,
    pub(crate) principal: Option<Principal>,
    /// What the limiter took for this request; given back when it is not the caller who fails.
    pub(crate) admission: Option<Admission>,
    /// What is left of each quota.
    pub(crate) standings: Vec<Standing>,
    pub(crate) permit: Option<Permit>,
    pub(crate) label: Label,
    pub(crate) stages: Stages,
    /// Why Forebay refused it, as a label.
    pub(crate) rejected: Option<&'static str>,
    pub(crate) rows: Option<usize>,
    pub(crate) batch_rows: Option<usize>,
    pub(crate) predicted: Option<Predicted>,
    /// Bytes of the answer's body that pingora has not written itself.
    pub(crate) bytes_out: usize,
    /// The memory of the body, until the request has ended.
    pub(crate) held: Option<Held>,
}

impl Request {
    pub(crate) fn new(live: Arc<Live>, connection: Connection) -> Self {
        Request {
            live,
            began: Instant::now(),
            connection,
            trace: None,
            principal: None,
            admission: None,
            standings: Vec::new(),
            permit: None,
            label: Label::None,
            stages: Stages::default(),
            rejected: None,
            rows: None,
            batch_rows: None,
            predicted: None,
            bytes_out: 0,
            held: None,
        }
    }

    /// The value of `Server-Timing` (W3C Server Timing): milliseconds of each stage so far.
    pub(crate) fn server_timing(&self) -> String {
        let s = &self.stages;
        let total = Some(self.began.elapsed());
        let stages = [
            ("admit", s.admit),
            ("read", s.read),
            ("decode", s.decode),
            ("queue", s.queue),
            ("run", s.run),
            ("encode", s.encode),
            ("total", total),
        ];
        let mut field = Vec::with_capacity(160);
        for (name, took) in stages.into_iter().filter_map(|(name, took)| took.map(|t| (name, t))) {
            if !field.is_empty() {
                field.extend_from_slice(b", ");
            }
            field.extend_from_slice(name.as_bytes());
            field.extend_from_slice(b";dur=");
            decimal::push_milliseconds(&mut field, took);
        }
        String::from_utf8(field).unwrap_or_default()
    }
}

/// Measures stages that follow each other.
#[derive(Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Stopwatch(Instant::now())
    }

    /// Time since the start or the last lap.
    pub(crate) fn lap(&mut self) -> Option<Duration> {
        let now = Instant::now();
        let lap = now.saturating_duration_since(self.0);
        self.0 = now;
        Some(lap)
    }
}
