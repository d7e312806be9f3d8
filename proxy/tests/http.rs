//! HTTP as clients use it: versions, keep-alive, pipelining, codings, cross-origin calls, sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail loudly")]

mod support;

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::{GzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use support::{Answer, Connection, Forebay, H2, INFER, MODEL, get, infer_body, oip_backend, post, request, rows_of};

fn ask(forebay: &Forebay, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut connection = Connection::open(&forebay.api);
    connection.send(request(method, path, headers, body));
    if method == "HEAD" { connection.answer_to_head() } else { connection.answer() }
}

/// Values of a header that may come more than once.
fn all<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    answer.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
}

#[test]
fn a_connection_serves_one_request_after_another() {
    let backend = oip_backend();
    let forebay = Forebay::start(&backend.config("")).when_ready();
    let mut connection = Connection::open(&forebay.api);
    for round in 0..50 {
        let row = f64::from(round);
        connection.send(request("POST", INFER, &[], &infer_body(&[row])));
        let answer = connection.answer();
        assert!(!answer.closes);
        assert_eq!(rows_of(&answer.json()), [row]);
        connection.send(request("GET", "/nowhere", &[], b""));
        assert_eq!(connection.answer().status, 404, "a refusal does not end it");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let backend = oip_backend();
    let forebay = Forebay::start(&backend.config("")).when_ready();
    let mut connection = Connection::open(&forebay.api);
    let rows: Vec<f64> = (0..20).map(f64::from).collect();
    connection.send(rows.iter().flat_map(|row| request("POST", INFER, &[], &infer_body(&[*row]))).collect::<Vec<u8>>());
    for row in rows {
        assert_eq!(rows_of(&connection.answer().json()), [row]);
    }
}

#[test]
fn a_request_may_come_byte_by_byte_and_in_chunks() {
    let backend = oip_backend();
    let forebay = Forebay::start(&backend.config("")).when_ready();
    let mut connection = Connection::open(&forebay.api);
    for byte in request("POST", INFER, &[], &infer_body(&[1.0])) {
        connection.send([byte]);
    }
    assert_eq!(rows_of(&connection.answer().json()), [1.0]);
    connection.send(format!("POST {INFER} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"));
    for piece in infer_body(&[2.0]).chunks(7) {
        connection.send([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
    }
    connection.send("0\r\n\r\n");
    assert_eq!(rows_of(&connection.answer().json()), [2.0]);
    assert!(connection.is_usable());
}

#[test]
fn http_1_0_is_answered_and_closed() {
    let backend = oip_backend();
    let forebay = Forebay::start(&backend.config("")).when_ready();
    let mut connection = Connection::open(&forebay.api);
    connection.send("GET /v2 HTTP/1.0\r\n\r\n");
    let answer = connection.answer();
    assert_eq!(answer.status, 200);
    assert!(answer.header("transfer-encoding").is_none(), "HTTP/1.0 knows no chunks");
    assert!(connection.is_closed());
    let body = infer_body(&[1.0]);
    let mut connection = Connection::open(&forebay.api);
    connection.send(format!("POST {INFER} HTTP/1.0\r\ncontent-length: {}\r\n\r\n", body.len()));
    connection.send(body);
    assert_eq!(rows_of(&connection.answer().json()), [1.0]);
}

#[test]
fn head_gives_the_head_of_get() {
    let backend = oip_backend();
    let upstream = support::upstream();
    let yaml = backend.config("") + &format!("short_forms: true\nupstream: http://{}\n", upstream.address);
    let forebay = Forebay::start(&yaml).when_ready();
    for path in ["/v2", "/v2/health/ready", "/v2/models/echo", "/v2/models/echo/ready", "/health", "/v2/models/echo/infer", "/up"] {
        let mut connection = Connection::open(&forebay.api);
        connection.send(request("HEAD", path, &[], b""));
        let head = connection.answer_to_head();
        let whole = get(&forebay.api, path);
        assert_eq!(head.status, whole.status, "{path}");
        if head.status == 200 {
            assert_eq!(head.header("content-length"), Some(whole.body.len().to_string().as_str()), "{path}");
        }
        assert_eq!(head.header("content-type"), whole.header("content-type"), "{path}");
        assert!(connection.is_usable(), "{path}: no body follows");
    }
}

#[test]
fn a_method_that_a_path_does_not_take_is_told_which_it_takes() {
    let backend = oip_backend();
    let forebay = Forebay::start(&backend.config("")).when_ready();
    for (method, path, allow) in [
        ("GET", "/v2/models/echo/infer", "POST"),
        ("PUT", "/v2/models/echo/infer", "POST"),
        ("POST", "/v2/models/echo", "GET, HEAD"),
        ("DELETE", "/v2", "GET, HEAD"),
        ("OPTIONS", "/v2", "GET, HEAD"),
    ] {
        let answer = ask(&forebay, method, path, &[], b"");
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{method} {path}");
        answer.problem();
    }
}

#[test]
fn a_body_is_asked_for_when_the_client_waits_to_be_asked() {
    let backend = oip_backend();
    let forebay = Forebay::start(&backend.config("")).when_ready();
    let mut connection = Connection::open(&forebay.api);
    let body = infer_body(&[4.0]);
    for _ in 0..2 {
        connection.send(format!("POST {INFER} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n", body.len()));
        support::until_true("100 Continue", || connection.pending().ends_with(b"\r\n\r\n"));
        connection.send(&body);
        let answer = connection.answer();
        assert_eq!((answer.status, answer.interim.as_slice(), answer.closes), (200, [100].as_slice(), false), "{:?}", answer.headers);
    }
    connection.send(format!("POST {INFER} HTTP/1.1\r\nhost: a\r\nexpect: wine\r\ncontent-length: 1\r\n\r\nx"));
    assert_eq!(connection.answer().status, 417);
}

#[test]
fn bodies_may_be_compressed_both_ways() {
    let backend = oip_backend();
    let forebay = Forebay::start(&backend.config("")).when_ready();
    let rows: Vec<f64> = (0..500).map(f64::from).collect();
    let plain = infer_body(&rows);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&plain).unwrap();
    let mut deflate = ZlibEncoder::new(Vec::new(), Compression::default());
    deflate.write_all(&plain).unwrap();
    for (coding, body) in [("gzip", gzip.finish().unwrap()), ("deflate", deflate.finish().unwrap())] {
        let headers = [("content-encoding", coding), ("accept-encoding", coding)];
        let answer = ask(&forebay, "POST", INFER, &headers, &body);
        assert_eq!((answer.status, answer.header("content-encoding")), (200, Some(coding)));
        assert!(all(&answer, "vary").iter().any(|v| v.eq_ignore_ascii_case("accept-encoding")));
        let mut text = String::new();
        if coding == "gzip" {
            GzDecoder::new(&answer.body[..]).read_to_string(&mut text).unwrap();
        } else {
            ZlibDecoder::new(&answer.body[..]).read_to_string(&mut text).unwrap();
        }
        assert_eq!(rows_of(&serde_json::from_str(&text).unwrap()), rows);
    }
    let small = ask(&forebay, "POST", INFER, &[("accept-encoding", "gzip")], &infer_body(&[1.0]));
    assert_eq!((small.status, small.header("content-encoding")), (200, None), "not worth it");
}

#[test]
fn a_coding_that_is_not_known_or_a_lie_is_the_callers_mistake() {
    let backend = oip_backend();
    let forebay = Forebay::start(&backend.config("")).when_ready();
    for (coding, status) in [("br", 415), ("gzip, gzip", 415), ("gzip", 400), ("deflate", 400)] {
        let mut connection = Connection::open(&forebay.api);
        connection.send(request("POST", INFER, &[("content-encoding", coding)], &infer_body(&[1.0])));
        let answer = connection.answer();
        assert_eq!(answer.status, status, "{coding}: {}", answer.text());
        answer.problem();
        assert_eq!(answer.header("accept-encoding"), (status == 415).then_some("gzip, deflate"), "{coding}");
        assert!(connection.is_usable(), "{coding}");
    }
}

const CORS: &str = "listen: { cors: { origins: [https://app.example.com], headers: [content-type, x-api-key], max_age: 10m } }\n";

#[test]
fn a_configured_origin_may_call_from_a_browser() {
    let backend = oip_backend();
    let forebay = Forebay::start(&(backend.config("") + CORS)).when_ready();
    let origin = ("origin", "https://app.example.com");
    let preflight = ask(&forebay, "OPTIONS", INFER, &[origin, ("access-control-request-method", "POST")], b"");
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://app.example.com"));
    assert_eq!(preflight.header("access-control-allow-methods"), Some("GET, HEAD, POST"));
    assert_eq!(preflight.header("access-control-allow-headers"), Some("content-type, x-api-key"));
    assert_eq!(preflight.header("access-control-max-age"), Some("600"));
    for (path, status) in [(INFER, 200), ("/nowhere", 404)] {
        let answer = ask(&forebay, "POST", path, &[origin], &infer_body(&[1.0]));
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example.com"), "{path}: a script may read refusals too");
        assert!(answer.header("access-control-expose-headers").unwrap().contains("retry-after"));
        assert!(all(&answer, "vary").contains(&"origin"));
    }
}

#[test]
fn another_origin_may_not_and_without_a_rule_nobody_is_told_anything() {
    let backend = oip_backend();
    let forebay = Forebay::start(&(backend.config("") + CORS)).when_ready();
    let other = ("origin", "https://evil.example.com");
    for (method, body) in [("OPTIONS", vec![]), ("POST", infer_body(&[1.0]))] {
        let answer = ask(&forebay, method, INFER, &[other, ("access-control-request-method", "POST")], &body);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{method}");
    }
    let silent = Forebay::start(&backend.config("")).when_ready();
    let answer = ask(&silent, "OPTIONS", INFER, &[other, ("access-control-request-method", "POST")], b"");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (405, None));
}

#[test]
fn a_preflight_for_the_upstream_is_the_upstreams() {
    let backend = oip_backend();
    let upstream = support::upstream();
    let forebay = Forebay::start(&(backend.config("") + CORS + &format!("upstream: http://{}\n", upstream.address))).when_ready();
    let headers = [("origin", "https://app.example.com"), ("access-control-request-method", "POST")];
    let answer = ask(&forebay, "OPTIONS", "/its/own", &headers, b"");
    assert_eq!((answer.status, answer.text().as_str()), (200, "upstream"));
    assert_eq!(answer.header("access-control-allow-origin"), None, "it gave none");
    assert_eq!(upstream.received()[0].method, "OPTIONS");
}

#[test]
fn what_is_not_declared_goes_to_the_upstream_as_it_came() {
    let upstream = support::upstream();
    let forebay = Forebay::start(&format!("upstream: http://{}\n", upstream.address));
    let answer = ask(&forebay, "PATCH", "/a%2Fb/../c?x=%20y", &[("x-custom", "Value"), ("content-type", "text/x")], b"\x00body\xff");
    assert_eq!((answer.status, answer.text().as_str()), (200, "upstream"));
    let received = &upstream.received()[0];
    assert_eq!((received.method.as_str(), received.target.as_str()), ("PATCH", "/a%2Fb/../c?x=%20y"));
    assert_eq!(received.body, b"\x00body\xff");
    assert_eq!((received.header("x-custom"), received.header("host")), (Some("Value"), Some("forebay.test")));
}

#[test]
fn an_upstream_that_is_gone_is_502() {
    let mut upstream = support::upstream();
    let forebay = Forebay::start(&format!("upstream: http://{}\n", upstream.address));
    upstream.stop();
    let answer = get(&forebay.api, "/");
    assert_eq!((answer.status, answer.problem().as_str()), (502, "upstream"));
}

#[test]
fn a_unix_socket_serves_the_api() {
    let backend = oip_backend();
    let starting = Forebay::with(&backend.config(""));
    let socket = starting.folder().join("api.sock");
    let forebay = starting.set(&format!("listen.api=unix:{}", socket.display())).start().when_ready();
    assert_eq!(forebay.api, format!("unix:{}", socket.display()));
    let answer = post(&forebay.api, INFER, &[], &infer_body(&[1.0]));
    assert_eq!((answer.status, rows_of(&answer.json())), (200, vec![1.0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_is_spoken_to_whoever_begins_with_it() {
    let backend = oip_backend();
    let upstream = support::upstream();
    let forebay = Forebay::start(&(backend.config("") + &format!("upstream: http://{}\n", upstream.address))).when_ready();
    let mut h2 = H2::connect(&forebay.api).await;
    let page = h2.get("/v2").await;
    assert_eq!((page.status, &page.headers["content-type"]), (200, &"application/json".parse().unwrap()));
    for row in 0..20 {
        let row = f64::from(row);
        let answer = h2.post(INFER, infer_body(&[row])).await;
        assert_eq!((answer.status, rows_of(&serde_json::from_slice(&answer.body).unwrap())), (200, vec![row]));
        assert!(answer.headers.contains_key("server-timing") && answer.headers.contains_key("x-request-id"));
    }
    let refused = h2.post(INFER, "not json").await;
    assert_eq!((refused.status, &refused.headers["content-type"]), (400, &"application/problem+json".parse().unwrap()));
    let passed = h2.get("/elsewhere").await;
    assert_eq!((passed.status, passed.body.as_slice()), (200, b"upstream".as_slice()));
    assert_eq!(upstream.received()[0].header("host"), Some("forebay.test"), "the authority became the host");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_one_connection_share_a_batch() {
    let backend = oip_backend();
    let forebay = Forebay::start(&backend.config("max_rows: 32")).when_ready();
    let held = backend.hold();
    let mut h2 = H2::connect(&forebay.api).await;
    let mut streams = Vec::new();
    for row in 0..33 {
        let body = bytes::Bytes::from(infer_body(&[f64::from(row)]));
        streams.push(h2.send(http::Request::post(format!("http://forebay.test{}", INFER)).body(body).unwrap()).await);
        if row == 0 {
            backend.when_batches(1);
        }
    }
    support::until_true("32 rows wait", || forebay.metric("forebay_queue_rows", &[("model", MODEL)]) == 32.0);
    drop(held);
    for stream in streams {
        assert_eq!(stream.await.unwrap().status(), 200);
    }
    assert_eq!(backend.batches().iter().map(Vec::len).collect::<Vec<_>>(), [1, 32]);
}
