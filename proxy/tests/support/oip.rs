//! A scripted server of the Open Inference Protocol V2 with one model, whose output `y` is its input `x`: one FP32 number per row.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::server::{Received, Reply, Server};
use super::wait::until_true;

/// The model's name.
pub(crate) const MODEL: &str = "echo";

/// The only number of a row, by which a test knows it.
pub(crate) type Row = f64;

/// How the model behaves from now on.
#[derive(Debug, Default)]
struct Behaviour {
    /// Runs do not end while this is set.
    held: bool,
    latency: Duration,
    /// Batches with one of these rows are answered 500.
    failing: Vec<Row>,
    /// Batches with one of these rows are answered 400.
    refused: Vec<Row>,
    unready: bool,
}

#[derive(Default)]
struct Shared {
    behaviour: Mutex<Behaviour>,
    changed: Condvar,
    batches: Mutex<Vec<Vec<Row>>>,
}

/// A running backend; stopped on drop.
pub(crate) struct OipBackend {
    pub(crate) server: Server,
    shared: Arc<Shared>,
}

/// A backend that answers at once.
pub(crate) fn oip_backend() -> OipBackend {
    let shared = Arc::<Shared>::default();
    let script = shared.clone();
    OipBackend { server: Server::start(move |request| script.answer(request)), shared }
}

/// While this lives, runs do not end.
pub(crate) struct Held<'a>(&'a OipBackend);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.behave(|b| b.held = false);
    }
}

impl OipBackend {
    /// A configuration with this model. `more` is what else the model says, in YAML's flow style: `max_rows: 4, queue_rows: 8`.
    pub(crate) fn config(&self, more: &str) -> String {
        let probe = "probe: { every: 50ms, timeout: 1s, down_after: 2, up_after: 1 }";
        let comma = if more.is_empty() { "" } else { "," };
        format!("models:\n  {MODEL}: {{ backend: \"http://{}\", {probe}{comma} {more} }}\n", self.server.address)
    }

    fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.shared.behaviour.lock().unwrap());
        self.shared.changed.notify_all();
    }

    /// Lets no run end until the value is dropped.
    pub(crate) fn hold(&self) -> Held<'_> {
        self.behave(|b| b.held = true);
        Held(self)
    }

    pub(crate) fn latency(&self, each: Duration) {
        self.behave(|b| b.latency = each);
    }

    pub(crate) fn fail_on(&self, rows: &[Row]) {
        self.behave(|b| b.failing = rows.to_vec());
    }

    pub(crate) fn refuse_on(&self, rows: &[Row]) {
        self.behave(|b| b.refused = rows.to_vec());
    }

    pub(crate) fn ready(&self, ready: bool) {
        self.behave(|b| b.unready = !ready);
    }

    /// The rows of each batch that has arrived, in order.
    pub(crate) fn batches(&self) -> Vec<Vec<Row>> {
        self.shared.batches.lock().unwrap().clone()
    }

    pub(crate) fn when_batches(&self, count: usize) {
        until_true(&format!("{count} batches at the backend"), || self.batches().len() >= count);
    }

    pub(crate) fn forget(&self) {
        self.shared.batches.lock().unwrap().clear();
    }
}

impl Shared {
    fn answer(&self, request: &Received) -> Reply {
        let of_model = request.target.strip_prefix("/v2/models/echo");
        match (request.method.as_str(), of_model) {
            ("GET", Some("")) => Reply::json(200, metadata().to_string()),
            ("GET", Some("/ready")) if self.behaviour.lock().unwrap().unready => Reply::json(503, r#"{"error":"told to be unready"}"#),
            ("GET", Some("/ready")) => Reply::json(200, "{}"),
            ("POST", Some("/infer")) => self.infer(&request.body),
            ("GET", None) if request.target == "/v2" => Reply::json(200, r#"{"name":"scripted","version":"1","extensions":[]}"#),
            _ => Reply::json(404, r#"{"error":"not scripted"}"#),
        }
    }

    fn infer(&self, body: &[u8]) -> Reply {
        let asked: Value = serde_json::from_slice(body).unwrap();
        let rows = numbers(&asked["inputs"][0]["data"]);
        self.batches.lock().unwrap().push(rows.clone());
        let behaviour = self.behaviour.lock().unwrap();
        let latency = behaviour.latency;
        let behaviour = self.changed.wait_while(behaviour, |b| b.held).unwrap();
        let any = |of: &[Row]| rows.iter().any(|row| of.contains(row));
        let (failing, refused) = (any(&behaviour.failing), any(&behaviour.refused));
        drop(behaviour);
        // The accelerator's own time, not a wait of the test.
        std::thread::sleep(latency);
        if failing {
            return Reply::json(500, r#"{"error":"told to fail"}"#);
        }
        if refused {
            return Reply::json(400, r#"{"error":"told to refuse"}"#);
        }
        let output = json!({ "name": "y", "shape": [rows.len(), 1], "datatype": "FP32", "data": rows });
        Reply::json(200, json!({ "model_name": MODEL, "model_version": "1", "id": asked["id"], "outputs": [output] }).to_string())
    }
}

fn metadata() -> Value {
    let tensor = |name: &str| json!([{ "name": name, "datatype": "FP32", "shape": [-1, 1] }]);
    json!({ "name": MODEL, "versions": ["1"], "platform": "scripted", "inputs": tensor("x"), "outputs": tensor("y") })
}

/// Every number of a nested or flat list.
pub(super) fn numbers(value: &Value) -> Vec<Row> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        other => vec![other.as_f64().unwrap()],
    }
}
