//! How much each principal may ask: token buckets in memory, decided before a byte of the body is read.

mod bucket;
mod limiter;

pub use limiter::{Admission, Denial, Limiter, Standing, Verdict, ceil_seconds, rate_limit_field};
