//! When requests are due: a pure function of the rate over time, the kind of arrivals and a seed.
//!
//! The area under the rate curve is the number of requests expected so far. Fixed arrivals are due where that number is whole; Poisson
//! arrivals where it reaches sums of unit exponentials, which gives the exact process for any curve (a change of time: Çınlar,
//! *Introduction to Stochastic Processes*, on non-stationary Poisson processes). Nothing is accumulated in clock time, so the millionth
//! request is as exact as the first.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// How requests fall within their rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Arrivals {
    /// Independent callers: gaps are exponential.
    Poisson,
    /// A metronome.
    Fixed,
}

/// Requests per second over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    segments: Vec<Segment>,
}

/// A stretch of time in which the rate goes straight from one value to another.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Segment {
    seconds: f64,
    from: f64,
    to: f64,
}

impl Rates {
    /// The same rate all the time.
    pub fn constant(rate: f64, duration: Duration) -> Self {
        Rates { segments: vec![Segment { seconds: duration.as_secs_f64(), from: rate, to: rate }] }
    }

    /// One rate per second, each held for its second.
    pub fn steps(rates: &[f64]) -> Self {
        Rates { segments: rates.iter().map(|&rate| Segment { seconds: 1.0, from: rate, to: rate }).collect() }
    }

    /// One rate per second, each reached at the start of its second and left straight for the next; the last is held.
    pub fn lines(rates: &[f64]) -> Self {
        let next = rates.iter().skip(1).chain(rates.last());
        Rates { segments: rates.iter().zip(next).map(|(&from, &to)| Segment { seconds: 1.0, from, to }).collect() }
    }

    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.segments.iter().map(|s| s.seconds).sum())
    }

    /// Requests expected in all.
    pub fn expected(&self) -> f64 {
        self.segments.iter().map(Segment::area).sum()
    }

    /// The same, ended at `duration`.
    pub fn cut(mut self, duration: Duration) -> Self {
        let mut left = duration.as_secs_f64();
        self.segments.retain_mut(|segment| {
            let kept = left > 0.0;
            if segment.seconds > left {
                segment.to = segment.from + (segment.to - segment.from) * left / segment.seconds;
                segment.seconds = left.max(0.0);
            }
            left -= segment.seconds;
            kept
        });
        self
    }
}

impl Segment {
    fn area(&self) -> f64 {
        (self.from + self.to) / 2.0 * self.seconds
    }

    /// Seconds after which this much of the area is behind us: the root of a quadratic in the form that stays exact when it is straight.
    fn after(&self, area: f64) -> f64 {
        let slope = (self.to - self.from) / self.seconds;
        let speed = self.from + (self.from * self.from + 2.0 * slope * area).max(0.0).sqrt();
        if speed > 0.0 { (2.0 * area / speed).min(self.seconds) } else { 0.0 }
    }
}

/// The moments at which requests are due, counted from the start, in order.
#[derive(Debug)]
pub struct Schedule {
    segments: std::vec::IntoIter<Segment>,
    segment: Option<Segment>,
    /// Seconds and area before the current segment.
    start: f64,
    behind: f64,
    /// The area at which the next request is due.
    target: f64,
    random: Option<StdRng>,
}

impl Schedule {
    pub fn new(rates: Rates, arrivals: Arrivals, seed: u64) -> Self {
        let mut segments = rates.segments.into_iter();
        let segment = segments.next();
        let mut random = (arrivals == Arrivals::Poisson).then(|| StdRng::seed_from_u64(seed));
        let target = random.as_mut().map_or(0.0, exponential);
        Schedule { segments, segment, start: 0.0, behind: 0.0, target, random }
    }
}

/// A draw from the exponential distribution with mean one.
fn exponential(random: &mut StdRng) -> f64 {
    -(1.0 - random.random::<f64>()).ln()
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        loop {
            let segment = self.segment?;
            if self.target < self.behind + segment.area() {
                let due = self.start + segment.after(self.target - self.behind);
                self.target += self.random.as_mut().map_or(1.0, exponential);
                return Some(Duration::from_secs_f64(due));
            }
            self.behind += segment.area();
            self.start += segment.seconds;
            self.segment = self.segments.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(rates: Rates, arrivals: Arrivals) -> Vec<f64> {
        Schedule::new(rates, arrivals, 7).map(|d| d.as_secs_f64()).collect()
    }

    #[test]
    fn a_fixed_rate_is_exact_to_the_nanosecond() {
        let due: Vec<_> = Schedule::new(Rates::constant(400.0, Duration::from_secs(250)), Arrivals::Fixed, 0).collect();
        assert_eq!(due.len(), 100_000);
        for (k, due) in due.into_iter().enumerate() {
            assert_eq!(due, Duration::from_micros(2500 * k as u64));
        }
    }

    #[test]
    fn poisson_gaps_have_the_mean_and_the_spread_of_an_exponential() {
        let due = seconds(Rates::constant(1800.0, Duration::from_secs(200)), Arrivals::Poisson);
        let gaps: Vec<f64> = due.windows(2).map(|w| (w[1] - w[0]) * 1800.0).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean - 1.0).abs() < 0.01, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.02, "variance {variance}");
    }

    #[test]
    fn the_same_seed_gives_the_same_arrivals_and_another_seed_others() {
        let rates = || Rates::constant(50.0, Duration::from_secs(2));
        let with = |seed| Schedule::new(rates(), Arrivals::Poisson, seed).collect::<Vec<_>>();
        assert_eq!(with(1), with(1));
        assert_ne!(with(1), with(2));
    }

    #[test]
    fn every_second_of_a_workload_gets_its_number() {
        let due = seconds(Rates::steps(&[3.0, 0.0, 5.0]), Arrivals::Fixed);
        let in_second = |s: f64| due.iter().filter(|&&d| d >= s && d < s + 1.0).count();
        assert_eq!([in_second(0.0), in_second(1.0), in_second(2.0)], [3, 0, 5]);
    }

    #[test]
    fn a_ramp_accelerates_straight() {
        let rates = Rates::lines(&[0.0, 100.0]);
        assert_eq!(rates.expected(), 150.0);
        let due = seconds(rates, Arrivals::Fixed);
        assert_eq!(due.len(), 150);
        // Half a second into a ramp from 0 to 100/s, 12.5 requests were due.
        assert_eq!(due.iter().filter(|&&d| d < 0.5).count(), 13);
        assert!(due.is_sorted());
    }

    #[test]
    fn a_cut_curve_ends_where_it_was_cut() {
        let rates = Rates::lines(&[0.0, 100.0, 100.0]).cut(Duration::from_millis(500));
        assert_eq!(rates.duration(), Duration::from_millis(500));
        assert_eq!(rates.expected(), 12.5);
    }
}
