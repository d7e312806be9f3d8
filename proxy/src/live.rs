//! What one configuration became: who is known, how much is allowed, which models are served. Swapped whole; a request keeps the one it
//! began with.
//!
//! A new one takes over what did not change: the counts of quotas, and models with their queues. So a reload forgives nobody's debt, and
//! costs a model that it does not mention nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use forebay_batch::Surroundings;
use forebay_identity::{Identifier, Principal};
use forebay_limit::Limiter;
use forebay_mesh_config::Snapshot;
use forebay_mesh_config::models::{Model, Source};
use futures_util::future::join_all;

use crate::metrics::Metrics;
use crate::probe;
use crate::route::Declared;
use crate::served::Served;
use crate::upstream::Upstream;

/// One configuration in force.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) snapshot: Snapshot,
    pub(crate) identifier: Identifier,
    pub(crate) limiter: Arc<Limiter<Principal>>,
    /// In the order of the file.
    pub(crate) models: Vec<Arc<Served>>,
    by_name: HashMap<String, Arc<Served>>,
    pub(crate) upstream: Option<Arc<Upstream>>,
}

/// What a [`Live`] is made with.
#[derive(Clone, Debug)]
pub(crate) struct Makings {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) around: Surroundings,
}

impl Live {
    /// Makes a configuration real: loads the models of this process and starts probing the others. Takes over what `previous` shares.
    pub(crate) async fn make(snapshot: Snapshot, previous: Option<&Live>, makings: &Makings) -> anyhow::Result<Self> {
        let same_runtime = previous.is_some_and(|p| p.snapshot.runtime == snapshot.runtime);
        let mut models = Vec::with_capacity(snapshot.models.len());
        for model in &snapshot.models {
            let kept = previous.filter(|_| same_runtime).and_then(|p| p.by_name.get(&model.name)).filter(|s| s.config == *model);
            models.push(match kept {
                Some(kept) => kept.clone(),
                None => serve(model, &snapshot, previous, makings).await?,
            });
        }
        if let Some(previous) = previous {
            settle(&models, previous).await;
        }
        let limiter = match previous {
            Some(previous) if previous.snapshot.limits == snapshot.limits => previous.limiter.clone(),
            _ => Arc::new(Limiter::new(&snapshot.limits)),
        };
        let kept = previous.and_then(|p| p.upstream.clone()).filter(|kept| snapshot.upstream.as_ref() == Some(&kept.config));
        let upstream = match (&snapshot.upstream, kept) {
            (Some(_), Some(kept)) => Some(kept),
            (declared, _) => declared.as_ref().map(Upstream::new).transpose()?.map(Arc::new),
        };
        Ok(Live {
            identifier: Identifier::new(&snapshot.identity),
            limiter,
            by_name: models.iter().map(|m| (m.config.name.clone(), m.clone())).collect(),
            models,
            upstream,
            snapshot,
        })
    }

    pub(crate) fn served(&self, name: &str) -> Option<&Arc<Served>> {
        self.by_name.get(name)
    }

    fn can_be_asked(&self, name: &str) -> bool {
        self.served(name).is_some_and(|served| served.ready().is_ok())
    }

    /// The model that short forms speak of.
    pub(crate) fn default_model(&self) -> Option<&Arc<Served>> {
        self.served(self.snapshot.default_model.as_deref()?)
    }

    /// The first model that cannot be asked, and why.
    pub(crate) fn unready(&self) -> Option<(&Arc<Served>, String)> {
        self.models.iter().find_map(|m| m.ready().err().map(|reason| (m, reason)))
    }
}

/// Waits for models that take the place of a ready one, so that changing a setting of theirs costs nobody an answer. A backend that does
/// not answer in time is no reason to keep the configuration back.
async fn settle(models: &[Arc<Served>], previous: &Live) {
    /// Most probes take milliseconds; whoever changed the file sees it in force within this.
    const LONGEST: Duration = Duration::from_secs(2);
    let replacing = models.iter().filter(|model| previous.can_be_asked(&model.name)).map(|model| model.when_ready());
    let _in_time = tokio::time::timeout(LONGEST, join_all(replacing)).await;
}

/// Starts serving one model.
async fn serve(model: &Model, snapshot: &Snapshot, previous: Option<&Live>, makings: &Makings) -> anyhow::Result<Arc<Served>> {
    let (metrics, around) = (&makings.metrics, &makings.around);
    let Source::Repository(repository) = &model.source else {
        let (served, unused) = Served::behind(model)?;
        // What a batch may answer has the bounds of what all requests may ask.
        let client = served.client(snapshot.listen.limits.bodies_in_memory)?.context("a backend without an address")?;
        if !previous.is_some_and(|previous| previous.can_be_asked(&model.name)) {
            metrics.model_ready(&model.name, false);
        }
        let watching = probe::watch(Arc::downgrade(&served), unused, client, metrics.clone(), around.clone());
        around.tasks.spawn_on(watching, &around.runtime);
        return Ok(served);
    };
    let (config, repository, runtime, surroundings) = (model.clone(), repository.clone(), snapshot.runtime.clone(), around.clone());
    let loading = move || Served::load(&config, &repository, &runtime, &surroundings);
    let served = around.runtime.spawn_blocking(loading).await.context("loading was interrupted")??;
    metrics.model_ready(&model.name, true);
    Ok(served)
}

impl Declared for Live {
    fn model(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    fn any_model(&self) -> bool {
        !self.models.is_empty()
    }

    fn short_forms(&self) -> bool {
        self.snapshot.short_forms
    }

    fn upstream(&self) -> bool {
        self.snapshot.upstream.is_some()
    }
}
