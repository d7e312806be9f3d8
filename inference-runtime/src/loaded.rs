//! A model that is being served in this process.

use std::future::Future;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use forebay_protocol::{InferRequest, InferResponse, Meaning, ModelMetadata, Tensor};

use crate::error::LoadError;
use crate::manifest::Manifest;
use crate::model::RunError;
use crate::simulated::Simulated;
use crate::worker::Workers;

/// A model, its threads, and what is known of it.
///
/// Dropping it lets the threads finish what was submitted and end by themselves; [`LoadedModel::close`] waits for them.
pub struct LoadedModel {
    metadata: ModelMetadata,
    manifest: Manifest,
    warm_up: WarmUp,
    workers: Workers,
}

/// What was run before the first caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WarmUp {
    /// Rows of each batch that every worker ran; empty where nothing could be run.
    pub batches: Vec<usize>,
    pub took: Duration,
}

impl LoadedModel {
    pub(crate) fn new(metadata: ModelMetadata, manifest: Manifest, warm_up: WarmUp, workers: Workers) -> Self {
        LoadedModel { metadata, manifest, warm_up, workers }
    }

    /// An accelerator that is not there, for tests and benches.
    pub fn simulated(name: &str, accelerator: Simulated, workers: NonZeroUsize) -> Result<Self, LoadError> {
        let replicas = vec![accelerator; workers.get()];
        let workers = Workers::start(name, replicas).map_err(|source| LoadError::Threads { name: name.to_owned(), source })?;
        Ok(LoadedModel::new(accelerator.metadata(name), Manifest::default(), WarmUp::default(), workers))
    }

    /// Names, datatypes and shapes, and the one version that is served.
    pub fn metadata(&self) -> &ModelMetadata {
        &self.metadata
    }

    pub fn meaning(&self) -> &Meaning {
        &self.manifest.meaning
    }

    /// Most rows in one batch, where the manifest says so.
    pub fn max_rows(&self) -> Option<NonZeroU32> {
        self.manifest.max_rows
    }

    pub fn warm_up(&self) -> &WarmUp {
        &self.warm_up
    }

    /// Runs a checked request, or a batch of them. It is handed over at once; the future, of any async runtime, waits for the answer, and
    /// dropping it withdraws a batch that has not begun. The request's version is not looked at: whoever routed it has done that.
    pub fn run(&self, request: InferRequest) -> impl Future<Output = Result<InferResponse, RunError>> + Send + use<> {
        let response = InferResponse {
            model: self.metadata.name.clone(),
            version: self.metadata.versions.first().cloned(),
            id: request.id.clone(),
            parameters: vec![],
            outputs: vec![],
        };
        let rows = self.metadata.has_batch_dimension().then(|| request.rows());
        let answer = self.workers.run(request);
        async move {
            let outputs = answer.await?;
            check_rows(&outputs, rows)?;
            Ok(InferResponse { outputs, ..response })
        }
    }

    /// Waits, blocking, until everything that was submitted is answered and the threads have ended.
    pub fn close(self) {
        self.workers.close();
    }
}

/// A model may declare a batch dimension and yet answer more or fewer rows than it was asked: then nobody can tell whose they are.
fn check_rows(outputs: &[Tensor], asked: Option<usize>) -> Result<(), RunError> {
    let Some(asked) = asked else { return Ok(()) };
    match outputs.iter().find(|output| output.rows() != asked) {
        Some(output) => {
            let detail = format!("output {:?} has {} rows for a batch of {asked}", output.name(), output.rows());
            Err(RunError::Failed { detail })
        }
        None => Ok(()),
    }
}
