//! What the tests of the running binary share: Forebay as a child process, a plain HTTP/1.1 client, and scripted servers behind it.
//!
//! Every wait looks at a condition until a deadline and fails with what it waited for. Nothing takes a fixed port.

// Each test file is a crate of its own and uses its part of this.
#![allow(dead_code, unused_imports, reason = "no test file uses all of it")]

mod client;
mod forebay;
mod http2;
mod oip;
mod server;
mod wait;

pub(crate) use client::{Answer, Connection, get, post, request};
pub(crate) use forebay::{Forebay, Starting};
pub(crate) use http2::{H2, Reply2};
pub(crate) use oip::{MODEL, OipBackend, Row, infer_body, oip_backend, rows_of};
pub(crate) use server::{Received, Reply, Server, upstream};
pub(crate) use wait::{LONG, until, until_true};
