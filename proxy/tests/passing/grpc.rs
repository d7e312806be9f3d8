//! HTTP/2 to the server: what a call brings and how it ends.

use std::io::{Read, Write};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::{Forebay, LONG};

/// A server of HTTP/2 that the test plays, and Forebay in front of it.
async fn both(limits: &str) -> (TcpListener, Forebay) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    let limits = limits.to_owned();
    let forebay = tokio::task::spawn_blocking(move || {
        Forebay::start(&format!("listen: {{ threads: 1, limits: {{ {limits} }} }}\nupstream: http://{upstream}\n"))
    });
    (listener, forebay.await.unwrap())
}

type Asked = (Request<h2::RecvStream>, h2::server::SendResponse<Bytes>);

/// The next connection to the server, driven from now on, and its first request.
async fn accept(listener: &TcpListener) -> Asked {
    let (stream, _) = timeout(LONG, listener.accept()).await.unwrap().unwrap();
    let mut connection = h2::server::handshake(stream).await.unwrap();
    let first = timeout(LONG, connection.accept()).await.unwrap().unwrap().unwrap();
    tokio::spawn(async move { while connection.accept().await.is_some() {} });
    first
}

async fn connect(forebay: &Forebay) -> h2::client::SendRequest<Bytes> {
    let (requests, connection) = h2::client::handshake(TcpStream::connect(&forebay.api).await.unwrap()).await.unwrap();
    tokio::spawn(connection);
    requests
}

