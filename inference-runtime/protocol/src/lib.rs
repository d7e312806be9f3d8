//! The inference protocols: tensors, requests and answers in one inner form, and every wire form of it.
//!
//! The Open Inference Protocol V2 is the inner form ([`InferRequest`], [`InferResponse`]); everything else is a codec to it and from it.

pub mod check;
pub mod coding;
mod dtype;
mod element;
mod error;
pub mod form;
pub mod image;
mod infer;
mod json;
mod manifest;
pub mod prediction;
mod tensor;
pub mod v1;
pub mod v2;

pub use dtype::{Dtype, UnknownDtype};
pub use error::{DecodeError, DecodeErrorKind};
pub use infer::{
    InferRequest, InferResponse, Input, ModelMetadata, OutputForm, OutputFormOf, ParameterValue, Parameters, RequestedOutput, TensorSpec,
};
pub use manifest::{Classes, Colour, Features, ImageInput, Layout, Meaning};
pub use tensor::{Tensor, TensorError, element_count};
