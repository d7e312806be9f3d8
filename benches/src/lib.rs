//! Forebay's own measuring instruments: an open-loop load generator, a simulated accelerator whose service times are exact, and the points
//! that Forebay promises.
//!
//! Each instrument tells its own error beside its result: the generator how late it sent, the accelerator how long it really took.

pub mod accelerator;
pub mod args;
pub mod arrivals;
pub mod bench;
pub mod client;
pub mod clock;
pub mod connection;
pub mod fixed;
pub mod generator;
pub mod http;
pub mod payload;
pub mod plot;
pub mod progress;
pub mod reactor;
pub mod record;
pub mod report;
pub mod row;
pub mod run;
pub mod serve;
pub mod server;
pub mod target;
pub mod units;
pub mod wire;
pub mod workload;
