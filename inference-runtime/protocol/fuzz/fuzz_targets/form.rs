//! `cargo +nightly fuzz run form`, in `inference-runtime/protocol`.
#![no_main]

#[path = "../src/targets.rs"]
#[allow(dead_code, reason = "each target is one of its functions")]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::form(data));
