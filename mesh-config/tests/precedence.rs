//! Flags over environment over file over defaults, and what references lead to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail loudly")]

use std::path::Path;

use forebay_mesh_config::{Loaded, Override, Problems, Snapshot};
use serde_json::Value as Json;

const FILE: &str = "listen: { api: 127.0.0.1:1000, admin: 127.0.0.1:1001 }\n\
                    limits:\n  quotas:\n    - { name: a, per: all, token_bucket: { rate: 1/s, burst: 1 } }\n";

fn parse(text: &str, overrides: &[Override], variables: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let environment = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    Snapshot::parse(text, Path::new("f.yaml"), overrides, &environment)
}

fn flags(flags: &[&str]) -> Vec<Override> {
    flags.iter().map(|flag| Override::from_flag(flag).unwrap()).collect()
}

fn shown(text: &str, overrides: &[Override]) -> Json {
    parse(text, overrides, &[]).unwrap_or_else(|problems| panic!("{problems}")).snapshot.to_redacted_json()
}

fn problems(text: &str, overrides: &[Override]) -> String {
    parse(text, overrides, &[]).unwrap_err().to_string()
}

#[test]
fn a_flag_wins_over_a_variable_which_wins_over_the_file() {
    let variables = [("FOREBAY__LISTEN__API", "127.0.0.1:2000"), ("FOREBAY__LISTEN__ADMIN", "127.0.0.1:2001"), ("HOME", "/root")];
    let mut overrides = Override::from_environment(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(overrides.len(), 2);
    overrides.extend(flags(&["listen.api=127.0.0.1:3000"]));
    let config = shown(FILE, &overrides);
    assert_eq!((&config["listen"]["api"], &config["listen"]["admin"]), (&"127.0.0.1:3000".into(), &"127.0.0.1:2001".into()));
    assert_eq!(config["drain"]["at_most"], "1m");
}

#[test]
fn an_override_changes_an_item_adds_one_and_makes_what_is_missing() {
    let config = shown(
        FILE,
        &flags(&[
            "limits.quotas.0.token_bucket.burst=7",
            "limits.quotas.1={name: b, per: principal, token_bucket: {rate: 2/m, burst: 2}}",
            "models.digits.repository=models",
            "identity.0.api_key.keys.0={name: a, sha256: 00000000000000000000000000000000000000000000000000000000000000aa}",
        ]),
    );
    assert_eq!(config["limits"]["quotas"][0]["token_bucket"]["burst"], 7);
    assert_eq!(config["limits"]["quotas"][1]["token_bucket"]["rate"], "2/m");
    assert_eq!(config["default_model"], "digits");
    assert_eq!(config["identity"][0]["api_key"]["keys"][0]["name"], "a");
}

#[test]
fn an_empty_override_takes_the_key_away() {
    assert_eq!(shown(FILE, &flags(&["limits.quotas="]))["limits"]["quotas"], Json::Array(vec![]));
}

#[test]
fn a_problem_of_an_override_names_it_and_comes_after_those_of_the_file() {
    let overrides = flags(&["listen.api=here", "listen.thread=2", "limits.quotas.5.name=x", "limits.quotas.0.name.x=y", "drain=["]);
    assert_eq!(
        problems(&format!("{FILE}short_forms: maybe\n"), &overrides).lines().collect::<Vec<_>>(),
        [
            "f.yaml:5:14: short_forms: \"maybe\" is neither true nor false; write true or false",
            "--set drain: is not YAML: while parsing a node, did not find expected node content; look for a bracket, quote or indentation before it",
            "--set limits.quotas.0.name.x: limits.quotas[0].name: is a single value and has no \"x\"; shorten the path",
            "--set limits.quotas.5.name: limits.quotas: is a list and has no \"5\"; write an index from 0 to 1",
            "--set listen.api: listen.api: \"here\" is not an address to listen on; write an IP address and a port, or the path of a socket: \
             127.0.0.1:8080, [::]:8080, unix:/run/forebay/api.sock",
            "--set listen.thread: listen.thread: is not a known key; did you mean threads?",
        ]
    );
}

#[test]
fn a_variable_that_is_no_key_is_a_problem() {
    let overrides = Override::from_environment([("FOREBAY__LISTN__API".to_owned(), "127.0.0.1:1".to_owned())]);
    assert_eq!(problems("", &overrides), "FOREBAY__LISTN__API: listn: is not a known key; did you mean listen?");
}

#[test]
fn a_value_may_come_from_a_variable_or_a_file_and_is_never_repeated() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("log"), "debug\n").unwrap();
    let file = folder.path().join("forebay.yaml");
    std::fs::write(&file, "telemetry: { log: \"file:${NAME}\" }\nlisten: { threads: \"${N:-3}\" }\n").unwrap();
    let loaded = Snapshot::load(&file, &[], &|name| (name == "NAME").then(|| "log".to_owned())).unwrap();
    assert_eq!((loaded.snapshot.telemetry.log.as_str(), loaded.snapshot.listen.threads.get()), ("debug", 3));
    assert_eq!(loaded.files, [file.clone(), folder.path().join("log")]);

    std::fs::write(folder.path().join("log"), "pass-word\n").unwrap();
    let problems = Snapshot::load(&file, &[], &|_| Some("log".to_owned())).unwrap_err();
    assert_eq!(problems.iter().count(), 2);
    assert!(!problems.to_string().contains("pass-word"), "{problems}");
    assert_eq!(problems.files(), [file, folder.path().join("log")]);
}

#[test]
fn relative_paths_begin_at_the_file_and_those_of_a_flag_at_the_working_directory() {
    let load = |overrides: &[Override]| {
        Snapshot::parse("models: { m: { repository: r } }", Path::new("/etc/forebay/f.yaml"), overrides, &|_| None)
    };
    let repository = |loaded: Loaded| loaded.snapshot.to_redacted_json()["models"]["m"]["repository"].clone();
    assert_eq!(repository(load(&[]).unwrap()), "/etc/forebay/r");
    assert_eq!(repository(load(&flags(&["models.m.repository=r"])).unwrap()), "r");
}

#[test]
fn the_version_follows_every_text_that_was_read() {
    let version =
        |text: &str, overrides: &[Override], variables: &[(&str, &str)]| parse(text, overrides, variables).unwrap().snapshot.version;
    let text = "telemetry: { log: \"${LEVEL:-info}\" }";
    let base = version(text, &[], &[]);
    assert_eq!(base.len(), 12);
    assert!(base.chars().all(|c| c.is_ascii_hexdigit()));
    assert_eq!(base, version(text, &[], &[]));
    assert_ne!(base, version(text, &[], &[("LEVEL", "debug")]));
    assert_ne!(base, version(text, &flags(&["short_forms=false"]), &[]));
    assert_ne!(base, version(&format!("{text}\n# a comment"), &[], &[]));
}

#[test]
fn a_file_that_is_missing_or_not_text_is_one_problem() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.yaml");
    let shown = |file: &Path| {
        let problems = Snapshot::load(file, &flags(&["listen.api=here"]), &|_| None).unwrap_err().to_string();
        problems.replace(folder.path().to_str().unwrap(), "")
    };
    assert_eq!(shown(&file), "/f.yaml: cannot read /f.yaml: No such file or directory (os error 2); check the path and its permissions");
    std::fs::write(&file, b"a: \xff").unwrap();
    assert_eq!(shown(&file), "/f.yaml: cannot read /f.yaml: byte 4 is not UTF-8; save it as UTF-8");
    std::fs::write(&file, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert_eq!(shown(&file), "/f.yaml: cannot read /f.yaml: it is too long; at most 1048576 bytes are read");
}
