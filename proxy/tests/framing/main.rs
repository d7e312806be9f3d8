//! The framing judge: nothing is passed on that a stricter or a more careless reader behind Forebay could split differently.
//!
//! Each case is sent by hand. What comes out behind the proxy is read by a strict reader and by careless ones, which must agree on where
//! each request ends, and with the answers that the client got. HAProxy, nginx and Envoy go through the same judge for comparison, and a
//! tunnel that checks nothing shows that the judge can find something.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail loudly, and these tell figures"
)]

mod careless;
mod cases;
mod controls;
#[path = "../frames/mod.rs"]
mod frames;
mod judge;
#[path = "../peers/mod.rs"]
mod peers;
mod readers;
mod recorder;
#[path = "../support/mod.rs"]
mod support;

use cases::{http1, http2};
use judge::{Case, Outcome};
use recorder::Recorder;
use support::Forebay;

fn forebay(recorder: &Recorder) -> Forebay {
    let address = recorder.address;
    Forebay::start(&format!(
        "listen: {{ limits: {{ head_time: 500ms, body_idle: 500ms, body_time: 1s, keep_alive: 1s }} }}\nupstream: http://{address}\n"
    ))
}

type Judge = fn(&str, &Recorder, &Case) -> Outcome;

/// Runs `cases` against Forebay; every complaint together.
fn complaints(cases: &[Case], judge: Judge) -> Vec<String> {
    let recorder = Recorder::start();
    let forebay = forebay(&recorder);
    let mut complaints = Vec::new();
    for case in cases {
        let outcome = judge(&forebay.api, &recorder, case);
        let mut complain = |what: String| complaints.push(format!("{}: {what}", case.name));
        if outcome.hung {
            complain("hung".to_owned());
        }
        if outcome.passed != case.passes && case.passes != cases::RACE {
            complain(format!("{} requests passed, not {} {:?}", outcome.passed, case.passes, outcome.statuses));
        }
        if outcome.statuses.iter().any(|status| *status >= 500) {
            complain(format!("answered {:?}", outcome.statuses));
        }
        outcome.disagreements.into_iter().for_each(complain);
    }
    // Connections to the server are used again and again; nothing of one request may be left for the next.
    complaints.extend(recorder.everything().iter().flat_map(|bytes| judge::differences(bytes)));
    complaints
}

#[test]
fn readers_behind_forebay_agree_on_every_request_that_came_over_http1() {
    let cases = http1();
    assert!(cases.len() >= 150, "{} cases", cases.len());
    let complaints = complaints(&cases, judge::over_http1);
    assert!(complaints.is_empty(), "{} of {} cases:\n{}", complaints.len(), cases.len(), complaints.join("\n"));
}

#[test]
fn readers_behind_forebay_agree_on_every_request_that_came_over_http2() {
    let cases = http2();
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let complaints = complaints(&cases, judge::over_http2);
    assert!(complaints.is_empty(), "{} of {} cases:\n{}", complaints.len(), cases.len(), complaints.join("\n"));
}

#[test]
fn the_judge_finds_what_a_tunnel_lets_through() {
    let recorder = Recorder::start();
    let tunnel = controls::tunnel(recorder.address);
    let cases = http1();
    let found = cases.iter().filter(|case| !judge::over_http1(&tunnel, &recorder, case).disagreements.is_empty()).count();
    assert!(found > cases.len() / 4, "the judge found {found} of {} cases", cases.len());
}

/// A comparison, not a verdict: it fails only where a control does not run.
#[test]
fn other_proxies_go_through_the_same_judge() {
    let running: Vec<_> = controls::all().map(|start| std::thread::spawn(move || compared(start))).collect();
    for control in running {
        println!("{}", control.join().unwrap());
    }
}

fn compared(start: controls::Start) -> String {
    let recorder = Recorder::start();
    let proxy = start(recorder.address);
    let count = |cases: &[Case], judge: Judge, address: &str| {
        let outcomes = cases.iter().map(|case| (case, judge(address, &recorder, case)));
        let disagreeing = outcomes.filter(|(_, outcome)| !outcome.disagreements.is_empty());
        disagreeing.map(|(case, outcome)| format!("    {}: {}", case.name, outcome.disagreements[0])).collect::<Vec<_>>()
    };
    let (one, two) = (count(&http1(), judge::over_http1, &proxy.http1), count(&http2(), judge::over_http2, &proxy.http2));
    let detail = [&one[..], &two[..]].concat().join("\n");
    format!("{}: {} disagreements over HTTP/1.1, {} over HTTP/2\n{detail}", proxy.name, one.len(), two.len())
}
