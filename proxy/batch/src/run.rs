//! One batch on its way: joined, run, cut, and when it fails, run again in the groups that [`Groups`] says.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use forebay_protocol::{InferRequest, InferResponse};
use futures_util::FutureExt;

use crate::backend::{BackendError, Permit};
use crate::batcher::{Part, Shared};
use crate::metrics::Flush;
use crate::split::Groups;
use crate::stitch;
use crate::ticket::Timing;

/// Runs one batch to its end: every part is answered or failed when this returns.
pub(crate) async fn run(shared: Arc<Shared>, parts: Vec<Part>, permit: Permit, flush: Flush) {
    let mut groups = Groups::new(parts);
    let (mut permit, mut flush) = (Some(permit), flush);
    while let Some(mut group) = groups.next() {
        // What runs again waits its turn among the other batches.
        let Some(permit) = permit_of(&shared, permit.take()).await else { return };
        group.retain(|part| !part.claim.is_settled());
        if group.is_empty() {
            continue;
        }
        let outcome = run_group(&shared, &group, permit, flush).await;
        flush = Flush::Split;
        let Err(error) = outcome else { continue };
        shared.metrics.failed();
        if !error.may_be_one_rows_fault() {
            return group.into_iter().chain(groups.abandon()).for_each(|part| part.claim.fail(error.clone()));
        }
        if let Some(culprit) = groups.failed(group) {
            culprit.claim.fail(error);
        }
    }
}

/// The permit that the batch came with, or a new one.
async fn permit_of(shared: &Shared, first: Option<Permit>) -> Option<Permit> {
    match first {
        Some(permit) => Some(permit),
        None => shared.slots.clone().acquire_owned().await.ok().map(Permit),
    }
}

/// Runs one group and answers its parts.
async fn run_group(shared: &Shared, group: &[Part], permit: Permit, flush: Flush) -> Result<(), BackendError> {
    let (policy, metrics) = (&shared.policy, &shared.metrics);
    let started = Instant::now();
    let joined = stitch::join(&group.iter().map(|part| &part.request).collect::<Vec<&InferRequest>>())?;
    let rows = group.iter().map(|part| part.rows).sum();
    let count = async {
        metrics.left(rows, policy.max_rows.get(), flush);
        if flush != Flush::Split {
            group.iter().for_each(|part| metrics.waited(started - part.arrived));
        }
    };
    // What is counted is counted while the batch runs.
    let running = tokio::time::timeout(policy.run_timeout, run_caught(shared, joined, permit));
    let (answer, ()) = tokio::join!(biased; running, count);
    let response = answer.unwrap_or(Err(BackendError::TimedOut))?;
    let run = started.elapsed();
    metrics.ran(run);
    shared.service_time.lock().learn(rows, run);
    let answers = shares(policy.joins, response, group, rows)?;
    for (part, mut answer) in group.iter().zip(answers) {
        answer.id.clone_from(&part.request.id);
        part.claim.fulfil(part.index, answer, Timing { queue: started - part.arrived, run, batch_rows: rows });
    }
    Ok(())
}

/// A panic of a backend is the failure of one run, which one row may have caused.
async fn run_caught(shared: &Shared, batch: InferRequest, permit: Permit) -> Result<InferResponse, BackendError> {
    let running = AssertUnwindSafe(async { shared.backend.run(batch, permit).await });
    let panicked = || Err(BackendError::Failed { detail: "its run panicked; the log has the place".to_owned() });
    running.catch_unwind().await.unwrap_or_else(|_| panicked())
}

/// Each part's own rows of the answer.
fn shares(joins: bool, response: InferResponse, group: &[Part], rows: usize) -> Result<Vec<InferResponse>, BackendError> {
    if !joins {
        return Ok(vec![response]);
    }
    stitch::cut(&response, rows, group.iter().map(|part| part.rows))
}
