//! The classification extension: instead of an output, its highest values as `"value:index"` or `"value:index:label"`.

use std::cmp::Ordering;

use super::data::append_bytes;
use super::response::Labels;
use crate::dtype::Dtype;
use crate::element::{Element, by_element};
use crate::error::DecodeError;
use crate::json::write_value;
use crate::tensor::Tensor;

/// The `count` highest of each row, highest first, equals by index, NaN last: `BYTES` of shape `[rows, count]`; of shape `[count]` for an
/// output of less than two dimensions, which is one row. Fewer if there are fewer.
pub(super) fn classify(output: &Tensor, count: usize, labels: Labels<'_>) -> Result<Tensor, DecodeError> {
    let rows = if output.shape().len() > 1 { output.rows() } else { 1 };
    let mut data = Vec::new();
    let per_row = by_element!(output.dtype(),
        T => {
            let values: Vec<T> = T::each(output.data()).collect();
            let classes = values.len() / rows.max(1);
            for row in values.chunks(classes.max(1)) {
                append_highest(row, count, output.name(), labels, &mut data)?;
            }
            count.min(classes)
        },
        bytes => return Err(DecodeError::malformed(format!("output {:?} is BYTES: only numbers can be classified", output.name())))
    );
    let shape = if output.shape().len() > 1 { vec![rows, per_row] } else { vec![per_row] };
    Tensor::new(output.name(), Dtype::Bytes, shape, data.into()).map_err(|e| DecodeError::malformed(e.to_string()))
}

fn append_highest<T: Element>(row: &[T], count: usize, name: &str, labels: Labels<'_>, data: &mut Vec<u8>) -> Result<(), DecodeError> {
    for (index, value) in highest(row, count) {
        let mut text = Vec::new();
        if value.write(&mut text).is_err() {
            text.extend_from_slice(value.to_f64().to_string().as_bytes());
        }
        text.push(b':');
        write_value(&mut text, &index);
        if let Some(label) = labels(name, index) {
            text.push(b':');
            text.extend_from_slice(label.as_bytes());
        }
        append_bytes(&text, data)?;
    }
    Ok(())
}

/// The `count` highest values with their indices.
pub(crate) fn highest<T: Element>(row: &[T], count: usize) -> Vec<(usize, T)> {
    let mut ranked: Vec<(usize, T)> = row.iter().copied().enumerate().collect();
    let order = |a: &(usize, T), b: &(usize, T)| descending(a.1, b.1).then(a.0.cmp(&b.0));
    if count < ranked.len() {
        ranked.select_nth_unstable_by(count, order);
        ranked.truncate(count);
    }
    ranked.sort_unstable_by(order);
    ranked
}

fn descending<T: PartialOrd>(a: T, b: T) -> Ordering {
    b.partial_cmp(&a).unwrap_or_else(|| {
        // What is not equal to itself is NaN, and comes last.
        let nan = |x: &T| x.partial_cmp(x).is_none();
        nan(&a).cmp(&nan(&b))
    })
}
