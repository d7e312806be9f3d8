//! What must hold for any bytes. The fuzz targets run these on what they make up, `tests/corpus.rs` on the committed corpora.

use bytes::Bytes;
use forebay_mesh_config::decode::DecodeLimits;
use forebay_protocol::check::check;
use forebay_protocol::form::Forms;
use forebay_protocol::v1::{self, Form};
use forebay_protocol::{
    Colour, DecodeError, Dtype, Features, ImageInput, InferRequest, InferResponse, Layout, Meaning, ModelMetadata, OutputForm, TensorSpec,
    image, v2,
};

/// Small enough that a whole run stays fast.
const PIXELS: u64 = 1 << 14;

fn limits() -> DecodeLimits {
    DecodeLimits { image_pixels: PIXELS, ..DecodeLimits::default() }
}

fn spec(name: &str, dtype: Dtype, shape: &[i64]) -> TensorSpec {
    TensorSpec { name: name.into(), dtype, shape: shape.to_vec() }
}

fn metadata(inputs: Vec<TensorSpec>) -> ModelMetadata {
    let outputs = vec![spec("y", Dtype::Fp32, &[-1])];
    ModelMetadata { name: "m".into(), versions: vec![], platform: String::new(), inputs, outputs }
}

/// An error is short, names a pointer or none, and repeats no control characters.
fn assert_well_formed(error: &DecodeError) {
    assert!(error.detail.len() < 2_048, "{error:?}");
    assert!(error.pointer.is_empty() || error.pointer.starts_with('/'), "{error:?}");
    assert!(!error.detail.chars().any(char::is_control), "{error:?}");
}

/// A request that was read is written and read back the same in every form that can say it.
fn assert_survives(request: &InferRequest, limits: &DecodeLimits) {
    for binary in [true, false] {
        match v2::encode_request(request, binary) {
            Ok(encoded) => {
                let back = v2::decode_request("m", None, encoded.body, encoded.json_length, limits);
                assert_eq!(back.map(|(back, _)| back).as_ref(), Ok(request), "binary: {binary}");
            }
            Err(error) => {
                assert!(!binary, "anything can be said in binary");
                assert_well_formed(&error);
            }
        }
    }
}

/// Answers with a request's inputs.
fn echo(request: &InferRequest) -> InferResponse {
    let outputs = request.inputs.iter().map(|input| input.tensor.clone()).collect();
    InferResponse { model: "m".into(), version: None, id: request.id.clone(), parameters: vec![], outputs }
}

pub fn v2_json(data: &[u8]) {
    let limits = limits();
    let body = Bytes::copy_from_slice(data);
    match v2::decode_request("m", None, body.clone(), None, &limits) {
        Ok((request, form)) => {
            serde_json::from_slice::<serde::de::IgnoredAny>(data).unwrap_or_else(|e| panic!("another parser refuses it: {e}"));
            assert_survives(&request, &limits);
            let known = metadata(vec![spec("x", Dtype::Fp32, &[-1, 2])]);
            for model in [known, ModelMetadata { inputs: vec![], ..metadata(vec![]) }] {
                let _ =
                    check(&request, &model, &Meaning { finite: true, ..Meaning::default() }, &limits).map_err(|e| assert_well_formed(&e));
            }
            let _ = v2::encode_response(&echo(&request), &form, &|_, index| (index == 0).then_some("label"))
                .map_err(|e| assert_well_formed(&e));
        }
        Err(error) => assert_well_formed(&error),
    }
    let _ = v2::decode_metadata(data).map(|known| assert_eq!(v2::decode_metadata(&v2::encode_metadata(&known)), Ok(known)));
    let _ = v2::decode_server_metadata(data);
    let _ = v2::decode_error(data);
    let _ = v2::decode_response(body, None).map_err(|e| assert_well_formed(&e));
}

