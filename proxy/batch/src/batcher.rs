//! The task that joins a model's Queue to its Backend, and the handle that requests come in by.
//!
//! When rows wait, the task first waits until the backend can take a batch and only then asks the queue for one: whatever arrived meanwhile
//! rides along. It never waits on purpose, and holds no slot while nothing waits, because a batch that is run again in parts needs one. A run
//! is a task of its own, so that the next batch can be sent while the last one's answer is still being cut.
//!
//! Every task lives in the [`TaskTracker`] that was handed in. [`Batcher::close`] ends the loop once the queue is empty, and what already runs is
//! answered. However the loop ends, also when its runtime does, whoever still waits or comes later is told that Forebay is shutting down.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_protocol::InferRequest;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backend::{Backend, BackendError, Permit};
use crate::merge_key::MergeKey;
use crate::metrics::{BatchMetrics, Flush, ModelMetrics};
use crate::queue::{Batch, Full, PartId, Queue};
use crate::run::run;
use crate::service_time::ServiceTime;
use crate::stitch;
use crate::ticket::{Claim, Ticket, Withdraw};

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
    /// `None` once nobody takes from it any more.
    queue: Mutex<Option<Queue<MergeKey, Part>>>,
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
            queue: Mutex::new(Some(Queue::new(policy.queue_rows))),
            arrived: Notify::new(),
        });
        let closed = CancellationToken::new();
        let dispatcher = Dispatcher { shared: shared.clone(), tasks: surroundings.tasks.clone(), closed: closed.clone() };
        surroundings.tasks.spawn_on(dispatcher.dispatch(), &surroundings.runtime);
        Batcher { shared, _close_on_drop: Arc::new(closed.clone().drop_guard()), closed }
    }

    /// Queues a checked request of `rows` rows. A request of more rows than a batch may have runs in parts.
    pub fn submit(&self, request: InferRequest, rows: usize) -> Result<Ticket, QueueFull> {
        // Asked before the work of cutting, and again when the parts are there.
        self.shared.has_room(rows)?;
        let key = MergeKey::of(&request);
        let (claim, answer) = Claim::new(self.shared.policy.parts(rows));
        let ids = match self.shared.parts(request, rows, &claim) {
            Ok(parts) => self.shared.enqueue(&key, rows, parts)?,
            Err(error) => {
                claim.fail(error);
                None
            }
        };
        let shared = self.shared.clone();
        Ok(Ticket { answer, withdraw: ids.map(|ids| -> Withdraw { Box::new(move || shared.withdraw(&key, ids)) }) })
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Rows that wait now.
    pub fn rows_waiting(&self) -> usize {
        self.shared.queue.lock().as_ref().map_or(0, Queue::rows)
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

impl Policy {
    /// Most rows that run together.
    fn rows_per_batch(&self) -> usize {
        if self.joins { self.max_rows.get() } else { 1 }
    }

    /// Parts in which a request of `rows` rows runs.
    fn parts(&self, rows: usize) -> usize {
        if self.joins { rows.div_ceil(self.max_rows.get()).max(1) } else { 1 }
    }
}

impl Shared {
    fn has_room(&self, rows: usize) -> Result<(), QueueFull> {
        let room = self.queue.lock().as_ref().map_or(Ok(()), |queue| queue.has_room(rows));
        room.map_err(|full| self.queue_full(full))
    }

    fn parts(&self, request: InferRequest, rows: usize, claim: &Arc<Claim>) -> Result<Vec<Part>, BackendError> {
        let arrived = Instant::now();
        let part = |index, rows: usize, request| Part { request, rows: rows.max(1), claim: claim.clone(), index, arrived };
        let (parts, most) = (self.policy.parts(rows), self.policy.max_rows.get());
        if parts == 1 {
            return Ok(vec![part(0, rows, request)]);
        }
        let counts: Vec<usize> = (0..parts).map(|index| most.min(rows - index * most)).collect();
        let requests = stitch::parts(&request, &counts)?;
        Ok(requests.into_iter().zip(counts).enumerate().map(|(index, (request, rows))| part(index, rows, request)).collect())
    }

    /// The ids of the parts; `None` when nobody will run them, which their claim then says.
    fn enqueue(&self, key: &MergeKey, rows: usize, parts: Vec<Part>) -> Result<Option<RangeInclusive<PartId>>, QueueFull> {
        let mut guard = self.queue.lock();
        let Some(queue) = guard.as_mut() else { return Ok(None) };
        if let Err(full) = queue.has_room(rows) {
            drop(guard);
            return Err(self.queue_full(full));
        }
        let was_empty = queue.is_empty();
        let ids = parts.into_iter().map(|part| queue.push(key.clone(), part.rows, part));
        let ids = ids.fold(None, |ids: Option<RangeInclusive<PartId>>, id| Some(ids.map_or(id, |ids| *ids.start())..=id));
        self.metrics.waiting(queue.rows());
        drop(guard);
        if was_empty {
            self.arrived.notify_one();
        }
        Ok(ids)
    }

    fn withdraw(&self, key: &MergeKey, ids: RangeInclusive<PartId>) {
        let mut guard = self.queue.lock();
        let Some(queue) = guard.as_mut() else { return };
        let withdrawn = queue.withdraw(key, ids);
        self.metrics.waiting(queue.rows());
        drop(guard);
        if withdrawn.rows > 0 {
            self.metrics.withdrew(withdrawn.rows);
        }
    }

    fn take(&self) -> Option<Batch<Part>> {
        let mut guard = self.queue.lock();
        let queue = guard.as_mut()?;
        let batch = queue.take(self.policy.rows_per_batch());
        self.metrics.waiting(queue.rows());
        batch
    }

    fn anything_waits(&self) -> bool {
        self.queue.lock().as_ref().is_some_and(|queue| !queue.is_empty())
    }

    /// Proportional to `rows`, so that a caller who is told to wait knows by how much the backlog grew.
    pub(crate) fn time_for(&self, rows: usize) -> Duration {
        let per_batch = self.policy.rows_per_batch();
        let run = self.service_time.lock().expect(per_batch).unwrap_or(UNLEARNED_RUN);
        let batches = rows as f64 / per_batch as f64 / self.policy.concurrency.get() as f64;
        Duration::try_from_secs_f64(run.as_secs_f64() * batches).unwrap_or(Duration::MAX)
    }

    fn queue_full(&self, full: Full) -> QueueFull {
        QueueFull { rows_waiting: full.rows_waiting, retry_after: self.time_for(full.rows_waiting) }
    }
}

/// The loop. Dropping it answers whoever waits.
struct Dispatcher {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    closed: CancellationToken,
}

impl Dispatcher {
    /// Sends batch after batch until closed and empty.
    async fn dispatch(self) {
        while self.rows_wait().await {
            let Ok(slot) = self.shared.slots.clone().acquire_owned().await else { return };
            // Whoever waited may have left meanwhile.
            let Some(batch) = self.shared.take() else { continue };
            let flush = if batch.full { Flush::Full } else { Flush::BackendFree };
            let parts = batch.parts.into_iter().map(|waiting| waiting.item).collect();
            self.tasks.spawn(run(self.shared.clone(), parts, Permit(slot), flush));
        }
    }

    /// Resolves when rows wait; false when none do and none are to come.
    async fn rows_wait(&self) -> bool {
        while !self.shared.anything_waits() {
            tokio::select! {
                () = self.shared.arrived.notified() => {}
                // Rows may have arrived just before.
                () = self.closed.cancelled() => return self.shared.anything_waits(),
            }
        }
        true
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        // A part that is dropped tells its Ticket; outside the lock, which a Ticket takes when it withdraws.
        let unanswered = self.shared.queue.lock().take();
        self.shared.metrics.waiting(0);
        drop(unanswered);
    }
}
