//! The configuration of Forebay: one YAML file, checked whole, with every problem named where it is.

pub mod drain;
pub mod identity;
pub mod listen;
pub mod models;
pub mod quota;
mod snapshot;
pub mod telemetry;

pub use snapshot::Snapshot;
