//! One batch on its way: joined, run, cut, and when it fails, split until only the culprit fails.
//!
//! Splitting halves the failed group by requests, depth first. One culprit among n costs at most 2·log₂ n more runs. When many runs
//! have failed and none has succeeded, it is not a row that is at fault: the rest fails with the last error, so that a broken
//! backend is not asked 2·n times for each batch.

use std::sync::Arc;
use std::time::Instant;

use forebay_protocol::{InferRequest, InferResponse};

use crate::backend::{BackendError, Permit};
use crate::batcher::{Part, Shared};
use crate::metrics::Flush;
use crate::stitch;
use crate::ticket::Timing;

/// Runs one batch to its end.
pub(crate) struct Runner {
    shared: Arc<Shared>,
    failures: u32,
    successes: u32,
}

impl Runner {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Runner { shared, failures: 0, successes: 0 }
    }

    /// Every part is answered or failed when this returns.
    pub(crate) async fn run(mut self, parts: Vec<Part>, permit: Permit, flush: Flush) {
        let patience = 2 * parts.len().max(1).ilog2() + 2;
        let mut groups = vec![(parts, flush)];
        let mut permit = Some(permit);
        while let Some((mut group, flush)) = groups.pop() {
            group.retain(|part| !part.claim.is_settled());
            if group.is_empty() {
                continue;
            }
            let Some(permit) = self.permit(permit.take()).await else { return };
            let Err(error) = self.run_group(&group, permit, flush).await else {
                self.successes += 1;
                continue;
            };
            self.failures += 1;
            self.shared.metrics.failed();
            let hopeless = self.successes == 0 && self.failures >= patience;
            if hopeless || !error.may_be_one_rows_fault() {
                groups.push((group, flush));
                return groups.into_iter().flat_map(|(group, _)| group).for_each(|part| part.claim.fail(error.clone()));
            }
            if let [culprit] = group.as_slice() {
                culprit.claim.fail(error);
                continue;
            }
            let second = group.split_off(group.len().div_ceil(2));
            groups.push((second, Flush::Split));
            groups.push((group, Flush::Split));
        }
    }

    /// The permit that the batch came with, or a new one: a split waits its turn among the other batches.
    async fn permit(&self, first: Option<Permit>) -> Option<Permit> {
        match first {
            Some(permit) => Some(permit),
            None => self.shared.slots.clone().acquire_owned().await.ok().map(Permit),
        }
    }

    /// Runs one group and answers its parts.
    async fn run_group(&self, group: &[Part], permit: Permit, flush: Flush) -> Result<(), BackendError> {
        let (policy, metrics) = (&self.shared.policy, &self.shared.metrics);
        let started = Instant::now();
        let joined = stitch::join(&group.iter().map(|part| &part.request).collect::<Vec<&InferRequest>>())?;
        let rows = group.iter().map(|part| part.rows).sum();
        metrics.left(rows, policy.max_rows.get(), flush);
        if flush != Flush::Split {
            group.iter().for_each(|part| metrics.waited(started - part.arrived));
        }
        let answer = tokio::time::timeout(policy.run_timeout, self.shared.backend.run(joined, permit)).await;
        let response = answer.unwrap_or(Err(BackendError::TimedOut))?;
        let run = started.elapsed();
        metrics.ran(run);
        self.shared.service_time.lock().learn(rows, run);
        let answers = self.shares(response, group, rows)?;
        for (part, mut answer) in group.iter().zip(answers) {
            answer.id.clone_from(&part.request.id);
            part.claim.fulfil(part.index, answer, Timing { queue: started - part.arrived, run, batch_rows: rows });
        }
        Ok(())
    }

    /// Each part's own rows of the answer.
    fn shares(&self, response: InferResponse, group: &[Part], rows: usize) -> Result<Vec<InferResponse>, BackendError> {
        if !self.shared.policy.joins {
            return Ok(vec![response]);
        }
        stitch::cut(&response, rows, group.iter().map(|part| part.rows))
    }
}
