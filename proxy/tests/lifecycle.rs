//! Changed configurations and the end, from outside: a reload costs nobody an answer, a bad file changes nothing, a drain loses nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail loudly")]

mod support;

use std::io::ErrorKind;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use support::{Answer, Connection, Forebay, MODEL, OipBackend, get, infer_body, oip_backend, post, request, rows_of, until_true};

/// Clients that load a Forebay at once, each with one request at a time.
const CLIENTS: usize = 8;

fn infer_path() -> String {
    format!("/v2/models/{MODEL}/infer")
}

fn infer(forebay: &Forebay, row: f64) -> Answer {
    post(&forebay.api, &infer_path(), &[], &infer_body(&[row]))
}

/// What became of the requests of a load.
#[derive(Debug, Default)]
struct Tally {
    answered: AtomicUsize,
    failed: AtomicUsize,
    /// Set to end the load.
    over: AtomicBool,
    /// Set when Forebay is on its way out: a refused connection then ends a client.
    leaving: AtomicBool,
    /// When the first connection was refused.
    refused: OnceLock<Instant>,
}

impl Tally {
    /// Sends one request after another until the load is over. Keeps its connection, and opens a new one when the answer says so.
    fn client(&self, api: &str, number: usize) {
        let mut connection = None;
        for round in 0.. {
            if self.over.load(Ordering::SeqCst) {
                return;
            }
            let row = (number * 100_000 + round) as f64;
            let mut open = match connection.take().map_or_else(|| Connection::try_open(api), Ok) {
                Ok(open) => open,
                // Reset: the listener was closed in the middle of the handshake.
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset) && self.is_leaving() => {
                    self.refused.get_or_init(Instant::now);
                    return;
                }
                Err(error) => return self.fail(&format!("cannot connect: {error}")),
            };
            let sent = open.try_send(request("POST", &infer_path(), &[], &infer_body(&[row])));
            match sent.and_then(|()| open.try_answer()) {
                Ok(answer) if answer.status == 200 && rows_of(&answer.json()) == [row] => {
                    self.answered.fetch_add(1, Ordering::SeqCst);
                    connection = (!answer.closes).then_some(open);
                }
                Ok(answer) => self.fail(&format!("{}: {}", answer.status, answer.text())),
                Err(error) => self.fail(&error.to_string()),
            }
        }
    }

    fn fail(&self, what: &str) {
        eprintln!("a request failed: {what}");
        self.failed.fetch_add(1, Ordering::SeqCst);
    }

    fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::SeqCst)
    }

    fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    fn failed(&self) -> usize {
        self.failed.load(Ordering::SeqCst)
    }
}

/// Runs `during` while clients load `api`.
fn under_load(api: &str, tally: &Tally, during: impl FnOnce()) {
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            scope.spawn(move || tally.client(api, number));
        }
        until_true("the load runs", || tally.answered() >= 10 * CLIENTS);
        during();
        tally.over.store(true, Ordering::SeqCst);
    });
}

/// A configuration that differs from others by `version`.
fn version(backend: &OipBackend, version: usize) -> String {
    let quota = format!("{{ name: q{version}, per: principal, token_bucket: {{ rate: 1000000/s, burst: {} }} }}", 1_000_000 + version);
    backend.config("") + &format!("limits: {{ quotas: [{quota}] }}\n")
}

fn policy(forebay: &Forebay) -> String {
    get(&forebay.api, "/v2").header("ratelimit-policy").unwrap_or_default().to_owned()
}

#[test]
fn a_hundred_reloads_under_load_fail_no_request() {
    let backend = oip_backend();
    let forebay = Forebay::start(&version(&backend, 0)).when_ready();
    let tally = Tally::default();
    under_load(&forebay.api, &tally, || {
        for reload in 1..=100 {
            forebay.write_config(&version(&backend, reload));
            forebay.signal("HUP");
            let name = format!("\"q{reload}\"");
            until_true("the new quota is in force", || policy(&forebay).starts_with(&name));
        }
    });
    println!("{} requests answered during 100 reloads, {} failed", tally.answered(), tally.failed());
    assert_eq!(tally.failed(), 0);
    let accepted = forebay.metric("forebay_config_reloads_total", &[("result", "accepted")]);
    assert!(accepted >= 100.0, "{accepted}");
    assert_eq!(forebay.metric("forebay_config_info", &[]), 1.0, "one version is in force");
}

