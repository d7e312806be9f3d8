//! Answers of V1: nested lists, row by row or tensor by tensor.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::Form;
use crate::element::{Element, by_element};
use crate::error::DecodeError;
use crate::infer::InferResponse;
use crate::json::{write_string, write_value};
use crate::tensor::Tensor;

/// Most empty lists that an output without elements is written as: a shape alone must not make a large answer.
const MOST_EMPTY: usize = 1 << 16;

/// Writes an answer: a value per row or tensor for a model with one output, an object by name for one with several. Bytes that are not text
/// are written as `{"b64": …}`. NaN and infinities cannot be written ([`crate::DecodeErrorKind::Unacceptable`]).
pub fn encode_response(response: &InferResponse, form: Form) -> Result<Bytes, DecodeError> {
    let mut out = Vec::new();
    match form {
        Form::Rows => {
            out.extend_from_slice(b"{\"predictions\":[");
            write_rows(&mut out, &response.outputs)?;
            out.extend_from_slice(b"]}");
        }
        Form::Columns => {
            out.extend_from_slice(b"{\"outputs\":");
            write_value_of(&mut out, &response.outputs)?;
            out.push(b'}');
        }
    }
    Ok(out.into())
}

fn write_rows(out: &mut Vec<u8>, outputs: &[Tensor]) -> Result<(), DecodeError> {
    let rows = outputs.first().map_or(0, Tensor::rows);
    if outputs.iter().any(|output| output.rows() != rows) {
        return Err(DecodeError::unacceptable("outputs have different numbers of rows: ask with \"inputs\" instead of \"instances\""));
    }
    let mut columns = outputs.iter().map(|output| rows_of(output).map(Vec::into_iter)).collect::<Result<Vec<_>, _>>()?;
    for row in 0..rows {
        if row > 0 {
            out.push(b',');
        }
        let outputs: Vec<Tensor> = columns.iter_mut().filter_map(Iterator::next).collect();
        write_value_of(out, &outputs)?;
    }
    Ok(())
}

/// Each row without its first dimension; a scalar is its own row.
fn rows_of(output: &Tensor) -> Result<Vec<Tensor>, DecodeError> {
    if output.shape().is_empty() {
        return Ok(vec![output.clone()]);
    }
    let rows = output.split_rows(std::iter::repeat_n(1, output.rows())).map_err(|e| DecodeError::unacceptable(e.to_string()))?;
    let row = |row: Tensor| Tensor::new(output.name(), output.dtype(), output.inner_shape().to_vec(), row.data().clone());
    rows.into_iter().map(|r| row(r).map_err(|e| DecodeError::unacceptable(e.to_string()))).collect()
}

fn write_value_of(out: &mut Vec<u8>, outputs: &[Tensor]) -> Result<(), DecodeError> {
    if let [only] = outputs {
        return write_tensor(out, only);
    }
    out.push(b'{');
    for (index, output) in outputs.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(out, output.name());
        out.push(b':');
        write_tensor(out, output)?;
    }
    out.push(b'}');
    Ok(())
}

fn write_tensor(out: &mut Vec<u8>, tensor: &Tensor) -> Result<(), DecodeError> {
    let lists = tensor.shape().iter().take_while(|&&size| size > 0).try_fold(1usize, |n, &size| n.checked_mul(size));
    if tensor.shape().contains(&0) && lists.is_none_or(|lists| lists > MOST_EMPTY) {
        return Err(DecodeError::unacceptable(format!("output {:?} has no elements in too many lists", tensor.name())));
    }
    by_element!(tensor.dtype(),
        T => {
            let mut elements = T::each(tensor.data());
            write_nested(out, tensor.shape(), &mut |out| match elements.next() {
                Some(element) => element.write(out).map_err(|_| non_finite(tensor)),
                None => Ok(()),
            })
        },
        bytes => {
            let mut elements = tensor.bytes_elements();
            write_nested(out, tensor.shape(), &mut |out| {
                if let Some(element) = elements.next() {
                    write_bytes(out, element);
                }
                Ok(())
            })
        }
    )
}

fn non_finite(tensor: &Tensor) -> DecodeError {
    let detail = "has a NaN or an infinity, which JSON cannot say: ask for binary data with the V2 protocol";
    DecodeError::unacceptable(format!("output {:?} {detail}", tensor.name()))
}

fn write_bytes(out: &mut Vec<u8>, element: &[u8]) {
    match std::str::from_utf8(element) {
        Ok(text) => write_string(out, text),
        Err(_) => {
            out.extend_from_slice(b"{\"b64\":");
            write_value(out, &STANDARD.encode(element));
            out.push(b'}');
        }
    }
}

/// Depth is the tensor's rank.
fn write_nested(
    out: &mut Vec<u8>,
    shape: &[usize],
    element: &mut dyn FnMut(&mut Vec<u8>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let [size, inner @ ..] = shape else { return element(out) };
    out.push(b'[');
    for index in 0..*size {
        if index > 0 {
            out.push(b',');
        }
        write_nested(out, inner, element)?;
    }
    out.push(b']');
    Ok(())
}
