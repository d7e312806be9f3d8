//! What is written is read back as it was: every datatype, as JSON and as binary data, as a request and as an answer.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod common;

use bytes::Bytes;
use common::{limits, metadata};
use forebay_protocol::{
    Dtype, InferRequest, InferResponse, Input, OutputForm, OutputFormOf, ParameterValue, RequestedOutput, Tensor, element_count, v2,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Bytes of `elements` elements that JSON can say, out of arbitrary ones.
fn sayable(dtype: Dtype, elements: usize, mut seed: impl FnMut() -> u64) -> Vec<u8> {
    let mut data = Vec::new();
    for _ in 0..elements {
        let bits = seed();
        match dtype {
            Dtype::Bool => data.push((bits & 1) as u8),
            Dtype::Fp32 if f32::from_bits(bits as u32).is_finite() => data.extend_from_slice(&(bits as u32).to_le_bytes()),
            Dtype::Fp64 if f64::from_bits(bits).is_finite() => data.extend_from_slice(&bits.to_le_bytes()),
            Dtype::Fp16 if half::f16::from_bits(bits as u16).is_finite() => data.extend_from_slice(&(bits as u16).to_le_bytes()),
            Dtype::Bf16 if half::bf16::from_bits(bits as u16).is_finite() => data.extend_from_slice(&(bits as u16).to_le_bytes()),
            Dtype::Bytes => {
                let text: String = (0..bits % 7).filter_map(|i| char::from_u32((bits >> (i * 8)) as u32 % 0x2_0000)).collect();
                data.extend_from_slice(&(text.len() as u32).to_le_bytes());
                data.extend_from_slice(text.as_bytes());
            }
            other if other.is_float() => data.extend(std::iter::repeat_n(0, other.size().unwrap())),
            other => data.extend_from_slice(&bits.to_le_bytes()[..other.size().unwrap()]),
        }
    }
    data
}

prop_compose! {
    fn tensor()(dtype in prop::sample::select(Dtype::ALL.to_vec()), shape in vec(0usize..5, 0..4), seed: u64, name in "[a-zé\"\\\\]{1,8}") -> Tensor {
        let mut state = seed;
        let data = sayable(dtype, element_count(&shape).unwrap(), || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state ^ (state >> 29)
        });
        Tensor::new(name, dtype, shape, data.into()).unwrap()
    }
}

fn parameter() -> impl Strategy<Value = ParameterValue> {
    prop_oneof![
        any::<bool>().prop_map(ParameterValue::Bool),
        any::<i64>().prop_map(ParameterValue::Int),
        any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(ParameterValue::Float),
        ".{0,20}".prop_map(ParameterValue::String),
    ]
}

prop_compose! {
    fn request()(
        tensors in vec(tensor(), 1..4),
        id in prop::option::of("[ -~é]{0,20}"),
        parameter in parameter(),
        outputs in vec("[a-z]{1,5}", 0..3),
    ) -> InferRequest {
        InferRequest {
            model: "m".into(),
            version: Some("1".into()),
            id,
            parameters: vec![("p".into(), parameter.clone())],
            inputs: tensors.into_iter().map(|tensor| Input { tensor, parameters: vec![("q".into(), parameter.clone())] }).collect(),
            outputs: outputs.into_iter().map(|name| RequestedOutput { name, parameters: vec![("r".into(), parameter.clone())] }).collect(),
        }
    }
}

