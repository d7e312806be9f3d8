//! A simulated accelerator: an Open Inference Protocol V2 server that runs one batch at a time and whose service times are exact.
//!
//! It knows nothing of batching but a batch dimension: requests run one after another, in the order in which they came, each in
//! `base + per_row · rows`. What it really gave is measured and told at `GET /stats`, so that a wrong instrument is seen.

mod ledger;
mod line;
mod service;

pub use ledger::{Stats, Times};
pub use line::{Finished, Line, ServiceTime};
pub use service::{Accelerator, Limits};
