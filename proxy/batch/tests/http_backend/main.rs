//! A Batcher in front of real servers on loopback: both forms of a tensor, every way to be refused, and connections that end.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail loudly")]

mod server;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use forebay_batch::backend::{HttpBackend, Target};
use forebay_batch::{Answer, BackendError, BatchMetrics, Batcher, Policy, Surroundings};
use forebay_protocol::{Dtype, InferRequest, InferResponse, Input, OutputForm, Tensor, v2};
use http::Response;
use http_body_util::Full;
use server::{Manner, Rude, Server, says};
use tokio_util::task::TaskTracker;

/// Bytes that an answer may have in these tests.
const MAX_ANSWER: usize = 4096;

fn client(target: &Target) -> HttpBackend {
    HttpBackend::new(target, "m", MAX_ANSWER).unwrap()
}

fn batcher(client: HttpBackend) -> Batcher {
    let at_most = |n| NonZeroUsize::new(n).unwrap();
    let policy =
        Policy { max_rows: at_most(8), joins: true, concurrency: at_most(1), queue_rows: 100, run_timeout: Duration::from_secs(10) };
    let metrics = BatchMetrics::register(&prometheus::Registry::new()).unwrap();
    let around = Surroundings { runtime: tokio::runtime::Handle::current(), tasks: TaskTracker::new(), metrics };
    Batcher::start("m", policy, Arc::new(client), &around)
}

fn request(value: f32) -> InferRequest {
    let data = [value, 0.5].into_iter().flat_map(f32::to_le_bytes).collect::<Vec<u8>>();
    let tensor = Tensor::new("x", Dtype::Fp32, vec![1, 2], data.into()).unwrap();
    let inputs = vec![Input { tensor, parameters: vec![] }];
    InferRequest { model: "m".into(), version: None, id: Some("mine".into()), parameters: vec![], inputs, outputs: vec![] }
}

async fn ask(batcher: &Batcher, value: f32) -> Result<Answer, BackendError> {
    batcher.submit(request(value), 1).unwrap().await
}

/// Asks once, and the answer must be the request's own row.
async fn is_answered(batcher: &Batcher, value: f32) {
    let answer = ask(batcher, value).await.unwrap_or_else(|e| panic!("{value}: {e}"));
    assert_eq!(answer.response.outputs[0].data(), request(value).inputs[0].tensor.data());
    assert_eq!(answer.response.id.as_deref(), Some("mine"));
}

fn detail(error: BackendError) -> String {
    error.to_string()
}

#[tokio::test]
async fn requests_go_joined_as_json_or_as_binary_and_each_gets_its_row() {
    for binary in [false, true] {
        let server = Server::start(|seen| seen.echo()).await;
        let batcher = batcher(client(&server.target).with_binary(binary));
        let tickets: Vec<_> = (0..8).map(|i| batcher.submit(request(i as f32), 1).unwrap()).collect();
        for (i, ticket) in tickets.into_iter().enumerate() {
            let answer = ticket.await.unwrap();
            assert_eq!(answer.response.outputs[0].data(), request(i as f32).inputs[0].tensor.data());
        }
        let seen = server.seen.lock().clone();
        let rows: Vec<usize> = seen.iter().map(|seen| seen.infer_request().rows()).collect();
        assert_eq!(rows, [8], "all arrived before the loop first ran");
        let form = if binary { "application/octet-stream" } else { "application/json" };
        assert_eq!((seen[0].path.as_str(), seen[0].header("content-type")), ("/v2/models/m/infer", Some(form)));
        assert_eq!(seen[0].header("inference-header-content-length").is_some(), binary);
    }
}

#[tokio::test]
async fn a_version_is_part_of_the_path() {
    let server = Server::start(|seen| seen.echo()).await;
    let batcher = batcher(client(&server.target));
    batcher.submit(InferRequest { version: Some("3".into()), ..request(1.0) }, 1).unwrap().await.unwrap();
    assert_eq!(server.seen.lock()[0].path, "/v2/models/m/versions/3/infer");
}

