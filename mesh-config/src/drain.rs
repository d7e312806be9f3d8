//! `drain:` how Forebay stops.

use std::time::Duration;

use crate::tree::{Keys, Mistake};
use crate::units::{SOME_TIME, duration};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// After SIGTERM, how long new connections are still served while readiness is already false. Default 5 s.
    pub ready_false_for: Duration,
    /// The latest end, whatever is still in flight. Default 60 s.
    pub at_most: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Drain { ready_false_for: Duration::from_secs(5), at_most: Duration::from_secs(60) }
    }
}

impl Drain {
    pub(crate) fn declare(keys: &mut Keys<'_, '_>, from: Self) -> Self {
        let drain = Drain {
            ready_false_for: keys.key(
                "ready_false_for",
                duration(Duration::ZERO),
                from.ready_false_for,
                "After SIGTERM, how long new connections are still served while readiness is already false.",
            ),
            at_most: keys.key("at_most", duration(SOME_TIME), from.at_most, "The latest end, whatever is still in flight."),
        };
        if drain.at_most < drain.ready_false_for {
            let mistake = Mistake::new("is shorter than ready_false_for", "requests in flight need the time in between; make it longer");
            keys.refuse("at_most", mistake);
        }
        drain
    }
}
