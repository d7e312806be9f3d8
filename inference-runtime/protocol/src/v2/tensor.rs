//! A tensor of a request or an answer: name, shape, datatype, parameters, and data in JSON or after it.

use forebay_mesh_config::decode::DecodeLimits;

use super::body::Binary;
use super::data;
use super::parameters::{self, Strictness};
use crate::dtype::Dtype;
use crate::error::{DecodeError, excerpt};
use crate::infer::{Input, Parameters};
use crate::json::Reader;
use crate::tensor::{Tensor, element_count};

/// What has been read of a tensor so far: members may come in any order.
struct Draft<'a> {
    name: Option<String>,
    shape: Option<Vec<usize>>,
    dtype: Option<Dtype>,
    parameters: Parameters,
    data: Found<'a>,
}

/// The tensor's `data`.
enum Found<'a> {
    Nothing,
    /// It came before shape and datatype; this is where.
    At(Reader<'a>),
    Read(Vec<u8>),
}

/// The tensor that is next.
pub(super) fn read(
    reader: &mut Reader<'_>,
    binary: &mut Binary,
    limits: &DecodeLimits,
    strictness: Strictness,
) -> Result<Input, DecodeError> {
    let mut draft = Draft { name: None, shape: None, dtype: None, parameters: Parameters::new(), data: Found::Nothing };
    reader.object(|reader, member| {
        match member {
            "name" => draft.name = Some(reader.text(limits.text)?.into_owned()),
            "shape" => draft.shape = Some(read_shape(reader, limits.rank)?),
            "datatype" => draft.dtype = Some(read_dtype(reader)?),
            "parameters" => draft.parameters = parameters::read(reader, limits, strictness)?,
            "data" => draft.data = read_data(reader, &draft)?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    draft.finish(binary)
}

fn read_data<'a>(reader: &mut Reader<'a>, draft: &Draft<'a>) -> Result<Found<'a>, DecodeError> {
    match (&draft.shape, draft.dtype) {
        (Some(shape), Some(dtype)) => Ok(Found::Read(data::read(reader, dtype, shape, count(shape)?)?)),
        _ => {
            let here = reader.clone();
            reader.skip()?;
            Ok(Found::At(here))
        }
    }
}

/// Elements of a shape that has been read, and so can be counted.
fn count(shape: &[usize]) -> Result<usize, DecodeError> {
    element_count(shape).ok_or_else(|| DecodeError::malformed("the shape has more elements than can be counted"))
}

fn missing(member: &str) -> DecodeError {
    DecodeError::malformed(format!("the member \"{member}\" is missing"))
}

impl Draft<'_> {
    fn finish(mut self, binary: &mut Binary) -> Result<Input, DecodeError> {
        let name = self.name.ok_or_else(|| missing("name"))?;
        let shape = self.shape.ok_or_else(|| missing("shape"))?;
        let dtype = self.dtype.ok_or_else(|| missing("datatype"))?;
        parameters::refuse_shared_memory(&self.parameters)?;
        let size = parameters::take_count(&mut self.parameters, "binary_data_size")?;
        let bytes = match (self.data, size) {
            (Found::Read(bytes), None) => bytes.into(),
            (Found::At(mut there), None) => data::read(&mut there, dtype, &shape, count(&shape)?).map_err(|e| e.under("data"))?.into(),
            (Found::Nothing, Some(size)) => {
                return claim(binary, name, dtype, shape, size).map(|tensor| Input { tensor, parameters: self.parameters });
            }
            (Found::Nothing, None) => {
                return Err(DecodeError::malformed("neither \"data\" nor the parameter \"binary_data_size\" is there"));
            }
            (_, Some(_)) => return Err(DecodeError::malformed("both \"data\" and the parameter \"binary_data_size\" are there")),
        };
        let tensor = Tensor::new(name, dtype, shape, bytes).map_err(|e| DecodeError::malformed(e.to_string()))?;
        Ok(Input { tensor, parameters: self.parameters })
    }
}

/// A tensor out of the binary data.
fn claim(binary: &mut Binary, name: String, dtype: Dtype, shape: Vec<usize>, size: usize) -> Result<Tensor, DecodeError> {
    let misfit = |detail: String| DecodeError::malformed(detail).under("binary_data_size").under("parameters");
    let expected = dtype.size().map(|bytes| count(&shape).map(|elements| elements.saturating_mul(bytes))).transpose()?;
    if let Some(expected) = expected.filter(|&e| e != size) {
        return Err(misfit(format!("{dtype} of shape {shape:?} takes {expected} bytes, not {size}")));
    }
    let bytes = binary.claim(size).map_err(|e| misfit(e.detail))?;
    if dtype == Dtype::Bool
        && let Some(index) = bytes.iter().position(|&b| b > 1)
    {
        return Err(DecodeError::malformed(format!("element {index} of its binary data is neither 0 nor 1, as BOOL wants")));
    }
    Tensor::new(name, dtype, shape, bytes).map_err(|e| DecodeError::malformed(format!("its binary data: {e}")))
}

/// Dimensions that are next, none negative, their product countable.
pub(super) fn read_shape(reader: &mut Reader<'_>, rank: usize) -> Result<Vec<usize>, DecodeError> {
    let mut shape = Vec::new();
    reader.array(|reader, index| {
        if index >= rank {
            return Err(DecodeError::malformed(format!("more than {rank} dimensions")));
        }
        let number = reader.number()?;
        match number.to_integer::<usize>() {
            Some(size) => shape.push(size),
            None if number.is_integer() && number.to_f64() < 0.0 => {
                return Err(DecodeError::malformed(format!(
                    "{} is negative: a tensor that is sent has a size in each dimension",
                    number.excerpt()
                )));
            }
            None => return Err(DecodeError::malformed(format!("{} is not a size", number.excerpt()))),
        }
        Ok(())
    })?;
    count(&shape)?;
    Ok(shape)
}

pub(super) fn read_dtype(reader: &mut Reader<'_>) -> Result<Dtype, DecodeError> {
    let name = reader.string()?;
    name.parse().map_err(|e| DecodeError::malformed(format!("{} is {e}", excerpt(name.as_bytes()))))
}
