//! `cargo +nightly fuzz run chunks`, in `proxy`.
#![no_main]

#[allow(dead_code, reason = "a part of it is for heads")]
#[path = "../../src/edge/chunks.rs"]
mod chunks;
#[path = "../src/targets.rs"]
mod targets;

use chunks::{Chunks, Progress};

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::chunks(data));
