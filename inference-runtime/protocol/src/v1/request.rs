//! Requests of V1.

use forebay_mesh_config::decode::DecodeLimits;

use super::Form;
use super::column::{BASE64, Column};
use crate::dtype::Dtype;
use crate::error::{DecodeError, excerpt};
use crate::infer::{InferRequest, Input, ModelMetadata, TensorSpec};
use crate::json::{Kind, Reader, whole};

/// Reads a request for `model`, whose `metadata` must list its inputs.
///
/// `instances` are values of the only input, or objects of one value per input. `inputs` is the only input, or an object of all. Other members
/// (`signature_name`) are passed over.
pub fn decode_request(
    model: &str,
    body: &[u8],
    metadata: &ModelMetadata,
    limits: &DecodeLimits,
) -> Result<(InferRequest, Form), DecodeError> {
    if metadata.inputs.is_empty() {
        return Err(DecodeError::unsupported(
            "the model's server does not tell its inputs, and V1 names no datatypes: use the V2 protocol",
        ));
    }
    let mut read: Option<(Vec<Input>, Form)> = None;
    whole(body, limits.json_depth, |reader| {
        reader.object(|reader, member| {
            match member {
                "instances" | "inputs" if read.is_some() => {
                    return Err(DecodeError::malformed("\"instances\" and \"inputs\" are two forms of one thing: send one of them"));
                }
                "instances" => read = Some((read_instances(reader, &metadata.inputs, limits)?, Form::Rows)),
                "inputs" => read = Some((read_inputs(reader, &metadata.inputs, limits)?, Form::Columns)),
                _ => reader.skip()?,
            }
            Ok(())
        })
    })?;
    let Some((inputs, form)) = read else {
        return Err(DecodeError::malformed("the member \"instances\" is missing"));
    };
    let request = InferRequest { model: model.to_owned(), version: None, id: None, parameters: Vec::new(), inputs, outputs: Vec::new() };
    Ok((request, form))
}

fn read_instances(reader: &mut Reader<'_>, specs: &[TensorSpec], limits: &DecodeLimits) -> Result<Vec<Input>, DecodeError> {
    let first = first_instance(reader)?;
    let by_name = match (first, specs) {
        (None, _) => return Err(DecodeError::malformed("no instances: there is nothing to infer")),
        (Some(First::Base64), [only]) => only.dtype != Dtype::Bytes || only.name == BASE64,
        (Some(First::Base64 | First::Object), _) => true,
        (Some(First::Value), [_]) => false,
        (Some(First::Value), _) => {
            let detail = format!("this model has {}: each instance is an object of them", names(specs));
            return Err(DecodeError::malformed(detail).at(0));
        }
    };
    if by_name {
        return read_objects(reader, specs, limits);
    }
    let mut columns: Vec<Column<'_>> = specs.iter().map(|spec| Column::of_rows(spec, limits.rank)).collect();
    let rows = reader.array(|reader, index| {
        check_rows(index, limits)?;
        columns.iter_mut().try_for_each(|column| column.value(reader, 1))
    })?;
    finish(columns, Some(rows))
}

/// What the first instance is.
#[derive(Clone, Copy)]
enum First {
    /// An object whose first member is `b64`: bytes, or an object with such an input.
    Base64,
    Object,
    Value,
}

/// Looks at the first instance without taking it; none if there is none.
fn first_instance(reader: &Reader<'_>) -> Result<Option<First>, DecodeError> {
    let mut ahead = reader.clone();
    match ahead.peek()? {
        Kind::Array => {}
        other => return Err(ahead.mismatch("a list of instances", other)),
    }
    Ok(match ahead.peek_first()? {
        None => None,
        Some(Kind::Object) if ahead.peek_member() == Some(BASE64) => Some(First::Base64),
        Some(Kind::Object) => Some(First::Object),
        Some(_) => Some(First::Value),
    })
}

/// Rows as objects of one value per input.
fn read_objects(reader: &mut Reader<'_>, specs: &[TensorSpec], limits: &DecodeLimits) -> Result<Vec<Input>, DecodeError> {
    let mut columns: Vec<Column<'_>> = specs.iter().map(|spec| Column::of_rows(spec, limits.rank)).collect();
    let rows = reader.array(|reader, index| {
        check_rows(index, limits)?;
        read_members(reader, &mut columns, specs, 1)
    })?;
    finish(columns, Some(rows))
}

/// One object with a value for every column.
fn read_members(reader: &mut Reader<'_>, columns: &mut [Column<'_>], specs: &[TensorSpec], level: usize) -> Result<(), DecodeError> {
    let mut seen = vec![false; columns.len()];
    reader.object(|reader, member| {
        let Some((column, seen)) = columns.iter_mut().zip(&mut seen).find(|(column, _)| column.name() == member) else {
            return Err(DecodeError::malformed(format!("not an input of this model, which has {}", names(specs))));
        };
        *seen = true;
        column.value(reader, level)
    })?;
    match columns.iter().zip(&seen).find(|(_, seen)| !**seen) {
        Some((missing, _)) => Err(DecodeError::malformed(format!("the input {:?} is missing", missing.name()))),
        None => Ok(()),
    }
}

fn read_inputs(reader: &mut Reader<'_>, specs: &[TensorSpec], limits: &DecodeLimits) -> Result<Vec<Input>, DecodeError> {
    let mut columns: Vec<Column<'_>> = specs.iter().map(|spec| Column::new(spec, limits.rank)).collect();
    match (reader.peek()?, columns.as_mut_slice()) {
        (Kind::Object, [only]) if only.dtype() == Dtype::Bytes && reader.peek_member() == Some(BASE64) && only.name() != BASE64 => {
            only.value(reader, 0)?;
        }
        (Kind::Object, columns) => read_members(reader, columns, specs, 0)?,
        (_, [only]) => only.value(reader, 0)?,
        (other, _) => return Err(reader.mismatch(&format!("an object of {}", names(specs)), other)),
    }
    finish(columns, None)
}

fn check_rows(index: usize, limits: &DecodeLimits) -> Result<(), DecodeError> {
    match index >= limits.rows {
        true => Err(DecodeError::malformed(format!("more than {} instances", limits.rows))),
        false => Ok(()),
    }
}

fn finish(columns: Vec<Column<'_>>, rows: Option<usize>) -> Result<Vec<Input>, DecodeError> {
    columns.into_iter().map(|column| column.finish(rows)).collect()
}

/// The inputs' names, for messages.
fn names(specs: &[TensorSpec]) -> String {
    /// Models with hundreds of inputs exist; a message is read by a person.
    const SHOWN: usize = 8;
    let mut names: Vec<String> = specs.iter().take(SHOWN).map(|spec| excerpt(spec.name.as_bytes())).collect();
    if specs.len() > SHOWN {
        names.push(format!("{} more", specs.len() - SHOWN));
    }
    names.join(", ")
}
