//! Whether a request is what its model takes, asked before its rows are merged with others': after this, one request cannot spoil another's.

use forebay_mesh_config::decode::DecodeLimits;

use crate::element::{Element, by_element};
use crate::error::{DecodeError, excerpt};
use crate::infer::{InferRequest, Input, ModelMetadata, RequestedOutput, TensorSpec};
use crate::manifest::Meaning;

/// Checks `request` against what is known of its model, and returns its rows: 1 for a model without a batch dimension.
///
/// What the model's server does not tell is not checked: one that lists no inputs gets whatever is sent.
pub fn check(request: &InferRequest, metadata: &ModelMetadata, meaning: &Meaning, limits: &DecodeLimits) -> Result<usize, DecodeError> {
    check_inputs(request, &metadata.inputs)?;
    check_outputs(&request.outputs, &metadata.outputs)?;
    let rows = if metadata.has_batch_dimension() { check_rows(&request.inputs, limits.rows)? } else { 1 };
    if meaning.finite {
        check_finite(&request.inputs)?;
    }
    Ok(rows)
}

fn check_inputs(request: &InferRequest, specs: &[TensorSpec]) -> Result<(), DecodeError> {
    for (index, input) in request.inputs.iter().enumerate() {
        let place = |e: DecodeError| e.at(index).under("inputs");
        let name = input.tensor.name();
        if request.inputs.iter().take(index).any(|earlier| earlier.tensor.name() == name) {
            return Err(place(DecodeError::malformed("this input is there already").under("name")));
        }
        match specs.iter().find(|spec| spec.name == name) {
            Some(spec) => check_tensor(input, spec).map_err(place)?,
            None if specs.is_empty() => {}
            None => return Err(place(unknown(name, "an input", specs).under("name"))),
        }
    }
    match specs.iter().find(|spec| request.inputs.iter().all(|input| input.tensor.name() != spec.name)) {
        Some(missing) => Err(DecodeError::malformed(format!("the input {:?} is missing", missing.name)).under("inputs")),
        None => Ok(()),
    }
}

fn check_outputs(outputs: &[RequestedOutput], specs: &[TensorSpec]) -> Result<(), DecodeError> {
    for (index, output) in outputs.iter().enumerate() {
        let place = |e: DecodeError| e.under("name").at(index).under("outputs");
        if outputs.iter().take(index).any(|earlier| earlier.name == output.name) {
            return Err(place(DecodeError::malformed("this output is asked for already")));
        }
        if !specs.is_empty() && specs.iter().all(|spec| spec.name != output.name) {
            return Err(place(unknown(&output.name, "an output", specs)));
        }
    }
    Ok(())
}

/// A name that the model does not have, and those that it has.
fn unknown(name: &str, what: &str, specs: &[TensorSpec]) -> DecodeError {
    /// Models with hundreds of inputs exist; a message is read by a person.
    const SHOWN: usize = 8;
    let mut names: Vec<String> = specs.iter().take(SHOWN).map(|spec| excerpt(spec.name.as_bytes())).collect();
    if specs.len() > SHOWN {
        names.push(format!("{} more", specs.len() - SHOWN));
    }
    DecodeError::malformed(format!("{} is not {what} of this model, which has {}", excerpt(name.as_bytes()), names.join(", ")))
}

fn check_tensor(input: &Input, spec: &TensorSpec) -> Result<(), DecodeError> {
    let tensor = &input.tensor;
    if tensor.dtype() != spec.dtype {
        return Err(DecodeError::malformed(format!("{} here, the model takes {}", tensor.dtype(), spec.dtype)).under("datatype"));
    }
    if tensor.shape().len() != spec.shape.len() {
        let detail = format!("{} dimensions, the model takes {}: {:?}", tensor.shape().len(), spec.shape.len(), spec.shape);
        return Err(DecodeError::malformed(detail).under("shape"));
    }
    for (index, (&size, &wanted)) in tensor.shape().iter().zip(&spec.shape).enumerate() {
        if wanted >= 0 && i64::try_from(size) != Ok(wanted) {
            return Err(DecodeError::malformed(format!("{size} here, the model takes {wanted}")).at(index).under("shape"));
        }
    }
    Ok(())
}

/// All inputs must have the same number of rows, at least one and at most `most`.
fn check_rows(inputs: &[Input], most: usize) -> Result<usize, DecodeError> {
    let rows = inputs.first().map_or(0, |input| input.tensor.rows());
    for (index, input) in inputs.iter().enumerate() {
        let place = |detail: String| DecodeError::malformed(detail).at(0).under("shape").at(index).under("inputs");
        match input.tensor.rows() {
            0 => return Err(place("no rows: there is nothing to infer".to_owned())),
            n if n > most => return Err(place(format!("{n} rows, at most {most} are taken in one request"))),
            n if n != rows => return Err(place(format!("{n} rows here, {rows} in the first input"))),
            _ => {}
        }
    }
    Ok(rows)
}

fn check_finite(inputs: &[Input]) -> Result<(), DecodeError> {
    for (index, Input { tensor, .. }) in inputs.iter().enumerate() {
        let spoiled = by_element!(tensor.dtype(),
            T => if tensor.dtype().is_float() { T::each(tensor.data()).position(|x| !x.to_f64().is_finite()) } else { None },
            bytes => None
        );
        if let Some(element) = spoiled {
            let detail = format!("element {element} is NaN or infinite, which this model does not take");
            return Err(DecodeError::malformed(detail).at(index).under("inputs"));
        }
    }
    Ok(())
}
