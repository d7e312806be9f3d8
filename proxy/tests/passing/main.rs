//! Passing through, byte by byte: both ends are played by the test, so that it says when each of them does what.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail loudly")]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod bodies;
mod ends;
mod grpc;
mod heads;
mod wire;
