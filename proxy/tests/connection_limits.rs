//! What one connection or one request may take: each limit, at a small value, and that others are served meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail loudly")]

mod support;

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use support::{Connection, Forebay, H2, INFER, OipBackend, Reply, Server, get, infer_body, oip_backend, request, until_true};

fn limited(backend: &OipBackend, limits: &str) -> Forebay {
    Forebay::start(&(backend.config("") + &format!("listen: {{ limits: {{ {limits} }} }}\n"))).when_ready()
}

fn is_served(forebay: &Forebay) -> bool {
    get(&forebay.api, "/v2").status == 200
}

#[test]
fn a_body_over_the_limit_is_413_however_it_comes() {
    let backend = oip_backend();
    let forebay = limited(&backend, "body: 10KiB");
    let big = vec![b' '; 20 << 10];
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&vec![b' '; 10 << 20]).unwrap();
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 11 << 10, "the bomb is {} bytes", bomb.len());
    let chunked = |body: &[u8]| {
        let head = format!("POST {INFER} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n", body.len());
        [head.as_bytes(), body, b"\r\n0\r\n\r\n"].concat()
    };
    let declared = format!("POST {INFER} HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000000000\r\n\r\n").into_bytes();
    for (what, bytes) in [
        ("declared", declared),
        ("sent", request("POST", INFER, &[], &big)),
        ("in chunks", chunked(&big)),
        ("compressed", request("POST", INFER, &[("content-encoding", "gzip")], &bomb[..bomb.len().min(10 << 10)])),
    ] {
        let mut connection = Connection::open(&forebay.api);
        connection.send(bytes);
        let answer = connection.answer();
        assert_eq!(answer.status, 413, "{what}: {}", answer.text());
        answer.problem();
    }
    assert_eq!(backend.batches().len(), 0);
    assert!(is_served(&forebay));
}

#[test]
fn all_bodies_together_have_a_limit() {
    let backend = oip_backend();
    let forebay = limited(&backend, "body: 40KiB, bodies_in_memory: 60KiB");
    let held = backend.hold();
    let mut body = infer_body(&[1.0]);
    body.resize(35 << 10, b' ');
    let mut first = Connection::open(&forebay.api);
    first.send(request("POST", INFER, &[], &body));
    backend.when_batches(1);
    let mut second = Connection::open(&forebay.api);
    second.send(request("POST", INFER, &[], &body));
    let answer = second.answer();
    assert_eq!((answer.status, answer.problem().as_str(), answer.header("retry-after")), (503, "out_of_memory", Some("1")));
    drop(held);
    assert_eq!(first.answer().status, 200);
    until_true("the memory is given back", || forebay.metric("forebay_bodies_bytes", &[]) == 0.0);
}

#[test]
fn a_head_over_the_limits_is_431() {
    let backend = oip_backend();
    let forebay = limited(&backend, "head: 4KiB, headers: 20");
    for (headers, problem) in [
        (vec![("x", "y".repeat(5 << 10))], "head_too_large"),
        (vec![("x", "y".repeat(500 << 10))], "head_too_large"),
        (vec![("x", "y".to_owned()); 30], "too_many_headers"),
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut connection = Connection::open(&forebay.api);
        // The answer may come before everything is sent.
        connection.try_send(request("GET", "/v2", &headers, b"")).ok();
        let answer = connection.answer();
        assert_eq!((answer.status, answer.problem().as_str()), (431, problem));
    }
    assert!(is_served(&forebay));
}

#[test]
fn more_requests_in_flight_than_allowed_are_refused() {
    let backend = oip_backend();
    let forebay = limited(&backend, "requests_in_flight: 2");
    let held = backend.hold();
    let mut busy: Vec<_> = (0..2)
        .map(|_| {
            let mut connection = Connection::open(&forebay.api);
            connection.send(request("POST", INFER, &[], &infer_body(&[1.0])));
            connection
        })
        .collect();
    until_true("two are in flight", || forebay.metric("forebay_requests_in_flight", &[]) == 2.0);
    let answer = get(&forebay.api, "/v2");
    assert_eq!((answer.status, answer.problem().as_str(), answer.header("retry-after")), (503, "too_many_in_flight", Some("1")));
    drop(held);
    for connection in &mut busy {
        assert_eq!(connection.answer().status, 200);
    }
    until_true("served again", || is_served(&forebay));
}

#[test]
fn more_connections_than_allowed_are_closed_and_counted() {
    let backend = oip_backend();
    for (limits, label) in [
        ("connections: 3, connections_per_address: 3", "connections"),
        ("connections: 100, connections_per_address: 3", "connections_per_address"),
    ] {
        let forebay = limited(&backend, limits);
        let mut open: Vec<_> = (0..3).map(|_| Connection::open(&forebay.api)).collect();
        until_true("three are open", || forebay.metric("forebay_connections", &[]) == 3.0);
        assert!(Connection::open(&forebay.api).is_closed());
        assert_eq!(forebay.metric("forebay_connections_refused_total", &[("limit", label)]), 1.0);
        assert!(open[0].is_usable(), "who is in stays in");
        open.pop();
        until_true("the place is free", || forebay.metric("forebay_connections", &[]) == 2.0);
        assert!(is_served(&forebay));
    }
}

