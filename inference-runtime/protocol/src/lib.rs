//! The inference protocols: tensors, requests and answers in one inner form, and every wire form of it.
//!
//! The Open Inference Protocol V2 is the inner form ([`InferRequest`], [`InferResponse`]); everything else is a codec to it and from it.

mod dtype;
mod infer;
mod tensor;

pub use dtype::{Dtype, UnknownDtype};
pub use infer::{
    InferRequest, InferResponse, Input, ModelMetadata, OutputForm, OutputFormOf, ParameterValue, Parameters, RequestedOutput, TensorSpec,
};
pub use tensor::{Tensor, TensorError, element_count};
