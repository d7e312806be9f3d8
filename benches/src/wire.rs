//! The Open Inference Protocol V2 for one FP32 tensor each way, as JSON and with the binary tensor extension.
//!
//! Written apart from `forebay-protocol` on purpose: what judges Forebay's answers, and what stands behind it, must not share its mistakes.
//!
//! <https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md>
//! <https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md>

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Why a body is not the tensor that was expected.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    #[error("not the protocol's JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("there is no tensor `{0}`")]
    NoTensor(&'static str),
    #[error("datatype {0}, expected FP32")]
    Datatype(String),
    #[error("shape {0:?}, expected rows of {1} numbers")]
    Shape(Vec<usize>, usize),
    #[error("{actual} numbers where the shape has {expected}")]
    Count { expected: usize, actual: usize },
    #[error("the tensor has neither data nor binary_data_size, or its bytes are not all there")]
    NoData,
}

/// A tensor of FP32 rows and what came with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    pub id: Option<String>,
    pub rows: usize,
    pub values: Vec<f32>,
    /// Whether the other side wants its answer as raw bytes.
    pub binary: bool,
}

#[derive(Deserialize)]
struct Answered<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    outputs: Vec<Tensor<'a>>,
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    inputs: Vec<Tensor<'a>>,
    #[serde(default)]
    outputs: Vec<Requested>,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Deserialize)]
struct Tensor<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    datatype: Cow<'a, str>,
    shape: Vec<usize>,
    data: Option<Vec<f32>>,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Deserialize)]
struct Requested {
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Default, Deserialize)]
struct Parameters {
    binary_data: Option<bool>,
    binary_data_output: Option<bool>,
    binary_data_size: Option<usize>,
}

/// Reads input `x` of a request whose rows have `columns` numbers.
pub fn read_request(body: &[u8], json_length: Option<usize>, columns: usize) -> Result<Rows, WireError> {
    let (json, raw) = split(body, json_length)?;
    let request: Request<'_> = serde_json::from_slice(json)?;
    let one = request.outputs.first().and_then(|o| o.parameters.binary_data);
    let binary = one.or(request.parameters.binary_data_output).unwrap_or(false);
    read(request.id, request.inputs, raw, "x", columns, binary)
}

/// Reads output `y` of an answer whose rows have `columns` numbers.
pub fn read_answer(body: &[u8], json_length: Option<usize>, columns: usize) -> Result<Rows, WireError> {
    let (json, raw) = split(body, json_length)?;
    let answer: Answered<'_> = serde_json::from_slice(json)?;
    read(answer.id, answer.outputs, raw, "y", columns, json_length.is_some())
}

fn split(body: &[u8], json_length: Option<usize>) -> Result<(&[u8], &[u8]), WireError> {
    body.split_at_checked(json_length.unwrap_or(body.len())).ok_or(WireError::NoData)
}

fn read(
    id: Option<Cow<'_, str>>,
    tensors: Vec<Tensor<'_>>,
    mut raw: &[u8],
    name: &'static str,
    columns: usize,
    binary: bool,
) -> Result<Rows, WireError> {
    for tensor in tensors {
        let (bytes, rest) = raw.split_at_checked(tensor.parameters.binary_data_size.unwrap_or(0)).ok_or(WireError::NoData)?;
        raw = rest;
        if tensor.name == name {
            let (rows, values) = tensor.rows(bytes, columns)?;
            return Ok(Rows { id: id.map(Cow::into_owned), rows, values, binary });
        }
    }
    Err(WireError::NoTensor(name))
}

impl Tensor<'_> {
    fn rows(self, bytes: &[u8], columns: usize) -> Result<(usize, Vec<f32>), WireError> {
        if self.datatype != "FP32" {
            return Err(WireError::Datatype(self.datatype.into_owned()));
        }
        let rows = match *self.shape.as_slice() {
            [rows, inner] if inner == columns => rows,
            _ => return Err(WireError::Shape(self.shape, columns)),
        };
        let values = match self.data {
            Some(data) => data,
            None if self.parameters.binary_data_size.is_some() => floats(bytes),
            None => return Err(WireError::NoData),
        };
        let expected = rows.saturating_mul(columns);
        if values.len() != expected {
            return Err(WireError::Count { expected, actual: values.len() });
        }
        Ok((rows, values))
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (chunks, _) = bytes.as_chunks::<4>();
    chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect()
}

#[derive(Serialize)]
struct Answer<'a> {
    model_name: &'a str,
    model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    outputs: [Output<'a>; 1],
}

#[derive(Serialize)]
struct Output<'a> {
    name: &'a str,
    datatype: &'a str,
    shape: [usize; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a [f32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Size>,
}

#[derive(Serialize)]
struct Size {
    binary_data_size: usize,
}

/// Body of an answer, and the length of its JSON where raw bytes follow it.
pub fn write_answer(model: &str, answer: &Rows, columns: usize) -> Result<(Vec<u8>, Option<usize>), WireError> {
    let raw: Vec<u8> = if answer.binary { answer.values.iter().flat_map(|v| v.to_le_bytes()).collect() } else { Vec::new() };
    let output = Output {
        name: "y",
        datatype: "FP32",
        shape: [answer.rows, columns],
        data: (!answer.binary).then_some(answer.values.as_slice()),
        parameters: answer.binary.then_some(Size { binary_data_size: raw.len() }),
    };
    let mut body = serde_json::to_vec(&Answer { model_name: model, model_version: "1", id: answer.id.as_deref(), outputs: [output] })?;
    let json_length = answer.binary.then_some(body.len());
    body.extend_from_slice(&raw);
    Ok((body, json_length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(binary: bool) -> Rows {
        Rows { id: Some("7".into()), rows: 2, values: vec![1.0, 2.5, -3.0, 4.0, 0.125, 1e-3], binary }
    }

    #[test]
    fn an_answer_reads_as_it_was_written_in_both_forms() {
        for binary in [false, true] {
            let (body, json_length) = write_answer("sim", &rows(binary), 3).unwrap();
            assert_eq!(json_length.is_some(), binary);
            assert_eq!(read_answer(&body, json_length, 3).unwrap(), rows(binary));
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let read = |json: &str| read_request(json.as_bytes(), None, 2).map(|r| r.values).map_err(|e| e.to_string());
        let with = |tensor: &str| read(&format!(r#"{{"inputs":[{tensor}]}}"#));
        assert_eq!(with(r#"{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}"#), Ok(vec![1.0, 2.0]));
        assert!(with(r#"{"name":"z","datatype":"FP32","shape":[1,2],"data":[1,2]}"#).unwrap_err().contains("no tensor `x`"));
        assert!(with(r#"{"name":"x","datatype":"INT8","shape":[1,2],"data":[1,2]}"#).unwrap_err().contains("INT8"));
        assert!(with(r#"{"name":"x","datatype":"FP32","shape":[1,3],"data":[1,2,3]}"#).unwrap_err().contains("shape [1, 3]"));
        assert!(with(r#"{"name":"x","datatype":"FP32","shape":[2,2],"data":[1,2]}"#).unwrap_err().contains("2 numbers"));
        assert!(with(r#"{"name":"x","datatype":"FP32","shape":[1,2]}"#).unwrap_err().contains("neither"));
        assert!(read("{").unwrap_err().contains("JSON"));
    }

    #[test]
    fn raw_bytes_that_are_not_all_there_are_refused() {
        let (body, json_length) = write_answer("sim", &rows(true), 3).unwrap();
        assert!(read_answer(&body[..body.len() - 1], json_length, 3).is_err());
        assert!(read_answer(&body, Some(body.len() + 1), 3).is_err());
    }
}
