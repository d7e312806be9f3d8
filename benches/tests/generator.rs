//! The generator against servers in this process: what is sent, what is counted, and what cannot be hidden.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail loudly")]

use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use forebay_load::accelerator::{Accelerator, Limits, ServiceTime, Stats};
use forebay_load::arrivals::{Arrivals, Rates, Schedule};
use forebay_load::client;
use forebay_load::fixed::Fixed;
use forebay_load::generator::{self, Pace, Plan};
use forebay_load::http::Message;
use forebay_load::payload::{Get, Payload, TensorForm, Tensors};
use forebay_load::progress::Silent;
use forebay_load::report::Report;
use forebay_load::server::{Answer, Asker, Server, Service, Stop};
use forebay_load::target::Target;

/// A server in a thread of its own, stopped on drop.
struct Running {
    target: Target,
    stop: Stop,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl Running {
    fn new<S: Service + Send + 'static>(service: S) -> Self {
        let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), service).unwrap();
        let target = format!("http://{}", server.address().unwrap()).parse().unwrap();
        let stop = server.stopper();
        Running { target, stop, thread: Some(std::thread::spawn(move || server.run())) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.stop();
        self.thread.take().unwrap().join().unwrap().unwrap();
    }
}

fn accelerator(max_rows: usize) -> Running {
    let time = ServiceTime { base: Duration::from_micros(200), per_row: Duration::from_micros(50) };
    Running::new(Accelerator::new(Limits { model: "sim".into(), time, max_rows }).unwrap())
}

fn stats(server: &Running) -> Stats {
    serde_json::from_slice(&client::get(&server.target, "/stats").unwrap().body).unwrap()
}

fn tensors(server: &Running, form: TensorForm, rows: usize) -> Tensors {
    Tensors::new(std::slice::from_ref(&server.target), "sim", form, rows, 1, &[])
}

fn fixed_rate(rate: f64, duration: Duration) -> Pace {
    Pace::Open(Box::new(Schedule::new(Rates::constant(rate, duration), Arrivals::Fixed, 1)))
}

fn run(server: &Running, pace: Pace, connections: usize, payload: &mut dyn Payload) -> Report {
    run_all(vec![server.target.clone()], pace, connections, payload)
}

fn run_all(targets: Vec<Target>, pace: Pace, connections: usize, payload: &mut dyn Payload) -> Report {
    let plan = Plan { targets, pace, connections, timeout: Duration::from_secs(20), spin: false };
    let record = generator::run(plan, payload, &mut Silent).unwrap();
    Report::new("a test".into(), &record, Duration::from_millis(50))
}

const SHORT: Duration = Duration::from_millis(250);

#[test]
fn every_answer_of_the_accelerator_is_right_in_both_forms() {
    let server = accelerator(32);
    for form in [TensorForm::Json, TensorForm::Binary] {
        for rows in [1, 5] {
            let report = run(&server, fixed_rate(200.0, SHORT), 16, &mut tensors(&server, form, rows));
            assert_eq!((report.due, report.right, report.failed), (50, 50, 0), "{form:?} {rows}: {:?}", report.first_wrong);
        }
    }
    let stats = stats(&server);
    assert_eq!((stats.batches, stats.rows), (200, 600));
}

#[test]
fn several_targets_are_asked_in_turn() {
    let servers = [accelerator(32), accelerator(32)];
    let targets: Vec<Target> = servers.iter().map(|server| server.target.clone()).collect();
    let mut payload = Tensors::new(&targets, "sim", TensorForm::Json, 1, 1, &[]);
    let report = run_all(targets, fixed_rate(200.0, SHORT), 8, &mut payload);
    assert_eq!((report.right, report.failed), (50, 0));
    assert_eq!(servers.each_ref().map(|server| stats(server).batches), [25, 25]);
}

#[test]
fn a_batch_that_is_too_large_is_refused_and_counted_by_status() {
    let server = accelerator(4);
    let report = run(&server, fixed_rate(100.0, SHORT), 4, &mut tensors(&server, TensorForm::Json, 5));
    assert_eq!((report.right, report.failed, report.wrong), (0, 25, 0));
    assert_eq!(report.statuses.get(&400), Some(&25));
}

