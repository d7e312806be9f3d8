//! HTTP/2 to the server: what a call brings and how it ends.

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
    let (listener, forebay) = both("body_idle: 1s").await;
    let mut client = connect(&forebay).await;
    for content_type in ["application/grpc", "text/plain"] {
        let (answer, mut body) = client.send_request(call(content_type), false).unwrap();
        body.send_data("half".into(), false).unwrap();
        let answer = timeout(Duration::from_secs(10), answer).await.unwrap().unwrap();
        assert_eq!(answer.status(), 408, "{content_type}");
    }
    drop(listener);
}
