//! A backend that is down, busy, slow or wrong, and what callers see of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail loudly")]

mod support;

use std::time::{Duration, Instant};

use support::{
    Answer, Connection, Forebay, INFER, MODEL, OipBackend, get, infer, infer_body, oip_backend, post, request, rows_of, send, until_true,
    waiting,
};

fn ready_metric(forebay: &Forebay) -> f64 {
    forebay.metric("forebay_model_ready", &[("model", MODEL)])
}

/// Sends single rows while the backend is busy with another, so that they wait together; gives their answers in order.
fn together(backend: &OipBackend, forebay: &Forebay, rows: &[f64]) -> Vec<Answer> {
    let held = backend.hold();
    let mut first = send(forebay, &[-1.0]);
    backend.when_batches(1);
    let mut sent = Vec::new();
    for (already, row) in rows.iter().enumerate() {
        sent.push(send(forebay, &[*row]));
        until_true("the row waits", || waiting(forebay) == (already + 1) as f64);
    }
    drop(held);
    assert_eq!(first.answer().status, 200);
    sent.iter_mut().map(Connection::answer).collect()
}

#[test]
fn a_backend_that_is_down_is_told_at_once_and_recovers_by_itself() {
    let mut backend = oip_backend();
    let forebay = Forebay::start(&(backend.config("") + "short_forms: true\n")).when_ready();
    assert_eq!(infer(&forebay, &[1.0]).status, 200);
    for _ in 0..2 {
        backend.server.stop();
        until_true("not ready", || !forebay.is_ready());
        assert_eq!(ready_metric(&forebay), 0.0);
        let began = Instant::now();
        let answer = infer(&forebay, &[2.0]);
        assert_eq!((answer.status, answer.problem().as_str(), answer.header("retry-after")), (503, "not_ready", Some("1")));
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        assert!(forebay.admin("/ready?verbose").text().contains(MODEL));
        for path in ["/v2/health/ready", "/health", &format!("/v2/models/{MODEL}/ready")] {
            assert_eq!(get(&forebay.api, path).status, 503, "{path}");
        }
        assert_eq!(get(&forebay.api, "/v2/health/live").status, 200, "Forebay itself lives");
        assert!(forebay.metric("forebay_probes_failed_total", &[("model", MODEL)]) >= 2.0);
        backend.server.start_again();
        until_true("ready again", || forebay.is_ready());
        assert_eq!(ready_metric(&forebay), 1.0);
        assert_eq!(rows_of(&infer(&forebay, &[3.0]).json()), [3.0]);
    }
}

#[test]
fn a_backend_that_says_it_is_not_ready_is_not_asked() {
    let backend = oip_backend();
    let forebay = Forebay::start(&backend.config("")).when_ready();
    backend.ready(false);
    until_true("not ready", || !forebay.is_ready());
    assert_eq!(infer(&forebay, &[1.0]).status, 503);
    assert_eq!(backend.batches().len(), 0);
    backend.ready(true);
    until_true("ready again", || forebay.is_ready());
    assert_eq!(infer(&forebay, &[1.0]).status, 200);
}

#[test]
fn whoever_waits_when_the_backend_dies_is_answered() {
    let mut backend = oip_backend();
    let forebay = Forebay::start(&backend.config("max_rows: 4")).when_ready();
    let latency = Duration::from_millis(200);
    backend.latency(latency);
    let mut sent: Vec<_> = (0..12).map(|row| send(&forebay, &[f64::from(row)])).collect();
    backend.when_batches(1);
    backend.server.stop();
    for connection in &mut sent {
        let answer = connection.answer();
        assert!(matches!(answer.status, 200 | 503), "{}: {}", answer.status, answer.text());
        assert!(answer.status == 200 || answer.header("retry-after").is_some(), "{:?}", answer.headers);
    }
}

