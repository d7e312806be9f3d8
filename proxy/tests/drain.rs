//! The end, from outside: a drain loses nothing, and ends when it should.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail loudly")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::{
    CLIENTS, Connection, Forebay, H2, INFER, MODEL, OipBackend, Tally, Unsent, get, infer_body, oip_backend, post, request, rows_of,
    under_load, until_true,
};

/// Time in which a drain's steps can be told apart.
const WHILE: Duration = Duration::from_millis(1500);

fn drained(backend: &OipBackend, more: &str) -> Forebay {
    Forebay::start(&(backend.config("max_rows: 4") + &format!("drain: {{ ready_false_for: {}ms, {more} }}\n", WHILE.as_millis())))
        .when_ready()
}

#[test]
fn a_drain_under_load_fails_no_request() {
    let backend = oip_backend();
    let mut forebay = drained(&backend, "at_most: 30s");
    let api = forebay.api.clone();
    let tally = Tally::default();
    under_load(&api, &tally, || {
        tally.leave();
        let began = Instant::now();
        forebay.signal("TERM");
        until_true("readiness is false", || forebay.admin("/ready").status == 503);
        assert!(began.elapsed() < WHILE / 2, "{:?}", began.elapsed());
        let before = tally.answered();
        until_true("new connections are still served", || tally.answered() > before + 10 * CLIENTS);
        assert!(began.elapsed() < WHILE, "so this was during the while: {:?}", began.elapsed());
        let (status, took) = forebay.wait_exit(Duration::from_secs(20));
        assert!(status.success(), "{status}");
        assert!(began.elapsed() >= WHILE && took < Duration::from_secs(5), "the end is the while's: {:?}", began.elapsed());
        let refused = tally.refused().map(|at| at.duration_since(began));
        assert!(refused.is_none_or(|after| after >= WHILE), "a connection was refused after {refused:?}");
    });
    println!("{} requests answered, {} failed", tally.answered(), tally.failed());
    assert_eq!(tally.failed(), 0);
}

#[test]
fn a_drain_waits_for_slow_requests_and_flushes_the_queue() {
    let backend = oip_backend();
    let mut forebay = drained(&backend, "at_most: 30s");
    let held = backend.hold();
    std::thread::scope(|scope| {
        let api = &forebay.api;
        let ask = |row: f64| (row, scope.spawn(move || post(api, INFER, &[], &infer_body(&[row]))));
        let asked: Vec<_> = (0..12).map(|row| ask(f64::from(row))).collect();
        until_true("all rows are at Forebay", || {
            let running: usize = backend.batches().iter().map(Vec::len).sum();
            running > 0 && forebay.metric("forebay_queue_rows", &[("model", MODEL)]) + running as f64 == 12.0
        });
        let began = Instant::now();
        forebay.signal("TERM");
        until_true("the while is over: no new connections", || Connection::try_open(api).is_err());
        assert!(began.elapsed() >= WHILE, "{:?}", began.elapsed());
        assert_eq!(get(&forebay.admin, "/ready").status, 503, "the admin pages are the last to go");
        assert_eq!(get(&forebay.admin, "/live").status, 200);
        drop(held);
        for (row, answer) in asked {
            let answer = answer.join().unwrap();
            assert_eq!((answer.status, rows_of(&answer.json())), (200, vec![row]));
        }
    });
    let (status, took) = forebay.wait_exit(Duration::from_secs(10));
    assert!(status.success() && took < Duration::from_secs(3), "idle ends it: {status} after {took:?}");
}

#[test]
fn a_drain_never_ends_later_than_configured() {
    let backend = oip_backend();
    let mut forebay = drained(&backend, "at_most: 2s");
    let held = backend.hold();
    let mut stuck = Connection::open(&forebay.api);
    stuck.send(request("POST", INFER, &[], &infer_body(&[1.0])));
    backend.when_batches(1);
    forebay.signal("TERM");
    let (status, took) = forebay.wait_exit(Duration::from_secs(10));
    assert!(status.success(), "{status}");
    assert!(took >= Duration::from_millis(1900) && took < Duration::from_secs(4), "{took:?}");
    assert!(stuck.is_closed());
    drop(held);
}

#[test]
fn an_interrupt_ends_at_once_when_idle() {
    let backend = oip_backend();
    let mut forebay = Forebay::start(&(backend.config("") + "drain: { ready_false_for: 30s, at_most: 60s }\n")).when_ready();
    let mut idle = Connection::open(&forebay.api);
    idle.send(request("GET", "/v2", &[], b""));
    assert_eq!(idle.answer().status, 200);
    forebay.signal("INT");
    let (status, took) = forebay.wait_exit(Duration::from_secs(10));
    assert!(status.success() && took < Duration::from_secs(3), "{status} after {took:?}");
    assert!(idle.is_closed());
}

