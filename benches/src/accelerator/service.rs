//! The accelerator as an Open Inference Protocol V2 server.

use std::time::Instant;

use super::ledger::Ledger;
use super::line::{Line, ServiceTime};
use crate::http::{Message, Start};
use crate::row::{ANSWERED, COLUMNS, answer};
use crate::server::{Answer, Asker, Service};
use crate::wire::{self, Rows};

/// What it takes and how long that takes.
#[derive(Clone, Debug)]
pub struct Limits {
    pub model: String,
    pub time: ServiceTime,
    pub max_rows: usize,
}

/// A request that runs or waits: its answer is ready before its time is over.
struct Job {
    asker: Asker,
    answer: Answer,
}

/// One simulated accelerator.
pub struct Accelerator {
    limits: Limits,
    line: Line<Job>,
    ledger: Ledger,
    last_answer: Option<Instant>,
}

impl Accelerator {
    pub fn new(limits: Limits) -> Result<Self, hdrhistogram::CreationError> {
        Ok(Accelerator { line: Line::new(limits.time), ledger: Ledger::new()?, last_answer: None, limits })
    }

    fn infer(&mut self, asker: Asker, request: &Message<'_>, seen: Instant) -> Option<Answer> {
        let rows = match wire::read_request(request.body, request.head.json_length, COLUMNS) {
            Ok(rows) if rows.rows == 0 => return Some(self.refuse("a batch of no rows")),
            Ok(rows) if rows.rows > self.limits.max_rows => {
                return Some(self.refuse(&format!("{} rows, at most {} fit in a batch", rows.rows, self.limits.max_rows)));
            }
            Ok(rows) => rows,
            Err(error) => return Some(self.refuse(&error.to_string())),
        };
        // What the simulation itself costs is part of the run: it began when its request was seen, and the answer is made while it lasts.
        let count = rows.rows;
        let answer = self.answer(rows);
        if let Some(start) = self.line.arrive(count, Job { asker, answer }, seen) {
            self.ledger.started(start, self.last_answer.map(|last| seen.saturating_duration_since(last)));
        }
        None
    }

    fn answer(&self, rows: Rows) -> Answer {
        let values = rows.values.chunks(COLUMNS).flat_map(answer).collect();
        match wire::write_answer(&self.limits.model, &Rows { values, ..rows }, ANSWERED) {
            Ok((body, json_length)) => {
                let content_type = if json_length.is_some() { "application/octet-stream" } else { "application/json" };
                Answer { status: 200, content_type, json_length, body }
            }
            Err(error) => problem(500, &error.to_string()),
        }
    }

    fn refuse(&mut self, why: &str) -> Answer {
        self.ledger.refused();
        problem(400, why)
    }

    fn metadata(&self) -> Answer {
        let tensor = |name, width| serde_json::json!({"name": name, "datatype": "FP32", "shape": [-1, width]});
        let (inputs, outputs) = ([tensor("x", COLUMNS)], [tensor("y", ANSWERED)]);
        let name = &self.limits.model;
        let body = serde_json::json!({"name": name, "versions": ["1"], "platform": "simulated", "inputs": inputs, "outputs": outputs});
        Answer::json(200, body.to_string())
    }

    fn stats(&self) -> Answer {
        match serde_json::to_vec(&self.ledger.stats()) {
            Ok(body) => Answer::json(200, body),
            Err(error) => problem(500, &error.to_string()),
        }
    }
}

fn problem(status: u16, why: &str) -> Answer {
    Answer::json(status, serde_json::json!({ "error": why }).to_string())
}

impl Service for Accelerator {
    fn ask(&mut self, asker: Asker, request: Message<'_>, seen: Instant) -> Option<Answer> {
        let Start::Request { method, path } = &request.head.start else { return Some(problem(400, "not a request")) };
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let model = |name: &str| name == self.limits.model;
        Some(match (method.as_str(), segments.as_slice()) {
            ("POST", ["v2", "models", name, "infer"] | ["v2", "models", name, "versions", "1", "infer"]) if model(name) => {
                return self.infer(asker, &request, seen);
            }
            ("GET", ["v2", "models", name] | ["v2", "models", name, "versions", "1"]) if model(name) => self.metadata(),
            ("GET", ["v2", "models", name, "ready"] | ["v2", "models", name, "versions", "1", "ready"]) if model(name) => {
                Answer::json(200, serde_json::json!({"name": name, "ready": true}).to_string())
            }
            ("GET", ["v2"]) => Answer::json(200, r#"{"name":"forebay-load","version":"1","extensions":["binary_tensor_data"]}"#),
            ("GET", ["v2", "health", "live"]) => Answer::json(200, r#"{"live":true}"#),
            ("GET", ["v2", "health", "ready"]) => Answer::json(200, r#"{"ready":true}"#),
            ("GET", ["stats"]) => self.stats(),
            ("POST", ["stats", "reset"]) => {
                self.ledger.forget();
                self.stats()
            }
            _ => problem(404, "no such path"),
        })
    }

    fn due(&self) -> Option<Instant> {
        self.line.due()
    }

    fn ripening(&self) -> Option<(Asker, &Answer)> {
        self.line.running().map(|job| (job.asker, &job.answer))
    }

    fn ripe(&mut self, at: Instant) {
        let Some((finished, next)) = self.line.finish(at) else { return };
        self.ledger.finished(finished.rows, finished.took, finished.due);
        if let Some(start) = next {
            self.ledger.started(start, None);
        }
    }

    fn sent(&mut self, at: Instant) {
        self.last_answer = Some(at);
    }
}
