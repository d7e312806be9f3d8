//! The task that watches the backend of one model: asks whether it is ready, and tells the [`Served`] what follows.
//!
//! A run that finds the backend gone wakes the task at once; a first failure is checked again soon, so that a dead backend is known within
//! a fraction of the regular interval, and a single lost probe costs nobody an answer.

use std::sync::{Arc, Weak};
use std::time::Duration;

use forebay_batch::Surroundings;
use forebay_batch::backend::HttpBackend;
use forebay_pool::{Health, State};
use forebay_protocol::ModelMetadata;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::served::Served;

/// Between a failure and the next look while the backend still counts as up, and between two looks on suspicion.
const SOON: Duration = Duration::from_millis(200);

/// Probes the backend of `served` until nobody uses the model any more.
pub(crate) async fn watch(
    served: Weak<Served>,
    unused: CancellationToken,
    client: HttpBackend,
    metrics: Arc<Metrics>,
    around: Surroundings,
) {
    let Some((probe, suspected)) = served.upgrade().map(|s| (s.config.probe.clone(), s.suspected.clone())) else { return };
    let mut health = Health::new(probe.down_after, probe.up_after);
    loop {
        let seen = tokio::select! {
            () = unused.cancelled() => return,
            seen = look(&client, health.state() == State::Up, probe.timeout) => seen,
        };
        let Some(model) = served.upgrade() else { return };
        observe(&model, &mut health, seen, &client, &metrics, &around);
        drop(model);
        let doubtful = health.is_doubtful();
        tokio::select! {
            () = unused.cancelled() => return,
            () = sleep(if doubtful { SOON.min(probe.every) } else { probe.every }) => {}
            () = async { suspected.notified().await; sleep(SOON.min(probe.every)).await } => {}
        }
    }
}

/// What a backend that was not up says of itself.
struct Introduction {
    metadata: ModelMetadata,
    takes_binary: bool,
}

/// One look: whether the model is ready, and what it is when that is not known yet.
async fn look(client: &HttpBackend, known: bool, within: Duration) -> Result<Option<Introduction>, String> {
    let ask = async {
        client.probe().await?;
        if known {
            return Ok(None);
        }
        let metadata = client.metadata().await?;
        // Not every server has a page about itself; those that do not say so take JSON.
        let takes_binary = client.takes_binary().await.unwrap_or(false);
        Ok::<_, forebay_batch::BackendError>(Some(Introduction { metadata, takes_binary }))
    };
    match timeout(within, ask).await {
        Ok(seen) => seen.map_err(|e| e.to_string()),
        Err(_) => Err(format!("it did not answer a probe within {} ms", within.as_millis())),
    }
}

fn observe(
    served: &Served,
    health: &mut Health,
    seen: Result<Option<Introduction>, String>,
    client: &HttpBackend,
    metrics: &Metrics,
    around: &Surroundings,
) {
    let failure = seen.as_ref().err().cloned();
    let changed = health.observe(failure.is_none());
    if let Some(reason) = &failure {
        metrics.probe_failed(&served.name);
        tracing::debug!(model = &*served.name, reason, "a probe failed");
    }
    match (changed, seen) {
        (Some(State::Up), Ok(Some(Introduction { metadata, takes_binary }))) => {
            become_ready(served, metadata, client.clone().with_binary(takes_binary), around);
        }
        (Some(State::Down), _) => {
            let reason = failure.unwrap_or_default();
            tracing::warn!(model = &*served.name, reason, "the model is not ready");
            served.becomes_unready(reason);
        }
        _ => {}
    }
    metrics.model_ready(&served.name, served.ready().is_ok());
}

fn become_ready(served: &Served, metadata: ModelMetadata, client: HttpBackend, around: &Surroundings) {
    match served.manifest_for(&metadata) {
        Ok(manifest) => {
            served.becomes_ready(metadata, manifest, Arc::new(client), around);
            tracing::info!(model = &*served.name, "the model is ready");
        }
        Err(problems) => {
            tracing::error!(model = &*served.name, %problems, "the manifest does not fit what the server says of its model");
            served.becomes_unready(format!("its manifest does not fit its server: {problems}"));
        }
    }
}
