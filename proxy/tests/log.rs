//! What Forebay tells of each request: one line of JSON, identifiers in and out, and never what is the caller's secret.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail loudly")]

mod support;

use serde_json::Value;
use support::{Answer, Connection, Forebay, INFER, MODEL, get, infer_body, oip_backend, post, request, until, until_true};

fn infer(forebay: &Forebay, headers: &[(&str, &str)]) -> Answer {
    post(&forebay.api, INFER, headers, &infer_body(&[1.0, 2.0]))
}

/// The line of the request with this id.
fn line_of(forebay: &Forebay, id: &str) -> Value {
    until(&format!("the line of {id}"), || forebay.request_lines().into_iter().find(|line| line["request_id"] == id))
}

/// All request lines, once the one with this id is there. Lines are written in order.
fn lines_up_to(forebay: &Forebay, id: &str) -> Vec<Value> {
    line_of(forebay, id);
    forebay.request_lines()
}

#[test]
fn a_served_request_leaves_one_line_with_every_field() {
    let backend = oip_backend();
    let forebay = Forebay::start(&backend.config("")).when_ready();
    let answer = infer(&forebay, &[("x-request-id", "req-1")]);
    assert_eq!(answer.status, 200);
    let line = line_of(&forebay, "req-1");
    assert_eq!((&line["level"], &line["message"], &line["method"]), (&"info".into(), &"request".into(), &"POST".into()));
    assert_eq!((&line["route"], &line["model"], &line["status"]), (&MODEL.into(), &MODEL.into(), &200.into()));
    assert_eq!((&line["rows"], &line["batch_rows"]), (&2.into(), &2.into()));
    assert_eq!(line["bytes_in"], infer_body(&[1.0, 2.0]).len());
    assert_eq!(line["bytes_out"], answer.body.len());
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    let principal = line["principal"].as_str().unwrap();
    assert!(principal.len() >= 12 && principal.bytes().all(|b| b.is_ascii_hexdigit()), "{principal}");
    let stages = line["stages"].as_object().unwrap();
    let mut sum = 0.0;
    for stage in ["admit_ms", "read_ms", "decode_ms", "queue_ms", "run_ms", "encode_ms"] {
        sum += stages[stage].as_f64().unwrap_or_else(|| panic!("{stage}: {line}"));
    }
    let whole = line["duration_ms"].as_f64().unwrap();
    assert!(sum <= whole + 0.01, "stages take {sum} of {whole} ms");
    for absent in ["path", "reason", "class", "probability"] {
        assert!(line.get(absent).is_none(), "{absent}: {line}");
    }
    assert_eq!(forebay.request_lines().len(), 1);
}

#[test]
fn a_refused_request_says_why() {
    let forebay = Forebay::start("limits: { quotas: [{ name: q, per: principal, token_bucket: { rate: 1/h, burst: 1 } }] }\n");
    post(&forebay.api, "/secret/../path?token=abc", &[("x-request-id", "one")], b"");
    post(&forebay.api, "/x", &[("x-request-id", "two")], b"");
    let one = line_of(&forebay, "one");
    assert_eq!((&one["status"], &one["reason"], &one["route"]), (&404.into(), &"not_found".into(), &"none".into()));
    assert_eq!(one["path"], "/secret/../path");
    let two = line_of(&forebay, "two");
    assert_eq!((&two["status"], &two["reason"]), (&429.into(), &"over_quota".into()));
    assert!(two["stages"]["admit_ms"].is_number(), "{two}");
}

#[test]
fn a_fault_behind_forebay_is_a_warning() {
    let backend = oip_backend();
    backend.fail_on(&[1.0]);
    let forebay = Forebay::start(&backend.config("")).when_ready();
    assert_eq!(infer(&forebay, &[("x-request-id", "bad")]).status, 502);
    assert_eq!(line_of(&forebay, "bad")["level"], "warn");
}

