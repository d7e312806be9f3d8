//! The inner form of every inference: what a request asks and what a model answers, free of any wire form.

use crate::dtype::Dtype;
use crate::tensor::Tensor;

/// A parameter's value. The protocol allows no nesting.
#[derive(Clone, Debug, PartialEq)]
pub enum ParameterValue {
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
}

/// Parameters in the order in which they came; names are unique.
pub type Parameters = Vec<(String, ParameterValue)>;

/// One input of a request. Parameters that speak of the wire form (`binary_data_size`) are not kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    pub tensor: Tensor,
    pub parameters: Parameters,
}

/// One output that the caller asked for by name.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestedOutput {
    pub name: String,
    /// What is left after the parameters that speak of the answer's form were taken into [`OutputForm`].
    pub parameters: Parameters,
}

/// What is asked of a model. An empty `outputs` asks for all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct InferRequest {
    pub model: String,
    pub version: Option<String>,
    pub id: Option<String>,
    pub parameters: Parameters,
    pub inputs: Vec<Input>,
    pub outputs: Vec<RequestedOutput>,
}

/// What a model answered.
#[derive(Clone, Debug, PartialEq)]
pub struct InferResponse {
    pub model: String,
    pub version: Option<String>,
    pub id: Option<String>,
    pub parameters: Parameters,
    pub outputs: Vec<Tensor>,
}

/// How the caller wants its outputs written. It changes nothing that the model sees, so it is not part of the merge key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputForm {
    /// Binary unless an output says otherwise (request parameter `binary_data_output`).
    pub binary_by_default: bool,
    /// Per requested output, in the order of [`InferRequest::outputs`].
    pub outputs: Vec<OutputFormOf>,
}

/// How one requested output is to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputFormOf {
    pub name: String,
    pub binary: Option<bool>,
    /// Answer the `n` highest as `"value:index:label"` strings (the classification extension).
    pub classification: Option<usize>,
}

/// Declared name, datatype and shape of an input or output; `-1` is a dimension of any size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<i64>,
}

/// A model's metadata, as `GET /v2/models/{model}` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelMetadata {
    pub name: String,
    pub versions: Vec<String>,
    pub platform: String,
    pub inputs: Vec<TensorSpec>,
    pub outputs: Vec<TensorSpec>,
}

impl ModelMetadata {
    /// Whether every input and output has a first dimension of any size: only then may rows of different requests be joined.
    pub fn has_batch_dimension(&self) -> bool {
        let any = |specs: &[TensorSpec]| !specs.is_empty() && specs.iter().all(|s| s.shape.first() == Some(&-1));
        any(&self.inputs) && any(&self.outputs)
    }
}

impl InferRequest {
    /// Rows of the request: the first dimension of its inputs. Only meaningful for a checked request.
    pub fn rows(&self) -> usize {
        self.inputs.first().map_or(0, |i| i.tensor.rows())
    }
}