#[test]
fn reloads_that_replace_the_model_fail_no_request_either() {
    let backend = oip_backend();
    let forebay = Forebay::start(&backend.config("queue_rows: 1000")).when_ready();
    let tally = Tally::default();
    under_load(&forebay.api, &tally, || {
        for reload in 1..=10 {
            forebay.write_config(&backend.config(&format!("queue_rows: {}", 1000 + reload)));
            forebay.signal("HUP");
            until_true("the reload", || forebay.metric("forebay_config_reloads_total", &[("result", "accepted")]) >= f64::from(reload));
        }
    });
    assert_eq!(tally.failed(), 0);
}

#[test]
fn a_changed_file_is_noticed_without_a_signal() {
    let backend = oip_backend();
    let forebay = Forebay::start(&version(&backend, 1));
    forebay.write_config(&version(&backend, 2));
    until_true("the change is in force", || policy(&forebay).starts_with("\"q2\""));
}

#[test]
fn a_reload_forgives_nobodys_debt() {
    let limits = "limits: { quotas: [{ name: q, per: principal, token_bucket: { rate: 1/h, burst: 1 } }] }\n";
    let forebay = Forebay::start(limits);
    get(&forebay.api, "/");
    forebay.write_config(&(limits.to_owned() + "telemetry: { log: debug }\n"));
    forebay.signal("HUP");
    until_true("the reload", || forebay.metric("forebay_config_reloads_total", &[("result", "accepted")]) == 1.0);
    assert_eq!(get(&forebay.api, "/").status, 429);
}

#[test]
fn a_bad_file_changes_nothing_and_says_so_until_it_is_mended() {
    let backend = oip_backend();
    let good = version(&backend, 1);
    let forebay = Forebay::start(&good).when_ready();
    assert_eq!(forebay.metric("forebay_config_accepted", &[]), 1.0);
    for (bad, why) in [
        ("models: { echo: { backend: http://127.0.0.1:1, max_rows: -1 } }\n", "max_rows"),
        ("listen: [\n", "forebay.yaml"),
        ("lissten: {}\n", "lissten"),
        ("models: { digits: { repository: nowhere } }\n", "digits"),
    ] {
        forebay.write_config(bad);
        forebay.signal("HUP");
        until_true("the refusal", || forebay.metric("forebay_config_accepted", &[]) == 0.0);
        let ready = forebay.admin("/ready?verbose");
        assert_eq!(ready.status, 200, "what is served is as ready as before");
        until_true("the reason on the page", || forebay.admin("/ready?verbose").text().contains(why));
        until_true("the reason in the log", || forebay.log().iter().any(|line| line.contains("is refused") && line.contains(why)));
        assert!(policy(&forebay).starts_with("\"q1\""));
        assert_eq!(infer(&forebay, 1.0).status, 200);
        forebay.write_config(&good);
        forebay.signal("HUP");
        until_true("the mended file", || forebay.metric("forebay_config_accepted", &[]) == 1.0);
        until_true("the page is clean", || !forebay.admin("/ready?verbose").text().contains("FAIL"));
    }
    assert!(forebay.metric("forebay_config_reloads_total", &[("result", "refused")]) >= 4.0);
}

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
        tally.leaving.store(true, Ordering::SeqCst);
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
        let refused = tally.refused.get().map(|at| at.duration_since(began));
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
        let ask = |row: f64| (row, scope.spawn(move || post(api, &infer_path(), &[], &infer_body(&[row]))));
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
    stuck.send(request("POST", &infer_path(), &[], &infer_body(&[1.0])));
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
    asked.send(request("POST", &infer_path(), &[], &infer_body(&[7.0])));
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
