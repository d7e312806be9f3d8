//! Mistakes and attacks at the level of HTTP/1.1, each with the answer that it gets.
//!
//! After each case: the status and the problem that were expected, the connection usable or closed on purpose, the next request served, the
//! memory of the process where it was, and a second client answered meanwhile as if nothing had happened.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail loudly, and these tell figures"
)]

mod chunked;
mod connections;
mod contents;
mod heads;
mod lengths;
#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use support::{Connection, Forebay, MODEL, get, oip_backend, request, upstream};

/// What one case may leave behind in memory. Its largest request has 2 MiB, and the allocator keeps what it got.
const GROWTH: u64 = 16 << 20;
/// What all cases together may leave behind.
const GROWTH_OF_ALL: u64 = 64 << 20;
/// What the second client takes for an answer on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Every limit of time that is configured ends before.
const HANGS: Duration = Duration::from_secs(5);

/// What the client does.
#[derive(Clone, Debug)]
enum Move {
    Send(Vec<u8>),
    /// Each byte in a segment of its own.
    Trickle(Vec<u8>),
    /// Closes its side.
    HalfClose,
}

/// A case: what is done, and what must come of it as `STATUS[,STATUS…] PROBLEM STATE`. `none` is no answer at all, `-` an answer without a
/// problem, and the state of the connection `open` or `closed`.
#[derive(Clone, Debug)]
struct Case {
    class: &'static str,
    name: String,
    moves: Vec<Move>,
    expected: &'static str,
}

fn case(class: &'static str, name: &str, bytes: impl Into<Vec<u8>>, expected: &'static str) -> Case {
    Case { class, name: name.to_owned(), moves: vec![Move::Send(bytes.into())], expected }
}

/// The path of the model's infer.
fn infer() -> String {
    format!("/v2/models/{MODEL}/infer")
}

#[test]
fn every_mistake_gets_its_own_answer_and_costs_nobody_else_anything() {
    let (server, backend) = (upstream(), oip_backend());
    let limits = "head: 16KiB, headers: 50, body: 1MiB, head_time: 500ms, body_idle: 500ms, body_time: 2s, keep_alive: 60s";
    let forebay =
        Forebay::start(&format!("listen: {{ limits: {{ {limits} }} }}\nupstream: http://{}\n{}", server.address, backend.config("")));
    let cases = [heads::cases(), lengths::cases(), chunked::cases(), contents::cases(), connections::cases()].concat();
    every_class_has_its_cases(&cases);

    let mut second = Connection::open(&forebay.api);
    // The first requests of all fill pools and caches.
    for case in cases.iter().take(20) {
        complaint(case, &forebay, &mut second);
    }
    let began = forebay.rss_bytes();
    let complaints: Vec<String> = cases.iter().filter_map(|case| complaint(case, &forebay, &mut second)).collect();
    assert!(complaints.is_empty(), "{} of {} cases:\n{}", complaints.len(), cases.len(), complaints.join("\n"));
    let grown = forebay.rss_bytes().saturating_sub(began);
    assert!(grown <= GROWTH_OF_ALL, "{} cases left {grown} bytes behind", cases.len());
    assert_eq!(forebay.metric("forebay_requests_total", &[("code", "500")]), 0.0);
}

fn every_class_has_its_cases(cases: &[Case]) {
    let mut counts = std::collections::BTreeMap::new();
    cases.iter().for_each(|case| *counts.entry(case.class).or_insert(0) += 1);
    println!("{} cases: {counts:?}", cases.len());
    assert!(cases.len() >= 110 && counts.values().all(|count| *count >= 8), "{} cases: {counts:?}", cases.len());
}

/// What is wrong with what became of `case`.
fn complaint(case: &Case, forebay: &Forebay, second: &mut Connection) -> Option<String> {
    let before = forebay.rss_bytes();
    let mut connection = Connection::open(&forebay.api);
    connection.patience(HANGS);
    play(&mut connection, &case.moves);
    let asked = Instant::now();
    second.send(request("GET", "/v2/health/live", &[], b""));
    let meanwhile = second.answer().status;
    let waited = asked.elapsed();
    let found = outcome(&mut connection, case);
    let next = get(&forebay.api, "/v2/health/live").status;
    let grown = forebay.rss_bytes().saturating_sub(before);

    let mut wrong = Vec::new();
    if found != case.expected {
        wrong.push(format!("{found:?}, not {:?}", case.expected));
    }
    if (meanwhile, next) != (200, 200) || waited > AT_ONCE {
        wrong.push(format!("a second client got {meanwhile} after {waited:?}, the next request {next}"));
    }
    if grown > GROWTH {
        wrong.push(format!("memory grew by {grown} bytes"));
    }
    (!wrong.is_empty()).then(|| format!("{}: {}: {}", case.class, case.name, wrong.join("; ")))
}

fn play(connection: &mut Connection, moves: &[Move]) {
    for step in moves {
        // Forebay may have closed already.
        let _sent = match step {
            Move::Send(bytes) => connection.try_send(bytes),
            Move::Trickle(bytes) => bytes.iter().try_for_each(|byte| connection.try_send([*byte])),
            Move::HalfClose => {
                connection.half_close();
                Ok(())
            }
        };
    }
}

/// What became of it, in the words of [`Case::expected`].
fn outcome(connection: &mut Connection, case: &Case) -> String {
    let (statuses, rest) = case.expected.split_once(' ').unwrap();
    let expects_problem = !rest.starts_with('-');
    let to_head = case.class == "HEAD";
    let mut found = Vec::new();
    let mut problem = "-".to_owned();
    for _ in statuses.split(',').filter(|status| *status != "none") {
        let answer = if to_head { Ok(connection.answer_to_head()) } else { connection.try_answer() };
        let Ok(answer) = answer else { break };
        found.push(answer.status.to_string());
        if !to_head && answer.header("content-type") == Some("application/problem+json") {
            problem = answer.problem();
        }
    }
    if to_head && expects_problem {
        problem = "bodiless".to_owned();
    }
    let statuses = if found.is_empty() { "none".to_owned() } else { found.join(",") };
    let state = if rest.ends_with("closed") { connection.is_closed() } else { !connection.is_usable() };
    format!("{statuses} {problem} {}", if state { "closed" } else { "open" })
}
