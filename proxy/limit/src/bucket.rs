//! A token bucket in one number: the generic cell rate algorithm (ITU-T I.371), decided with the time it is handed.
//!
//! The number is the theoretical arrival time: when the bucket will be full again, in nanoseconds since the limiter began. A bucket whose
//! time has passed is full, so it says nothing and may be forgotten. In any window of length W at most `rate · W + burst` are admitted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forebay_mesh_config::quota::TokenBucket;

/// Nanoseconds since the limiter began.
pub(crate) type Nanos = u64;

/// A bucket's size and refill, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gcra {
    /// Time that one request takes to be refilled; at least 1 ns.
    interval: Nanos,
    burst: u64,
}

/// What a bucket says to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    /// Requests that could follow at once, and when the bucket is full again.
    Admitted { remaining: u64, full_after: Duration },
    /// When one request will be admitted, and when the bucket is full again.
    Denied { retry_after: Duration, full_after: Duration },
}

impl Gcra {
    pub(crate) fn new(bucket: TokenBucket) -> Self {
        let per = u64::try_from(bucket.rate.per.as_nanos()).unwrap_or(u64::MAX);
        Gcra { interval: (per / u64::from(bucket.rate.count.get())).max(1), burst: u64::from(bucket.burst.get()) }
    }

    /// Time in which an empty bucket fills.
    pub(crate) fn window(self) -> Duration {
        Duration::from_nanos(self.interval.saturating_mul(self.burst))
    }

    pub(crate) fn burst(self) -> u64 {
        self.burst
    }

    /// Takes one request out of the bucket whose state is `arrival`.
    pub(crate) fn take(self, arrival: &AtomicU64, now: Nanos) -> Take {
        let capacity = self.interval.saturating_mul(self.burst);
        let mut before = arrival.load(Ordering::Relaxed);
        loop {
            let after = before.max(now).saturating_add(self.interval);
            let level = after - now;
            if level > capacity {
                let full_after = Duration::from_nanos(before.max(now) - now);
                return Take::Denied { retry_after: Duration::from_nanos(level - capacity), full_after };
            }
            match arrival.compare_exchange_weak(before, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    let remaining = (capacity - level) / self.interval;
                    return Take::Admitted { remaining, full_after: Duration::from_nanos(level) };
                }
                Err(current) => before = current,
            }
        }
    }

    /// Puts one request back that was taken and not used.
    pub(crate) fn give_back(self, arrival: &AtomicU64) {
        let _previous = arrival.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |a| Some(a.saturating_sub(self.interval)));
    }
}

/// Whether the bucket is full, and so need not be remembered.
pub(crate) fn is_full(arrival: &AtomicU64, now: Nanos) -> bool {
    arrival.load(Ordering::Relaxed) <= now
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use forebay_mesh_config::quota::Rate;
    use proptest::prelude::*;

    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    fn bucket(count: u32, burst: u32) -> Gcra {
        let rate = Rate { count: NonZeroU32::new(count).unwrap(), per: Duration::from_secs(1) };
        Gcra::new(TokenBucket { rate, burst: NonZeroU32::new(burst).unwrap() })
    }

    #[test]
    fn a_burst_passes_and_the_next_is_told_when() {
        let (gcra, state) = (bucket(10, 3), AtomicU64::new(0));
        for remaining in [2, 1, 0] {
            assert!(matches!(gcra.take(&state, 5), Take::Admitted { remaining: r, .. } if r == remaining));
        }
        let denied = Take::Denied { retry_after: Duration::from_millis(100), full_after: Duration::from_millis(300) };
        assert_eq!(gcra.take(&state, 5), denied);
        assert!(matches!(gcra.take(&state, 5 + SECOND / 10), Take::Admitted { remaining: 0, .. }));
    }

    #[test]
    fn a_denial_costs_nothing() {
        let (gcra, state) = (bucket(10, 1), AtomicU64::new(0));
        gcra.take(&state, 0);
        let before = state.load(Ordering::Relaxed);
        (0..100).for_each(|_| assert!(matches!(gcra.take(&state, 0), Take::Denied { .. })));
        assert_eq!(state.load(Ordering::Relaxed), before);
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let (gcra, state) = (bucket(1, 1), AtomicU64::new(0));
        gcra.take(&state, 0);
        gcra.give_back(&state);
        assert!(is_full(&state, 0));
        assert!(matches!(gcra.take(&state, 0), Take::Admitted { .. }));
    }

    proptest! {
        #[test]
        fn no_window_admits_more_than_rate_times_window_plus_burst(
            count in 1u32..1000, burst in 1u32..100, gaps in prop::collection::vec(0u64..20_000_000, 1..400),
        ) {
            let (gcra, state) = (bucket(count, burst), AtomicU64::new(0));
            let (mut now, mut admitted) = (SECOND, Vec::new());
            for gap in gaps {
                now += gap;
                if matches!(gcra.take(&state, now), Take::Admitted { .. }) {
                    admitted.push(now);
                }
            }
            for (i, &from) in admitted.iter().enumerate() {
                for (j, &to) in admitted.iter().enumerate().skip(i) {
                    let allowed = (to - from) / gcra.interval + u64::from(burst);
                    prop_assert!((j - i + 1) as u64 <= allowed, "{} in {} ns", j - i + 1, to - from);
                }
            }
        }

        #[test]
        fn whoever_waits_as_told_is_admitted(count in 1u32..1000, burst in 1u32..50, start in 0u64..SECOND) {
            let (gcra, state) = (bucket(count, burst), AtomicU64::new(0));
            (0..burst).for_each(|_| { gcra.take(&state, start); });
            let Take::Denied { retry_after, .. } = gcra.take(&state, start) else { panic!("the burst was larger than said") };
            let later = start + u64::try_from(retry_after.as_nanos()).unwrap();
            let admitted = matches!(gcra.take(&state, later), Take::Admitted { .. });
            prop_assert!(admitted);
        }
    }
}
