//! The task that joins a model's Queue to its Backend, and the handle that requests come in by.
//!
//! The task first waits until the backend can take a batch and only then asks the queue for one: whatever arrived meanwhile rides along.
//! It never waits on purpose. A run is a task of its own, so that the next batch can be sent while the last one's answer is still being
//! cut. Every task lives in the [`TaskTracker`] that was handed in; [`Batcher::close`] ends the loop, and what already runs is answered.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_protocol::InferRequest;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backend::{Backend, Permit};
use crate::merge_key::MergeKey;
use crate::metrics::{BatchMetrics, Flush, ModelMetrics};
use crate::queue::{Batch, Full, PartId, Queue};
use crate::run::Runner;
use crate::service_time::ServiceTime;
use crate::stitch;
use crate::ticket::{Claim, Ticket};

/// How the rows of one model may be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Most rows of a batch.
    pub max_rows: NonZeroUsize,
    /// Whether rows of different requests may be joined; false for a model without a batch dimension.
    pub joins: bool,
    /// Batches that the backend takes at once.
    pub concurrency: NonZeroUsize,
    /// Rows that may wait.
    pub queue_rows: usize,
    /// For one run.
    pub run_timeout: Duration,
}

/// Where the Batcher's tasks live and what they report to.
#[derive(Clone, Debug)]
pub struct Surroundings {
    pub runtime: tokio::runtime::Handle,
    pub tasks: TaskTracker,
    pub metrics: BatchMetrics,
}

/// One part of a request that waits or runs.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) request: InferRequest,
    pub(crate) rows: usize,
    pub(crate) claim: Arc<Claim>,
    pub(crate) index: usize,
    pub(crate) arrived: Instant,
}

/// What the handle, the tickets and the tasks share.
pub(crate) struct Shared {
    pub(crate) policy: Policy,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) metrics: ModelMetrics,
    pub(crate) service_time: Mutex<ServiceTime>,
    pub(crate) slots: Arc<Semaphore>,
    queue: Mutex<Queue<MergeKey, Part>>,
    /// Wakes the loop when rows arrive at an empty queue.
    arrived: Notify,
}

/// The rows found no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFull {
    pub rows_waiting: usize,
    /// When the rows that wait now will have run, by what was learned of the backend.
    pub retry_after: Duration,
}

/// A guess for a backend that has not answered yet, so that the first refusals name a time at all.
const UNLEARNED_RUN: Duration = Duration::from_millis(100);

/// Takes requests for one model. Dropping the last clone ends its task once the queue is empty.
#[derive(Clone)]
pub struct Batcher {
    shared: Arc<Shared>,
    closed: CancellationToken,
    _close_on_drop: Arc<tokio_util::sync::DropGuard>,
}

impl std::fmt::Debug for Batcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batcher").field("policy", &self.shared.policy).finish_non_exhaustive()
    }
}

impl Batcher {
    /// Starts the task of `model`.
    pub fn start(model: &str, policy: Policy, backend: Arc<dyn Backend>, surroundings: &Surroundings) -> Batcher {
        let shared = Arc::new(Shared {
            policy,
            backend,
            metrics: surroundings.metrics.of(model),
            service_time: Mutex::default(),
            slots: Arc::new(Semaphore::new(policy.concurrency.get())),
            queue: Mutex::new(Queue::new(policy.queue_rows)),
            arrived: Notify::new(),
        });
        let closed = CancellationToken::new();
        surroundings.tasks.spawn_on(dispatch(shared.clone(), surroundings.tasks.clone(), closed.clone()), &surroundings.runtime);
        Batcher { shared, _close_on_drop: Arc::new(closed.clone().drop_guard()), closed }
    }

