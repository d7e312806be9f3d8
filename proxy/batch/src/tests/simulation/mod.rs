//! A million requests through the queue, the splitting and the stitching on virtual time, against an accelerator that takes
//! 8 + 0.25·rows milliseconds. After every event the invariants are asserted; at the end every row is accounted for.

mod course;

use course::{Micros, Simulation, Tally};

/// What is sent and to what.
#[derive(Clone, Copy, Debug)]
struct Scenario {
    requests: usize,
    /// Requests of one instant, and the mean time between two such instants.
    burst: usize,
    gap: Micros,
    keys: u32,
    /// Rows of a request: 1 to this.
    largest: usize,
    leavers: f64,
    poison: f64,
    capacity: usize,
    slots: usize,
}

const STEADY: Scenario = Scenario {
    requests: 150_000,
    burst: 1,
    gap: 1_000_000 / 1_800,
    keys: 1,
    largest: 1,
    leavers: 0.0,
    poison: 0.0,
    capacity: 10_000,
    slots: 1,
};

/// Share of the answers that came within `limit`.
fn within(limit: Micros, tally: &Tally) -> f64 {
    tally.latencies.iter().filter(|latency| **latency <= limit).count() as f64 / tally.latencies.len() as f64
}

#[test]
fn at_nine_tenths_of_the_accelerators_limit_nearly_all_are_answered_within_50_ms() {
    for seed in [1, 2] {
        let tally = Simulation::run(STEADY, seed);
        assert_eq!(tally.latencies.len(), STEADY.requests);
        assert!(within(50_000, &tally) >= 0.995, "{}", within(50_000, &tally));
        let rows_per_batch = tally.rows_taken as f64 / tally.batches as f64;
        assert!((20.0..=32.0).contains(&rows_per_batch), "{rows_per_batch} rows per batch");
    }
}

#[test]
fn twice_the_load_fills_every_batch_and_refuses_the_rest() {
    for seed in [3, 4] {
        let tally = Simulation::run(Scenario { gap: 250, capacity: 256, ..STEADY }, seed);
        assert!(tally.rows_taken as f64 / tally.batches as f64 > 31.5);
        // 256 rows that wait are eight full batches; one more runs, and then one's own.
        assert!(tally.latencies.iter().all(|latency| *latency <= 10 * 16_000));
        assert!(tally.latencies.len() < STEADY.requests * 6 / 10);
    }
}

#[test]
fn bursts_of_mixed_sizes_whose_callers_may_leave_lose_nothing() {
    for seed in [5, 6] {
        let bursts = Scenario { burst: 200, gap: 500_000, keys: 3, largest: 8, leavers: 0.3, capacity: 700, ..STEADY };
        let tally = Simulation::run(bursts, seed);
        assert!(tally.rows_withdrawn > 0 && tally.rows_withdrawn < tally.rows_accepted);
    }
}

#[test]
fn a_stranger_with_thousands_of_keys_keeps_nobody_from_being_next() {
    for seed in [7, 8] {
        let tally = Simulation::run(Scenario { gap: 2_000, keys: 5_000, leavers: 0.1, capacity: 5_000, requests: 60_000, ..STEADY }, seed);
        assert!(tally.batches > 10_000);
    }
}

#[test]
fn poison_and_large_requests_on_two_slots_change_nobody_elses_answer() {
    for (seed, poison) in [(9, 0.01), (10, 0.1), (11, 0.5)] {
        let mixed =
            Scenario { requests: 20_000, gap: 20_000, largest: 100, leavers: 0.05, poison, slots: 2, keys: 2, capacity: 2_000, ..STEADY };
        let tally = Simulation::run(mixed, seed);
        assert!(tally.runs > tally.batches, "failed batches were run again");
    }
}
