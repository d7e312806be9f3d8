//! Every file in `tests/bad` fails with the problems in its first comment lines, exactly, and with nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail loudly")]

use std::path::{Path, PathBuf};

use forebay_mesh_config::Snapshot;

#[test]
fn every_bad_file_fails_with_the_text_in_its_first_lines() {
    let mut files: Vec<PathBuf> = std::fs::read_dir("tests/bad").unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let checked = files.iter().filter(|file| !is_part(file)).map(|file| check(file)).count();
    assert!(checked >= 40, "{checked} files");
}

/// A file that another one names.
fn is_part(file: &Path) -> bool {
    file.file_name().unwrap().to_str().unwrap().starts_with("part-")
}

fn check(file: &Path) {
    let text = std::fs::read_to_string(file).unwrap();
    let expected: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("# ")).collect();
    let problems = match Snapshot::load(file, &[], &|_| None) {
        Ok(_) => panic!("{} is not bad", file.display()),
        Err(problems) => problems.to_string().replace("tests/bad/", ""),
    };
    assert_eq!(problems.lines().collect::<Vec<_>>(), expected, "{}\n{problems}", file.display());
}