/// Answers each request with the rows of the one before it.
struct OneBehind {
    last: Option<Vec<u8>>,
}

impl Service for OneBehind {
    fn ask(&mut self, _: Asker, request: Message<'_>, _: Instant) -> Option<Answer> {
        let own = forebay_load::wire::read_request(request.body, None, forebay_load::row::COLUMNS).unwrap();
        let values = forebay_load::row::answer(&own.values).to_vec();
        let rows = forebay_load::wire::Rows { id: None, values, ..own };
        let (body, _) = forebay_load::wire::write_answer("sim", &rows, forebay_load::row::ANSWERED).unwrap();
        Some(Answer::json(200, self.last.replace(body.clone()).unwrap_or(body)))
    }
}

#[test]
fn an_answer_that_belongs_to_another_request_is_detected() {
    let server = Running::new(OneBehind { last: None });
    let report = run(&server, fixed_rate(100.0, SHORT), 1, &mut tensors(&server, TensorForm::Json, 1));
    assert_eq!((report.due, report.right, report.wrong), (25, 1, 24));
    assert!(report.first_wrong[0].contains("expected"), "{:?}", report.first_wrong);
}

/// Answers at once, but the tenth request half a second late, and with it everything that came meanwhile on other connections.
struct Stalls {
    asked: u32,
}

impl Service for Stalls {
    fn ask(&mut self, _: Asker, _: Message<'_>, _: Instant) -> Option<Answer> {
        self.asked += 1;
        if self.asked == 10 {
            // This is the fault itself, not a wait for something.
            std::thread::sleep(Duration::from_millis(500));
        }
        Some(Answer::json(200, "{}"))
    }
}

#[test]
fn a_stall_is_charged_to_every_request_that_was_due_meanwhile() {
    // One connection: a closed-loop tool would have sent one request into the stall and seen one slow answer.
    let server = Running::new(Stalls { asked: 0 });
    let mut payload = Get::new(std::slice::from_ref(&server.target), &[]);
    let report = run(&server, fixed_rate(100.0, Duration::from_secs(1)), 1, &mut payload);
    assert_eq!(report.right, 100);
    // Of 100 requests 50 were due during the stall, and waited 250 ms in the mean.
    assert!(report.latency_ms.max >= 490.0, "{:?}", report.latency_ms);
    assert!(report.latency_ms.p90 >= 350.0, "{:?}", report.latency_ms);
    assert!(report.lateness_us.p90 >= 350_000.0, "the generator says that it sent late: {:?}", report.lateness_us);
}

#[test]
fn a_server_that_is_not_there_is_a_fault_and_not_a_hang() {
    let gone = { accelerator(1).target.clone() };
    let plan =
        Plan { targets: vec![gone.clone()], pace: fixed_rate(100.0, SHORT), connections: 4, timeout: Duration::from_secs(5), spin: true };
    let mut payload = Get::new(&[gone], &[]);
    let record = generator::run(plan, &mut payload, &mut Silent).unwrap();
    assert_eq!((record.due, record.right, record.failures()), (25, 0, 25));
}

#[test]
fn a_closed_loop_has_as_many_requests_in_flight_as_callers() {
    let server = Running::new(Fixed::new(200));
    let mut payload = Get::new(std::slice::from_ref(&server.target), &[]);
    let report = run(&server, Pace::Closed { callers: 8, duration: SHORT }, 8, &mut payload);
    assert!(report.right >= 8 && report.right == report.due, "{report:?}");
}

#[test]
fn a_plot_and_json_hold_the_whole_run() {
    let server = accelerator(32);
    let report = run(&server, fixed_rate(100.0, SHORT), 4, &mut tensors(&server, TensorForm::Json, 1));
    let folder = tempfile::tempdir().unwrap();
    let plot = folder.path().join("run.svg");
    forebay_load::plot::write(&plot, &report).unwrap();
    let svg = std::fs::read_to_string(&plot).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("latency by percentile") && svg.contains("p99"), "{svg}");
    let again: Report = serde_json::from_slice(&serde_json::to_vec(&report).unwrap()).unwrap();
    assert_eq!(again, report);
}
