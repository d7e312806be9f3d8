//! A JSON object of named features becomes one row, as the model's manifest says.

use crate::dtype::Dtype;
use crate::element::{Element, by_element};
use crate::error::{DecodeError, excerpt};
use crate::infer::{Input, TensorSpec};
use crate::json::Reader;
use crate::manifest::Features;
use crate::tensor::Tensor;
use crate::v2::data::append_string;

/// Reads the object that is next: every feature once, and nothing else. `spec` is what the model says of an input.
pub(super) fn read<'m>(
    reader: &mut Reader<'_>,
    features: &Features,
    spec: impl Fn(&str) -> Option<&'m TensorSpec>,
) -> Result<Vec<Input>, DecodeError> {
    let dtype = |input: &str| spec(input).map_or(Dtype::Fp32, |spec| spec.dtype);
    match features {
        Features::Columns { input, names } => {
            let dtype = dtype(input);
            let expected: Vec<(&str, Dtype)> = names.iter().map(|name| (name.as_str(), dtype)).collect();
            let data = values(reader, &expected)?.concat();
            Ok(vec![row(input, dtype, vec![1, names.len()], data)?])
        }
        Features::Inputs { names } => {
            let expected: Vec<(&str, Dtype)> = names.iter().map(|(name, input)| (name.as_str(), dtype(input))).collect();
            let values = values(reader, &expected)?;
            values
                .into_iter()
                .zip(names)
                .map(|(data, (_, input))| {
                    let rank = spec(input).map_or(2, |spec| spec.shape.len());
                    row(input, dtype(input), vec![1; rank], data)
                })
                .collect()
        }
    }
}

fn row(input: &str, dtype: Dtype, shape: Vec<usize>, data: Vec<u8>) -> Result<Input, DecodeError> {
    let tensor = Tensor::new(input, dtype, shape, data.into()).map_err(|e| DecodeError::malformed(e.to_string()))?;
    Ok(Input { tensor, parameters: Vec::new() })
}

/// Bytes of each expected feature, in their order.
fn values(reader: &mut Reader<'_>, expected: &[(&str, Dtype)]) -> Result<Vec<Vec<u8>>, DecodeError> {
    let mut slots: Vec<Option<Vec<u8>>> = vec![None; expected.len()];
    reader.object(|reader, member| {
        let Some(((_, dtype), slot)) = expected.iter().zip(&mut slots).find(|((name, _), _)| *name == member) else {
            return Err(DecodeError::malformed(format!("not a feature of this model, which has {}", names(expected))));
        };
        *slot = Some(value(reader, *dtype)?);
        Ok(())
    })?;
    let missing = |index: usize| {
        let name = expected.get(index).map_or("", |(name, _)| name);
        DecodeError::malformed(format!("the feature {name:?} is missing"))
    };
    slots.into_iter().enumerate().map(|(index, slot)| slot.ok_or_else(|| missing(index))).collect()
}

fn value(reader: &mut Reader<'_>, dtype: Dtype) -> Result<Vec<u8>, DecodeError> {
    let mut data = Vec::new();
    by_element!(dtype,
        T => T::read(reader)?.append_to(&mut data),
        bytes => append_string(reader, &mut data)?
    );
    Ok(data)
}

/// The features' names, for messages.
fn names(expected: &[(&str, Dtype)]) -> String {
    /// Models with hundreds of features exist; a message is read by a person.
    const SHOWN: usize = 16;
    let mut names: Vec<String> = expected.iter().take(SHOWN).map(|(name, _)| excerpt(name.as_bytes())).collect();
    if expected.len() > SHOWN {
        names.push(format!("{} more", expected.len() - SHOWN));
    }
    names.join(", ")
}
