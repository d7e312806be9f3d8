//! Whether a backend counts as up, from what was observed of it: a state machine without a clock.
//!
//! First start: unknown, and the first observation decides. Trip: `down_after` failures in a row. Recovery: `up_after` successes in a row.
//! A mixed row of observations changes nothing: only runs of the same kind do.

use std::num::NonZeroU32;

/// What was last concluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing was observed yet.
    Unknown,
    Up,
    Down,
}

/// Counts observations in a row and concludes.
#[derive(Clone, Debug)]
pub struct Health {
    state: State,
    down_after: NonZeroU32,
    up_after: NonZeroU32,
    /// Observations in a row that speak against `state`.
    against: u32,
}

impl Health {
    pub fn new(down_after: NonZeroU32, up_after: NonZeroU32) -> Self {
        Health { state: State::Unknown, down_after, up_after, against: 0 }
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// Whether the last observations speak against the state, and too few of them to change it.
    pub fn is_doubtful(&self) -> bool {
        self.against > 0
    }

    /// Takes one observation in; `Some` is the new state when it changed.
    pub fn observe(&mut self, ok: bool) -> Option<State> {
        let (next, needed) = match (self.state, ok) {
            (State::Unknown, true) => (State::Up, 1),
            (State::Unknown, false) => (State::Down, 1),
            (State::Up, false) => (State::Down, self.down_after.get()),
            (State::Down, true) => (State::Up, self.up_after.get()),
            (State::Up, true) | (State::Down, false) => {
                self.against = 0;
                return None;
            }
        };
        self.against += 1;
        if self.against < needed {
            return None;
        }
        self.against = 0;
        self.state = next;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn health(down_after: u32, up_after: u32) -> Health {
        Health::new(NonZeroU32::new(down_after).unwrap(), NonZeroU32::new(up_after).unwrap())
    }

    #[test]
    fn the_first_observation_decides() {
        assert_eq!(health(3, 3).observe(true), Some(State::Up));
        assert_eq!(health(3, 3).observe(false), Some(State::Down));
    }

    #[test]
    fn only_failures_in_a_row_bring_it_down() {
        let mut h = health(2, 1);
        h.observe(true);
        let seen: Vec<_> = [false, true, false, false].into_iter().map(|ok| h.observe(ok)).collect();
        assert_eq!(seen, [None, None, None, Some(State::Down)]);
    }

    #[test]
    fn a_failure_that_changes_nothing_yet_is_a_doubt() {
        let mut h = health(2, 1);
        let doubts: Vec<_> = [true, false, true, false, false]
            .into_iter()
            .map(|ok| {
                h.observe(ok);
                h.is_doubtful()
            })
            .collect();
        assert_eq!(doubts, [false, true, false, true, false]);
    }

    #[test]
    fn only_successes_in_a_row_bring_it_up() {
        let mut h = health(1, 2);
        h.observe(false);
        let seen: Vec<_> = [true, false, true, true].into_iter().map(|ok| h.observe(ok)).collect();
        assert_eq!(seen, [None, None, None, Some(State::Up)]);
    }

    proptest! {
        #[test]
        fn a_change_is_always_preceded_by_its_run(down in 1u32..5, up in 1u32..5, seen in prop::collection::vec(any::<bool>(), 1..100)) {
            let mut h = health(down, up);
            for (i, &ok) in seen.iter().enumerate() {
                if let Some(state) = h.observe(ok) {
                    prop_assert_eq!(state, if ok { State::Up } else { State::Down });
                    let needed = if i == 0 { 1 } else if ok { up } else { down } as usize;
                    prop_assert!(seen[..=i].iter().rev().take(needed).filter(|&&s| s == ok).count() == needed);
                }
            }
        }
    }
}
