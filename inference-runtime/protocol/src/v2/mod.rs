//! The Open Inference Protocol V2 over HTTP: JSON, and the binary tensor extension in both directions.
//!
//! A body is a JSON text, and after it, if `Inference-Header-Content-Length` says where the JSON ends, the bytes of those tensors that have a
//! `binary_data_size`, in their order.
//!
//! - <https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md>
//! - <https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md>
//! - <https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_classification.md>
//! - <https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_parameters.md>

mod body;
mod classification;
pub(crate) mod data;
mod metadata;
mod parameters;
mod request;
mod response;
mod tensor;
mod write;

use bytes::Bytes;

pub use body::parse_json_length;
pub(crate) use classification::highest;
pub use metadata::{ServerMetadata, decode_metadata, decode_server_metadata, encode_metadata, encode_server_metadata};
pub use request::{decode_request, encode_request};
pub use response::{Labels, decode_error, decode_response, encode_response};

/// A body ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    pub body: Bytes,
    /// Set when binary data follow the JSON: the value of `Inference-Header-Content-Length`, and the content type is
    /// `application/octet-stream`. Otherwise the body is `application/json`.
    pub json_length: Option<usize>,
}
