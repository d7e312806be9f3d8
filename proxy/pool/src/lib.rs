//! What is known of a backend, and what follows from it.

mod health;

pub use health::{Health, State};
