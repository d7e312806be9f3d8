//! The accelerator's waiting line: pure, told the time by its caller.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What a run of some rows takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceTime {
    pub base: Duration,
    pub per_row: Duration,
}

impl ServiceTime {
    pub fn of(&self, rows: usize) -> Duration {
        self.base + self.per_row * u32::try_from(rows).unwrap_or(u32::MAX)
    }
}

/// A run that has ended.
#[derive(Debug)]
pub struct Finished<T> {
    pub job: T,
    pub rows: usize,
    /// Time from start to end.
    pub took: Duration,
    /// What it should have taken.
    pub due: Duration,
}

/// How a run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// It waited while another ran.
    Queued,
    /// It found the accelerator idle, for this long since the run before it; `None` for the first.
    Idle(Option<Duration>),
}

struct Running<T> {
    job: T,
    rows: usize,
    started: Instant,
}

/// Jobs in the order in which they came, at most one of them running.
pub struct Line<T> {
    time: ServiceTime,
    waiting: VecDeque<(usize, T)>,
    running: Option<Running<T>>,
    last_end: Option<Instant>,
}

impl<T> Line<T> {
    pub fn new(time: ServiceTime) -> Self {
        Line { time, waiting: VecDeque::new(), running: None, last_end: None }
    }

    /// Takes a job in. `Some` says how it began, if it could at once.
    pub fn arrive(&mut self, rows: usize, job: T, now: Instant) -> Option<Start> {
        if self.running.is_some() {
            self.waiting.push_back((rows, job));
            return None;
        }
        self.running = Some(Running { job, rows, started: now });
        Some(Start::Idle(self.last_end.map(|end| now.saturating_duration_since(end))))
    }

    /// The job that runs.
    pub fn running(&self) -> Option<&T> {
        self.running.as_ref().map(|run| &run.job)
    }

    /// When the running job ends.
    pub fn due(&self) -> Option<Instant> {
        self.running.as_ref().map(|run| run.started + self.time.of(run.rows))
    }

    /// Ends the running job if its time is over, and starts the next.
    pub fn finish(&mut self, now: Instant) -> Option<(Finished<T>, Option<Start>)> {
        if self.due()? > now {
            return None;
        }
        let run = self.running.take()?;
        self.last_end = Some(now);
        let next = self.waiting.pop_front().map(|(rows, job)| {
            self.running = Some(Running { job, rows, started: now });
            Start::Queued
        });
        let took = now.saturating_duration_since(run.started);
        Some((Finished { job: run.job, rows: run.rows, took, due: self.time.of(run.rows) }, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn jobs_run_one_at_a_time_in_order_and_for_their_rows() {
        let start = Instant::now();
        let mut line = Line::new(ServiceTime { base: ms(8), per_row: ms(1) });
        assert_eq!(line.arrive(2, 'a', start), Some(Start::Idle(None)));
        assert_eq!(line.arrive(1, 'b', start + ms(1)), None);
        assert_eq!(line.due(), Some(start + ms(10)));
        assert!(line.finish(start + ms(9)).is_none(), "not before its time");

        let (first, next) = line.finish(start + ms(10)).unwrap();
        assert_eq!((first.job, first.took, first.due), ('a', ms(10), ms(10)));
        assert_eq!(next, Some(Start::Queued));
        assert_eq!(line.due(), Some(start + ms(19)));

        let (second, next) = line.finish(start + ms(20)).unwrap();
        assert_eq!((second.job, second.took, second.due), ('b', ms(10), ms(9)));
        assert_eq!((next, line.due()), (None, None));
        assert_eq!(line.arrive(1, 'c', start + ms(23)), Some(Start::Idle(Some(ms(3)))), "idle since the last end");
    }

    #[test]
    fn full_batches_reach_two_thousand_rows_a_second_and_lone_rows_one_hundred_and_twenty_one() {
        let time = ServiceTime { base: ms(8), per_row: Duration::from_micros(250) };
        let per_second = |rows: usize| rows as f64 / time.of(rows).as_secs_f64();
        assert_eq!(per_second(32), 2000.0);
        assert_eq!(per_second(1).floor(), 121.0);
    }
}
