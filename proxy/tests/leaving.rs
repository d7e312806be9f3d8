//! A caller who leaves costs nothing: its rows are withdrawn before they run, on HTTP/1.1 and HTTP/2.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail loudly")]

mod support;

use bytes::Bytes;
use http::Request;
use support::{Connection, Forebay, H2, INFER, MODEL, OipBackend, infer_body, oip_backend, request, rows_of, send, until_true, waiting};

fn withdrawn(forebay: &Forebay) -> f64 {
    forebay.metric("forebay_rows_withdrawn_total", &[("model", MODEL)])
}

/// A Forebay whose backend is busy with one row, which is in a request on the connection that comes with it.
fn busy(backend: &OipBackend) -> (Forebay, Connection) {
    let forebay = Forebay::start(&backend.config("max_rows: 4")).when_ready();
    let first = send(&forebay, &[100.0]);
    backend.when_batches(1);
    (forebay, first)
}

/// All rows that the backend has seen, in order.
fn seen(backend: &OipBackend) -> Vec<f64> {
    backend.batches().concat()
}

#[test]
fn a_caller_who_disconnects_is_withdrawn_before_it_runs() {
    let backend = oip_backend();
    let held = backend.hold();
    let (forebay, mut first) = busy(&backend);
    let leaver = send(&forebay, &[1.0, 2.0]);
    until_true("two rows wait", || waiting(&forebay) == 2.0);
    let mut stayer = send(&forebay, &[3.0]);
    until_true("three rows wait", || waiting(&forebay) == 3.0);
    drop(leaver);
    until_true("the leaver's rows are withdrawn", || waiting(&forebay) == 1.0);
    assert_eq!(withdrawn(&forebay), 2.0);
    drop(held);
    assert_eq!(rows_of(&first.answer().json()), [100.0]);
    assert_eq!(rows_of(&stayer.answer().json()), [3.0], "who stays gets its own answer");
    assert_eq!(seen(&backend), [100.0, 3.0]);
    assert_eq!(forebay.metric("forebay_requests_total", &[("code", "499"), ("reason", "caller_left")]), 1.0);
}

#[test]
fn a_caller_who_leaves_while_its_rows_run_costs_others_nothing() {
    let backend = oip_backend();
    let held = backend.hold();
    let (forebay, first) = busy(&backend);
    let mut stayer = send(&forebay, &[3.0]);
    until_true("one row waits", || waiting(&forebay) == 1.0);
    drop(first);
    until_true("its leaving is noticed", || forebay.metric("forebay_requests_total", &[("code", "499")]) == 1.0);
    drop(held);
    assert_eq!(rows_of(&stayer.answer().json()), [3.0]);
}

#[test]
fn a_large_request_is_withdrawn_as_far_as_it_has_not_run() {
    let backend = oip_backend();
    let held = backend.hold();
    let (forebay, mut first) = busy(&backend);
    let leaver = send(&forebay, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]);
    until_true("ten rows wait", || waiting(&forebay) == 10.0);
    drop(leaver);
    until_true("none waits", || waiting(&forebay) == 0.0);
    drop(held);
    first.answer();
    assert_eq!(seen(&backend), [100.0]);
    assert_eq!(withdrawn(&forebay), 10.0);
}

#[test]
fn a_crowd_that_leaves_makes_room_in_a_full_queue() {
    let backend = oip_backend();
    let held = backend.hold();
    let forebay = Forebay::start(&backend.config("max_rows: 4, queue_rows: 8")).when_ready();
    let mut first = send(&forebay, &[100.0]);
    backend.when_batches(1);
    let crowd: Vec<_> = (0..8).map(|row| send(&forebay, &[f64::from(row)])).collect();
    until_true("the queue is full", || waiting(&forebay) == 8.0);
    assert_eq!(send(&forebay, &[9.0]).answer().status, 503);
    drop(crowd);
    until_true("the queue is empty", || waiting(&forebay) == 0.0);
    let mut late = send(&forebay, &[10.0]);
    until_true("one row waits", || waiting(&forebay) == 1.0);
    drop(held);
    assert_eq!((first.answer().status, late.answer().status), (200, 200));
    assert_eq!(seen(&backend), [100.0, 10.0]);
}

#[test]
fn a_pipelined_request_is_no_farewell() {
    let backend = oip_backend();
    let held = backend.hold();
    let (forebay, mut first) = busy(&backend);
    let mut next = send(&forebay, &[5.0]);
    until_true("one row waits", || waiting(&forebay) == 1.0);
    next.send(request("POST", INFER, &[], &infer_body(&[6.0])));
    drop(held);
    first.answer();
    assert_eq!(rows_of(&next.answer().json()), [5.0]);
    assert_eq!(rows_of(&next.answer().json()), [6.0]);
}

fn infer(rows: &[f64]) -> Request<Bytes> {
    Request::post(format!("http://forebay.test{}", INFER))
        .header("content-type", "application/json")
        .body(Bytes::from(infer_body(rows)))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_stream_is_withdrawn_and_its_neighbours_are_not() {
    let backend = oip_backend();
    let held = backend.hold();
    let (forebay, mut first) = busy(&backend);
    let mut h2 = H2::connect(&forebay.api).await;
    let leaver = h2.send(infer(&[1.0, 2.0])).await;
    until_true("two rows wait", || waiting(&forebay) == 2.0);
    let stayer = h2.send(infer(&[3.0])).await;
    until_true("three rows wait", || waiting(&forebay) == 3.0);
    drop(leaver);
    until_true("the leaver's rows are withdrawn", || waiting(&forebay) == 1.0);
    assert_eq!(withdrawn(&forebay), 2.0);
    drop(held);
    first.answer();
    assert_eq!(stayer.await.unwrap().status(), 200);
    assert_eq!(seen(&backend), [100.0, 3.0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_http2_connection_withdraws_every_stream() {
    let backend = oip_backend();
    let held = backend.hold();
    let (forebay, mut first) = busy(&backend);
    let mut h2 = H2::connect(&forebay.api).await;
    let mut streams = Vec::new();
    for row in 1..=5 {
        streams.push(h2.send(infer(&[f64::from(row)])).await);
    }
    until_true("five rows wait", || waiting(&forebay) == 5.0);
    h2.abort();
    until_true("none waits", || waiting(&forebay) == 0.0);
    assert_eq!(withdrawn(&forebay), 5.0);
    drop(held);
    first.answer();
    assert_eq!(seen(&backend), [100.0]);
}
