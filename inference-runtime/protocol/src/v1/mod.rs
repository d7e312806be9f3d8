//! The V1 protocol, `POST /v1/models/{model}:predict`: instances in rows, or inputs in columns, without names of datatypes.
//!
//! Datatypes come from the model's metadata, shapes from the nesting, which must be regular. A `BYTES` value is a string, or `{"b64": …}`.
//!
//! - <https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol>
//! - <https://www.tensorflow.org/tfx/serving/api_rest#predict_api>

mod column;
mod request;
mod response;

pub use request::decode_request;
pub use response::encode_response;

/// How a request came, and so how its answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `{"instances": […]}` is answered with `{"predictions": […]}`, row for row.
    Rows,
    /// `{"inputs": …}` is answered with `{"outputs": …}`, tensor for tensor.
    Columns,
}
