//! Every datatype of the protocol goes through ONNX Runtime and comes back as it was.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail loudly")]

use bytes::Bytes;
use forebay_protocol::{Dtype, Tensor};
use forebay_runtime::RunError;

mod support;

use support::{load_test_model, request, strings};

/// Three rows of two elements, with the datatype's extremes in them.
fn sample(dtype: Dtype) -> Tensor {
    let elements: Vec<Vec<u8>> = match dtype {
        Dtype::Bool => [0u8, 1, 1, 0, 1, 0].map(|b| vec![b]).to_vec(),
        Dtype::Uint8 => [0, 1, 2, 127, 128, u8::MAX].map(|v| v.to_le_bytes().to_vec()).to_vec(),
        Dtype::Uint16 => [0, 1, 2, 3, 4, u16::MAX].map(|v| v.to_le_bytes().to_vec()).to_vec(),
        Dtype::Uint32 => [0, 1, 2, 3, 4, u32::MAX].map(|v| v.to_le_bytes().to_vec()).to_vec(),
        Dtype::Uint64 => [0, 1, 2, 3, (1 << 53) + 1, u64::MAX].map(|v| v.to_le_bytes().to_vec()).to_vec(),
        Dtype::Int8 => [0, 1, -1, 3, i8::MIN, i8::MAX].map(|v| v.to_le_bytes().to_vec()).to_vec(),
        Dtype::Int16 => [0, 1, -1, 3, i16::MIN, i16::MAX].map(|v| v.to_le_bytes().to_vec()).to_vec(),
        Dtype::Int32 => [0, 1, -1, 3, i32::MIN, i32::MAX].map(|v| v.to_le_bytes().to_vec()).to_vec(),
        Dtype::Int64 => [0, 1, -1, (1 << 53) + 1, i64::MIN, i64::MAX].map(|v| v.to_le_bytes().to_vec()).to_vec(),
        // Bit patterns: 1, -2, the smallest subnormal, the largest, infinity, a NaN with a payload.
        Dtype::Fp16 => [0x3c00u16, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x7e01].map(|v| v.to_le_bytes().to_vec()).to_vec(),
        Dtype::Bf16 => [0x3f80u16, 0xc000, 0x0001, 0x7f7f, 0x7f80, 0x7fc1].map(|v| v.to_le_bytes().to_vec()).to_vec(),
        Dtype::Fp32 => {
            [1.5, -0.0, f32::MIN_POSITIVE / 2.0, f32::MAX, f32::NEG_INFINITY, f32::NAN].map(|v| v.to_le_bytes().to_vec()).to_vec()
        }
        Dtype::Fp64 => {
            [1.5, -0.0, f64::MIN_POSITIVE / 2.0, f64::MAX, f64::NEG_INFINITY, f64::NAN].map(|v| v.to_le_bytes().to_vec()).to_vec()
        }
        Dtype::Bytes => return strings("x", &[3, 2], &[b"", b"a", "\u{e9}\u{1f600}".as_bytes(), b"with space", b"\n\t", &[b'z'; 5_000]]),
    };
    Tensor::new("x", dtype, vec![3, 2], elements.concat().into()).unwrap()
}

#[tokio::test]
async fn every_datatype_comes_back_as_it_was() {
    for dtype in Dtype::ALL {
        let name = format!("identity_{}", dtype.name().to_lowercase());
        let model = load_test_model(&name).unwrap();
        let spec = &model.metadata().inputs[0];
        assert_eq!((spec.dtype, spec.shape.as_slice()), (dtype, [-1, -1].as_slice()), "{name}");
        let sent = sample(dtype);
        let answer = model.run(request(&name, vec![sent.clone()])).await.unwrap();
        assert_eq!(answer.outputs, [sent.renamed("y")], "{name}");
        assert_eq!((answer.model.as_str(), answer.version.as_deref()), (name.as_str(), Some("1")));
    }
}

#[tokio::test]
async fn rows_without_elements_are_answered_so() {
    for dtype in Dtype::ALL {
        let name = format!("identity_{}", dtype.name().to_lowercase());
        let model = load_test_model(&name).unwrap();
        let sent = Tensor::new("x", dtype, vec![2, 0], Bytes::new()).unwrap();
        let answer = model.run(request(&name, vec![sent.clone()])).await;
        assert_eq!(answer.map(|answer| answer.outputs), Ok(vec![sent.renamed("y")]), "{name}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_onnx_string_are_refused_with_their_place() {
    let model = load_test_model("identity_bytes").unwrap();
    for (element, why) in [(b"a\0b".as_slice(), "has a NUL byte"), (b"\xff\xfe", "is not UTF-8"), (b"\xed\xa0\x80", "is not UTF-8")] {
        let sent = strings("x", &[1, 2], &[b"fine", element]);
        let refused = model.run(request("identity_bytes", vec![sent])).await.unwrap_err();
        let detail = format!("element 1 of input \"x\" {why}; an ONNX string is UTF-8 without NUL");
        assert_eq!(refused, RunError::Refused { detail });
    }
}