fn call(content_type: &str) -> Request<()> {
    Request::post("http://forebay.test/a.B/c").header("content-type", content_type).header("te", "trailers").body(()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_arrives_with_its_head_as_it_was() {
    let (listener, forebay) = both("").await;
    let mut client = connect(&forebay).await;
    let (answer, _body) = client.send_request(call("application/grpc"), false).unwrap();
    let (request, mut respond) = accept(&listener).await;
    assert_eq!(request.uri(), "http://forebay.test/a.B/c");
    assert_eq!(request.headers()["te"], "trailers");
    assert!(!request.headers().contains_key("host"));
    respond.send_response(http::Response::builder().header("grpc-status", "12").body(()).unwrap(), true).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "12");
    assert!(answer.body().is_end_stream(), "an answer that is a head alone ends with it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_share_a_connection_as_far_as_the_server_lets_them() {
    let (listener, forebay) = both("").await;
    let mut client = connect(&forebay).await;
    let mut server = h2::server::Builder::new();
    server.max_concurrent_streams(2);
    for _connection in 0..2 {
        let first = client.send_request(call("application/grpc"), true).unwrap().0;
        let (stream, _) = timeout(LONG, listener.accept()).await.unwrap().unwrap();
        let mut connection = server.handshake::<_, Bytes>(stream).await.unwrap();
        let _held = timeout(LONG, connection.accept()).await.unwrap().unwrap().unwrap();
        let second = client.send_request(call("application/grpc"), true).unwrap().0;
        let _held_too = timeout(LONG, connection.accept()).await.unwrap().unwrap().unwrap();
        // They stay under way, so that the next one needs a connection of its own.
        tokio::spawn(async move { (connection.accept().await.is_some(), _held, _held_too, first, second) });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_cancelled_is_not_taken_for_complete() {
    let (listener, forebay) = both("").await;
    let mut client = connect(&forebay).await;
    let (answer, mut body) = client.send_request(call("application/grpc"), false).unwrap();
    body.send_data("half".into(), false).unwrap();
    let (mut request, _respond) = accept(&listener).await;
    assert_eq!(request.body_mut().data().await.unwrap().unwrap(), "half");
    body.send_reset(h2::Reason::CANCEL);
    drop(answer);
    let end = timeout(LONG, request.body_mut().data()).await.unwrap();
    assert!(matches!(end, Some(Err(_))), "{end:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_reset_is_not_taken_for_complete() {
    let (listener, forebay) = both("").await;
    let mut client = connect(&forebay).await;
    let (answer, _body) = client.send_request(call("application/grpc"), true).unwrap();
    let (_request, mut respond) = accept(&listener).await;
    let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
    stream.send_data("half".into(), false).unwrap();
    let mut body = answer.await.unwrap().into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "half");
    stream.send_reset(h2::Reason::INTERNAL_ERROR);
    let end = timeout(LONG, body.data()).await.unwrap();
    assert!(matches!(end, Some(Err(_))), "{end:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_the_server_resets_is_502() {
    let (listener, forebay) = both("").await;
    let mut client = connect(&forebay).await;
    let (answer, _body) = client.send_request(call("application/grpc"), true).unwrap();
    let (_request, mut respond) = accept(&listener).await;
    respond.send_reset(h2::Reason::INTERNAL_ERROR);
    assert_eq!(answer.await.unwrap().status(), 502);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_stops_halfway_is_408() {
    let (_listener, forebay) = both("body_idle: 1s").await;
    let mut client = connect(&forebay).await;
    let (answer, mut body) = client.send_request(call("text/plain"), false).unwrap();
    body.send_data("half".into(), false).unwrap();
    let answer = timeout(Duration::from_secs(10), answer).await.unwrap().unwrap();
    assert_eq!(answer.status(), 408);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_may_wait_for_its_first_answer() {
    let (listener, forebay) = both("body_idle: 1s").await;
    let mut client = connect(&forebay).await;
    let (answer, mut body) = client.send_request(call("application/grpc"), false).unwrap();
    body.send_data("a question".into(), false).unwrap();
    let (_request, mut respond) = accept(&listener).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    respond.send_response(http::Response::new(()), true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_on_which_nothing_moves_gets_no_more_calls() {
    let (listener, forebay) = both("upstream_idle: 1s").await;
    let mut client = connect(&forebay).await;
    let stuck = client.send_request(call("application/grpc"), true).unwrap().0;
    let _held = accept(&listener).await;
    assert_eq!(timeout(LONG, stuck).await.unwrap().unwrap().status(), 504);
    let next = client.send_request(call("application/grpc"), true).unwrap().0;
    let (_request, mut respond) = accept(&listener).await;
    respond.send_response(http::Response::new(()), true).unwrap();
    assert_eq!(timeout(LONG, next).await.unwrap().unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_take_its_answers_holds_up_nobody_elses() {
    let (listener, forebay) = both("").await;
    let (mut greedy, mut other) = (connect(&forebay).await, connect(&forebay).await);
    let (stream, _) = {
        let first = greedy.send_request(call("application/grpc"), true).unwrap();
        let accepted = timeout(LONG, listener.accept()).await.unwrap().unwrap();
        std::mem::forget(first);
        accepted
    };
    let mut connection = h2::server::handshake(stream).await.unwrap();
    // More than the client takes, and more than Forebay does.
    tokio::spawn(async move {
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            if request.uri().path() == "/small" {
                respond.send_response(http::Response::new(()), true).unwrap();
                continue;
            }
            let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
            stream.send_data(vec![0; 1 << 20].into(), true).unwrap();
        }
    });
    let _held: Vec<_> = (0..60).map(|_| greedy.send_request(call("application/grpc"), true).unwrap()).collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let small = Request::post("http://forebay.test/small").header("content-type", "application/grpc").body(()).unwrap();
    let answer = other.send_request(small, true).unwrap().0;
    assert_eq!(timeout(Duration::from_secs(5), answer).await.unwrap().unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_not_taken_is_given_up() {
    let (listener, forebay) = both("write_idle: 1s").await;
    let mut client = connect(&forebay).await;
    let (answer, _body) = client.send_request(call("application/grpc"), true).unwrap();
    let (_request, mut respond) = accept(&listener).await;
    let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
    stream.send_data(vec![0; 1 << 20].into(), true).unwrap();
    let mut body = answer.await.unwrap().into_body();
    let mut taken = 0;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let end = loop {
        match timeout(LONG, body.data()).await.unwrap() {
            Some(Ok(piece)) => taken += piece.len(),
            end => break end,
        }
    };
    assert!(matches!(end, Some(Err(_))) && taken < 1 << 20, "{taken} {end:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_for_no_host_is_the_clients_mistake() {
    let (_listener, forebay) = both("").await;
    for host in ["a:b:c", "[", "%zz"] {
        let mut stream = std::net::TcpStream::connect(&forebay.api).unwrap();
        write!(stream, "POST /a.B/c HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n").unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 400", "{host}");
    }
}

/// The head that a server of HTTP/1.1 gets of a request of HTTP/2; then it sends `answer`.
async fn over_http1(request: Request<()>, answer: &'static str) -> (String, Result<http::Response<h2::RecvStream>, h2::Error>) {
    let (listener, forebay) = both("").await;
    let mut client = connect(&forebay).await;
    let future = client.send_request(request, true).unwrap().0;
    let (stream, _) = timeout(LONG, listener.accept()).await.unwrap().unwrap();
    let head = tokio::task::spawn_blocking(move || {
        let mut stream = stream.into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(head).unwrap()
    });
    let head = head.await.unwrap();
    (head, timeout(LONG, future).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cookies_that_came_apart_arrive_together() {
    let request =
        Request::get("http://forebay.test/").header("cookie", "a=1").header("cookie", "b=2").header("cookie", "c=3").body(()).unwrap();
    let (head, answer) = over_http1(request, "HTTP/1.1 204 No Content\r\n\r\n").await;
    assert!(head.contains("cookie: a=1; b=2; c=3\r\n"), "{head}");
    assert_eq!(answer.unwrap().status(), 204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_web_is_made_for_http_1_1() {
    let request = Request::post("http://forebay.test/a.B/c").header("content-type", "application/grpc-web+proto").body(()).unwrap();
    let (head, answer) = over_http1(request, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert!(head.starts_with("POST /a.B/c HTTP/1.1\r\n"), "{head}");
    assert_eq!(answer.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailers_of_one_connection_stay_there() {
    const ANSWER: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: connection, x\r\n\r\n5\r\nhello\r\n0\r\nConnection: x-one\r\nx: y\r\n\r\n";
    let request = Request::get("http://forebay.test/").header("te", "trailers").body(()).unwrap();
    let (_, answer) = over_http1(request, ANSWER).await;
    let mut body = answer.unwrap().into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "hello");
    assert!(body.data().await.is_none());
    let trailers = body.trailers().await.unwrap().unwrap_or_default();
    assert!(!trailers.contains_key("connection"), "{trailers:?}");
}
