//! Mistakes and attacks in what a request says rather than in how it is framed, each with the answer that it gets.
//!
//! After each case: the status, the problem and the place that were expected, and the next request on the same connection answered. Over all
//! of them: memory within a stated bound at its worst moment, no answer of 500, and a second client that asks all the while, is answered
//! right each time and never waits long. Cases at the edge of a limit must be accepted, so that refusing everything does not pass.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail loudly, and say what they counted"
)]

mod batches;
mod binary;
mod broken_pictures;
mod codings;
mod features;
mod json;
mod meanwhile;
mod odd_pictures;
mod pictures;
#[path = "../support/mod.rs"]
mod support;
mod text;
mod v1;
mod v2;
mod v2_parts;
mod values;

use std::collections::BTreeMap;
use std::time::Duration;

use meanwhile::Meanwhile;
use support::{Answer, Connection, Forebay, request};

/// Over what it held after the first requests, at the worst moment of all cases. As many decodings as Forebay has threads for may each hold a
/// body of 4 MiB, what it unpacks to and what that is read into, and the allocator keeps what it got.
const MOST_GROWTH: u64 = 128 << 20;

/// What one case may leave behind.
const MOST_LEFT: u64 = 32 << 20;

/// What the second client takes for an answer on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

/// No case may take longer: the configured limits of time are not what ends it.
const HANGS: Duration = Duration::from_secs(10);

const LIMITS: &str = "listen: { limits: { body: 4MiB } }
decode: { image_pixels: 1048576 }
short_forms: true
";

/// A well-framed request, after which the connection stays usable, and what must come of it: `200`, or `STATUS PROBLEM POINTER`, where the
/// pointer is `whole` for the whole document and `none` where the problem has none.
#[derive(Clone, Debug)]
struct Case {
    class: &'static str,
    name: String,
    bytes: Vec<u8>,
    expected: String,
}

/// A POST of `body`.
fn post(class: &'static str, name: &str, path: &str, fields: &[(&str, &str)], body: impl AsRef<[u8]>, expected: impl Into<String>) -> Case {
    let bytes = request("POST", path, fields, body.as_ref());
    Case { class, name: name.to_owned(), bytes, expected: expected.into() }
}

/// A V2 request in JSON for `model`.
fn ask(class: &'static str, name: &str, model: &str, body: impl AsRef<[u8]>, expected: impl Into<String>) -> Case {
    let expected = expected.into();
    post(class, name, &format!("/v2/models/{model}/infer"), &[("content-type", "application/json")], body, expected)
}

/// Every model that is asked; `default` is the one of the short forms.
fn config(default: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../inference-runtime");
    let tested = |name: &str, more: &str| format!("  {name}: {{ repository: {root}/tests/models{more} }}\n");
    let mut models = format!("models:\n  digits: {{ repository: {root}/models }}\n");
    for name in ["fp32", "int32", "uint8", "uint64", "bool"] {
        models += &tested(&format!("identity_{name}"), ", queue_rows: 4096");
    }
    for name in ["identity_bytes", "finite", "iris", "doubled"] {
        models += &tested(name, "");
    }
    models += &tested("sums", ", larger_than_batch: refuse");
    format!("{LIMITS}default_model: {default}\n{models}")
}

#[test]
fn every_mistake_in_what_is_sent_is_named_where_it_is_and_costs_nobody_else_anything() {
    let cases = [
        json::cases(),
        text::cases(),
        v2::cases(),
        v2_parts::cases(),
        binary::cases(),
        v1::cases(),
        broken_pictures::cases(),
        odd_pictures::cases(),
        batches::cases(),
        values::cases(),
        codings::cases(),
    ];
    assert_promises("digits", &cases.concat());
}

#[test]
fn every_mistake_in_named_features_is_named_where_it_is() {
    assert_promises("iris", &features::cases());
}

/// Some kilobytes hold a picture of 16 million pixels: nobody else waits while it is decoded, though there is one thread for all.
#[test]
fn a_picture_that_takes_long_to_decode_keeps_nobody_waiting() {
    let repository = concat!(env!("CARGO_MANIFEST_DIR"), "/../inference-runtime/models");
    let yaml = format!("models:\n  digits: {{ repository: {repository} }}\n");
    let forebay = Forebay::with(&yaml).set("listen.threads=1").start().when_ready();
    let head = pictures::Head { width: 4_000, height: 4_000, bits: 8, colour: 0 };
    let picture = pictures::png(head, &[], &pictures::zeros(head, 1));
    assert!(picture.len() < 64 << 10, "{} bytes are not little", picture.len());
    let mut slow = Connection::open(&forebay.api);
    slow.send(request("POST", "/v1/predict", &[], &picture));
    support::until_true("the picture is being decoded", || {
        forebay.metric("forebay_requests_in_flight", &[]) >= 1.0 || !slow.pending().is_empty()
    });
    assert_eq!(support::get(&forebay.api, "/v2/health/live").status, 200);
    assert!(slow.pending().is_empty(), "the picture was answered first");
    assert_eq!(slow.answer().status, 200);
}

