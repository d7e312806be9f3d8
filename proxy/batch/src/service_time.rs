//! How long a batch of so many rows takes, learned from the batches that ran.
//!
//! A straight line, `base + per_row · rows`, fitted by least squares whose past fades: each new batch weighs as much as the last
//! [`MEMORY`] before it together, so a model that gets slower is believed within a few dozen batches. When all batches had the same size
//! the line through the mean is as flat as the data says, and the mean is the best guess for every size.

use std::time::Duration;

/// Batches that the fit remembers, roughly. Small enough to follow a throttled accelerator within a second, large enough for its jitter.
const MEMORY: f64 = 64.0;

/// A fading least-squares fit of run time over rows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ServiceTime {
    weight: f64,
    rows: f64,
    rows_squared: f64,
    seconds: f64,
    rows_seconds: f64,
}

impl ServiceTime {
    /// Learns from one batch.
    pub(crate) fn learn(&mut self, rows: usize, took: Duration) {
        let keep = 1.0 - 1.0 / MEMORY;
        let (x, y) = (rows as f64, took.as_secs_f64());
        self.weight = self.weight * keep + 1.0;
        self.rows = self.rows * keep + x;
        self.rows_squared = self.rows_squared * keep + x * x;
        self.seconds = self.seconds * keep + y;
        self.rows_seconds = self.rows_seconds * keep + x * y;
    }

    /// Expected time of a batch of `rows` rows; `None` before the first batch.
    pub(crate) fn expect(&self, rows: usize) -> Option<Duration> {
        if self.weight == 0.0 {
            return None;
        }
        let (mean_rows, mean_seconds) = (self.rows / self.weight, self.seconds / self.weight);
        let variance = self.rows_squared / self.weight - mean_rows * mean_rows;
        let covariance = self.rows_seconds / self.weight - mean_rows * mean_seconds;
        // A batch of more rows never takes less time: noise over a narrow range of sizes must not say so.
        let per_row = if variance > 1e-9 { (covariance / variance).max(0.0) } else { 0.0 };
        let seconds = (mean_seconds + per_row * (rows as f64 - mean_rows)).max(0.0);
        Duration::try_from_secs_f64(seconds).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(rows: usize) -> Duration {
        Duration::from_micros(8_000 + 250 * rows as u64)
    }

    #[test]
    fn nothing_is_expected_before_the_first_batch() {
        assert_eq!(ServiceTime::default().expect(1), None);
    }

    #[test]
    fn the_line_of_an_accelerator_is_found() {
        let mut learned = ServiceTime::default();
        for i in 0..100 {
            learned.learn(1 + i % 20, batch(1 + i % 20));
        }
        let error = learned.expect(32).unwrap().abs_diff(batch(32));
        assert!(error < Duration::from_micros(50), "{error:?}");
    }

    #[test]
    fn one_size_alone_teaches_its_own_time() {
        let mut learned = ServiceTime::default();
        (0..10).for_each(|_| learned.learn(4, batch(4)));
        assert!(learned.expect(4).unwrap().abs_diff(batch(4)) < Duration::from_micros(1));
    }

    #[test]
    fn a_slower_accelerator_is_believed_soon() {
        let mut learned = ServiceTime::default();
        (0..1000).for_each(|_| learned.learn(8, batch(8)));
        (0..200).for_each(|_| learned.learn(8, batch(8) * 3));
        assert!(learned.expect(8).unwrap() > batch(8) * 5 / 2);
    }
}
