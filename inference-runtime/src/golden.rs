//! The golden file: what a version answered when it was made. A version that answers otherwise is not served.
//!
//! `{"request": …, "response": …}`, both in the protocol's own JSON, so that the request can be sent to a running server as it is. Floats
//! may differ by 1e-5, of their size where that is above 1: kernels differ between processors. Everything else is equal.

use bytes::Bytes;
use forebay_mesh_config::decode::DecodeLimits;
use forebay_protocol::{DecodeError, Dtype, InferRequest, ModelMetadata, Tensor, v2};
use half::{bf16, f16};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::elements::Element;

/// How far a float may be from what it was.
const TOLERANCE: f64 = 1e-5;

/// Inputs, and what they must give.
pub(crate) struct Golden {
    pub(crate) request: InferRequest,
    outputs: Vec<Tensor>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    #[serde(borrow)]
    request: &'a RawValue,
    #[serde(borrow)]
    response: &'a RawValue,
}

impl Golden {
    /// Reads a golden file's text; the error says what is wrong with it.
    pub(crate) fn parse(text: &str, metadata: &ModelMetadata) -> Result<Self, String> {
        let written: Written<'_> =
            serde_json::from_str(text).map_err(|error| format!("is not {{\"request\": …, \"response\": …}}: {error}"))?;
        let body = |part: &RawValue| Bytes::copy_from_slice(part.get().as_bytes());
        let wrong = |part: &str, error: &DecodeError| format!("/{part}{}: {}", error.pointer, error.detail);
        let (request, _) = v2::decode_request(&metadata.name, None, body(written.request), None, &DecodeLimits::default())
            .map_err(|error| wrong("request", &error))?;
        let response = v2::decode_response(body(written.response), None).map_err(|error| wrong("response", &error))?;
        if request.inputs.is_empty() || response.outputs.is_empty() {
            return Err("has no inputs or no outputs: there is nothing to compare".to_owned());
        }
        Ok(Golden { request, outputs: response.outputs })
    }

    /// Where an answer is not the golden one; `None` where it is.
    pub(crate) fn mismatch(&self, answered: &[Tensor]) -> Option<String> {
        self.outputs.iter().find_map(|expected| {
            let Some(actual) = answered.iter().find(|tensor| tensor.name() == expected.name()) else {
                return Some(format!("there is no output {:?}", expected.name()));
            };
            difference(expected, actual).map(|difference| format!("output {:?} {difference}", expected.name()))
        })
    }
}

fn difference(expected: &Tensor, actual: &Tensor) -> Option<String> {
    if (expected.dtype(), expected.shape()) != (actual.dtype(), actual.shape()) {
        let described = |tensor: &Tensor| format!("{} {:?}", tensor.dtype(), tensor.shape());
        return Some(format!("is {}, it was {}", described(actual), described(expected)));
    }
    match (floats(expected), floats(actual)) {
        (Some(expected), Some(actual)) => {
            let mut pairs = expected.iter().zip(&actual).enumerate();
            let (index, (was, is)) = pairs.find(|(_, (was, is))| !close(**was, **is))?;
            Some(format!("has {is} at element {index}, it was {was}"))
        }
        _ => (expected.data() != actual.data()).then(|| "has other elements than it had".to_owned()),
    }
}

fn close(expected: f64, actual: f64) -> bool {
    let same = expected == actual || (expected.is_nan() && actual.is_nan());
    same || (expected.is_finite() && (expected - actual).abs() <= TOLERANCE * expected.abs().max(1.0))
}

/// Elements of a tensor of floats.
fn floats(tensor: &Tensor) -> Option<Vec<f64>> {
    fn wide<E: Element + Into<f64>>(tensor: &Tensor) -> Vec<f64> {
        E::read(tensor.data()).into_iter().map(Into::into).collect()
    }
    match tensor.dtype() {
        Dtype::Fp16 => Some(wide::<f16>(tensor)),
        Dtype::Bf16 => Some(wide::<bf16>(tensor)),
        Dtype::Fp32 => Some(wide::<f32>(tensor)),
        Dtype::Fp64 => Some(wide::<f64>(tensor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(dtype: Dtype, data: Bytes) -> Tensor {
        Tensor::new("y", dtype, vec![data.len() / dtype.size().unwrap()], data).unwrap()
    }

    fn fp32(elements: &[f32]) -> Tensor {
        tensor(Dtype::Fp32, f32::write(elements))
    }

    #[test]
    fn floats_may_differ_a_little_and_no_more() {
        assert_eq!(difference(&fp32(&[0.5, 1e6]), &fp32(&[0.500_009, 1e6 + 9.0])), None);
        assert_eq!(difference(&fp32(&[0.5, 0.25]), &fp32(&[0.5, 0.375])).unwrap(), "has 0.375 at element 1, it was 0.25");
        assert_eq!(difference(&fp32(&[f32::NAN, f32::INFINITY]), &fp32(&[f32::NAN, f32::INFINITY])), None);
        assert!(difference(&fp32(&[1.0]), &fp32(&[f32::NAN])).is_some());
        assert!(difference(&fp32(&[f32::INFINITY]), &fp32(&[1.0])).is_some());
    }

    #[test]
    fn whole_numbers_and_shapes_are_equal_or_wrong() {
        let whole = |elements: &[i64]| tensor(Dtype::Int64, i64::write(elements));
        assert_eq!(difference(&whole(&[7]), &whole(&[7])), None);
        assert_eq!(difference(&whole(&[7]), &whole(&[8])).unwrap(), "has other elements than it had");
        assert_eq!(difference(&whole(&[7]), &fp32(&[7.0])).unwrap(), "is FP32 [1], it was INT64 [1]");
        assert_eq!(difference(&whole(&[7]), &whole(&[7, 8])).unwrap(), "is INT64 [2], it was INT64 [1]");
    }
}