#[test]
fn a_principal_is_the_same_pseudonym_in_every_line_and_another_in_another_process() {
    let pseudonyms = |forebay: &Forebay| {
        for id in ["a", "b"] {
            get_with(forebay, "/", &[("x-request-id", id)]);
        }
        lines_up_to(forebay, "b").iter().map(|line| line["principal"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (one, other) = (pseudonyms(&Forebay::start("{}\n")), pseudonyms(&Forebay::start("{}\n")));
    assert_eq!(one[0], one[1]);
    assert_eq!(other[0], other[1]);
    assert_ne!(one[0], other[0], "a salt of its own: nobody can try all addresses");
}

fn get_with(forebay: &Forebay, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut connection = Connection::open(&forebay.api);
    connection.send(request("GET", path, headers, b""));
    connection.answer()
}

#[test]
fn nothing_secret_is_logged_at_any_level() {
    let backend = oip_backend();
    let digest = "1c4aa70137f20534918dedc0cebd209cffa2ad34fdd9585b2a2372b2a8a53c15";
    let keys = format!("identity: [{{ api_key: {{ keys: [{{ name: alice-in-wonderland, sha256: \"{digest}\" }}] }} }}]\n");
    let forebay = Forebay::start(&(backend.config("") + &keys + "telemetry: { log: trace }\n")).when_ready();
    let headers = [("x-api-key", "fb_test"), ("cookie", "session=COOKIESECRET"), ("x-request-id", "good")];
    let body = br#"{"id":"BODYSECRET","inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[1234567.5]}]}"#;
    let path = format!("{INFER}?key=QUERYSECRET");
    assert_eq!(post(&forebay.api, &path, &headers, body).status, 200);
    assert_eq!(post(&forebay.api, &path, &[("x-api-key", "WRONGSECRET")], body).status, 401);
    assert_eq!(post(&forebay.api, &path, &headers[..1], b"{\"BODYSECRET\":").status, 400);
    post(&forebay.api, "/nowhere?key=QUERYSECRET", &[("authorization", "Bearer fb_test")], b"BODYSECRET");
    get_with(&forebay, "/last", &[("x-api-key", "fb_test"), ("x-request-id", "last")]);
    line_of(&forebay, "last");
    for line in forebay.log() {
        for secret in ["fb_test", "SECRET", "1234567.5", "alice-in-wonderland", digest] {
            assert!(!line.contains(secret), "{secret} in {line}");
        }
    }
}

#[test]
fn the_admin_pages_have_no_secret() {
    let digest = "1c4aa70137f20534918dedc0cebd209cffa2ad34fdd9585b2a2372b2a8a53c15";
    let forebay = Forebay::start(&format!("identity: [{{ api_key: {{ keys: [{{ name: alice, sha256: \"{digest}\" }}] }} }}]\n"));
    let config = forebay.admin("/config");
    assert_eq!((config.status, config.header("content-type")), (200, Some("application/json")));
    let text = config.text();
    assert!(text.contains("alice") && !text.contains(&digest[..16]), "{text}");
    assert_eq!(config.json()["drain"]["at_most"], "1m", "defaults are written out");
}

#[test]
fn successes_are_sampled_and_faults_never() {
    let backend = oip_backend();
    let forebay = Forebay::start(&(backend.config("") + "telemetry: { requests: { sample: 0.1 } }\n")).when_ready();
    for _ in 0..100 {
        assert_eq!(infer(&forebay, &[]).status, 200);
    }
    backend.fail_on(&[1.0]);
    for n in 0..5 {
        infer(&forebay, &[("x-request-id", &format!("fault-{n}"))]);
    }
    let lines = lines_up_to(&forebay, "fault-4");
    let of = |status: u16| lines.iter().filter(|line| line["status"] == status).count();
    assert_eq!((of(200), of(502)), (10, 5));
}

#[test]
fn levels_change_while_it_runs() {
    let backend = oip_backend();
    let yaml = |log: &str| backend.config("") + &format!("telemetry: {{ log: \"{log}\" }}\n");
    let forebay = Forebay::start(&yaml("info")).when_ready();
    let debugs = || forebay.log().iter().filter(|line| line.contains("\"level\":\"debug\"")).count();
    infer(&forebay, &[("x-request-id", "before")]);
    line_of(&forebay, "before");
    assert_eq!(debugs(), 0);
    let reload = |log: &str, count: f64| {
        forebay.write_config(&yaml(log));
        forebay.signal("HUP");
        until_true("the reload", || forebay.metric("forebay_config_reloads_total", &[("result", "accepted")]) >= count);
    };
    reload("debug,forebay::request=off", 1.0);
    backend.ready(false);
    until_true("a debug line", || debugs() > 0);
    infer(&forebay, &[("x-request-id", "silent")]);
    backend.ready(true);
    until_true("ready", || forebay.is_ready());
    reload("info", 2.0);
    infer(&forebay, &[("x-request-id", "after")]);
    assert!(lines_up_to(&forebay, "after").iter().all(|line| line["request_id"] != "silent"));
}

/// The digits model in Forebay's own process, and one of its pictures.
fn digits() -> (String, Vec<u8>) {
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../inference-runtime/models");
    let picture = std::fs::read_dir(format!("{models}/digits/holdout")).unwrap().map(|entry| entry.unwrap().path()).min().unwrap();
    (format!("models: {{ digits: {{ repository: {models} }} }}\n"), std::fs::read(picture).unwrap())
}

#[test]
fn predictions_are_logged_only_when_asked_for() {
    let (yaml, picture) = digits();
    for asked in [false, true] {
        let forebay = Forebay::start(&(yaml.clone() + &format!("telemetry: {{ requests: {{ predictions: {asked} }} }}\n"))).when_ready();
        let mut connection = Connection::open(&forebay.api);
        connection.send(request("POST", "/v1/predict", &[("content-type", "image/png"), ("x-request-id", "p")], &picture));
        let answer = connection.answer();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let line = line_of(&forebay, "p");
        if asked {
            assert_eq!(line["class"], answer.json()["class"]);
            let (logged, told) = (line["probability"].as_f64().unwrap(), answer.json()["probability"].as_f64().unwrap());
            assert!((logged - told).abs() < 1e-6);
        } else {
            assert!(line.get("class").is_none() && line.get("probability").is_none(), "{line}");
        }
    }
}

#[test]
fn identifiers_are_taken_over_passed_on_and_made() {
    let upstream = support::upstream();
    let backend = oip_backend();
    let forebay = Forebay::start(&(backend.config("") + &format!("upstream: http://{}\n", upstream.address))).when_ready();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let traceparent = format!("00-{trace}-b7ad6b7169203331-01");
    let headers = [("x-request-id", "mine"), ("traceparent", traceparent.as_str())];
    let own = infer(&forebay, &headers);
    let passed = get_with(&forebay, "/elsewhere", &headers);
    for answer in [&own, &passed] {
        assert_eq!(answer.header("x-request-id"), Some("mine"));
        let parts: Vec<&str> = answer.header("traceparent").unwrap().split('-').collect();
        assert_eq!((parts[0], parts[1], parts[3]), ("00", trace, "01"));
        assert_ne!(parts[2], "b7ad6b7169203331", "this request is a span of its own");
    }
    let received = upstream.received();
    assert_eq!(received[0].header("x-request-id"), Some("mine"));
    assert_eq!(received[0].header("traceparent"), passed.header("traceparent"));
    assert_eq!(line_of(&forebay, "mine")["trace_id"], trace);
    let mut made = Vec::new();
    for bad in ["", "with space", &"x".repeat(129), "\"quoted\"", "semi;colon"] {
        let answer = infer(&forebay, &[("x-request-id", bad), ("traceparent", "00-0-0-0")]);
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert!(id != bad && id.len() == 32, "{id}");
        made.push(id);
    }
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 5, "each is made anew");
}

#[test]
fn an_inference_tells_where_its_time_went() {
    let backend = oip_backend();
    let forebay = Forebay::start(&backend.config("")).when_ready();
    let answer = infer(&forebay, &[]);
    let timing = answer.header("server-timing").unwrap();
    let stages: Vec<&str> = timing.split(", ").map(|stage| stage.split_once(";dur=").unwrap().0).collect();
    assert_eq!(stages, ["admit", "read", "decode", "queue", "run", "encode", "total"]);
    assert!(timing.split(", ").all(|stage| stage.split_once(";dur=").unwrap().1.parse::<f64>().unwrap() >= 0.0), "{timing}");
    assert_eq!(get(&forebay.api, "/v2").header("server-timing"), None);
}

#[test]
fn problems_name_the_line_that_belongs_to_them() {
    let forebay = Forebay::start("{}\n");
    let answer = get(&forebay.api, "/");
    let id = answer.json()["request_id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("x-request-id"), Some(id.as_str()));
    assert_eq!(line_of(&forebay, &id)["status"], 404);
}
