//! Changed configurations, from outside: a reload costs nobody an answer, a bad file changes nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail loudly")]

mod support;

use support::{Forebay, OipBackend, Tally, get, infer, oip_backend, under_load, until_true};

/// A configuration that differs from others by `version`.
fn version(backend: &OipBackend, version: usize) -> String {
    let quota = format!("{{ name: q{version}, per: principal, token_bucket: {{ rate: 1000000/s, burst: {} }} }}", 1_000_000 + version);
    backend.config("") + &format!("limits: {{ quotas: [{quota}] }}\n")
}

fn policy(forebay: &Forebay) -> String {
    get(&forebay.api, "/v2").header("ratelimit-policy").unwrap_or_default().to_owned()
}

#[test]
fn a_hundred_reloads_under_load_fail_no_request() {
    let backend = oip_backend();
    let forebay = Forebay::start(&version(&backend, 0)).when_ready();
    let tally = Tally::default();
    under_load(&forebay.api, &tally, || {
        for reload in 1..=100 {
            forebay.write_config(&version(&backend, reload));
            forebay.signal("HUP");
            let name = format!("\"q{reload}\"");
            until_true("the new quota is in force", || policy(&forebay).starts_with(&name));
        }
    });
    println!("{} requests answered during 100 reloads, {} failed", tally.answered(), tally.failed());
    assert_eq!(tally.failed(), 0);
    let accepted = forebay.metric("forebay_config_reloads_total", &[("result", "accepted")]);
    assert!(accepted >= 100.0, "{accepted}");
    assert_eq!(forebay.metric("forebay_config_info", &[]), 1.0, "one version is in force");
}

#[test]
fn reloads_that_replace_the_model_fail_no_request_either() {
    let backend = oip_backend();
    let forebay = Forebay::start(&backend.config("queue_rows: 1000")).when_ready();
    let tally = Tally::default();
    under_load(&forebay.api, &tally, || {
        for reload in 1..=10 {
            forebay.write_config(&backend.config(&format!("queue_rows: {}", 1000 + reload)));
            forebay.signal("HUP");
            until_true("the reload", || forebay.metric("forebay_config_reloads_total", &[("result", "accepted")]) >= f64::from(reload));
        }
    });
    assert_eq!(tally.failed(), 0);
}

#[test]
fn a_changed_file_is_noticed_without_a_signal() {
    let backend = oip_backend();
    let forebay = Forebay::start(&version(&backend, 1));
    forebay.write_config(&version(&backend, 2));
    until_true("the change is in force", || policy(&forebay).starts_with("\"q2\""));
}

#[test]
fn a_reload_forgives_nobodys_debt() {
    let limits = "limits: { quotas: [{ name: q, per: principal, token_bucket: { rate: 1/h, burst: 1 } }] }\n";
    let forebay = Forebay::start(limits);
    get(&forebay.api, "/");
    forebay.write_config(&(limits.to_owned() + "telemetry: { log: debug }\n"));
    forebay.signal("HUP");
    until_true("the reload", || forebay.metric("forebay_config_reloads_total", &[("result", "accepted")]) == 1.0);
    assert_eq!(get(&forebay.api, "/").status, 429);
}

#[test]
fn a_bad_file_changes_nothing_and_says_so_until_it_is_mended() {
    let backend = oip_backend();
    let good = version(&backend, 1);
    let forebay = Forebay::start(&good).when_ready();
    assert_eq!(forebay.metric("forebay_config_accepted", &[]), 1.0);
    for (bad, why) in [
        ("models: { echo: { backend: http://127.0.0.1:1, max_rows: -1 } }\n", "max_rows"),
        ("listen: [\n", "forebay.yaml"),
        ("lissten: {}\n", "lissten"),
        ("models: { digits: { repository: nowhere } }\n", "digits"),
    ] {
        forebay.write_config(bad);
        forebay.signal("HUP");
        until_true("the refusal", || forebay.metric("forebay_config_accepted", &[]) == 0.0);
        let ready = forebay.admin("/ready?verbose");
        assert_eq!(ready.status, 200, "what is served is as ready as before");
        until_true("the reason on the page", || forebay.admin("/ready?verbose").text().contains(why));
        until_true("the reason in the log", || forebay.log().iter().any(|line| line.contains("is refused") && line.contains(why)));
        assert!(policy(&forebay).starts_with("\"q1\""));
        assert_eq!(infer(&forebay, &[1.0]).status, 200);
        forebay.write_config(&good);
        forebay.signal("HUP");
        until_true("the mended file", || forebay.metric("forebay_config_accepted", &[]) == 1.0);
        until_true("the page is clean", || !forebay.admin("/ready?verbose").text().contains("FAIL"));
    }
    assert!(forebay.metric("forebay_config_reloads_total", &[("result", "refused")]) >= 4.0);
}

#[test]
fn a_refused_configuration_leaves_no_model_behind_in_the_metrics() {
    let backend = oip_backend();
    let forebay = Forebay::start(&backend.config("")).when_ready();
    // The first of them is there before the second is found missing.
    forebay.write_config(&format!(
        "{}  unborn: {{ backend: http://127.0.0.1:9 }}\n  missing: {{ repository: nowhere }}\n",
        backend.config("queue_rows: 77")
    ));
    forebay.signal("HUP");
    until_true("the refusal", || forebay.metric("forebay_config_reloads_total", &[("result", "refused")]) >= 1.0);
    let text = forebay.admin("/metrics").text();
    let shown: Vec<_> = text.lines().filter(|line| line.starts_with("forebay_model_ready{")).collect();
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!(forebay.metric("forebay_model_ready", &[]), 1.0);
}
