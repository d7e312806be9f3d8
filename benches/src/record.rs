//! What a run saw: latencies from the moment at which each request was due, and everything that went wrong.
//!
//! A request that the generator could not send in time, because the server was stalled and every connection taken, counts from when it
//! should have been sent: nothing is omitted because something else was slow.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::{CreationError, Histogram};

use crate::connection::{Fault, Flight};
use crate::payload::Verdict;

/// Longest latency that is told apart from longer ones, in microseconds.
const LONGEST_US: u64 = 600_000_000;
/// Wrong answers that are described; the others are only counted.
const DESCRIBED: usize = 5;

/// One second of the run, by when its requests were due.
#[derive(Clone, Debug)]
pub struct Second {
    pub due: u64,
    pub right: u64,
    pub failed: u64,
    pub latency_us: Histogram<u32>,
}

/// Everything recorded so far.
#[derive(Clone, Debug)]
pub struct Record {
    start: Instant,
    pub due: u64,
    pub right: u64,
    pub wrong: u64,
    pub first_wrong: Vec<String>,
    pub statuses: BTreeMap<u16, u64>,
    pub faults: BTreeMap<Fault, u64>,
    /// Of right answers, from due to whole.
    pub latency_us: Histogram<u64>,
    /// From due to written, of all requests that were.
    pub lateness_ns: Histogram<u64>,
    pub seconds: Vec<Second>,
    /// Of right answers since [`Record::lately`] was last asked.
    lately_us: Histogram<u32>,
    /// When the last answer came.
    pub last_answer: Option<Instant>,
}

/// What happened since this was last asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lately {
    pub answers: u64,
    pub p50_us: u64,
    pub p99_us: u64,
}

impl Record {
    pub fn new(start: Instant) -> Result<Self, CreationError> {
        Ok(Record {
            start,
            due: 0,
            right: 0,
            wrong: 0,
            first_wrong: Vec::new(),
            statuses: BTreeMap::new(),
            faults: BTreeMap::new(),
            latency_us: Histogram::new_with_bounds(1, LONGEST_US, 3)?,
            lateness_ns: Histogram::new_with_bounds(1, LONGEST_US * 1000, 3)?,
            seconds: Vec::new(),
            lately_us: Histogram::new(2)?,
            last_answer: None,
        })
    }

    pub fn start(&self) -> Instant {
        self.start
    }

    /// A request is due.
    pub fn due(&mut self, at: Instant) {
        self.due += 1;
        if let Some(second) = self.second(at) {
            second.due += 1;
        }
    }

    pub fn written(&mut self, flight: Flight) {
        self.lateness_ns.saturating_record(nanoseconds(flight.written.saturating_duration_since(flight.due)));
    }

    /// An answer has come whole.
    pub fn answered(&mut self, flight: Flight, status: u16, verdict: Option<Verdict>, at: Instant) {
        self.last_answer = Some(at);
        *self.statuses.entry(status).or_default() += 1;
        match verdict {
            Some(Verdict::Right) => self.right(flight, at),
            Some(Verdict::Wrong(why)) => {
                self.wrong += 1;
                if self.first_wrong.len() < DESCRIBED {
                    self.first_wrong.push(why);
                }
                self.failed(flight.due);
            }
            None => self.failed(flight.due),
        }
    }

    pub fn fault(&mut self, due: Instant, fault: Fault) {
        *self.faults.entry(fault).or_default() += 1;
        self.failed(due);
    }

    /// Share of all due requests that were answered rightly within `limit`.
    pub fn share_within(&self, limit: Duration) -> f64 {
        let within = self.latency_us.count_between(0, u64::try_from(limit.as_micros()).unwrap_or(u64::MAX));
        if self.due == 0 { 0.0 } else { within as f64 / self.due as f64 }
    }

    pub fn failures(&self) -> u64 {
        let statuses: u64 = self.statuses.iter().filter(|(status, _)| **status != 200).map(|(_, count)| count).sum();
        statuses + self.faults.values().sum::<u64>() + self.wrong
    }

    pub fn lately(&mut self) -> Lately {
        let at = |quantile| self.lately_us.value_at_quantile(quantile);
        let lately = Lately { answers: self.lately_us.len(), p50_us: at(0.5), p99_us: at(0.99) };
        self.lately_us.reset();
        lately
    }

    fn right(&mut self, flight: Flight, at: Instant) {
        let latency = nanoseconds(at.saturating_duration_since(flight.due)) / 1000;
        self.right += 1;
        self.latency_us.saturating_record(latency);
        record(&mut self.lately_us, latency);
        if let Some(second) = self.second(flight.due) {
            second.right += 1;
            record(&mut second.latency_us, latency);
        }
    }

    fn failed(&mut self, due: Instant) {
        if let Some(second) = self.second(due) {
            second.failed += 1;
        }
    }

    fn second(&mut self, at: Instant) -> Option<&mut Second> {
        let index = usize::try_from(at.saturating_duration_since(self.start).as_secs()).ok()?;
        while self.seconds.len() <= index {
            self.seconds.push(Second { due: 0, right: 0, failed: 0, latency_us: Histogram::new(2).ok()? });
        }
        self.seconds.get_mut(index)
    }
}

/// Records in a histogram that grows with its values; only running out of 64 bits could fail.
fn record(histogram: &mut Histogram<u32>, value: u64) {
    let _ = histogram.record(value);
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_request_counts_against_the_share_within_the_limit() {
        let start = Instant::now();
        let mut record = Record::new(start).unwrap();
        let ms = Duration::from_millis;
        for (number, (latency, status)) in [(10, 200), (60, 200), (1, 503), (20, 200)].into_iter().enumerate() {
            record.due(start);
            let flight = Flight { number: number as u64, due: start, written: start + ms(1) };
            record.written(flight);
            record.answered(flight, status, (status == 200).then_some(Verdict::Right), start + ms(latency));
        }
        assert_eq!(record.share_within(ms(50)), 0.5);
        assert_eq!((record.right, record.failures(), record.statuses.get(&503)), (3, 1, Some(&1)));
        assert_eq!((record.seconds[0].due, record.seconds[0].failed), (4, 1));
        let lately = record.lately();
        assert!(lately.answers == 3 && (19_900..20_200).contains(&lately.p50_us), "{lately:?}");
        assert!((59_500..60_500).contains(&record.seconds[0].latency_us.max()));
    }
}
