//! A model that is served: what is known of it, whether it may be asked, and the Batcher that joins its requests.
//!
//! A model of a repository is loaded, checked and warmed before it exists here, and stays ready. A model behind a backend exists at once and
//! becomes ready with the first successful probe: then its metadata is read and its Batcher started. While the probes fail it is not ready
//! and requests are refused at once; when they succeed again, the metadata is read anew, because another server may have come back.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use arc_swap::ArcSwapOption;
use forebay_batch::backend::{HttpBackend, Running};
use forebay_batch::{Backend, BackendError, Batcher, Permit, Policy, Surroundings};
use forebay_mesh_config::Problems;
use forebay_mesh_config::models::{Model, Source};
use forebay_mesh_config::runtime::Runtime;
use forebay_protocol::{InferRequest, Meaning, ModelMetadata};
use forebay_runtime::{LoadedModel, Manifest, RunError, read_manifest, read_manifest_for};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::upstream::target;

/// Rows of a batch when neither the configuration, the manifest nor the server says.
const MAX_ROWS: usize = 32;

/// A model that can be asked.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) metadata: ModelMetadata,
    pub(crate) meaning: Meaning,
    pub(crate) batcher: Batcher,
    /// `None`: rows of different requests are not joined.
    pub(crate) max_rows: Option<usize>,
}

impl Ready {
    /// The name of a class of the output that holds the scores.
    pub(crate) fn label(&self, output: &str, index: usize) -> Option<&str> {
        let classes = self.meaning.classes.as_ref().filter(|classes| classes.output == output)?;
        classes.labels.get(index).map(String::as_str)
    }
}

/// A declared model.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) name: Arc<str>,
    pub(crate) config: Model,
    ready: ArcSwapOption<Ready>,
    /// Wakes whoever waits for it to be ready.
    turned_ready: Notify,
    /// Why it is not ready.
    reason: Mutex<String>,
    /// Wakes the prober when a run found the backend gone.
    pub(crate) suspected: Arc<Notify>,
    /// Ends the prober with the last request that uses the model.
    _prober: Option<DropGuard>,
}

impl Served {
    /// Loads a model into this process: reads, checks and warms it. Blocks.
    pub(crate) fn load(config: &Model, repository: &Path, runtime: &Runtime, around: &Surroundings) -> anyhow::Result<Arc<Self>> {
        let loaded = forebay_runtime::load(repository, &config.name, runtime, config.concurrency)
            .with_context(|| format!("model {:?} cannot be loaded", config.name))?;
        let metadata = loaded.metadata().clone();
        let manifest = Manifest { max_rows: loaded.max_rows(), meaning: loaded.meaning().clone() };
        let served = Served::new(config, None);
        served.becomes_ready(metadata, manifest, Arc::new(InProcess(loaded)), around);
        Ok(Arc::new(served))
    }

    /// A model behind a backend, together with what is cancelled when the model is not used any more.
    pub(crate) fn behind(config: &Model) -> anyhow::Result<(Arc<Self>, CancellationToken)> {
        if let Some(file) = &config.manifest {
            read_manifest(file).context("the manifest cannot be used")?;
        }
        let unused = CancellationToken::new();
        Ok((Arc::new(Served::new(config, Some(unused.clone().drop_guard()))), unused))
    }

    fn new(config: &Model, prober: Option<DropGuard>) -> Self {
        Served {
            name: config.name.as_str().into(),
            config: config.clone(),
            ready: ArcSwapOption::empty(),
            turned_ready: Notify::new(),
            reason: Mutex::new("its backend has not answered yet".to_owned()),
            suspected: Arc::default(),
            _prober: prober,
        }
    }

    /// The model's current state, or why it cannot be asked.
    pub(crate) fn ready(&self) -> Result<Arc<Ready>, String> {
        self.ready.load_full().ok_or_else(|| self.reason.lock().clone())
    }

    /// What the configured manifest says of a backend's model, held against what its server says.
    pub(crate) fn manifest_for(&self, metadata: &ModelMetadata) -> Result<Manifest, Problems> {
        self.config.manifest.as_ref().map_or_else(|| Ok(Manifest::default()), |file| read_manifest_for(file, metadata))
    }

    /// The model can be asked from now on.
    pub(crate) fn becomes_ready(&self, metadata: ModelMetadata, manifest: Manifest, backend: Arc<dyn Backend>, around: &Surroundings) {
        let joins = metadata.has_batch_dimension();
        let max_rows = self.config.max_rows.or(manifest.max_rows).map_or(MAX_ROWS, |n| n.get() as usize);
        let policy = Policy {
            max_rows: NonZeroUsize::new(max_rows).unwrap_or(NonZeroUsize::MIN),
            joins,
            concurrency: self.config.concurrency,
            queue_rows: self.config.queue_rows.get(),
            run_timeout: self.config.timeout,
        };
        let batcher = Batcher::start(&self.name, policy, backend, around);
        self.ready.store(Some(Arc::new(Ready { metadata, meaning: manifest.meaning, batcher, max_rows: joins.then_some(max_rows) })));
        self.turned_ready.notify_waiters();
    }

    /// Waits until the model can be asked.
    pub(crate) async fn when_ready(&self) {
        loop {
            let turned = self.turned_ready.notified();
            if self.ready.load().is_some() {
                return;
            }
            turned.await;
        }
    }

    /// The model cannot be asked from now on. Requests that run already end as they may.
    pub(crate) fn becomes_unready(&self, reason: String) {
        *self.reason.lock() = reason;
        self.ready.store(None);
    }

    /// The client of this model's backend; `None` for a model in this process.
    pub(crate) fn client(&self, max_answer: usize) -> anyhow::Result<Option<HttpBackend>> {
        match &self.config.source {
            Source::Repository(_) => Ok(None),
            Source::Backend(upstream) => Ok(Some(HttpBackend::new(&target(upstream), &self.name, max_answer)?)),
        }
    }
}

/// A model of this process as what runs a batch.
struct InProcess(LoadedModel);

impl Backend for InProcess {
    fn run(&self, batch: InferRequest, permit: Permit) -> Running {
        let running = self.0.run(batch);
        Box::pin(async move {
            let answer = running.await;
            drop(permit);
            answer.map_err(|error| match error {
                RunError::Failed { detail } => BackendError::Failed { detail },
                RunError::Refused { detail } => BackendError::Refused { status: 400, detail },
                RunError::Unavailable { detail } => BackendError::Unavailable { detail: detail.to_owned() },
            })
        })
    }
}
