//! V1: what is read, what is answered, and what is refused where.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod common;

use common::{Spec, limits, metadata};
use forebay_mesh_config::decode::DecodeLimits;
use forebay_protocol::v1::{self, Form};
use forebay_protocol::{DecodeErrorKind, Dtype, InferRequest, InferResponse, Tensor};

const IMAGE: Spec<'_> = ("x", "FP32", &[-1, 2, 2]);
const TEXT: Spec<'_> = ("t", "BYTES", &[-1]);
const COUNT: Spec<'_> = ("n", "INT64", &[-1]);

fn read(inputs: &[Spec<'_>], body: &str) -> (InferRequest, Form) {
    v1::decode_request("m", body.as_bytes(), &metadata(inputs, &[]), &limits()).unwrap_or_else(|e| panic!("{body}: {e}"))
}

fn fp32(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[test]
fn instances_are_rows_of_the_only_input() {
    let (request, form) = read(&[IMAGE], r#"{"signature_name":"s","instances":[[[1,2],[3,4]],[[5,6],[7,8]]]}"#);
    assert_eq!(form, Form::Rows);
    let tensor = &request.inputs[0].tensor;
    assert_eq!((tensor.name(), tensor.shape()), ("x", &[2, 2, 2][..]));
    assert_eq!(tensor.data()[..], fp32(&[1., 2., 3., 4., 5., 6., 7., 8.])[..]);
    assert_eq!(read(&[COUNT], r#"{"instances":[1,2,9223372036854775807]}"#).0.inputs[0].tensor.shape(), [3]);
    assert_eq!(read(&[IMAGE], r#"{"instances":[{"x":[[1,2],[3,4]]}]}"#).0.inputs[0].tensor.shape(), [1, 2, 2]);
}

#[test]
fn several_inputs_come_by_name_in_rows_or_columns() {
    let rows = read(&[IMAGE, COUNT], r#"{"instances":[{"n":1,"x":[[1,2],[3,4]]},{"x":[[5,6],[7,8]],"n":2}]}"#);
    let columns = read(&[IMAGE, COUNT], r#"{"inputs":{"n":[1,2],"x":[[[1,2],[3,4]],[[5,6],[7,8]]]}}"#);
    assert_eq!(rows.0, columns.0);
    assert_eq!((rows.1, columns.1), (Form::Rows, Form::Columns));
    assert_eq!(read(&[COUNT], r#"{"inputs":[1,2]}"#).0, read(&[COUNT], r#"{"inputs":{"n":[1,2]}}"#).0);
}

#[test]
fn bytes_are_strings_or_base64() {
    let (request, _) = read(&[TEXT], r#"{"instances":["é",{"b64":"/wA="},""]}"#);
    assert_eq!(request.inputs[0].tensor.bytes_elements().collect::<Vec<_>>(), ["é".as_bytes(), &[255, 0], b""]);
    assert_eq!(read(&[TEXT], r#"{"instances":[{"b64":"YQ=="}]}"#).0.inputs[0].tensor.shape(), [1]);
    let named = ("b64", "BYTES", &[-1][..]);
    assert_eq!(read(&[named], r#"{"instances":[{"b64":"YQ=="}]}"#).0.inputs[0].tensor.bytes_elements().next(), Some(&b"YQ=="[..]));
    assert_eq!(read(&[TEXT], r#"{"inputs":{"b64":"YQ=="}}"#).0.inputs[0].tensor.shape(), [0usize; 0]);
}

#[test]
fn what_is_missing_ragged_or_mixed_is_refused_where_it_is() {
    let limits = DecodeLimits { rows: 4, rank: 3, ..limits() };
    let one = &[IMAGE][..];
    let two = &[IMAGE, COUNT][..];
    let cases: &[(&[Spec<'_>], &str, &str, &str)] = &[
        (one, "", "", "ends at byte 0"),
        (one, "[]", "", "expected an object"),
        (one, "{}", "", "\"instances\" is missing"),
        (one, r#"{"instances":{}}"#, "/instances", "expected a list of instances, found an object"),
        (one, r#"{"instances":7}"#, "/instances", "expected a list of instances, found a number"),
        (one, r#"{"instances":null}"#, "/instances", "found null"),
        (one, r#"{"instances":[]}"#, "/instances", "nothing to infer"),
        (one, r#"{"instances":[[1]],"inputs":[[1]]}"#, "/inputs", "one of them"),
        (one, r#"{"instances":[[1]],"instances":[[1]]}"#, "/instances", "one of them"),
        (one, r#"{"instances":[[1]]}x"#, "", "bytes follow"),
        (one, r#"{"instances":[[[1,2],[3]]]}"#, "/instances/0/1", "1 here, 2 in the lists before"),
        (one, r#"{"instances":[[[1,2],[3,4,5]]]}"#, "/instances/0/1/2", "one more than the 2"),
        (one, r#"{"instances":[[[1,2],[3,4]],[[1,2]]]}"#, "/instances/1", "1 here, 2 in the lists before"),
        (one, r#"{"instances":[[[1,2],[3,4]],[1,2]]}"#, "/instances/1/0", "an element here, a list"),
        (one, r#"{"instances":[[1,2],[[1],[2]]]}"#, "/instances/1/0", "a list here, an element"),
        (one, r#"{"instances":[[1,[2]]]}"#, "/instances/0/1", "a list here, an element"),
        (one, r#"{"instances":[[[1],2]]}"#, "/instances/0/1", "an element here, a list"),
        (one, r#"{"instances":[[],[1]]}"#, "/instances/1/0", "one more than the 0"),
        (one, r#"{"instances":[1,[2]]}"#, "/instances/1", "a list here, an element"),
        (one, r#"{"instances":[[2],1]}"#, "/instances/1", "an element here, a list"),
        (one, r#"{"instances":[[["a"]]]}"#, "/instances/0/0/0", "expected a number, found a string"),
        (one, r#"{"instances":[[[null]]]}"#, "/instances/0/0/0", "expected a number, found null"),
        (one, r#"{"instances":[[[true]]]}"#, "/instances/0/0/0", "found a boolean"),
        (one, r#"{"instances":[[[NaN]]]}"#, "/instances/0/0/0", "NaN"),
        (one, r#"{"instances":[[[1e99]]]}"#, "/instances/0/0/0", "beyond FP32"),
        (one, r#"{"instances":[[[[1]]]]}"#, "/instances/0/0/0", "more than 3 dimensions"),
        (one, r#"{"instances":[1,2,3,4,5]}"#, "/instances/4", "more than 4 instances"),
        (one, r#"{"instances":[{"x":1},{"x":1},{"x":1},{"x":1},{"x":1}]}"#, "/instances/4", "more than 4 instances"),
        (one, r#"{"instances":[{"x":[1]},[1]]}"#, "/instances/1", "expected an object, found a list"),
        (one, r#"{"instances":[[1],{"x":[1]}]}"#, "/instances/1", "an element here, a list"),
        (one, r#"{"instances":[{"y":[1]}]}"#, "/instances/0/y", "not an input of this model, which has \"x\""),
        (one, r#"{"instances":[{}]}"#, "/instances/0", "\"x\" is missing"),
        (one, r#"{"instances":[{"x":[1],"x":[1]}]}"#, "/instances/0/x", ""),
        (one, r#"{"instances":[{"b64":"YQ=="}]}"#, "/instances/0/b64", "not an input"),
        (one, r#"{"inputs":"a"}"#, "/inputs", "expected a number, found a string"),
        (one, r#"{"inputs":{}}"#, "/inputs", "\"x\" is missing"),
        (one, r#"{"inputs":{"x":[[1],2]}}"#, "/inputs/x/1", "an element here, a list"),
        (two, r#"{"instances":[[1]]}"#, "/instances/0", "this model has \"x\", \"n\""),
        (two, r#"{"instances":[{"x":1}]}"#, "/instances/0", "\"n\" is missing"),
        (two, r#"{"instances":[{"x":1,"n":1},{"x":1}]}"#, "/instances/1", "\"n\" is missing"),
        (two, r#"{"instances":[{"x":1,"n":1.5}]}"#, "/instances/0/n", "not an integer"),
        (two, r#"{"instances":[{"x":1,"n":1},{"x":[1],"n":1}]}"#, "/instances/1/x", "a list here, an element"),
        (two, r#"{"inputs":[1,2]}"#, "/inputs", "expected an object of \"x\", \"n\", found a list"),
        (&[TEXT], r#"{"instances":[1]}"#, "/instances/0", "expected a string"),
        (&[TEXT], r#"{"instances":[{"b64":"%"}]}"#, "/instances/0/b64", "not base64"),
        (&[TEXT], r#"{"instances":["a",{"b64":1}]}"#, "/instances/1/b64", "expected a string"),
        (&[TEXT], r#"{"instances":["a",{"c":"a"}]}"#, "/instances/1/c", "\"b64\""),
        (&[TEXT], r#"{"instances":["a",{}]}"#, "/instances/1", "\"b64\""),
        (&[TEXT], r#"{"instances":["a",{"b64":"YQ==","b64":"YQ=="}]}"#, "/instances/1/b64", "twice"),
    ];
    for (inputs, body, pointer, part) in cases {
        let error = match v1::decode_request("m", body.as_bytes(), &metadata(inputs, &[]), &limits) {
            Err(error) => error,
            Ok(read) => panic!("accepted: {body}: {read:?}"),
        };
        assert_eq!(error.pointer, *pointer, "{body}: {}", error.detail);
        assert!(error.detail.contains(part), "{body}: {}", error.detail);
        assert_eq!(error.kind, DecodeErrorKind::Malformed);
    }
    let unknown = v1::decode_request("m", b"{}", &metadata(&[], &[]), &limits).unwrap_err();
    assert_eq!(unknown.kind, DecodeErrorKind::Unsupported);
}

fn answer(outputs: Vec<Tensor>) -> InferResponse {
    InferResponse { model: "m".into(), version: None, id: None, parameters: vec![], outputs }
}

#[test]
fn answers_are_nested_by_row_or_by_tensor() {
    let scores = Tensor::new("y", Dtype::Fp32, vec![2, 2], fp32(&[0.1, 0.9, 1.0, 0.0]).into()).unwrap();
    let labels = Tensor::new("l", Dtype::Bytes, vec![2], vec![1, 0, 0, 0, b'a', 1, 0, 0, 0, 255].into()).unwrap();
    let told = |outputs: Vec<Tensor>, form| String::from_utf8(v1::encode_response(&answer(outputs), form).unwrap().to_vec()).unwrap();
    assert_eq!(told(vec![scores.clone()], Form::Rows), r#"{"predictions":[[0.1,0.9],[1.0,0.0]]}"#);
    assert_eq!(told(vec![scores.clone()], Form::Columns), r#"{"outputs":[[0.1,0.9],[1.0,0.0]]}"#);
    assert_eq!(
        told(vec![scores.clone(), labels.clone()], Form::Rows),
        r#"{"predictions":[{"y":[0.1,0.9],"l":"a"},{"y":[1.0,0.0],"l":{"b64":"/w=="}}]}"#
    );
    assert_eq!(told(vec![scores, labels], Form::Columns), r#"{"outputs":{"y":[[0.1,0.9],[1.0,0.0]],"l":["a",{"b64":"/w=="}]}}"#);
}

#[test]
fn an_answer_that_json_cannot_say_is_refused() {
    let nan = Tensor::new("y", Dtype::Fp32, vec![1], fp32(&[f32::NAN]).into()).unwrap();
    let empty = Tensor::new("y", Dtype::Fp32, vec![1, 1 << 40, 0], vec![].into()).unwrap();
    for (tensor, part) in [(nan, "ask for binary data"), (empty, "no elements in too many lists")] {
        for form in [Form::Rows, Form::Columns] {
            let error = v1::encode_response(&answer(vec![tensor.clone()]), form).unwrap_err();
            assert_eq!(error.kind, DecodeErrorKind::Unacceptable);
            assert!(error.detail.contains(part), "{}", error.detail);
        }
    }
}
