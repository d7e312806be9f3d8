//! Requests for tests, whose rows carry a number that shows whose they are, and backends that tests control.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use forebay_protocol::{Dtype, InferRequest, InferResponse, Input, ParameterValue, Tensor};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use crate::backend::{Backend, BackendError, Permit, Running};
use crate::batcher::{Batcher, Policy, Surroundings};
use crate::metrics::BatchMetrics;
use crate::ticket::Ticket;

/// One row `[tag, tag]` of FP32.
pub(crate) fn request(tag: u32) -> InferRequest {
    rows_request(1, tag)
}

/// `rows` rows `[tag, 0] … [tag, rows-1]`.
pub(crate) fn rows_request(rows: usize, tag: u32) -> InferRequest {
    let data: Vec<u8> = (0..rows).flat_map(|row| [tag as f32, row as f32]).flat_map(f32::to_le_bytes).collect();
    let tensor = Tensor::new("x", Dtype::Fp32, vec![rows, 2], data.into()).unwrap();
    InferRequest {
        model: "m".into(),
        version: None,
        id: None,
        parameters: vec![],
        inputs: vec![Input { tensor, parameters: vec![] }],
        outputs: vec![],
    }
}

/// Answers with the input.
pub(crate) fn echo(request: &InferRequest) -> InferResponse {
    InferResponse {
        model: request.model.clone(),
        version: None,
        id: request.id.clone(),
        parameters: vec![],
        outputs: request.inputs.iter().map(|i| i.tensor.clone().renamed("y")).collect(),
    }
}

/// The tags of a tensor's rows, in order.
pub(crate) fn tags(tensor: &Tensor) -> Vec<u32> {
    tensor.data().chunks(8).map(|row| f32::from_le_bytes(row[..4].try_into().unwrap()) as u32).collect()
}

/// One row whose parameter gives it a merge key of its own.
pub(crate) fn keyed(tag: u32, key: i64) -> InferRequest {
    InferRequest { parameters: vec![("key".into(), ParameterValue::Int(key))], ..request(tag) }
}

/// The tags of a batch's rows, in order.
pub(crate) fn rows_of(batch: &InferRequest) -> Vec<u32> {
    tags(&batch.inputs[0].tensor)
}

/// The tags of an answer's rows; what went wrong instead.
pub(crate) async fn answered(ticket: Ticket) -> Result<Vec<u32>, BackendError> {
    ticket.await.map(|answer| tags(&answer.response.outputs[0]))
}

pub(crate) fn failed(why: &str) -> BackendError {
    BackendError::Failed { detail: why.into() }
}

/// Batches of four rows, one at a time.
pub(crate) fn policy() -> Policy {
    Policy { max_rows: at_most(4), joins: true, concurrency: at_most(1), queue_rows: 1000, run_timeout: Duration::from_secs(10) }
}

pub(crate) fn at_most(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}

pub(crate) fn surroundings() -> Surroundings {
    let metrics = BatchMetrics::register(&prometheus::Registry::new()).unwrap();
    Surroundings { runtime: tokio::runtime::Handle::current(), tasks: TaskTracker::new(), metrics }
}

/// A backend whose runs wait until the test answers them.
pub(crate) struct Held(mpsc::UnboundedSender<Run>);

/// One run that waits to be answered.
pub(crate) struct Run {
    pub(crate) batch: InferRequest,
    answer: oneshot::Sender<Result<InferResponse, BackendError>>,
}

impl Run {
    pub(crate) fn rows(&self) -> Vec<u32> {
        rows_of(&self.batch)
    }

    pub(crate) fn echo(self) {
        let response = echo(&self.batch);
        self.answer.send(Ok(response)).expect("somebody waits for this run");
    }

    pub(crate) fn fail(self, error: BackendError) {
        self.answer.send(Err(error)).expect("somebody waits for this run");
    }
}

impl Backend for Held {
    fn run(&self, batch: InferRequest, permit: Permit) -> Running {
        let (answer, answered) = oneshot::channel();
        let began = self.0.send(Run { batch, answer });
        Box::pin(async move {
            let outcome = answered.await.expect("the test answers every run");
            drop((began, permit));
            outcome
        })
    }
}

/// The runs of a [`Held`] backend, in the order in which they begin.
pub(crate) struct Runs(mpsc::UnboundedReceiver<Run>);

impl Runs {
    pub(crate) async fn next(&mut self) -> Run {
        tokio::time::timeout(Duration::from_secs(60), self.0.recv()).await.expect("a run was expected").expect("the backend lives")
    }

    /// Nothing runs though every task has come to rest: paused time moves only when nobody can work.
    pub(crate) async fn none(&mut self) {
        let run = tokio::time::timeout(Duration::from_millis(1), self.0.recv()).await;
        assert!(run.is_err(), "a run began: {:?}", run.unwrap().unwrap().rows());
    }
}

/// A batcher over a [`Held`] backend.
pub(crate) fn held(policy: Policy) -> (Batcher, Runs, Surroundings) {
    let (runs, began) = mpsc::unbounded_channel();
    let around = surroundings();
    (Batcher::start("m", policy, Arc::new(Held(runs)), &around), Runs(began), around)
}

/// A backend that answers at once as `judge` says, and remembers what it was asked.
pub(crate) struct Judge<F> {
    judge: F,
    pub(crate) asked: Mutex<Vec<Vec<u32>>>,
}

impl<F: Fn(&[u32]) -> Result<(), BackendError> + Send + Sync + 'static> Judge<F> {
    pub(crate) fn new(judge: F) -> Arc<Self> {
        Arc::new(Judge { judge, asked: Mutex::default() })
    }
}

impl<F: Fn(&[u32]) -> Result<(), BackendError> + Send + Sync + 'static> Backend for Judge<F> {
    fn run(&self, batch: InferRequest, permit: Permit) -> Running {
        let rows = rows_of(&batch);
        let verdict = (self.judge)(&rows);
        self.asked.lock().push(rows);
        Box::pin(async move {
            drop(permit);
            verdict.map(|()| echo(&batch))
        })
    }
}