proptest! {
    #[test]
    fn a_request_survives_both_forms(request in request(), binary: bool) {
        let encoded = v2::encode_request(&request, binary).unwrap();
        prop_assert_eq!(encoded.json_length.is_some(), binary);
        let json = encoded.body.slice(..encoded.json_length.unwrap_or(encoded.body.len()));
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&json).is_ok());
        let (back, form) = v2::decode_request("m", Some("1"), encoded.body, encoded.json_length, &limits()).unwrap();
        prop_assert_eq!(&back, &request);
        prop_assert_eq!(form.binary_by_default, binary);
    }

    #[test]
    fn an_answer_survives_both_forms(outputs in vec(tensor(), 0..4), binary: bool, id in prop::option::of("[ -~]{0,20}")) {
        let response = InferResponse { model: "m".into(), version: Some("3".into()), id, parameters: vec![], outputs };
        let form = OutputForm { binary_by_default: binary, outputs: vec![] };
        let encoded = v2::encode_response(&response, &form, &|_, _| None).unwrap();
        prop_assert_eq!(v2::decode_response(encoded.body, encoded.json_length).unwrap(), response);
    }

    #[test]
    fn members_may_come_in_any_order(tensor in tensor(), order in Just([0usize, 1, 2, 3]).prop_shuffle()) {
        let encoded = v2::encode_response(
            &InferResponse { model: String::new(), version: None, id: None, parameters: vec![], outputs: vec![tensor.clone()] },
            &OutputForm::default(),
            &|_, _| None,
        ).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&encoded.body).unwrap();
        let members = ["name", "shape", "datatype", "data"];
        let body: Vec<String> = order.iter().map(|&i| format!("{:?}: {}", members[i], json["outputs"][0][members[i]])).collect();
        let (request, _) =
            v2::decode_request("m", None, format!("{{\"inputs\": [{{{}}}]}}", body.join(" , ")).into(), None, &limits()).unwrap();
        prop_assert_eq!(&request.inputs[0].tensor, &tensor);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(body in vec(any::<u8>(), 0..300), length in prop::option::of(0usize..400)) {
        let _ = v2::decode_request("m", None, body.clone().into(), length, &limits());
        let _ = v2::decode_response(body.clone().into(), length);
        let _ = v2::decode_metadata(&body);
        let _ = v2::decode_server_metadata(&body);
        let _ = v2::decode_error(&body);
    }

    #[test]
    fn a_damaged_request_is_read_or_refused(request in request(), binary: bool, at: prop::sample::Index, byte: u8) {
        let encoded = v2::encode_request(&request, binary).unwrap();
        let mut body = encoded.body.to_vec();
        let at = at.index(body.len());
        body[at] = byte;
        let _ = v2::decode_request("m", None, body.clone().into(), encoded.json_length, &limits());
        body.truncate(at);
        prop_assert!(v2::decode_request("m", None, body.into(), encoded.json_length, &limits()).is_err());
    }
}

#[test]
fn nested_data_are_the_same_as_flat() {
    let read = |data: &str| {
        let body = format!(r#"{{"inputs":[{{"name":"x","shape":[2,1,3],"datatype":"INT32","data":{data}}}]}}"#);
        v2::decode_request("m", None, body.into(), None, &limits()).unwrap().0.inputs[0].tensor.clone()
    };
    assert_eq!(read("[1,2,3,4,5,6]"), read("[[[1,2,3]],[[4,5,6]]]"));
    let empty =
        r#"{"inputs":[{"name":"x","shape":[2,0],"datatype":"INT32","data":[[],[]]},{"name":"y","shape":[],"datatype":"INT8","data":[7]}]}"#;
    let (request, _) = v2::decode_request("m", None, empty.into(), None, &limits()).unwrap();
    assert_eq!(request.inputs[1].tensor.data()[..], [7]);
}

#[test]
fn what_clients_write_for_absent_is_absent() {
    let body = r#"{"id":null,"parameters":null,"outputs":null,"extra":{"a":[1,{"b":null}]},
        "inputs":[{"name":"x","shape":[1],"datatype":"FP32","parameters":{"content_type":null},"data":[1]}]}"#;
    let (request, form) = v2::decode_request("m", None, body.into(), None, &limits()).unwrap();
    assert_eq!((request.id, request.outputs.len(), form), (None, 0, OutputForm::default()));
    assert!(request.inputs[0].parameters.is_empty());
}