/// The first two bytes are the length of the JSON.
pub fn v2_binary(data: &[u8]) {
    let Some((length, body)) = data.split_first_chunk::<2>() else { return };
    let length = usize::from(u16::from_le_bytes(*length));
    let body = Bytes::copy_from_slice(body);
    match v2::decode_request("m", None, body.clone(), Some(length), &limits()) {
        Ok((request, _)) => assert_survives(&request, &limits()),
        Err(error) => assert_well_formed(&error),
    }
    if let Ok(response) = v2::decode_response(body, Some(length)) {
        let form = OutputForm { binary_by_default: true, outputs: vec![] };
        if let Ok(encoded) = v2::encode_response(&response, &form, &|_, _| None) {
            let back = v2::decode_response(encoded.body, encoded.json_length).map(|back| back.outputs);
            assert_eq!(back, Ok(response.outputs));
        }
    }
}

pub fn v1(data: &[u8]) {
    let models = [
        metadata(vec![spec("x", Dtype::Fp32, &[-1, 2])]),
        metadata(vec![spec("t", Dtype::Bytes, &[-1])]),
        metadata(vec![spec("x", Dtype::Int64, &[-1]), spec("t", Dtype::Bool, &[-1])]),
    ];
    for model in &models {
        match v1::decode_request("m", data, model, &limits()) {
            Ok((request, form)) => {
                for form in [form, Form::Rows, Form::Columns] {
                    match v1::encode_response(&echo(&request), form) {
                        Ok(body) => {
                            let read = serde_json::from_slice::<serde::de::IgnoredAny>(&body);
                            assert!(read.is_ok(), "not JSON: {read:?}");
                        }
                        Err(error) => assert_well_formed(&error),
                    }
                }
                let _ = check(&request, model, &Meaning::default(), &limits());
            }
            Err(error) => assert_well_formed(&error),
        }
    }
}

fn input(colour: Colour, layout: Layout) -> ImageInput {
    ImageInput { input: "x".into(), width: 5, height: 3, colour, layout, scale: 1.0 / 255.0, mean: vec![], std: vec![] }
}

pub fn image(data: &[u8]) {
    for (colour, layout) in [(Colour::Grey, Layout::Hw), (Colour::Rgb, Layout::Chw), (Colour::Bgr, Layout::Flat)] {
        match image::decode(data, &input(colour, layout), Dtype::Fp32, &mut PIXELS.clone()) {
            Ok(tensor) => assert_eq!(tensor.rows(), 1),
            Err(error) => assert_well_formed(&error),
        }
    }
}

/// The first byte chooses the content type.
pub fn form(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else { return };
    let content_type = match choice % 5 {
        0 => None,
        1 => Some("application/json"),
        2 => Some("text/plain"),
        3 => Some("multipart/form-data; boundary=B"),
        _ => Some("application/x-www-form-urlencoded"),
    };
    let body = Bytes::copy_from_slice(body);
    let limits = limits();
    let features = Features::Columns { input: "x".into(), names: vec!["a".into(), "b".into()] };
    let image = Some(input(Colour::Grey, Layout::Flat));
    let meanings = [
        Meaning { image: image.clone(), ..Meaning::default() },
        Meaning { features: Some(features.clone()), ..Meaning::default() },
        Meaning { image, features: Some(features), ..Meaning::default() },
    ];
    let metadata = metadata(vec![spec("x", Dtype::Fp32, &[-1, 15])]);
    for meaning in &meanings {
        let forms = Forms { model: "m", metadata: &metadata, meaning, limits: &limits };
        let one = [forms.picture(content_type, &body), forms.picture_or_features(content_type, &body)];
        let all = one.into_iter().chain(forms.list(content_type, &body).unwrap_or_else(|e| vec![Err(e)]));
        for request in all {
            match request {
                Ok(request) => assert_eq!(request.rows(), 1),
                Err(error) => assert_well_formed(&error),
            }
        }
    }
}
