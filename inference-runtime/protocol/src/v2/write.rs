//! Writing tensors: as JSON, or as binary data after it.

use super::Encoded;
use super::parameters;
use crate::dtype::Dtype;
use crate::element::{Element, by_element};
use crate::error::DecodeError;
use crate::infer::{ParameterValue, Parameters};
use crate::json::{write_string, write_value};
use crate::tensor::Tensor;

/// Room for the names and brackets of a tensor in JSON.
const FRAME: usize = 128;

/// Bytes of an FP32 in JSON, more or less.
const NUMBER: usize = 12;

/// JSON under construction, and the tensors whose bytes follow it.
pub(super) struct Writer<'a> {
    pub(super) json: Vec<u8>,
    binary: Vec<&'a Tensor>,
}

impl<'a> Writer<'a> {
    /// `tensors` and whether each will be binary only serve to reserve about the right room.
    pub(super) fn new(tensors: impl Iterator<Item = (&'a Tensor, bool)>) -> Self {
        let room = tensors.map(|(tensor, binary)| FRAME + if binary { tensor.data().len() } else { room_as_json(tensor) }).sum::<usize>();
        Writer { json: Vec::with_capacity(FRAME + room), binary: Vec::new() }
    }

    /// Appends a tensor as a JSON object.
    pub(super) fn tensor(&mut self, tensor: &'a Tensor, parameters: &Parameters, binary: bool) -> Result<(), DecodeError> {
        let out = &mut self.json;
        out.extend_from_slice(b"{\"name\":");
        write_string(out, tensor.name());
        out.extend_from_slice(b",\"shape\":");
        write_value(out, tensor.shape());
        out.extend_from_slice(b",\"datatype\":\"");
        out.extend_from_slice(tensor.dtype().name().as_bytes());
        out.extend_from_slice(b"\",");
        if binary {
            let size = i64::try_from(tensor.data().len()).unwrap_or(i64::MAX);
            parameters::write(out, Some(("binary_data_size", ParameterValue::Int(size))), parameters);
            // The comma after the last member.
            out.pop();
            self.binary.push(tensor);
        } else {
            parameters::write(out, None, parameters);
            out.extend_from_slice(b"\"data\":");
            flat(out, tensor).map_err(|e| e.under("data"))?;
        }
        self.json.push(b'}');
        Ok(())
    }

    pub(super) fn finish(self) -> Encoded {
        let mut body = self.json;
        if self.binary.is_empty() {
            return Encoded { body: body.into(), json_length: None };
        }
        let length = body.len();
        body.reserve(self.binary.iter().map(|t| t.data().len()).sum());
        for tensor in self.binary {
            body.extend_from_slice(tensor.data());
        }
        Encoded { body: body.into(), json_length: Some(length) }
    }
}

fn room_as_json(tensor: &Tensor) -> usize {
    match tensor.dtype().size() {
        Some(size) => tensor.data().len() / size * NUMBER,
        None => tensor.data().len() + tensor.data().len() / 4,
    }
}

/// Appends all elements as one list.
pub(super) fn flat(out: &mut Vec<u8>, tensor: &Tensor) -> Result<(), DecodeError> {
    out.push(b'[');
    let mut index = 0;
    let mut comma = |out: &mut Vec<u8>| {
        if index > 0 {
            out.push(b',');
        }
        index += 1;
        index - 1
    };
    by_element!(tensor.dtype(),
        T => for element in T::each(tensor.data()) {
            let at = comma(out);
            element.write(out).map_err(|_| non_finite(tensor).at(at))?;
        },
        bytes => for element in tensor.bytes_elements() {
            let at = comma(out);
            write_string(out, std::str::from_utf8(element).map_err(|_| not_text(tensor).at(at))?);
        }
    );
    out.push(b']');
    Ok(())
}

#[cold]
pub(crate) fn non_finite(tensor: &Tensor) -> DecodeError {
    DecodeError::unacceptable(format!("{:?} has a NaN or an infinity, which JSON cannot say: ask for binary data", tensor.name()))
}

#[cold]
fn not_text(tensor: &Tensor) -> DecodeError {
    debug_assert_eq!(tensor.dtype(), Dtype::Bytes);
    DecodeError::unacceptable(format!("{:?} has bytes that are not UTF-8, which JSON cannot say: ask for binary data", tensor.name()))
}
