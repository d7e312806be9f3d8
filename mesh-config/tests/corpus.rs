//! The committed corpus of the fuzz target, replayed; and every beginning of every entry.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

#[path = "../fuzz/src/targets.rs"]
#[allow(unreachable_pub, reason = "the fuzz target needs it public")]
mod targets;

use std::path::Path;

#[test]
fn config_stands_its_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/config");
    let mut entries = 0;
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let data = std::fs::read(entry.unwrap().path()).unwrap();
        (0..=data.len()).for_each(|end| targets::config(data.get(..end).unwrap_or_default()));
        entries += 1;
    }
    assert!(entries > 0, "{} is empty", folder.display());
}
