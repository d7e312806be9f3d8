//! The result of a run: as JSON for machines, as a table for people.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use hdrhistogram::{Counter, Histogram};
use serde::{Deserialize, Serialize};

use crate::accelerator::Times;
use crate::record::Record;
use crate::units::milliseconds;

/// Percentiles that a plot of the tail needs.
const TAIL: [f64; 12] = [0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.99, 99.999, 100.0];

/// Latencies in milliseconds.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Latency {
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p95: f64,
    pub p99: f64,
    pub p99_9: f64,
    pub max: f64,
    /// Percentile and latency, for the plot of the tail.
    pub tail: Vec<(f64, f64)>,
}

/// How many of the requests were answered rightly within the limit.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Within {
    pub limit_ms: f64,
    pub share: f64,
}

/// One second of the run, by when its requests were due.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct SecondReport {
    pub due: u64,
    pub right: u64,
    pub failed: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

/// Everything that is told about a run.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Report {
    /// What was done, in words.
    pub what: String,
    /// From the start to the last answer.
    pub seconds: f64,
    pub due: u64,
    pub right: u64,
    /// All others: refused, unanswered or wrong.
    pub failed: u64,
    /// Answers with status 200 that belong to another request or to none.
    pub wrong: u64,
    pub first_wrong: Vec<String>,
    pub statuses: BTreeMap<u16, u64>,
    pub faults: BTreeMap<String, u64>,
    /// Right answers per second.
    pub throughput: f64,
    /// Of right answers, from when each request was due.
    pub latency_ms: Latency,
    pub within: Within,
    /// How late the generator itself was, from due to written. What is in here is in the latencies too.
    pub lateness_us: Times,
    pub timeline: Vec<SecondReport>,
}

impl Report {
    pub fn new(what: String, record: &Record, within: Duration) -> Self {
        let seconds = record.last_answer.map_or(0.0, |last| last.saturating_duration_since(record.start()).as_secs_f64());
        Report {
            what,
            seconds,
            due: record.due,
            right: record.right,
            failed: record.failures(),
            wrong: record.wrong,
            first_wrong: record.first_wrong.clone(),
            statuses: record.statuses.clone(),
            faults: record.faults.iter().map(|(fault, count)| (fault.name().to_owned(), *count)).collect(),
            throughput: if seconds > 0.0 { record.right as f64 / seconds } else { 0.0 },
            latency_ms: Latency::new(&record.latency_us),
            within: Within { limit_ms: within.as_secs_f64() * 1000.0, share: record.share_within(within) },
            lateness_us: Times::of_nanoseconds(&record.lateness_ns),
            timeline: record.seconds.iter().map(SecondReport::new).collect(),
        }
    }

    /// The table that is printed.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let mut line = |name: &str, value: String| {
            let _ = writeln!(out, "  {name:<14} {value}");
        };
        let ms = |v: f64| milliseconds(v * 1000.0).to_string();
        let l = &self.latency_ms;
        line("what", self.what.clone());
        line("requests", format!("{} due, {} right, {} failed, {} of them wrong", self.due, self.right, self.failed, self.wrong));
        line("right answers", format!("{:.1} a second over {:.1} s", self.throughput, self.seconds));
        line("within", format!("{:.3} % within {} ms", self.within.share * 100.0, self.within.limit_ms));
        let (p50, p90, p95) = (ms(l.p50), ms(l.p90), ms(l.p95));
        line("latency, ms", format!("mean {}  p50 {p50}  p90 {p90}  p95 {p95}", ms(l.mean)));
        line("", format!("p99 {}  p99.9 {}  max {}", ms(l.p99), ms(l.p99_9), ms(l.max)));
        let t = &self.lateness_us;
        line("sent late, us", format!("p50 {:.0}  p90 {:.0}  p99 {:.0}  max {:.0}", t.p50, t.p90, t.p99, t.max));
        for (status, count) in &self.statuses {
            line("status", format!("{status} × {count}"));
        }
        for (fault, count) in &self.faults {
            line("fault", format!("{fault} × {count}"));
        }
        for wrong in &self.first_wrong {
            line("wrong", wrong.clone());
        }
        out
    }
}

impl Latency {
    fn new(us: &Histogram<u64>) -> Self {
        let at = |percentile| quantile_ms(us, percentile / 100.0);
        let tail = TAIL.iter().map(|&percentile| (percentile, at(percentile))).collect();
        let (p99_9, max) = (at(99.9), us.max() as f64 / 1000.0);
        Latency { mean: us.mean() / 1000.0, p50: at(50.0), p90: at(90.0), p95: at(95.0), p99: at(99.0), p99_9, max, tail }
    }
}

impl SecondReport {
    fn new(second: &crate::record::Second) -> Self {
        let us = &second.latency_us;
        SecondReport {
            due: second.due,
            right: second.right,
            failed: second.failed,
            p50_ms: quantile_ms(us, 0.5),
            p99_ms: quantile_ms(us, 0.99),
            max_ms: us.max() as f64 / 1000.0,
        }
    }
}

fn quantile_ms<C: Counter>(us: &Histogram<C>, quantile: f64) -> f64 {
    us.value_at_quantile(quantile) as f64 / 1000.0
}
