//! Parameters: plain values by name, and those among them that speak of the wire form and are taken out.

use forebay_mesh_config::decode::DecodeLimits;

use crate::error::DecodeError;
use crate::infer::{ParameterValue, Parameters};
use crate::json::{Kind, Reader, write_string, write_value};

/// Whether a parameter that the protocol does not allow is a mistake or is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strictness {
    Refuse,
    PassOver,
}

/// The parameters that are next. `null` is none, and a parameter that is `null` is not there: clients that serialise absent fields send it.
pub(super) fn read(reader: &mut Reader<'_>, limits: &DecodeLimits, strictness: Strictness) -> Result<Parameters, DecodeError> {
    let mut parameters = Parameters::new();
    if reader.null()? {
        return Ok(parameters);
    }
    reader.object(|reader, name| {
        if parameters.len() >= limits.parameters {
            return Err(DecodeError::malformed(format!("more than {} parameters", limits.parameters)));
        }
        if name.len() > limits.text {
            return Err(DecodeError::malformed(format!("a parameter's name of {} bytes, at most {} are taken", name.len(), limits.text)));
        }
        let value = match reader.peek()? {
            Kind::Null => return reader.null().map(|_| ()),
            Kind::Object | Kind::Array if strictness == Strictness::PassOver => return reader.skip(),
            kind => read_value(reader, kind, limits)?,
        };
        parameters.push((name.to_owned(), value));
        Ok(())
    })?;
    Ok(parameters)
}

fn read_value(reader: &mut Reader<'_>, kind: Kind, limits: &DecodeLimits) -> Result<ParameterValue, DecodeError> {
    match kind {
        Kind::Bool => reader.bool().map(ParameterValue::Bool),
        Kind::String => {
            let text = reader.string()?;
            if text.len() > limits.text {
                return Err(DecodeError::malformed(format!("a parameter of {} bytes, at most {} are taken", text.len(), limits.text)));
            }
            Ok(ParameterValue::String(text.into_owned()))
        }
        Kind::Number => {
            let number = reader.number()?;
            match number.to_integer() {
                Some(integer) => Ok(ParameterValue::Int(integer)),
                None if number.is_integer() => {
                    Err(DecodeError::malformed(format!("{} does not fit into 64 bits with a sign", number.excerpt())))
                }
                None => match number.to_f64() {
                    value if value.is_finite() => Ok(ParameterValue::Float(value)),
                    _ => Err(DecodeError::malformed(format!("{} is beyond FP64", number.excerpt()))),
                },
            }
        }
        other => Err(DecodeError::malformed(format!("a parameter is a string, a number or a boolean, not {}", other.name()))),
    }
}

/// Takes the parameter `name` out.
fn take(parameters: &mut Parameters, name: &str) -> Option<ParameterValue> {
    let index = parameters.iter().position(|(n, _)| n == name)?;
    Some(parameters.remove(index).1)
}

/// Takes a boolean out.
pub(super) fn take_bool(parameters: &mut Parameters, name: &str) -> Result<Option<bool>, DecodeError> {
    match take(parameters, name) {
        None => Ok(None),
        Some(ParameterValue::Bool(value)) => Ok(Some(value)),
        Some(_) => Err(DecodeError::malformed("this parameter is true or false").under(name).under("parameters")),
    }
}

/// Takes a count out.
pub(super) fn take_count(parameters: &mut Parameters, name: &str) -> Result<Option<usize>, DecodeError> {
    let value = match take(parameters, name) {
        None => return Ok(None),
        Some(ParameterValue::Int(value)) => usize::try_from(value).ok(),
        Some(_) => None,
    };
    match value {
        Some(count) => Ok(Some(count)),
        None => Err(DecodeError::malformed("this parameter is a count: an integer, not negative").under(name).under("parameters")),
    }
}

/// Shared memory is memory of this machine; a caller has none to share.
pub(super) fn refuse_shared_memory(parameters: &Parameters) -> Result<(), DecodeError> {
    match parameters.iter().find(|(name, _)| name.starts_with("shared_memory_")) {
        None => Ok(()),
        Some((name, _)) => Err(DecodeError::malformed("tensors in shared memory are not taken here: send JSON or binary data")
            .under(name)
            .under("parameters")),
    }
}

/// Appends `"parameters":{…},` unless there are none. `extra` comes first.
pub(super) fn write(out: &mut Vec<u8>, extra: Option<(&str, ParameterValue)>, parameters: &Parameters) {
    let extra = extra.as_ref().map(|(name, value)| (*name, value));
    let mut all = extra.into_iter().chain(parameters.iter().map(|(name, value)| (name.as_str(), value))).peekable();
    if all.peek().is_none() {
        return;
    }
    out.extend_from_slice(b"\"parameters\":{");
    for (index, (name, value)) in all.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(out, name);
        out.push(b':');
        match value {
            ParameterValue::Bool(value) => write_value(out, value),
            ParameterValue::Int(value) => write_value(out, value),
            ParameterValue::Float(value) => write_value(out, value),
            ParameterValue::String(value) => write_string(out, value),
        }
    }
    out.extend_from_slice(b"},");
}