/// How long the refusal says that a backlog of `rows` takes, with a batch of one row each.
fn refused_after(backend: &OipBackend, rows: usize) -> u64 {
    let forebay = Forebay::start(&backend.config(&format!("max_rows: 1, queue_rows: {rows}"))).when_ready();
    for row in 0..20 {
        assert_eq!(infer(&forebay, &[f64::from(row)]).status, 200, "the service time is learned");
    }
    backend.forget();
    let held = backend.hold();
    let mut crowd = vec![send(&forebay, &[-1.0])];
    backend.when_batches(1);
    crowd.extend((0..rows).map(|row| send(&forebay, &[row as f64])));
    until_true("the queue is full", || waiting(&forebay) == rows as f64);
    let answer = infer(&forebay, &[9.0]);
    assert_eq!((answer.status, answer.problem().as_str()), (503, "queue_full"));
    let problem = answer.json();
    assert_eq!(problem["rows_waiting"], rows);
    let wait = problem["retry_after_ms"].as_u64().unwrap();
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(seconds, wait.div_ceil(1000).max(1));
    drop(held);
    for connection in &mut crowd {
        assert_eq!(connection.answer().status, 200, "who waits is served");
    }
    wait
}

#[test]
fn a_full_queue_says_when_to_come_back_and_twice_as_long_for_twice_the_backlog() {
    let backend = oip_backend();
    backend.latency(Duration::from_millis(20));
    let waits = [refused_after(&backend, 8), refused_after(&backend, 16), refused_after(&backend, 32)];
    println!("retry_after_ms at 8, 16 and 32 rows: {waits:?}");
    for pair in waits.windows(2) {
        let ratio = pair[1] as f64 / pair[0] as f64;
        assert!((1.6..=2.4).contains(&ratio), "{waits:?}");
    }
    assert!((100..=600).contains(&waits[0]), "8 rows of 20 ms each: {waits:?}");
}

#[test]
fn a_failing_row_fails_alone() {
    let backend = oip_backend();
    let forebay = Forebay::start(&backend.config("max_rows: 8")).when_ready();
    for (culprit, expected) in [("fails", 502), ("is refused", 400)] {
        backend.forget();
        let bad = [3.0];
        backend.fail_on(if expected == 502 { &bad } else { &[] });
        backend.refuse_on(if expected == 400 { &bad } else { &[] });
        let rows: Vec<f64> = (0..8).map(f64::from).collect();
        for (row, answer) in rows.iter().zip(together(&backend, &forebay, &rows)) {
            if *row == 3.0 {
                assert_eq!(answer.status, expected, "row {row} {culprit}: {}", answer.text());
                answer.problem();
            } else {
                assert_eq!((answer.status, rows_of(&answer.json())), (200, vec![*row]), "beside a row that {culprit}");
            }
        }
        assert_eq!(backend.batches()[1].len(), 8, "they were together first");
        assert!(backend.batches().len() <= 2 + 2 * 8, "{} runs", backend.batches().len());
    }
}

#[test]
fn a_request_that_does_not_fit_the_model_is_refused_before_it_meets_others() {
    let backend = oip_backend();
    let forebay = Forebay::start(&backend.config("max_rows: 8")).when_ready();
    let held = backend.hold();
    let mut first = send(&forebay, &[-1.0]);
    backend.when_batches(1);
    let mut good = send(&forebay, &[1.0]);
    until_true("it waits", || waiting(&forebay) == 1.0);
    let wrong = br#"{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}"#;
    let answer = post(&forebay.api, INFER, &[], wrong);
    assert_eq!(answer.status, 400);
    assert!(answer.json()["pointer"].as_str().unwrap().starts_with("/inputs/0"), "{}", answer.text());
    drop(held);
    assert_eq!((first.answer().status, good.answer().status), (200, 200));
    assert_eq!(backend.batches(), [vec![-1.0], vec![1.0]]);
}

#[test]
fn a_request_larger_than_a_batch_is_split_and_answered_whole() {
    let backend = oip_backend();
    let forebay = Forebay::start(&backend.config("max_rows: 4")).when_ready();
    let rows: Vec<f64> = (0..10).map(f64::from).collect();
    let answer = infer(&forebay, &rows);
    assert_eq!((answer.status, rows_of(&answer.json())), (200, rows.clone()));
    assert_eq!(answer.json()["outputs"][0]["shape"], serde_json::json!([10, 1]));
    assert!(backend.batches().iter().all(|batch| batch.len() <= 4), "{:?}", backend.batches());
}

#[test]
fn a_request_larger_than_a_batch_is_refused_where_the_configuration_says_so() {
    let backend = oip_backend();
    let forebay = Forebay::start(&backend.config("max_rows: 4, larger_than_batch: refuse")).when_ready();
    let answer = infer(&forebay, &[0.0; 5]);
    assert_eq!((answer.status, &answer.json()["pointer"]), (400, &serde_json::json!("/inputs/0/shape/0")));
    assert_eq!(infer(&forebay, &[0.0; 4]).status, 200);
    assert_eq!(backend.batches().len(), 1);
}

