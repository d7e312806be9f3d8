//! Every example loads, and says what it is meant to say.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail loudly")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use forebay_mesh_config::models::{Source, Upstream};
use forebay_mesh_config::quota::Per;
use forebay_mesh_config::{Loaded, Snapshot};

fn load(name: &str) -> Loaded {
    Snapshot::load(&Path::new("examples").join(name), &[], &|_| None).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn every_example_loads() {
    for entry in std::fs::read_dir("examples").unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name != "keys.yaml" {
            load(&name);
        }
    }
}

#[test]
fn the_smallest_file_has_two_lines() {
    let text = std::fs::read_to_string("examples/minimal.yaml").unwrap();
    assert_eq!(text.lines().count(), 2);
    let snapshot = load("minimal.yaml").snapshot;
    assert_eq!(snapshot.default_model.as_deref(), Some("digits"));
    assert_eq!(snapshot.models[0].source, Source::Repository("examples/../../inference-runtime/models".into()));
    assert!(!snapshot.short_forms && snapshot.upstream.is_none() && snapshot.limits.quotas.is_empty());
}

#[test]
fn the_quickstart_listens_where_the_readme_says() {
    let config = load("quickstart.yaml").snapshot.to_redacted_json();
    assert_eq!((&config["listen"]["api"], &config["listen"]["admin"]), (&"127.0.0.1:8080".into(), &"127.0.0.1:9901".into()));
    assert_eq!(config["short_forms"], true);
}

#[test]
fn the_sidecar_asks_one_server_for_both() {
    let snapshot = load("sidecar.yaml").snapshot;
    let server = Upstream::Http { host: "127.0.0.1".into(), port: 9000 };
    assert_eq!((snapshot.models[0].name.as_str(), &snapshot.models[0].source), ("iris", &Source::Backend(server.clone())));
    assert_eq!(snapshot.upstream, Some(server));
}

/// `everything.yaml` says of these values that they are the default.
#[test]
fn what_everything_yaml_calls_a_default_is_one() {
    let everything = load("everything.yaml").snapshot.to_redacted_json();
    let minimal = load("minimal.yaml").snapshot.to_redacted_json();
    for section in ["decode", "telemetry", "drain"] {
        assert_eq!(everything[section], minimal[section], "{section}");
    }
    for key in ["api", "admin", "limits"] {
        assert_eq!(everything["listen"][key], minimal["listen"][key], "listen.{key}");
    }
    for key in ["store", "max_principals", "at_cap"] {
        assert_eq!(everything["limits"][key], minimal["limits"][key], "limits.{key}");
    }
    assert_eq!(everything["runtime"]["threads"], minimal["runtime"]["threads"]);
    let differing: BTreeSet<&str> = everything["models"]["resnet"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(key, value)| minimal["models"]["digits"][key.as_str()] != **value)
        .map(|(key, _)| key.as_str())
        .collect();
    assert_eq!(differing, BTreeSet::from(["backend", "manifest", "max_rows"]));
}

#[test]
fn keys_come_from_their_own_file_and_are_watched_with_it() {
    let loaded = load("everything.yaml");
    assert_eq!(loaded.files, ["examples/everything.yaml", "examples/keys.yaml"].map(PathBuf::from));
    assert_eq!(loaded.snapshot.limits.quotas[1].per, Per::All);
    let shown = loaded.snapshot.to_redacted_json();
    assert_eq!(shown["identity"][0]["api_key"]["keys"][1], serde_json::json!({ "name": "bob", "sha256": "redacted" }));
}
