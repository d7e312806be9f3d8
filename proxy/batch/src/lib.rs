//! Rows wait while the backend is busy, and leave together when it is free.
//!
//! [`Batcher::submit`] takes a checked request and gives a [`Ticket`]: a future of its answer that withdraws the request when dropped.
//! Requests with the same merge key ride in one batch, bound when the [`Backend`] can take it. When a batch fails because of a row, it is
//! split until only that row's request fails.

pub mod backend;
mod batcher;
#[cfg(test)]
mod fixtures;
mod merge_key;
mod metrics;
mod queue;
mod run;
mod service_time;
mod split;
mod stitch;
#[cfg(test)]
mod tests;
mod ticket;

pub use backend::{Backend, BackendError, Permit};
pub use batcher::{Batcher, Policy, QueueFull, Surroundings};
pub use metrics::BatchMetrics;
pub use ticket::{Answer, Ticket, Timing};