#[test]
fn parameters_of_the_form_are_taken_and_others_kept() {
    let body = r#"{"parameters":{"binary_data_output":true,"timeout":5},"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}],
        "outputs":[{"name":"y","parameters":{"binary_data":false,"classification":3,"k":"v"}},{"name":"z"}]}"#;
    let (request, form) = v2::decode_request("m", None, body.into(), None, &limits()).unwrap();
    assert_eq!(request.parameters, [("timeout".to_owned(), ParameterValue::Int(5))]);
    assert_eq!(request.outputs[0].parameters, [("k".to_owned(), ParameterValue::String("v".into()))]);
    assert!(form.binary_by_default);
    assert_eq!(form.outputs[0], OutputFormOf { name: "y".into(), binary: Some(false), classification: Some(3) });
    assert_eq!(form.outputs[1], OutputFormOf { name: "z".into(), binary: None, classification: None });
}

fn response(dtype: Dtype, shape: Vec<usize>, data: Vec<u8>) -> InferResponse {
    let tensor = Tensor::new("y", dtype, shape, data.into()).unwrap();
    InferResponse { model: "m".into(), version: None, id: None, parameters: vec![], outputs: vec![tensor] }
}

fn fp32(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn classified(response: &InferResponse, count: usize) -> Result<Vec<String>, forebay_protocol::DecodeError> {
    let of = OutputFormOf { name: "y".into(), binary: None, classification: Some(count) };
    let form = OutputForm { binary_by_default: true, outputs: vec![of] };
    let encoded = v2::encode_response(response, &form, &|_, index| ["apple", "pickle"].get(index).copied())?;
    let tensor = v2::decode_response(encoded.body, encoded.json_length).unwrap().outputs.remove(0);
    let mut all = vec![format!("{:?}", tensor.shape())];
    all.extend(tensor.bytes_elements().map(|e| String::from_utf8_lossy(e).into_owned()));
    Ok(all)
}

#[test]
fn classes_are_the_highest_of_each_row_with_index_and_label() {
    let two_rows = response(Dtype::Fp32, vec![2, 4], fp32(&[1.0, 5.5, 10.0, 4.0, 0.0, 0.0, f32::NAN, -1.0]));
    assert_eq!(classified(&two_rows, 2).unwrap(), ["[2, 2]", "10.0:2", "5.5:1:pickle", "0.0:0:apple", "0.0:1:pickle"]);
    assert_eq!(classified(&two_rows, 99).unwrap()[0], "[2, 4]");
    assert_eq!(classified(&two_rows, 4).unwrap()[8], "NaN:2");
    let one_row = response(Dtype::Int64, vec![3], [i64::MAX, i64::MAX - 1, i64::MIN].iter().flat_map(|v| v.to_le_bytes()).collect());
    assert_eq!(classified(&one_row, 1).unwrap(), ["[1]", "9223372036854775807:0:apple"]);
    let text = response(Dtype::Bytes, vec![1], vec![0; 4]);
    assert!(classified(&text, 1).unwrap_err().detail.contains("only numbers"));
    let none = response(Dtype::Fp32, vec![3, 0], vec![]);
    assert_eq!(classified(&none, 2).unwrap(), ["[3, 0]"]);
}

#[test]
fn what_json_cannot_say_is_refused_with_the_remedy() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let response = response(Dtype::Fp32, vec![1, 2], fp32(&[1.0, bad]));
        let error = v2::encode_response(&response, &OutputForm::default(), &|_, _| None).unwrap_err();
        assert_eq!((error.pointer.as_str(), error.kind), ("/outputs/0/data/1", forebay_protocol::DecodeErrorKind::Unacceptable));
        assert!(error.detail.contains("ask for binary data"));
        let form = OutputForm { binary_by_default: true, outputs: vec![] };
        let encoded = v2::encode_response(&response, &form, &|_, _| None).unwrap();
        assert_eq!(v2::decode_response(encoded.body, encoded.json_length).unwrap().outputs[0].data(), response.outputs[0].data());
    }
    let bytes = response(Dtype::Bytes, vec![1], vec![1, 0, 0, 0, 0xFF]);
    let error = v2::encode_response(&bytes, &OutputForm::default(), &|_, _| None).unwrap_err();
    assert!(error.detail.contains("not UTF-8"));
}

