//! The committed corpora of the fuzz targets, replayed; and every beginning of every entry.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

#[path = "../fuzz/src/targets.rs"]
#[allow(unreachable_pub, reason = "the fuzz targets need it public")]
mod targets;

use std::path::Path;

#[track_caller]
fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut entries = 0;
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let data = std::fs::read(entry.unwrap().path()).unwrap();
        (0..=data.len()).for_each(|end| run(data.get(..end).unwrap_or_default()));
        entries += 1;
    }
    assert!(entries > 0, "{} is empty", folder.display());
}

#[test]
fn v2_json_stands_its_corpus() {
    replay("v2_json", targets::v2_json);
}

#[test]
fn v2_binary_stands_its_corpus() {
    replay("v2_binary", targets::v2_binary);
}

#[test]
fn v1_stands_its_corpus() {
    replay("v1", targets::v1);
}

#[test]
fn image_stands_its_corpus() {
    replay("image", targets::image);
}

#[test]
fn form_stands_its_corpus() {
    replay("form", targets::form);
}
