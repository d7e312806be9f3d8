//! `GET /v2` and `GET /v2/models/{model}`, written for callers and read from servers.

use bytes::Bytes;

use super::tensor::read_dtype;
use crate::error::DecodeError;
use crate::infer::{ModelMetadata, TensorSpec};
use crate::json::{Reader, whole, write_string, write_value};

/// What `GET /v2` tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerMetadata {
    pub name: String,
    pub version: String,
    pub extensions: Vec<String>,
}

/// Nesting of the metadata that servers send, their own additions included.
const LEVELS: usize = 32;

/// Longest text, and longest list, in them.
const LONGEST: usize = 64 << 10;

pub fn decode_server_metadata(body: &[u8]) -> Result<ServerMetadata, DecodeError> {
    let mut metadata = ServerMetadata::default();
    whole(body, LEVELS, |reader| {
        reader.object(|reader, member| {
            match member {
                "name" => metadata.name = read_text(reader)?,
                "version" => metadata.version = read_text(reader)?,
                "extensions" => metadata.extensions = read_list(reader, read_text)?,
                _ => reader.skip()?,
            }
            Ok(())
        })
    })?;
    Ok(metadata)
}

pub fn encode_server_metadata(metadata: &ServerMetadata) -> Bytes {
    let mut out = b"{\"name\":".to_vec();
    write_string(&mut out, &metadata.name);
    out.extend_from_slice(b",\"version\":");
    write_string(&mut out, &metadata.version);
    out.extend_from_slice(b",\"extensions\":");
    write_value(&mut out, &metadata.extensions);
    out.push(b'}');
    out.into()
}

/// Reads a model's metadata. Servers leave out what they do not know: versions, platform, inputs and outputs may be absent.
pub fn decode_metadata(body: &[u8]) -> Result<ModelMetadata, DecodeError> {
    let mut name = None;
    let mut metadata =
        ModelMetadata { name: String::new(), versions: Vec::new(), platform: String::new(), inputs: Vec::new(), outputs: Vec::new() };
    whole(body, LEVELS, |reader| {
        reader.object(|reader, member| {
            match member {
                "name" => name = Some(read_text(reader)?),
                "versions" => metadata.versions = read_list(reader, read_text)?,
                "platform" => metadata.platform = read_text(reader)?,
                "inputs" => metadata.inputs = read_list(reader, read_spec)?,
                "outputs" => metadata.outputs = read_list(reader, read_spec)?,
                _ => reader.skip()?,
            }
            Ok(())
        })
    })?;
    metadata.name = name.ok_or_else(|| DecodeError::malformed("the member \"name\" is missing"))?;
    Ok(metadata)
}

pub fn encode_metadata(metadata: &ModelMetadata) -> Bytes {
    let mut out = b"{\"name\":".to_vec();
    write_string(&mut out, &metadata.name);
    out.extend_from_slice(b",\"versions\":");
    write_value(&mut out, &metadata.versions);
    out.extend_from_slice(b",\"platform\":");
    write_string(&mut out, &metadata.platform);
    for (name, specs) in [("inputs", &metadata.inputs), ("outputs", &metadata.outputs)] {
        out.push(b',');
        write_string(&mut out, name);
        out.extend_from_slice(b":[");
        for (index, spec) in specs.iter().enumerate() {
            out.extend_from_slice(if index > 0 { b",{\"name\":" } else { b"{\"name\":" });
            write_string(&mut out, &spec.name);
            out.extend_from_slice(b",\"datatype\":");
            write_string(&mut out, spec.dtype.name());
            out.extend_from_slice(b",\"shape\":");
            write_value(&mut out, &spec.shape);
            out.push(b'}');
        }
        out.push(b']');
    }
    out.push(b'}');
    out.into()
}

/// A text; `null` is an empty one.
fn read_text(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    if reader.null()? {
        return Ok(String::new());
    }
    Ok(reader.text(LONGEST)?.into_owned())
}

/// A list; `null` is an empty one.
fn read_list<T>(reader: &mut Reader<'_>, mut one: impl FnMut(&mut Reader<'_>) -> Result<T, DecodeError>) -> Result<Vec<T>, DecodeError> {
    let mut list = Vec::new();
    if reader.null()? {
        return Ok(list);
    }
    reader.array(|reader, index| {
        if index >= LONGEST {
            return Err(DecodeError::malformed(format!("more than {LONGEST} elements")));
        }
        list.push(one(reader)?);
        Ok(())
    })?;
    Ok(list)
}

fn read_spec(reader: &mut Reader<'_>) -> Result<TensorSpec, DecodeError> {
    let (mut name, mut dtype, mut shape) = (None, None, None);
    reader.object(|reader, member| {
        match member {
            "name" => name = Some(read_text(reader)?),
            "datatype" => dtype = Some(read_dtype(reader)?),
            "shape" => shape = Some(read_list(reader, read_dimension)?),
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    match (name, dtype, shape) {
        (Some(name), Some(dtype), Some(shape)) => Ok(TensorSpec { name, dtype, shape }),
        _ => Err(DecodeError::malformed("one of the members \"name\", \"datatype\" and \"shape\" is missing")),
    }
}

fn read_dimension(reader: &mut Reader<'_>) -> Result<i64, DecodeError> {
    let number = reader.number()?;
    number
        .to_integer()
        .filter(|&size: &i64| size >= -1)
        .ok_or_else(|| DecodeError::malformed(format!("{} is neither a size nor -1", number.excerpt())))
}