#[test]
fn a_servers_answer_is_read_generously_and_bounded() {
    let body = r#"{"model_name":"m","model_version":null,"id":"7","parameters":{"headers":{"a":["b"]},"n":1},
        "outputs":[{"name":"y","shape":[3],"datatype":"FP32","parameters":{"content_type":"np"},"data":[NaN,-Infinity,Infinity]}]}"#;
    let response = v2::decode_response(body.into(), None).unwrap();
    assert_eq!(response.parameters, [("n".to_owned(), ParameterValue::Int(1))]);
    assert_eq!(response.outputs[0].data()[..], fp32(&[f32::NAN, f32::NEG_INFINITY, f32::INFINITY])[..]);
    for (body, part) in [
        (r#"{}"#, "\"outputs\" is missing"),
        (r#"{"outputs":[{"name":"y","shape":[1000000000000],"datatype":"FP32","data":[]}]}"#, "the data 0"),
        (r#"{"outputs":[{"name":"y","shape":[1],"datatype":"FP32"}]}"#, "neither"),
        (r#"<html>"#, "expected a value"),
    ] {
        assert!(v2::decode_response(body.into(), None).unwrap_err().detail.contains(part), "{body}");
    }
    assert_eq!(v2::decode_error(br#"{"error":"no such model"}"#).as_deref(), Some("no such model"));
    assert_eq!(v2::decode_error(b"Internal Server Error"), None);
    assert_eq!(v2::decode_error(br#"{"detail":"x"}"#), None);
}

#[test]
fn metadata_are_written_and_read() {
    let metadata = metadata(&[("x", "FP32", &[-1, 64])], &[("y", "BYTES", &[-1])]);
    assert_eq!(v2::decode_metadata(&v2::encode_metadata(&metadata)).unwrap(), metadata);
    let server = v2::ServerMetadata { name: "forebay".into(), version: "1".into(), extensions: vec!["binary_tensor_data".into()] };
    assert_eq!(v2::decode_server_metadata(&v2::encode_server_metadata(&server)).unwrap(), server);
    let sparse = v2::decode_metadata(br#"{"name":"m","platform":"","inputs":[],"parameters":{"a":{}}}"#).unwrap();
    assert_eq!((sparse.name.as_str(), sparse.outputs.len()), ("m", 0));
    for (body, pointer) in [
        (r#"{"inputs":[]}"#, ""),
        (r#"{"name":"m","inputs":[{"name":"x"}]}"#, "/inputs/0"),
        (r#"{"name":"m","inputs":[{"name":"x","datatype":"X","shape":[]}]}"#, "/inputs/0/datatype"),
        (r#"{"name":"m","inputs":[{"name":"x","datatype":"FP32","shape":[-2]}]}"#, "/inputs/0/shape/0"),
    ] {
        assert_eq!(v2::decode_metadata(body.as_bytes()).unwrap_err().pointer, pointer, "{body}");
    }
}

#[test]
fn a_tensor_shares_the_bytes_of_its_body() {
    let json = br#"{"inputs":[{"name":"a","shape":[2],"datatype":"FP32","parameters":{"binary_data_size":8}}]}"#;
    let body = Bytes::from([&json[..], &[7; 8]].concat());
    let (request, _) = v2::decode_request("m", None, body.clone(), Some(json.len()), &limits()).unwrap();
    assert_eq!(request.inputs[0].tensor.data().as_ptr(), body[json.len()..].as_ptr());
}
