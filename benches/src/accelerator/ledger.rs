//! What the accelerator really did.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::line::Start;

/// A gap longer than this is not a turnaround: nobody was waiting.
const TURNAROUND_AT_MOST: Duration = Duration::from_millis(2);

/// Percentiles of a time, in microseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Times {
    pub count: u64,
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
}

impl Times {
    /// Of a histogram that counts nanoseconds.
    pub fn of_nanoseconds(histogram: &Histogram<u64>) -> Self {
        let micros = |ns: u64| (ns / 100) as f64 / 10.0;
        let at = |quantile| micros(histogram.value_at_quantile(quantile));
        Times {
            count: histogram.len(),
            mean: (histogram.mean() / 100.0).round() / 10.0,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: micros(histogram.max()),
        }
    }
}

/// What is told at `GET /stats`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Stats {
    pub batches: u64,
    pub rows: u64,
    pub mean_rows: f64,
    /// Requests refused: too many rows, or not the protocol.
    pub refused: u64,
    /// Batches that were here before the one before them had ended: not bound late.
    pub queued: u64,
    /// By how much runs were longer than `base + per_row · rows`.
    pub service_error_us: Times,
    /// From a run's end to the next one's start, where the next came within 2 ms: all that is lost between batches.
    pub turnaround_us: Times,
    /// The part of it outside: from the answer's last byte to the next request's first.
    pub outside_us: Times,
}

/// Counts runs.
#[derive(Debug)]
pub(super) struct Ledger {
    batches: u64,
    rows: u64,
    refused: u64,
    queued: u64,
    error: Histogram<u64>,
    turnaround: Histogram<u64>,
    outside: Histogram<u64>,
}

impl Ledger {
    pub(super) fn new() -> Result<Self, hdrhistogram::CreationError> {
        let times = || Histogram::new_with_bounds(1, 60_000_000_000, 3);
        Ok(Ledger { batches: 0, rows: 0, refused: 0, queued: 0, error: times()?, turnaround: times()?, outside: times()? })
    }

    /// Begins anew, for who has warmed everything up.
    pub(super) fn forget(&mut self) {
        (self.batches, self.rows, self.refused, self.queued) = (0, 0, 0, 0);
        for times in [&mut self.error, &mut self.turnaround, &mut self.outside] {
            times.reset();
        }
    }

    pub(super) fn refused(&mut self) {
        self.refused += 1;
    }

    /// A run began. `outside` is the time since the last answer left.
    pub(super) fn started(&mut self, start: Start, outside: Option<Duration>) {
        match start {
            Start::Queued => self.queued += 1,
            Start::Idle(Some(gap)) if gap <= TURNAROUND_AT_MOST => {
                self.turnaround.saturating_record(nanoseconds(gap));
                self.outside.saturating_record(nanoseconds(outside.unwrap_or_default()));
            }
            Start::Idle(_) => {}
        }
    }

    pub(super) fn finished(&mut self, rows: usize, took: Duration, due: Duration) {
        self.batches += 1;
        self.rows += u64::try_from(rows).unwrap_or(0);
        self.error.saturating_record(nanoseconds(took.saturating_sub(due)));
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            batches: self.batches,
            rows: self.rows,
            mean_rows: if self.batches == 0 { 0.0 } else { self.rows as f64 / self.batches as f64 },
            refused: self.refused,
            queued: self.queued,
            service_error_us: Times::of_nanoseconds(&self.error),
            turnaround_us: Times::of_nanoseconds(&self.turnaround),
            outside_us: Times::of_nanoseconds(&self.outside),
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_gaps_before_late_arrivals_are_turnarounds() {
        let mut ledger = Ledger::new().unwrap();
        let us = Duration::from_micros;
        ledger.started(Start::Idle(None), None);
        ledger.started(Start::Idle(Some(us(300))), Some(us(200)));
        ledger.started(Start::Idle(Some(us(5000))), Some(us(4900)));
        ledger.started(Start::Queued, Some(us(10)));
        ledger.finished(8, us(10_010), us(10_000));
        ledger.finished(24, us(14_000), us(14_000));
        let stats = ledger.stats();
        assert_eq!((stats.turnaround_us.count, stats.queued, stats.batches, stats.mean_rows), (1, 1, 2, 16.0));
        assert!((stats.turnaround_us.p50 - 300.0).abs() < 1.0 && (stats.outside_us.max - 200.0).abs() < 1.0);
        assert!((stats.service_error_us.max - 10.0).abs() < 0.1);
    }
}
