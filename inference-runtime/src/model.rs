//! One replica of a model, and why a run has no answer.

use forebay_protocol::{InferRequest, Tensor};

/// A replica that one worker thread owns: a session of ONNX Runtime, or a simulated accelerator.
pub(crate) trait Model: Send + 'static {
    /// Runs one batch, blocking. Answers the requested outputs in their order; all of them when none is named.
    fn run(&mut self, request: &InferRequest) -> Result<Vec<Tensor>, RunError>;
}

/// Why a run has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The model does not take these inputs. In a batch, one row may be the culprit.
    #[error("the model refused its inputs: {detail}")]
    Refused { detail: String },
    /// The model failed while it ran, which one row may have caused.
    #[error("the model failed: {detail}")]
    Failed { detail: String },
    /// The model cannot be asked now; no row is at fault.
    #[error("the model is unavailable: {detail}")]
    Unavailable { detail: &'static str },
}