#[test]
fn an_interrupt_still_finishes_what_is_in_flight() {
    let backend = oip_backend();
    let mut forebay = Forebay::start(&(backend.config("") + "drain: { ready_false_for: 30s, at_most: 60s }\n")).when_ready();
    let held = backend.hold();
    let mut asked = Connection::open(&forebay.api);
    asked.send(request("POST", INFER, &[], &infer_body(&[7.0])));
    backend.when_batches(1);
    forebay.signal("INT");
    until_true("no new connections", || Connection::try_open(&forebay.api).is_err());
    drop(held);
    let answer = asked.answer();
    assert_eq!((answer.status, rows_of(&answer.json())), (200, vec![7.0]));
    let (status, took) = forebay.wait_exit(Duration::from_secs(10));
    assert!(status.success() && took < Duration::from_secs(3), "{status} after {took:?}");
}

#[test]
fn a_second_signal_shortens_the_while() {
    let backend = oip_backend();
    let mut forebay = Forebay::start(&(backend.config("") + "drain: { ready_false_for: 30s, at_most: 60s }\n")).when_ready();
    forebay.signal("TERM");
    until_true("readiness is false", || !forebay.is_ready());
    forebay.signal("INT");
    let (status, took) = forebay.wait_exit(Duration::from_secs(10));
    assert!(status.success() && took < Duration::from_secs(3), "{status} after {took:?}");
}

#[test]
fn a_drain_says_so_on_kept_connections() {
    let backend = oip_backend();
    let forebay = drained(&backend, "at_most: 30s");
    let mut kept = Connection::open(&forebay.api);
    kept.send(request("GET", "/v2", &[], b""));
    assert!(!kept.answer().closes);
    forebay.signal("TERM");
    until_true("readiness is false", || !forebay.is_ready());
    kept.send(request("GET", "/v2", &[], b""));
    assert!(kept.answer().closes, "the client is told to come back on a new connection");
    assert!(kept.is_closed());
}

#[test]
fn readiness_on_the_api_listener_follows_the_drain() {
    let backend = oip_backend();
    let forebay = drained(&backend, "at_most: 30s");
    assert_eq!(get(&forebay.api, "/v2/health/ready").status, 200);
    forebay.signal("TERM");
    until_true("not ready", || get(&forebay.api, "/v2/health/ready").status == 503);
    assert_eq!(get(&forebay.api, "/v2/health/live").status, 200);
}

/// Sends one request after another on HTTP/2 connections until no new one is to be had.
async fn http2_client(api: &str, number: usize, answered: &AtomicUsize) {
    let mut own = 0;
    while let Ok(mut connection) = H2::try_connect(api).await {
        loop {
            let row = (number * 100_000 + own) as f64;
            match connection.try_post(INFER, infer_body(&[row])).await {
                Ok(answer) => {
                    assert_eq!(rows_of(&serde_json::from_slice(&answer.body).unwrap()), [row]);
                    own += 1;
                    answered.fetch_add(1, Ordering::SeqCst);
                }
                Err(Unsent) => break,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_under_load_fails_no_http_2_stream() {
    let backend = oip_backend();
    let mut forebay = drained(&backend, "at_most: 30s");
    let (api, answered) = (forebay.api.clone(), AtomicUsize::new(0));
    let load = futures_util::future::join_all((0..CLIENTS).map(|number| http2_client(&api, number, &answered)));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            until_true("the load runs", || answered.load(Ordering::SeqCst) >= 10 * CLIENTS);
            let began = Instant::now();
            forebay.signal("TERM");
            let (status, _) = forebay.wait_exit(Duration::from_secs(20));
            let took = began.elapsed();
            assert!(status.success() && took >= WHILE && took < WHILE + Duration::from_secs(3), "{status} after {took:?}");
        });
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(load));
    });
    println!("{} streams answered", answered.load(Ordering::SeqCst));
}

#[test]
fn a_head_that_was_half_sent_at_the_end_of_the_while_is_still_answered() {
    let backend = oip_backend();
    let mut forebay = Forebay::start(&(backend.config("") + "drain: { ready_false_for: 30s, at_most: 60s }\n")).when_ready();
    let mut slow = Connection::open(&forebay.api);
    slow.send("GET /v2 HTTP/1.1\r\nho");
    // Another connection's answer: the bytes before it have been read.
    assert_eq!(get(&forebay.api, "/v2").status, 200);
    forebay.signal("INT");
    until_true("it is stopping", || forebay.log().iter().any(|line| line.contains("draining: ")));
    slow.send("st: a\r\n\r\n");
    let answer = slow.answer();
    assert_eq!((answer.status, answer.closes), (200, true));
    let (status, took) = forebay.wait_exit(Duration::from_secs(10));
    assert!(status.success() && took < Duration::from_secs(3), "{status} after {took:?}");
}