#[test]
fn a_model_that_takes_too_long_is_504_and_its_connection_goes_on() {
    let backend = oip_backend();
    let forebay = Forebay::start(&backend.config("timeout: 300ms")).when_ready();
    let held = backend.hold();
    let began = Instant::now();
    let mut slow = send(&forebay, &[1.0]);
    let answer = slow.answer();
    assert_eq!(answer.status, 504, "{}", answer.text());
    let problem = answer.problem();
    assert!(matches!(problem.as_str(), "timed_out" | "backend_timed_out"), "{problem}");
    assert!(began.elapsed() >= Duration::from_millis(290) && began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    drop(held);
    slow.send(request("POST", INFER, &[], &infer_body(&[2.0])));
    assert_eq!(rows_of(&slow.answer().json()), [2.0]);
}

#[test]
fn sixty_four_callers_at_once_become_few_batches() {
    let backend = oip_backend();
    let forebay = Forebay::start(&backend.config("max_rows: 32")).when_ready();
    let rows: Vec<f64> = (0..64).map(f64::from).collect();
    for (row, answer) in rows.iter().zip(together(&backend, &forebay, &rows)) {
        assert_eq!((answer.status, rows_of(&answer.json())), (200, vec![*row]));
    }
    let sizes: Vec<usize> = backend.batches().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 32, 32], "what waited while the backend was busy left together");
    assert_eq!(forebay.metric("forebay_batches_total", &[("model", MODEL)]), 3.0);
    assert_eq!(forebay.metric("forebay_batch_rows_sum", &[("model", MODEL)]), 65.0);
}

#[test]
fn sixty_four_callers_who_just_come_share_batches_too() {
    let backend = oip_backend();
    backend.latency(Duration::from_millis(20));
    let forebay = Forebay::start(&backend.config("max_rows: 32")).when_ready();
    std::thread::scope(|scope| {
        for row in 0..64 {
            let forebay = &forebay;
            scope.spawn(move || {
                let row = f64::from(row);
                assert_eq!(rows_of(&infer(forebay, &[row]).json()), [row]);
            });
        }
    });
    let batches = backend.batches();
    println!("64 rows in batches of {:?}", batches.iter().map(Vec::len).collect::<Vec<_>>());
    assert!(batches.len() <= 24 && batches.iter().all(|batch| batch.len() <= 32));
}

#[test]
fn a_lone_request_does_not_wait_for_others() {
    let backend = oip_backend();
    let forebay = Forebay::start(&backend.config("max_rows: 32")).when_ready();
    infer(&forebay, &[0.0]);
    for row in 0..20 {
        let answer = infer(&forebay, &[f64::from(row)]);
        let timing = answer.header("server-timing").unwrap();
        let queue = timing.split(", ").find_map(|stage| stage.strip_prefix("queue;dur=")).unwrap().parse::<f64>().unwrap();
        assert!(queue < 50.0, "{timing}");
    }
    assert_eq!(backend.batches().len(), 21);
}

#[test]
fn requests_of_different_parameters_are_not_joined() {
    let backend = oip_backend();
    let forebay = Forebay::start(&backend.config("max_rows: 8")).when_ready();
    let held = backend.hold();
    let mut first = send(&forebay, &[-1.0]);
    backend.when_batches(1);
    let with = |row: f64, mode: u32| {
        let mut body: serde_json::Value = serde_json::from_slice(&infer_body(&[row])).unwrap();
        body["parameters"] = serde_json::json!({ "mode": mode });
        let mut connection = Connection::open(&forebay.api);
        connection.send(request("POST", INFER, &[], body.to_string().as_bytes()));
        connection
    };
    let mut sent = Vec::new();
    for (row, mode) in [(1.0, 1), (2.0, 2), (3.0, 1), (4.0, 2)] {
        sent.push((row, with(row, mode)));
        until_true("it waits", || waiting(&forebay) == sent.len() as f64);
    }
    drop(held);
    first.answer();
    for (row, connection) in &mut sent {
        assert_eq!(rows_of(&connection.answer().json()), [*row]);
    }
    assert_eq!(backend.batches(), [vec![-1.0], vec![1.0, 3.0], vec![2.0, 4.0]]);
}