/// A small limit of time, long enough to be told from none.
const SHORT: Duration = Duration::from_millis(500);
const SHORTER_THAN_SHORT: Duration = Duration::from_millis(450);

/// How long it takes until the server closes.
fn lasts(connection: &mut Connection) -> Duration {
    let began = Instant::now();
    assert!(connection.is_closed());
    began.elapsed()
}

#[test]
fn a_head_that_takes_too_long_is_408() {
    let backend = oip_backend();
    let forebay = limited(&backend, "head_time: 500ms");
    for already in [0, 1] {
        let mut slow = Connection::open(&forebay.api);
        (0..already).for_each(|_| assert!(slow.is_usable()));
        let began = Instant::now();
        slow.send("GET /v2 HTTP/1.1\r\nhost: a\r\nx-slow: ");
        // Bytes that trickle in do not win time.
        while began.elapsed() < SHORTER_THAN_SHORT {
            assert!(is_served(&forebay), "others are served meanwhile");
            slow.try_send("y").ok();
        }
        let answer = slow.answer();
        assert_eq!((answer.status, answer.problem().as_str()), (408, "head_timed_out"));
        assert!(began.elapsed() >= SHORTER_THAN_SHORT && began.elapsed() < 10 * SHORT, "{:?}", began.elapsed());
        assert!(slow.is_closed());
    }
}

#[test]
fn an_idle_connection_is_closed_in_silence() {
    let backend = oip_backend();
    let forebay = limited(&backend, "keep_alive: 1s");
    let mut unused = Connection::open(&forebay.api);
    let mut used = Connection::open(&forebay.api);
    assert!(used.is_usable());
    for connection in [&mut used, &mut unused] {
        let lasted = lasts(connection);
        assert!(lasted < Duration::from_secs(5), "{lasted:?}");
        assert_eq!(connection.pending(), b"");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_http_2_connection_is_closed_too() {
    let backend = oip_backend();
    let forebay = limited(&backend, "keep_alive: 1s");
    let mut h2 = H2::connect(&forebay.api).await;
    assert_eq!(h2.get("/v2").await.status, 200);
    let began = Instant::now();
    h2.closed().await;
    assert!(began.elapsed() >= Duration::from_millis(900) && began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn a_body_that_stops_coming_is_408() {
    let backend = oip_backend();
    let forebay = limited(&backend, "body_idle: 500ms");
    let mut slow = Connection::open(&forebay.api);
    let began = Instant::now();
    slow.send(format!("POST {INFER} HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{{"));
    let answer = slow.answer();
    assert_eq!((answer.status, answer.problem().as_str()), (408, "body_timed_out"));
    assert!(began.elapsed() >= SHORTER_THAN_SHORT && began.elapsed() < 10 * SHORT, "{:?}", began.elapsed());
    assert!(slow.is_closed(), "the rest of the body would be taken for a request");
}

#[test]
fn a_body_that_trickles_is_408_at_the_end_of_its_time() {
    let backend = oip_backend();
    let forebay = limited(&backend, "body_idle: 30s, body_time: 500ms");
    let mut slow = Connection::open(&forebay.api);
    let began = Instant::now();
    slow.send(format!("POST {INFER} HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n"));
    while began.elapsed() < SHORT {
        assert!(is_served(&forebay));
        slow.try_send(" ").ok();
    }
    let answer = slow.answer();
    assert_eq!((answer.status, answer.problem().as_str()), (408, "body_timed_out"));
    assert!(slow.is_closed());
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let large = Server::start(|_| Reply::Answer(200, Vec::new(), vec![b'x'; 64 << 20]));
    let yaml = format!("upstream: http://{}\nlisten: {{ limits: {{ write_idle: 500ms }} }}\n", large.address);
    let forebay = Forebay::start(&yaml);
    let mut reader = Connection::open(&forebay.api);
    reader.send(request("GET", "/", &[], b""));
    assert_eq!(reader.answer().body.len(), 64 << 20, "who reads gets everything");
    drop(reader);
    until_true("it is gone", || forebay.metric("forebay_connections", &[]) == 0.0);
    let before = forebay.rss_bytes();
    let mut lazy = Connection::open(&forebay.api);
    lazy.send(request("GET", "/", &[], b""));
    until_true("it is served", || forebay.metric("forebay_requests_in_flight", &[]) == 1.0);
    until_true("it is cut off", || forebay.metric("forebay_connections", &[]) == 0.0);
    let grown = forebay.rss_bytes().saturating_sub(before);
    assert!(grown < 8 << 20, "its answer is not held: {grown} bytes");
    assert!(lazy.is_closed());
}

#[test]
fn a_head_may_take_longer_than_a_connection_may_be_idle() {
    let forebay = Forebay::start("listen: { limits: { keep_alive: 1s, head_time: 20s } }\n");
    let mut slow = Connection::open(&forebay.api);
    slow.send("GET /v2/health/live HTTP/1.1\r\n");
    std::thread::sleep(Duration::from_millis(1500));
    slow.send("host: a\r\n\r\n");
    assert!(slow.answer().status < 500);
}