/// Sends every case to a Forebay whose default model is `default`.
fn assert_promises(default: &str, cases: &[Case]) {
    every_class_has_its_cases(cases);
    let forebay = Forebay::with(&config(default)).start().when_ready();
    let mut client = Client::of(&forebay);
    // The first requests of all fill pools and caches.
    cases.iter().filter(|case| case.expected == "200").for_each(|case| drop(client.complaint(case)));
    let began = forebay.rss_bytes();
    let second = Meanwhile::start(&forebay.api);
    let complaints: Vec<String> = cases.iter().filter_map(|case| client.complaint(case)).collect();
    let tally = second.stop();

    let grown = forebay.peak_rss_bytes().saturating_sub(began);
    println!("{} cases; {tally:?}; {} KiB grown at the worst moment", cases.len(), grown >> 10);
    assert!(complaints.is_empty(), "{} of {} cases:\n{}", complaints.len(), cases.len(), complaints.join("\n"));
    assert!(tally.wrong.is_empty() && tally.answers * 10 >= cases.len() && tally.longest <= AT_ONCE, "the second client: {tally:?}");
    assert!(grown <= MOST_GROWTH, "grew by {grown} bytes at its worst");
    assert_eq!(forebay.metric("forebay_requests_total", &[("code", "500")]), 0.0);
}

fn every_class_has_its_cases(cases: &[Case]) {
    let mut counts = BTreeMap::new();
    cases.iter().for_each(|case| *counts.entry(case.class).or_insert(0) += 1);
    let accepted = cases.iter().filter(|case| case.expected == "200").count();
    println!("{} cases in {} classes, {accepted} of them accepted: {counts:?}", cases.len(), counts.len());
    assert!(counts.values().all(|count| *count >= 8) && accepted * 10 >= cases.len(), "{accepted} accepted, {counts:?}");
}

/// One client that makes every mistake on one connection.
struct Client<'f> {
    forebay: &'f Forebay,
    connection: Connection,
}

impl<'f> Client<'f> {
    fn of(forebay: &'f Forebay) -> Self {
        let connection = Connection::open(&forebay.api);
        connection.patience(HANGS);
        Client { forebay, connection }
    }

    /// What is wrong with what became of `case`.
    fn complaint(&mut self, case: &Case) -> Option<String> {
        let name = format!("{}: {}", case.class, case.name);
        let before = self.forebay.rss_bytes();
        let answered = self.connection.try_send(&case.bytes).and_then(|()| self.connection.try_answer());
        let found = match answered {
            Ok(answer) => outcome(&answer),
            Err(error) => format!("no answer: {error}"),
        };
        let next = self.connection.try_send(meanwhile::question(1)).and_then(|()| self.connection.try_answer());
        let usable = next.is_ok_and(|answer| meanwhile::is_answer_to(&answer, 1));
        if !usable {
            *self = Client::of(self.forebay);
        }
        let left = self.forebay.rss_bytes().saturating_sub(before);
        let well = found == case.expected && usable && left <= MOST_LEFT;
        (!well).then(|| format!("{name}: {found:?}, not {:?}; connection usable: {usable}; {left} bytes left behind", case.expected))
    }
}

/// What became of it, in the words of [`Case::expected`].
fn outcome(answer: &Answer) -> String {
    if answer.status == 200 {
        return "200".to_owned();
    }
    if answer.header("content-type") != Some("application/problem+json") {
        return format!("{} without a problem document: {}", answer.status, answer.text());
    }
    let problem = answer.json();
    let told = problem["error"].as_str().unwrap_or_default();
    // What is shown to people is a line of bounded length, whatever was sent.
    let readable = !told.is_empty() && told.len() < 1_024 && !told.chars().any(char::is_control);
    if !readable || problem["status"] != answer.status || answer.closes {
        return format!("a problem document that promises less: {}", answer.text());
    }
    let pointer = match problem["pointer"].as_str() {
        None => "none",
        Some("") => "whole",
        Some(pointer) => pointer,
    };
    format!("{} {} {pointer}", answer.status, answer.problem())
}
