//! The commands that need no running proxy, as a person or a script calls them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail loudly")]

use std::process::{Command, Output};

fn forebay(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_forebay")).args(arguments).env_remove("FOREBAY_CONFIG").output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A file with this text; gone with the folder that comes with it.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("forebay.yaml");
    std::fs::write(&path, text).unwrap();
    (folder, path.display().to_string())
}

#[test]
fn check_prints_every_problem_with_its_place_and_a_hint() {
    let (_folder, path) = file("listen:\n  api: here\n  limits: { body: 1 potato }\ndrian: {}\nmodels:\n  m: {}\n");
    let checked = forebay(&["check", &path]);
    assert_eq!(checked.status.code(), Some(1));
    let text = stdout(&checked);
    for place in [":2:8: listen.api: ", ":3:19: listen.limits.body: ", ":4:1: drian", ":6:6: models.m"] {
        assert!(text.contains(&format!("{path}{place}")), "{place} in\n{text}");
    }
    assert!(text.contains("drain"), "did you mean: {text}");
    assert!(text.lines().all(|line| line.contains("; ")), "each line has a hint:\n{text}");
}

#[test]
fn check_says_that_a_good_file_is_good() {
    let (_folder, path) = file("upstream: http://127.0.0.1:9000\n");
    let checked = forebay(&["check", &path]);
    assert_eq!(checked.status.code(), Some(0));
    assert!(stdout(&checked).contains("ok, version "), "{}", stdout(&checked));
    let overridden = forebay(&["check", &path, "--set", "upstream=nowhere"]);
    assert_eq!(overridden.status.code(), Some(1), "a flag counts as it does for run");
}

#[test]
fn run_refuses_a_bad_file_as_check_does() {
    let (_folder, path) = file("lissten: {}\n");
    let run = forebay(&["run", "--config", &path]);
    assert_eq!(run.status.code(), Some(1));
    assert!(stderr(&run).contains(":1:1: lissten"), "{}", stderr(&run));
    assert_eq!(forebay(&["run", "--config", "/nowhere/forebay.yaml"]).status.code(), Some(1));
}

#[test]
fn run_says_which_port_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (_folder, path) = file(&format!("listen: {{ api: \"{address}\", admin: \"127.0.0.1:0\" }}\n"));
    let run = forebay(&["run", "--config", &path]);
    assert_eq!(run.status.code(), Some(1));
    assert!(stderr(&run).contains(&address.to_string()), "{}", stderr(&run));
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    for arguments in [vec![], vec!["serve"], vec!["run", "--set", "x"], vec!["check"]] {
        assert_eq!(forebay(&arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn the_schema_is_json_that_describes_every_section() {
    let schema: serde_json::Value = serde_json::from_str(&stdout(&forebay(&["schema"]))).unwrap();
    for section in ["listen", "identity", "limits", "models", "upstream", "telemetry", "drain"] {
        assert!(schema["properties"][section].is_object(), "{section}");
    }
}

#[test]
fn two_new_keys_are_never_the_same_and_only_their_digests_are_printed() {
    let keys = [forebay(&["key", "new", "a"]), forebay(&["key", "new", "a"])];
    let entries: Vec<String> = keys.iter().map(stdout).collect();
    assert_ne!(entries[0], entries[1]);
    for (key, entry) in keys.iter().zip(&entries) {
        let told = stderr(key);
        let key = told.trim().rsplit(' ').next().unwrap();
        assert!(key.starts_with("fb_") && !entry.contains(key));
    }
}
