//! What a Batcher tells about itself. One family per fact, one child per model, resolved once.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Why a batch left when it left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flush {
    /// It had as many rows as fit.
    Full,
    /// The backend was free and nothing more was waiting.
    BackendFree,
    /// It is a part of a batch that failed.
    Split,
}

/// The families, to be registered once.
#[derive(Clone, Debug)]
pub struct BatchMetrics {
    waiting: IntGaugeVec,
    rows: HistogramVec,
    fill: HistogramVec,
    queue_wait: HistogramVec,
    run: HistogramVec,
    batches: IntCounterVec,
    failed: IntCounterVec,
    withdrawn: IntCounterVec,
}

/// Seconds from 100 µs, faster than any model answers, to 13 s, longer than most callers wait; doubling.
fn seconds() -> Vec<f64> {
    prometheus::exponential_buckets(1e-4, 2.0, 18).unwrap_or_default()
}

impl BatchMetrics {
    /// Registers the families.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let model = &["model"];
        let histogram =
            |name: &str, help: &str, buckets: Vec<f64>| HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), model);
        let counter = |name: &str, help: &str, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let metrics = BatchMetrics {
            waiting: IntGaugeVec::new(Opts::new("forebay_queue_rows", "Rows that wait for the backend right now."), model)?,
            rows: histogram("forebay_batch_rows", "Rows per batch that ran.", vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0])?,
            fill: histogram(
                "forebay_batch_fill_ratio",
                "Rows of a batch as a share of the most it may have.",
                (1..=10).map(|i| f64::from(i) / 10.0).collect(),
            )?,
            queue_wait: histogram("forebay_queue_wait_seconds", "Time a request's rows waited for the backend.", seconds())?,
            run: histogram("forebay_batch_run_seconds", "Time from handing a batch to the backend to its answer.", seconds())?,
            batches: counter(
                "forebay_batches_total",
                "Batches that ran, by why they left: full, backend_free (nothing more was waiting), or split (part of a failed batch).",
                &["model", "flush"],
            )?,
            failed: counter(
                "forebay_batches_failed_total",
                "Runs that the backend did not answer; those that one row may have caused are run again in parts.",
                model,
            )?,
            withdrawn: counter("forebay_rows_withdrawn_total", "Rows whose caller left before they ran.", model)?,
        };
        registry.register(Box::new(metrics.waiting.clone()))?;
        for family in [&metrics.rows, &metrics.fill, &metrics.queue_wait, &metrics.run] {
            registry.register(Box::new(family.clone()))?;
        }
        for family in [&metrics.batches, &metrics.failed, &metrics.withdrawn] {
            registry.register(Box::new(family.clone()))?;
        }
        Ok(metrics)
    }

    /// The children of one model.
    pub(crate) fn of(&self, model: &str) -> ModelMetrics {
        let batches = |flush: &str| self.batches.with_label_values(&[model, flush]);
        ModelMetrics {
            waiting: self.waiting.with_label_values(&[model]),
            rows: self.rows.with_label_values(&[model]),
            fill: self.fill.with_label_values(&[model]),
            queue_wait: self.queue_wait.with_label_values(&[model]),
            run: self.run.with_label_values(&[model]),
            full: batches("full"),
            backend_free: batches("backend_free"),
            split: batches("split"),
            failed: self.failed.with_label_values(&[model]),
            withdrawn: self.withdrawn.with_label_values(&[model]),
        }
    }
}

/// One model's children.
#[derive(Debug)]
pub(crate) struct ModelMetrics {
    waiting: IntGauge,
    rows: Histogram,
    fill: Histogram,
    queue_wait: Histogram,
    run: Histogram,
    full: IntCounter,
    backend_free: IntCounter,
    split: IntCounter,
    failed: IntCounter,
    withdrawn: IntCounter,
}

impl ModelMetrics {
    pub(crate) fn waiting(&self, rows: usize) {
        self.waiting.set(i64::try_from(rows).unwrap_or(i64::MAX));
    }

    pub(crate) fn waited(&self, wait: Duration) {
        self.queue_wait.observe(wait.as_secs_f64());
    }

    pub(crate) fn withdrew(&self, rows: usize) {
        self.withdrawn.inc_by(rows as u64);
    }

    pub(crate) fn left(&self, rows: usize, max_rows: usize, flush: Flush) {
        self.rows.observe(rows as f64);
        self.fill.observe(rows as f64 / max_rows.max(1) as f64);
        match flush {
            Flush::Full => self.full.inc(),
            Flush::BackendFree => self.backend_free.inc(),
            Flush::Split => self.split.inc(),
        }
    }

    pub(crate) fn ran(&self, took: Duration) {
        self.run.observe(took.as_secs_f64());
    }

    pub(crate) fn failed(&self) {
        self.failed.inc();
    }
}
