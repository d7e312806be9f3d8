//! Requests: `POST /v2/models/{model}[/versions/{version}]/infer`.

use bytes::Bytes;
use forebay_mesh_config::decode::DecodeLimits;

use super::body::{Binary, split};
use super::parameters::{self, Strictness};
use super::write::Writer;
use super::{Encoded, tensor};
use crate::error::DecodeError;
use crate::infer::{InferRequest, Input, OutputForm, OutputFormOf, ParameterValue, RequestedOutput};
use crate::json::{Reader, whole, write_string};

/// Reads a request for `model`. `json_length` is the value of `Inference-Header-Content-Length`.
///
/// The tensors are consistent in themselves; whether they are what the model takes is asked by [`crate::check::check`]. Binary data are
/// shared with `body`. Members that the protocol does not name are passed over.
pub fn decode_request(
    model: &str,
    version: Option<&str>,
    body: Bytes,
    json_length: Option<usize>,
    limits: &DecodeLimits,
) -> Result<(InferRequest, OutputForm), DecodeError> {
    let (json, mut binary) = split(body, json_length)?;
    let read = whole(&json, limits.json_depth, |reader| read(reader, &mut binary, limits))?;
    binary.end()?;
    let (mut request, form) = read;
    model.clone_into(&mut request.model);
    request.version = version.map(str::to_owned);
    Ok((request, form))
}

fn read(reader: &mut Reader<'_>, binary: &mut Binary, limits: &DecodeLimits) -> Result<(InferRequest, OutputForm), DecodeError> {
    let mut request =
        InferRequest { model: String::new(), version: None, id: None, parameters: Vec::new(), inputs: Vec::new(), outputs: Vec::new() };
    let mut form = OutputForm::default();
    reader.object(|reader, member| {
        match member {
            "id" => request.id = read_id(reader, limits)?,
            "parameters" => request.parameters = parameters::read(reader, limits, Strictness::Refuse)?,
            "inputs" => read_inputs(reader, &mut request.inputs, binary, limits)?,
            "outputs" => read_outputs(reader, &mut request.outputs, &mut form, limits)?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    if request.inputs.is_empty() {
        return Err(DecodeError::malformed("the member \"inputs\" is missing or empty"));
    }
    parameters::refuse_shared_memory(&request.parameters)?;
    form.binary_by_default = parameters::take_bool(&mut request.parameters, "binary_data_output")?.unwrap_or(false);
    Ok((request, form))
}

/// An id, or `null` for none.
pub(super) fn read_id(reader: &mut Reader<'_>, limits: &DecodeLimits) -> Result<Option<String>, DecodeError> {
    if reader.null()? {
        return Ok(None);
    }
    Ok(Some(reader.text(limits.text)?.into_owned()))
}

fn read_inputs(reader: &mut Reader<'_>, inputs: &mut Vec<Input>, binary: &mut Binary, limits: &DecodeLimits) -> Result<(), DecodeError> {
    reader.array(|reader, index| {
        if index >= limits.tensors {
            return Err(DecodeError::malformed(format!("more than {} inputs", limits.tensors)));
        }
        inputs.push(tensor::read(reader, binary, limits, Strictness::Refuse)?);
        Ok(())
    })?;
    Ok(())
}

fn read_outputs(
    reader: &mut Reader<'_>,
    outputs: &mut Vec<RequestedOutput>,
    form: &mut OutputForm,
    limits: &DecodeLimits,
) -> Result<(), DecodeError> {
    if reader.null()? {
        return Ok(());
    }
    reader.array(|reader, index| {
        if index >= limits.tensors {
            return Err(DecodeError::malformed(format!("more than {} outputs", limits.tensors)));
        }
        let (output, form_of) = read_output(reader, limits)?;
        outputs.push(output);
        form.outputs.push(form_of);
        Ok(())
    })?;
    Ok(())
}

fn read_output(reader: &mut Reader<'_>, limits: &DecodeLimits) -> Result<(RequestedOutput, OutputFormOf), DecodeError> {
    let mut name = None;
    let mut parameters = Vec::new();
    reader.object(|reader, member| {
        match member {
            "name" => name = Some(reader.text(limits.text)?.into_owned()),
            "parameters" => parameters = parameters::read(reader, limits, Strictness::Refuse)?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    let Some(name) = name else { return Err(DecodeError::malformed("the member \"name\" is missing")) };
    parameters::refuse_shared_memory(&parameters)?;
    let binary = parameters::take_bool(&mut parameters, "binary_data")?;
    let classification = parameters::take_count(&mut parameters, "classification")?.filter(|&n| n > 0);
    let form = OutputFormOf { name: name.clone(), binary, classification };
    Ok((RequestedOutput { name, parameters }, form))
}

/// Writes a request for a server; if `binary`, tensors go as binary data and come back as such.
///
/// Model and version are not part of the body. Fails only if JSON cannot say what a tensor holds.
pub fn encode_request(request: &InferRequest, binary: bool) -> Result<Encoded, DecodeError> {
    let mut writer = Writer::new(request.inputs.iter().map(|i| (&i.tensor, binary)));
    writer.json.push(b'{');
    if let Some(id) = &request.id {
        writer.json.extend_from_slice(b"\"id\":");
        write_string(&mut writer.json, id);
        writer.json.push(b',');
    }
    let form = binary.then_some(("binary_data_output", ParameterValue::Bool(true)));
    parameters::write(&mut writer.json, form, &request.parameters);
    writer.json.extend_from_slice(b"\"inputs\":[");
    for (index, input) in request.inputs.iter().enumerate() {
        if index > 0 {
            writer.json.push(b',');
        }
        writer.tensor(&input.tensor, &input.parameters, binary).map_err(|e| e.at(index).under("inputs"))?;
    }
    writer.json.push(b']');
    write_outputs(&mut writer.json, &request.outputs);
    writer.json.push(b'}');
    Ok(writer.finish())
}

fn write_outputs(out: &mut Vec<u8>, outputs: &[RequestedOutput]) {
    if outputs.is_empty() {
        return;
    }
    out.extend_from_slice(b",\"outputs\":[");
    for (index, output) in outputs.iter().enumerate() {
        out.extend_from_slice(if index > 0 { b",{" } else { b"{" });
        parameters::write(out, None, &output.parameters);
        out.extend_from_slice(b"\"name\":");
        write_string(out, &output.name);
        out.push(b'}');
    }
    out.push(b']');
}
