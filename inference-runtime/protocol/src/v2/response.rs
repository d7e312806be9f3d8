//! Answers: read from a server behind us, written to a caller.

use std::borrow::Cow;

use bytes::Bytes;
use forebay_mesh_config::decode::DecodeLimits;

use super::body::{Binary, split};
use super::parameters::{self, Strictness};
use super::request::read_id;
use super::write::Writer;
use super::{Encoded, classification, tensor};
use crate::error::DecodeError;
use crate::infer::{InferResponse, OutputForm, Parameters};
use crate::json::{Reader, whole, write_string};
use crate::tensor::Tensor;

/// The label of an output's class, if it has one.
pub type Labels<'a> = &'a dyn Fn(&str, usize) -> Option<&'a str>;

/// A server is trusted with more than a caller is, but not with everything.
const LIMITS: DecodeLimits = DecodeLimits {
    json_depth: 64,
    tensors: 1_024,
    rank: 32,
    parameters: 1_024,
    text: 64 << 10,
    rows: usize::MAX,
    image_pixels: 0,
    multipart_parts: 0,
    batch_elements: 0,
};

/// Reads a server's answer. Generous where servers differ and nothing is lost: `NaN` in JSON, nested parameters (passed over), absent names.
pub fn decode_response(body: Bytes, json_length: Option<usize>) -> Result<InferResponse, DecodeError> {
    let (json, mut binary) = split(body, json_length)?;
    let response = whole(&json, LIMITS.json_depth, |reader| read(reader.with_non_finite(), &mut binary))?;
    binary.end()?;
    Ok(response)
}

fn read(reader: &mut Reader<'_>, binary: &mut Binary) -> Result<InferResponse, DecodeError> {
    let mut response = InferResponse { model: String::new(), version: None, id: None, parameters: Vec::new(), outputs: Vec::new() };
    let mut outputs = false;
    reader.object(|reader, member| {
        match member {
            "model_name" => response.model = read_id(reader, &LIMITS)?.unwrap_or_default(),
            "model_version" => response.version = read_id(reader, &LIMITS)?,
            "id" => response.id = read_id(reader, &LIMITS)?,
            "parameters" => response.parameters = parameters::read(reader, &LIMITS, Strictness::PassOver)?,
            "outputs" => {
                outputs = true;
                reader.array(|reader, index| {
                    if index >= LIMITS.tensors {
                        return Err(DecodeError::malformed(format!("more than {} outputs", LIMITS.tensors)));
                    }
                    response.outputs.push(tensor::read(reader, binary, &LIMITS, Strictness::PassOver)?.tensor);
                    Ok(())
                })?;
            }
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    match outputs {
        true => Ok(response),
        false => Err(DecodeError::malformed("the member \"outputs\" is missing")),
    }
}

/// The message of an error answer, `{"error": "…"}`.
pub fn decode_error(body: &[u8]) -> Option<String> {
    let mut message = None;
    whole(body, LIMITS.json_depth, |reader| {
        reader.object(|reader, member| {
            match member {
                "error" => message = Some(reader.string()?.into_owned()),
                _ => reader.skip()?,
            }
            Ok(())
        })
    })
    .ok()?;
    message
}

/// Writes an answer in the form that its caller asked for.
///
/// [`crate::DecodeErrorKind::Unacceptable`] when that form cannot carry it: JSON has no NaN, no infinity and no bytes that are not text.
pub fn encode_response(response: &InferResponse, form: &OutputForm, labels: Labels<'_>) -> Result<Encoded, DecodeError> {
    let outputs = response
        .outputs
        .iter()
        .enumerate()
        .map(|(index, output)| as_asked(output, form, labels).map_err(|e| e.at(index).under("outputs")))
        .collect::<Result<Vec<_>, _>>()?;
    let mut writer = Writer::new(outputs.iter().map(|(tensor, binary)| (tensor.as_ref(), *binary)));
    write_head(&mut writer.json, response);
    for (index, (tensor, binary)) in outputs.iter().enumerate() {
        if index > 0 {
            writer.json.push(b',');
        }
        writer.tensor(tensor, &Parameters::new(), *binary).map_err(|e| e.at(index).under("outputs"))?;
    }
    writer.json.extend_from_slice(b"]}");
    Ok(writer.finish())
}

/// The output as its caller wants it, and whether as binary data.
fn as_asked<'a>(output: &'a Tensor, form: &OutputForm, labels: Labels<'_>) -> Result<(Cow<'a, Tensor>, bool), DecodeError> {
    let of = form.outputs.iter().find(|o| o.name == output.name());
    let binary = of.and_then(|o| o.binary).unwrap_or(form.binary_by_default);
    let tensor = match of.and_then(|o| o.classification) {
        Some(count) => Cow::Owned(classification::classify(output, count, labels)?),
        None => Cow::Borrowed(output),
    };
    Ok((tensor, binary))
}

fn write_head(out: &mut Vec<u8>, response: &InferResponse) {
    out.extend_from_slice(b"{\"model_name\":");
    write_string(out, &response.model);
    for (name, value) in [("model_version", &response.version), ("id", &response.id)] {
        if let Some(value) = value {
            out.push(b',');
            write_string(out, name);
            out.push(b':');
            write_string(out, value);
        }
    }
    out.push(b',');
    parameters::write(out, None, &response.parameters);
    out.extend_from_slice(b"\"outputs\":[");
}
