//! The configuration of Forebay: one YAML file, checked whole, with every problem named where it is.
//!
//! [`Snapshot::load`] reads the file, what overrides say, and what references name; the result is immutable and whole. Each section
//! declares its keys once (see [`tree`]): reading, the [`json_schema`] and [`Snapshot::to_redacted_json`] come from the same lines.

mod address;
mod cors;
pub mod decode;
pub mod drain;
pub mod identity;
pub mod listen;
mod load;
pub mod models;
mod name;
mod overrides;
mod path;
mod problem;
pub mod quota;
mod references;
pub mod runtime;
mod schema;
mod snapshot;
pub mod telemetry;
pub mod tree;
mod units;

pub use load::Loaded;
pub use overrides::{ENVIRONMENT_PREFIX, NotAnOverride, Override};
pub use path::{KeyPath, Segment};
pub use problem::{Place, Problem, Problems};
pub use schema::json_schema;
pub use snapshot::Snapshot;
