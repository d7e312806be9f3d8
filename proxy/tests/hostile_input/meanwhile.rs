//! A second client, whose requests join the same queues and batches as the mistakes of the first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::support::{Answer, Connection, request};

/// What it saw.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) answers: usize,
    pub(super) longest: Duration,
    pub(super) wrong: Vec<String>,
}

/// Asks without a pause until it is stopped.
pub(super) struct Meanwhile {
    stop: Arc<AtomicBool>,
    asking: JoinHandle<Tally>,
}

impl Meanwhile {
    pub(super) fn start(api: &str) -> Self {
        let (stop, api) = (Arc::new(AtomicBool::new(false)), api.to_owned());
        let stopped = stop.clone();
        let asking = std::thread::spawn(move || {
            let mut tally = Tally::default();
            let mut connection = Connection::open(&api);
            while !stopped.load(Ordering::Relaxed) {
                let asked = Instant::now();
                let number = tally.answers % 1_000;
                connection.send(question(number));
                let answer = connection.answer();
                tally.longest = tally.longest.max(asked.elapsed());
                tally.answers += 1;
                if !is_answer_to(&answer, number) {
                    tally.wrong.push(format!("{number}: {} {}", answer.status, answer.text()));
                }
            }
            tally
        });
        Meanwhile { stop, asking }
    }

    pub(super) fn stop(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        self.asking.join().unwrap()
    }
}

/// A request whose answer tells it from every other.
pub(super) fn question(number: usize) -> Vec<u8> {
    let body = format!(r#"{{"id":"{number}","inputs":[{{"name":"x","shape":[1,2],"datatype":"FP32","data":[{number},0.5]}}]}}"#);
    request("POST", "/v2/models/identity_fp32/infer", &[], body.as_bytes())
}

pub(super) fn is_answer_to(answer: &Answer, number: usize) -> bool {
    let right = |body: serde_json::Value| {
        let data = &body["outputs"][0]["data"];
        body["id"].as_str().and_then(|id| id.parse().ok()) == Some(number)
            && data[0].as_f64() == Some(number as f64)
            && data[1].as_f64() == Some(0.5)
    };
    answer.status == 200 && right(answer.json())
}
