//! What runs a batch, and what may go wrong with it.

mod connect;
mod http;
mod pool;

use std::future::Future;
use std::pin::Pin;

use forebay_protocol::{InferRequest, InferResponse};
use tokio::sync::OwnedSemaphorePermit;

pub use connect::{Connector, Stream, Target};
pub use http::{HttpBackend, HttpBackendError};

/// The right to be running on the backend. Dropping it lets the next batch start.
#[derive(Debug)]
pub struct Permit(#[expect(dead_code, reason = "held for its drop")] pub(crate) OwnedSemaphorePermit);

/// The future of one run.
pub type Running = Pin<Box<dyn Future<Output = Result<InferResponse, BackendError>> + Send>>;

/// Runs batches: the in-process runtime, or any server of the Open Inference Protocol.
pub trait Backend: Send + Sync + 'static {
    /// Runs one batch. Drop `permit` as soon as the accelerator could take the next one: decoding the answer must not keep it waiting.
    fn run(&self, batch: InferRequest, permit: Permit) -> Running;
}

/// Why a batch has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// The backend says that the request is at fault (4xx). Alone, it is the caller's answer; in a batch, some row is the culprit.
    #[error("the backend refused it with {status}: {detail}")]
    Refused { status: u16, detail: String },
    /// The backend failed while running it, which one row may have caused.
    #[error("the backend failed: {detail}")]
    Failed { detail: String },
    /// The backend cannot be asked now; no row is at fault.
    #[error("the backend is unavailable: {detail}")]
    Unavailable { detail: String },
    /// No answer in time; no row is at fault.
    #[error("the backend did not answer in time")]
    TimedOut,
}

impl BackendError {
    /// Whether the same rows in another company could be answered. Who may ask, for which model and how, is the same for every row.
    pub fn may_be_one_rows_fault(&self) -> bool {
        match self {
            BackendError::Refused { status, .. } => !matches!(status, 401 | 403..=405),
            BackendError::Failed { .. } => true,
            BackendError::Unavailable { .. } | BackendError::TimedOut => false,
        }
    }
}
