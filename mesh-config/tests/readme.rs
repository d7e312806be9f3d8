//! Every YAML block of the README loads, or fails with exactly the text block that follows it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail loudly")]

use std::path::Path;

use forebay_mesh_config::Snapshot;

#[test]
fn the_readme_says_what_happens() {
    let readme = std::fs::read_to_string("README.md").unwrap();
    let blocks: Vec<(&str, &str)> = readme.split("\n```").skip(1).step_by(2).filter_map(|block| block.split_once('\n')).collect();
    assert_eq!(blocks.iter().filter(|(kind, _)| *kind == "yaml").count(), 3);
    for (index, (_, text)) in blocks.iter().enumerate().filter(|(_, (kind, _))| *kind == "yaml") {
        let outcome = Snapshot::parse(text, Path::new("README.md"), &[], &|_| None);
        match (outcome, blocks.get(index + 1)) {
            (Err(problems), Some(("text", expected))) => assert_eq!(problems.to_string(), *expected),
            (Ok(_), next) => assert!(next.is_none_or(|(kind, _)| *kind != "text"), "{text}"),
            (Err(problems), _) => panic!("{problems}"),
        }
    }
}
