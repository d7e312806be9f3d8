//! `drain:` how Forebay stops.

use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// After SIGTERM, how long new connections are still served while readiness is already false. Default 5 s.
    pub ready_false_for: Duration,
    /// The latest end, whatever is still in flight. Default 60 s.
    pub at_most: Duration,
}
