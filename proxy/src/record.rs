//! What is kept of a request that has ended: its metrics and its log line.

use std::sync::atomic::{AtomicU64, Ordering};

use forebay_identity::Pseudonyms;
use pingora::protocols::http::ServerSession;

use crate::log::{Log, RequestLine};
use crate::metrics::Metrics;
use crate::request::{Label, Request};

/// Writes down requests.
pub(crate) struct Recorder {
    pub(crate) log: Log,
    pub(crate) pseudonyms: Pseudonyms,
    /// Successful requests so far, for the share that is logged.
    pub(crate) successes: AtomicU64,
}

impl Recorder {
    pub(crate) fn record(&self, session: &ServerSession, request: &Request, metrics: &Metrics) {
        // 499: the caller left before there was an answer.
        let status = session.response_written().map_or(499, |r| r.status.as_u16());
        let took = request.began.elapsed();
        metrics.answered(request.label.text(), status, request.rejected.unwrap_or(""), took);
        let wanted = &request.live.snapshot.telemetry.requests;
        if status < 500 && !self.sampled(wanted.sample) {
            return;
        }
        let head = session.req_header();
        let model = match &request.label {
            Label::Model(name) => Some(&**name),
            _ => None,
        };
        self.log.request(&RequestLine {
            request_id: request.trace.as_ref().map_or("", |t| &t.request_id),
            trace_id: request.trace.as_ref().map_or("", |t| &t.trace_id),
            principal: request.principal.as_ref().map(|p| self.pseudonyms.of(p)),
            method: head.method.as_str(),
            route: request.label.text(),
            path: matches!(request.label, Label::None | Label::Upstream).then(|| head.uri.path()),
            model,
            status,
            reason: request.rejected,
            rows: request.rows,
            batch_rows: request.batch_rows,
            bytes_in: session.body_bytes_read() as u64,
            bytes_out: (session.body_bytes_sent() + request.bytes_out) as u64,
            duration: took,
            stages: request.stages,
            class: request.predicted.as_ref().filter(|_| wanted.predictions).map(|p| p.class.as_str()),
            probability: request.predicted.as_ref().filter(|_| wanted.predictions).map(|p| p.probability),
        });
    }

    /// Whether this success is one of the share that is logged: evenly spread, so that a share of 0.1 is every tenth.
    fn sampled(&self, share: f64) -> bool {
        if share >= 1.0 {
            return true;
        }
        let n = self.successes.fetch_add(1, Ordering::Relaxed) as f64;
        (n * share).floor() != ((n + 1.0) * share).floor()
    }
}
