//! What the tests of the running binary share: Forebay as a child process, a plain HTTP/1.1 client, and scripted servers behind it.
//!
//! Every wait looks at a condition until a deadline and fails with what it waited for. Nothing takes a fixed port.

// Each test file is a crate of its own and uses its part of this.
#![allow(dead_code, unused_imports, reason = "no test file uses all of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests fail loudly, and then show what Forebay wrote"
)]

mod client;
mod echo;
mod forebay;
mod http2;
mod load;
mod memory;
mod oip;
mod server;
mod wait;

pub(crate) use client::{Answer, Connection, get, post, request};
pub(crate) use echo::{INFER, infer, infer_body, rows_of, send, waiting};
pub(crate) use forebay::{Forebay, Starting};
pub(crate) use http2::{H2, Reply2, Unsent};
pub(crate) use load::{CLIENTS, Tally, under_load};
pub(crate) use memory::Memory;
pub(crate) use oip::{Held, MODEL, OipBackend, Row, oip_backend};
pub(crate) use server::{Received, Reply, Server, upstream};
pub(crate) use wait::{LONG, until, until_true};
