//! h2spec, a conformance suite for HTTP/2 that others wrote, against our listener in clear text.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail loudly")]

mod support;

use std::path::Path;
use std::process::Command;

use support::{Forebay, upstream};

#[test]
fn every_case_of_h2spec_passes() {
    let h2spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/bin/h2spec");
    assert!(h2spec.exists(), "{} is missing; install it, which needs Go: make setup-tests", h2spec.display());
    let server = upstream();
    let forebay = Forebay::start(&format!("upstream: http://{}\n", server.address));
    let (host, port) = forebay.api.split_once(':').unwrap();
    // Seconds for one case, which an unhurried machine needs none of.
    let output = Command::new(h2spec).args(["--host", host, "--port", port, "--timeout", "5"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    // What failed stands after this word.
    let failures = text.split_once("Failures:").map_or("", |(_, failures)| failures);
    assert!(output.status.success() && failures.is_empty(), "{failures}\n{}", text.lines().last().unwrap_or_default());
    let summary = text.lines().last().unwrap_or_default();
    assert!(summary.contains("145 tests, 145 passed, 0 skipped, 0 failed"), "{summary}");
}