    /// Queues a checked request of `rows` rows. A request of more rows than a batch may have runs in parts.
    pub fn submit(&self, request: InferRequest, rows: usize) -> Result<Ticket, QueueFull> {
        let max_rows = self.shared.policy.max_rows.get();
        let parts = if self.shared.policy.joins { rows.div_ceil(max_rows).max(1) } else { 1 };
        let (claim, answer) = Claim::new(parts);
        let key = MergeKey::of(&request);
        let arrived = Instant::now();
        let part = |index, request: InferRequest| Part { rows: request.rows(), request, claim: claim.clone(), index, arrived };
        let parts: Vec<Part> = if parts == 1 {
            vec![Part { rows, ..part(0, request) }]
        } else {
            (0..parts)
                .filter_map(|i| stitch::part(&request, i * max_rows..rows.min((i + 1) * max_rows)).ok().map(|r| part(i, r)))
                .collect()
        };
        let ids = self.shared.enqueue(&key, rows, parts).map_err(|full| self.shared.queue_full(full))?;
        let shared = self.shared.clone();
        Ok(Ticket { answer, withdraw: Some(Box::new(move || shared.withdraw(&key, &ids))) })
    }

    /// Rows that wait now.
    pub fn rows_waiting(&self) -> usize {
        self.shared.queue.lock().rows()
    }

    /// How long rows that join now would wait, by what was learned; zero when nothing waits or nothing is known.
    pub fn backlog(&self) -> Duration {
        let waiting = self.rows_waiting();
        if waiting == 0 { Duration::ZERO } else { self.shared.time_for(waiting) }
    }

    /// Ends the task when the queue is empty; requests that come later are still served until then.
    pub fn close(&self) {
        self.closed.cancel();
    }
}

impl Shared {
    fn enqueue(&self, key: &MergeKey, rows: usize, parts: Vec<Part>) -> Result<Vec<PartId>, Full> {
        let mut queue = self.queue.lock();
        queue.has_room(rows)?;
        let was_empty = queue.is_empty();
        let ids = parts.into_iter().map(|part| queue.push(key.clone(), part.rows, part)).collect();
        self.metrics.waiting(queue.rows());
        drop(queue);
        if was_empty {
            self.arrived.notify_one();
        }
        Ok(ids)
    }

    fn withdraw(&self, key: &MergeKey, ids: &[PartId]) {
        let mut queue = self.queue.lock();
        let rows: usize = ids.iter().filter_map(|id| queue.withdraw(key, *id)).map(|part| part.rows).sum();
        self.metrics.waiting(queue.rows());
        drop(queue);
        if rows > 0 {
            self.metrics.withdrew(rows);
        }
    }

    fn take(&self) -> Option<Batch<Part>> {
        let mut queue = self.queue.lock();
        let batch = queue.take(if self.policy.joins { self.policy.max_rows.get() } else { 1 });
        self.metrics.waiting(queue.rows());
        batch
    }

    /// Proportional to `rows`, so that a caller who is told to wait knows by how much the backlog grew.
    fn time_for(&self, rows: usize) -> Duration {
        let per_batch = if self.policy.joins { self.policy.max_rows.get() } else { 1 };
        let run = self.service_time.lock().expect(per_batch).unwrap_or(UNLEARNED_RUN);
        let batches = rows as f64 / per_batch as f64 / self.policy.concurrency.get() as f64;
        Duration::try_from_secs_f64(run.as_secs_f64() * batches).unwrap_or(Duration::MAX)
    }

    fn queue_full(&self, full: Full) -> QueueFull {
        QueueFull { rows_waiting: full.rows_waiting, retry_after: self.time_for(full.rows_waiting) }
    }
}

/// Waits for the backend, then takes whatever waits; until closed and empty.
async fn dispatch(shared: Arc<Shared>, tasks: TaskTracker, closed: CancellationToken) {
    while let Ok(slot) = shared.slots.clone().acquire_owned().await {
        let batch = loop {
            if let Some(batch) = shared.take() {
                break batch;
            }
            tokio::select! {
                () = shared.arrived.notified() => {}
                () = closed.cancelled() => return,
            }
        };
        let flush = if batch.full { Flush::Full } else { Flush::BackendFree };
        let parts = batch.parts.into_iter().map(|waiting| waiting.item).collect();
        let runner = Runner::new(shared.clone());
        tasks.spawn(runner.run(parts, Permit(slot), flush));
    }
}
