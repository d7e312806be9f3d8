//! `data` of a tensor in JSON: a flat list, or lists nested as the shape says, read straight into little-endian bytes.
//!
//! Memory follows the text: at most eight bytes for every two that are there, whatever the shape declares.

use crate::dtype::Dtype;
use crate::element::{Element, by_element};
use crate::error::DecodeError;
use crate::json::{Kind, Reader};

/// Reads elements of `dtype` that fill `shape`, which has `elements` of them. `text` bounds what is reserved: the bytes that the list can have.
pub(crate) fn read(reader: &mut Reader<'_>, dtype: Dtype, shape: &[usize], elements: usize) -> Result<Vec<u8>, DecodeError> {
    // A number and its comma are two bytes, an empty string and its comma three, and each becomes an element.
    let likely = elements.min(reader.remaining() / 2 + 1);
    let mut data = Vec::with_capacity(likely * dtype.size().unwrap_or(4));
    by_element!(dtype,
        T => fill(reader, shape, elements, &mut |reader| {
            T::read(reader)?.append_to(&mut data);
            Ok(())
        })?,
        bytes => fill(reader, shape, elements, &mut |reader| append_string(reader, &mut data))?
    );
    Ok(data)
}

/// The string that is next, with its length before it.
pub(crate) fn append_string(reader: &mut Reader<'_>, data: &mut Vec<u8>) -> Result<(), DecodeError> {
    append_bytes(reader.string()?.as_bytes(), data)
}

/// One `BYTES` element.
pub(crate) fn append_bytes(element: &[u8], data: &mut Vec<u8>) -> Result<(), DecodeError> {
    let Ok(length) = u32::try_from(element.len()) else {
        return Err(DecodeError::malformed("an element of 4 GiB or more"));
    };
    data.extend_from_slice(&length.to_le_bytes());
    data.extend_from_slice(element);
    Ok(())
}

type ReadOne<'f> = &'f mut dyn FnMut(&mut Reader<'_>) -> Result<(), DecodeError>;

fn fill(
    reader: &mut Reader<'_>,
    shape: &[usize],
    elements: usize,
    one: &mut impl FnMut(&mut Reader<'_>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    match reader.peek()? {
        Kind::Array if shape.len() > 1 && reader.peek_nested() => nested(reader, shape, one),
        Kind::Array => flat(reader, shape, elements, one),
        other => Err(DecodeError::malformed(format!("expected a list of elements, found {}", other.name()))),
    }
}

fn flat(
    reader: &mut Reader<'_>,
    shape: &[usize],
    elements: usize,
    one: &mut impl FnMut(&mut Reader<'_>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let found = reader.array(|reader, index| {
        if index >= elements {
            return Err(DecodeError::malformed(format!("one element more than the shape {shape:?} has")));
        }
        one(reader)
    })?;
    match found == elements {
        true => Ok(()),
        false => Err(DecodeError::malformed(format!("the shape {shape:?} has {elements} elements, the data {found}"))),
    }
}

/// Depth is bounded by the shape's rank, which is limited.
fn nested(reader: &mut Reader<'_>, shape: &[usize], one: ReadOne<'_>) -> Result<(), DecodeError> {
    let [size, inner @ ..] = shape else { return one(reader) };
    let found = reader.array(|reader, index| {
        if index >= *size {
            return Err(DecodeError::malformed(format!("one more than the {size} that the shape says for this level")));
        }
        nested(reader, inner, one)
    })?;
    match found == *size {
        true => Ok(()),
        false => Err(DecodeError::malformed(format!("{found} here, the shape says {size} for this level"))),
    }
}
