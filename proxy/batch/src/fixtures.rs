//! Requests for tests, whose rows carry a number that shows whose they are.

use forebay_protocol::{Dtype, InferRequest, InferResponse, Input, Tensor};

/// One row `[tag, tag]` of FP32.
pub(crate) fn request(tag: u32) -> InferRequest {
    rows_request(1, tag)
}

/// `rows` rows `[tag, 0] … [tag, rows-1]`.
pub(crate) fn rows_request(rows: usize, tag: u32) -> InferRequest {
    let data: Vec<u8> = (0..rows).flat_map(|row| [tag as f32, row as f32]).flat_map(f32::to_le_bytes).collect();
    let tensor = Tensor::new("x", Dtype::Fp32, vec![rows, 2], data.into()).unwrap();
    InferRequest {
        model: "m".into(),
        version: None,
        id: None,
        parameters: vec![],
        inputs: vec![Input { tensor, parameters: vec![] }],
        outputs: vec![],
    }
}

/// Answers with the input.
pub(crate) fn echo(request: &InferRequest) -> InferResponse {
    InferResponse {
        model: request.model.clone(),
        version: None,
        id: request.id.clone(),
        parameters: vec![],
        outputs: request.inputs.iter().map(|i| i.tensor.clone().renamed("y")).collect(),
    }
}

/// The tags of a tensor's rows, in order.
pub(crate) fn tags(tensor: &Tensor) -> Vec<u32> {
    tensor.data().chunks(8).map(|row| f32::from_le_bytes(row[..4].try_into().unwrap()) as u32).collect()
}