#[tokio::test]
async fn batches_one_after_another_share_a_connection() {
    let server = Server::start(|seen| seen.echo()).await;
    let batcher = batcher(client(&server.target));
    for i in 0..20 {
        is_answered(&batcher, i as f32).await;
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_unix_socket_and_an_ipv6_address_are_servers_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let unix = Server::on_unix(&folder.path().join("api.sock"), |seen| seen.echo());
    is_answered(&batcher(client(&unix.target)), 1.0).await;
    assert_eq!(unix.seen.lock()[0].header("host"), Some("localhost"));
    let v6 = Server::on("[::1]:0", |seen| seen.echo()).await;
    is_answered(&batcher(client(&v6.target)), 2.0).await;
    assert!(v6.seen.lock()[0].header("host").is_some_and(|host| host.starts_with("[::1]:")));
}

#[tokio::test]
async fn a_servers_no_is_passed_on_with_its_own_words() {
    let server = Server::start(|_| says(400, r#"{"error":"token 9 is out of range"}"#)).await;
    let refused = ask(&batcher(client(&server.target)), 1.0).await.unwrap_err();
    assert_eq!(refused, BackendError::Refused { status: 400, detail: "token 9 is out of range".into() });
}

#[tokio::test]
async fn one_row_that_the_server_refuses_or_crashes_on_fails_alone() {
    for status in [400, 422, 500] {
        let server = Server::start(move |seen| {
            let poisoned = seen.infer_request().inputs[0].tensor.data().chunks(8).any(|row| row[..4] == 3f32.to_le_bytes());
            if poisoned { says(status, r#"{"error":"not three"}"#) } else { seen.echo() }
        })
        .await;
        let batcher = batcher(client(&server.target).with_binary(true));
        let tickets: Vec<_> = (0..8).map(|i| batcher.submit(request(i as f32), 1).unwrap()).collect();
        for (i, ticket) in tickets.into_iter().enumerate() {
            match (i, ticket.await) {
                (3, Err(error)) => assert!(error.may_be_one_rows_fault() && detail(error).contains("not three")),
                (i, outcome) => assert_eq!(outcome.unwrap().response.outputs[0].data()[..4], (i as f32).to_le_bytes()),
            }
        }
    }
}

#[tokio::test]
async fn what_a_status_means() {
    type Expected = fn(&BackendError) -> bool;
    let cases: [(u16, Expected); 8] = [
        (404, |e| matches!(e, BackendError::Refused { status: 404, .. })),
        (408, |e| matches!(e, BackendError::Unavailable { .. })),
        (429, |e| matches!(e, BackendError::Unavailable { .. })),
        (500, |e| matches!(e, BackendError::Failed { .. })),
        (501, |e| matches!(e, BackendError::Failed { .. })),
        (302, |e| matches!(e, BackendError::Failed { .. })),
        (503, |e| matches!(e, BackendError::Unavailable { .. })),
        (504, |e| matches!(e, BackendError::Unavailable { .. })),
    ];
    for (status, expected) in cases {
        let server = Server::start(move |_| says(status, "words")).await;
        let error = ask(&batcher(client(&server.target)), 1.0).await.unwrap_err();
        assert!(expected(&error), "{status}: {error:?}");
        assert!(detail(error).contains("words"));
    }
}

#[tokio::test]
async fn a_long_message_is_cut_and_has_no_control_characters() {
    let server = Server::start(|_| {
        let mut answer = says(400, "");
        *answer.body_mut() = http_body_util::Full::new(format!("a\r\nb{}", "x".repeat(4000)).into());
        answer
    });
    let Err(BackendError::Refused { detail, .. }) = ask(&batcher(client(&server.await.target)), 1.0).await else { panic!("not refused") };
    assert!(detail.starts_with("abx") && detail.len() <= 512);
}

#[tokio::test]
async fn an_answer_that_is_not_one_is_the_backends_failure() {
    const ONE_ROW: &str = r#"{"model_name":"m","outputs":[{"name":"y","datatype":"FP32","shape":[1,2],"data":[1,2]}]}"#;
    let bodies = [
        ("", "answer"),
        ("not json", "answer"),
        (r#"{"model_name":"m"}"#, "outputs"),
        (r#"{"outputs":[{"name":"y","datatype":"FP32","shape":[2,2],"data":[1,2,3,4]}]}"#, "2 rows for a batch of 1"),
        (r#"{"outputs":[{"name":"y","datatype":"FP32","shape":[],"data":[1]}]}"#, "rows for a batch of 1"),
        (r#"{"outputs":[{"name":"y","datatype":"FP32","shape":[1,99999999999],"data":[1]}]}"#, "answer"),
        (r#"{"outputs":[{"name":"y","datatype":"FP32","shape":[1,-2],"data":[1]}]}"#, "answer"),
    ];
    for (body, names) in bodies {
        let server = Server::start(move |_| says(200, body)).await;
        let error = ask(&batcher(client(&server.target)), 1.0).await.unwrap_err();
        assert!(matches!(error, BackendError::Failed { .. }), "{body}: {error:?}");
        assert!(error.to_string().contains(names), "{body}: {error}");
    }
    for length in ["99999", "1", "-1", "words"] {
        let server = Server::start(move |_| {
            let mut answer = says(200, ONE_ROW);
            answer.headers_mut().insert("inference-header-content-length", length.parse().unwrap());
            answer
        });
        let error = ask(&batcher(client(&server.await.target)), 1.0).await.unwrap_err();
        assert!(matches!(error, BackendError::Failed { .. }), "length {length}: {error:?}");
    }
}

#[tokio::test]
async fn an_answer_larger_than_allowed_is_not_held() {
    let server = Server::start(|_| {
        let mut answer = says(200, "");
        *answer.body_mut() = http_body_util::Full::new("x".repeat(MAX_ANSWER + 1).into());
        answer
    });
    let error = ask(&batcher(client(&server.await.target)), 1.0).await.unwrap_err();
    assert!(detail(error).contains("larger than 4096 bytes"));
}

#[tokio::test]
async fn nobody_at_the_address_is_unavailable() {
    // Bound and not listening: connections are refused, and nobody else can take the port meanwhile.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody = Target::Tcp { authority: taken.local_addr().unwrap().to_string() };
    let nowhere = Target::Unix { path: "/nonexistent/api.sock".into() };
    for target in [nobody, nowhere] {
        let error = ask(&batcher(client(&target)), 1.0).await.unwrap_err();
        assert!(matches!(error, BackendError::Unavailable { .. }), "{error:?}");
        assert!(matches!(client(&target).probe().await, Err(BackendError::Unavailable { .. })));
    }
}

const ANSWER: &str = concat!(
    "HTTP/1.1 200 OK\r\ncontent-length: 88\r\n\r\n",
    r#"{"model_name":"m","outputs":[{"name":"y","datatype":"FP32","shape":[1,2],"data":[1,2]}]}"#
);

#[tokio::test]
async fn an_answer_that_breaks_off_is_unavailable_and_the_next_is_answered() {
    let server = Rude::start(&[
        Manner::AnswersAndCloses("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"outputs\""),
        Manner::AnswersAndCloses("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab"),
        Manner::AnswersAndCloses("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffffff\r\n"),
        Manner::Answers("SSH-2.0-OpenSSH\r\n\r\n"),
        Manner::Answers(ANSWER),
    ]);
    let server = server.await;
    let batcher = batcher(client(&server.target));
    for _ in 0..4 {
        let error = ask(&batcher, 1.0).await.unwrap_err();
        assert!(matches!(error, BackendError::Unavailable { .. }), "{error:?}");
    }
    ask(&batcher, 1.0).await.unwrap();
}

#[tokio::test]
async fn a_server_that_closes_its_idle_connections_costs_nobody_an_answer() {
    // The second request is read and its connection closed, as when the server's limit of idleness ends just then.
    let server = Rude::start(&[Manner::Answers(ANSWER), Manner::Closes, Manner::Answers(ANSWER)]).await;
    let batcher = batcher(client(&server.target));
    ask(&batcher, 1.0).await.unwrap();
    ask(&batcher, 1.0).await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_server_that_closes_after_each_answer_without_saying_so_costs_nobody_an_answer() {
    let server = Rude::start(&[Manner::AnswersAndCloses(ANSWER); 20]).await;
    let batcher = batcher(client(&server.target));
    for _ in 0..20 {
        ask(&batcher, 1.0).await.unwrap();
    }
    assert_eq!(server.connections(), 20);
}

#[tokio::test]
async fn a_request_is_sent_again_once_and_only_when_its_connection_was_good_before() {
    let fresh = Rude::start(&[Manner::Closes, Manner::Answers(ANSWER)]).await;
    let error = ask(&batcher(client(&fresh.target)), 1.0).await.unwrap_err();
    assert!(matches!(error, BackendError::Unavailable { .. }), "{error:?}");
    assert_eq!(fresh.connections(), 1);

    let used = Rude::start(&[Manner::Answers(ANSWER), Manner::Closes, Manner::Closes, Manner::Answers(ANSWER)]).await;
    let batcher = batcher(client(&used.target));
    ask(&batcher, 1.0).await.unwrap();
    assert!(matches!(ask(&batcher, 1.0).await, Err(BackendError::Unavailable { .. })));
    assert_eq!(used.connections(), 2);
}

#[tokio::test]
async fn a_server_tells_what_it_is() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/v2" => says(200, r#"{"name":"s","version":"1","extensions":["binary_tensor_data"]}"#),
        "/v2/models/m" => says(200, r#"{"name":"m","platform":"p","inputs":[],"outputs":[]}"#),
        "/v2/models/m/ready" => says(200, ""),
        _ => says(404, ""),
    });
    let server = server.await;
    let client = client(&server.target);
    client.probe().await.unwrap();
    assert!(client.takes_binary().await.unwrap());
    assert_eq!(client.metadata().await.unwrap().platform, "p");
    assert!(server.seen.lock().iter().all(|seen| seen.header("content-length").is_none()));
}

#[test]
fn an_address_with_a_path_is_no_address() {
    for authority in ["host:80/path", "host:80?a", "ho st:80"] {
        assert!(HttpBackend::new(&Target::Tcp { authority: authority.into() }, "m", MAX_ANSWER).is_err(), "{authority}");
    }
}

/// A request of four million numbers, and a server's answer of as many.
fn large() -> (InferRequest, Bytes) {
    let data: Vec<u8> = (0..1 << 22).flat_map(|i| (i as f32 + 0.5).to_le_bytes()).collect();
    let tensor = Tensor::new("x", Dtype::Fp32, vec![1, 1 << 22], data.into()).unwrap();
    let outputs = vec![tensor.clone().renamed("y")];
    let answer = InferResponse { model: "m".into(), version: None, id: None, parameters: vec![], outputs };
    let form = OutputForm { binary_by_default: false, outputs: vec![] };
    let answer = v2::encode_response(&answer, &form, &|_, _| None).unwrap().body;
    (InferRequest { inputs: vec![Input { tensor, parameters: vec![] }], ..request(0.0) }, answer)
}

#[tokio::test]
async fn converting_a_large_batch_keeps_nobody_waiting() {
    let (request, answer) = large();
    let began = Instant::now();
    v2::encode_request(&request, false).unwrap();
    let conversion = began.elapsed();
    let server = Server::start(move |_| Response::new(Full::new(answer.clone()))).await;
    let batcher = batcher(HttpBackend::new(&server.target, "m", 256 << 20).unwrap());
    let ticket = batcher.submit(request.clone(), 1).unwrap();
    let longest = AtomicU64::new(0);
    let neighbour = async {
        let mut before = Instant::now();
        loop {
            tokio::task::yield_now().await;
            longest.fetch_max(before.elapsed().as_micros() as u64, Ordering::Relaxed);
            before = Instant::now();
        }
    };
    tokio::select! {
        answer = ticket => assert_eq!(answer.unwrap().response.outputs[0].data(), request.inputs[0].tensor.data()),
        () = neighbour => {}
    }
    let longest = Duration::from_micros(longest.into_inner());
    assert!(longest < conversion / 2, "the worker was busy for {longest:?}, the conversion takes {conversion:?}");
}
