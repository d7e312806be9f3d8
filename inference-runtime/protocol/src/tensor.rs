//! A tensor as the protocol's binary form has it: name, datatype, shape and little-endian bytes in row-major order.
//!
//! Rows are slices of dimension 0. Splitting shares the bytes; joining copies each byte once. A `Tensor` that exists is consistent:
//! its bytes are exactly as many as datatype and shape say, and every `BYTES` element's length lies within them.

use bytes::{Bytes, BytesMut};

use crate::dtype::Dtype;

/// A named, typed, dense array. Always consistent; see [`Tensor::new`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    data: Bytes,
}

/// Why bytes, datatype and shape do not make a tensor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    #[error("the shape {shape:?} has more elements than can be counted")]
    ShapeOverflows { shape: Vec<usize> },
    #[error("shape {shape:?} of {dtype} takes {expected} bytes, the data has {actual}")]
    Size { dtype: Dtype, shape: Vec<usize>, expected: usize, actual: usize },
    #[error("BYTES element {index} ends beyond the data")]
    ElementTruncated { index: usize },
    #[error("the shape has {expected} BYTES elements, the data has {actual}")]
    ElementCount { expected: usize, actual: usize },
    #[error("rows {start}..{end} of a tensor with {rows} rows")]
    NoSuchRows { start: usize, end: usize, rows: usize },
    #[error("tensors with different datatype or inner shape cannot be joined")]
    Mismatch,
}

/// Number of elements of a shape; `None` when it overflows. A scalar (empty shape) has one.
pub fn element_count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}

impl Tensor {
    /// Checks that `data` is exactly what `dtype` and `shape` describe.
    pub fn new(name: impl Into<String>, dtype: Dtype, shape: Vec<usize>, data: Bytes) -> Result<Self, TensorError> {
        let Some(elements) = element_count(&shape) else {
            return Err(TensorError::ShapeOverflows { shape });
        };
        match dtype.size() {
            Some(size) => {
                let Some(expected) = elements.checked_mul(size) else {
                    return Err(TensorError::ShapeOverflows { shape });
                };
                if expected != data.len() {
                    return Err(TensorError::Size { dtype, shape, expected, actual: data.len() });
                }
            }
            None => {
                let mut actual = 0;
                for element in BytesElements::new(&data) {
                    element.map_err(|_| TensorError::ElementTruncated { index: actual })?;
                    actual += 1;
                }
                if actual != elements {
                    return Err(TensorError::ElementCount { expected: elements, actual });
                }
            }
        }
        Ok(Tensor { name: name.into(), dtype, shape, data })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Little-endian elements in row-major order; `BYTES` elements each with their `u32` length before them.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    pub fn renamed(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Size of dimension 0; a scalar has one row.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// The shape without dimension 0.
    pub fn inner_shape(&self) -> &[usize] {
        self.shape.get(1..).unwrap_or(&[])
    }

    /// Elements of a `BYTES` tensor, in order; empty for other datatypes.
    pub fn bytes_elements(&self) -> impl Iterator<Item = &[u8]> {
        let data: &[u8] = if self.dtype == Dtype::Bytes { &self.data } else { &[] };
        BytesElements::new(data).filter_map(Result::ok)
    }

    /// Rows `start..end`, sharing this tensor's bytes. For many slices of one tensor see [`Tensor::split_rows`].
    pub fn slice_rows(&self, start: usize, end: usize) -> Result<Tensor, TensorError> {
        let no_such = TensorError::NoSuchRows { start, end, rows: self.rows() };
        let count = end.checked_sub(start).ok_or(no_such.clone())?;
        let parts = self.split_rows([start, count]).map_err(|_| no_such.clone())?;
        parts.into_iter().nth(1).ok_or(no_such)
    }

    /// So many rows each, one part after another, sharing this tensor's bytes. The elements of a `BYTES` tensor are walked once for all parts.
    pub fn split_rows(&self, counts: impl IntoIterator<Item = usize>) -> Result<Vec<Tensor>, TensorError> {
        let rows = self.rows();
        let row_bytes = self.dtype.size().map(|_| self.data.len() / rows.max(1));
        let row_elements = element_count(self.inner_shape()).unwrap_or(0);
        let mut walk = BytesElements::new(&self.data);
        let (mut start, mut from) = (0usize, 0);
        let part = |count: usize| {
            let end = start.checked_add(count).filter(|end| *end <= rows && !self.shape.is_empty());
            let end = end.ok_or(TensorError::NoSuchRows { start, end: start.saturating_add(count), rows })?;
            let to = match row_bytes {
                Some(row) => end * row,
                None => {
                    walk.by_ref().take(count * row_elements).for_each(drop);
                    self.data.len() - walk.rest.len()
                }
            };
            let mut shape = self.shape.clone();
            if let Some(outer) = shape.first_mut() {
                *outer = count;
            }
            let data = self.data.slice(from..to);
            (start, from) = (end, to);
            Ok(Tensor { name: self.name.clone(), dtype: self.dtype, shape, data })
        };
        counts.into_iter().map(part).collect()
    }

    /// Rows of all `parts` one after another, under the name of the first. Datatype and inner shape must agree.
    pub fn concat_rows(parts: &[&Tensor]) -> Result<Tensor, TensorError> {
        let Some(first) = parts.first() else { return Err(TensorError::Mismatch) };
        if let [only] = parts {
            return Ok((*only).clone());
        }
        let mut rows = 0usize;
        let mut data = BytesMut::with_capacity(parts.iter().map(|t| t.data.len()).sum());
        for part in parts {
            if part.dtype != first.dtype || part.inner_shape() != first.inner_shape() || part.shape.is_empty() {
                return Err(TensorError::Mismatch);
            }
            rows += part.rows();
            data.extend_from_slice(&part.data);
        }
        let mut shape = first.shape.clone();
        if let Some(outer) = shape.first_mut() {
            *outer = rows;
        }
        Ok(Tensor { name: first.name.clone(), dtype: first.dtype, shape, data: data.freeze() })
    }
}

/// Walks the elements of a `BYTES` tensor's data.
struct BytesElements<'a> {
    rest: &'a [u8],
}

impl<'a> BytesElements<'a> {
    fn new(data: &'a [u8]) -> Self {
        BytesElements { rest: data }
    }
}

/// An element's length lies beyond the data.
struct Truncated;

impl<'a> Iterator for BytesElements<'a> {
    type Item = Result<&'a [u8], Truncated>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let element = self.rest.split_first_chunk::<4>().and_then(|(length, rest)| {
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            rest.split_at_checked(length)
        });
        match element {
            Some((element, rest)) => {
                self.rest = rest;
                Some(Ok(element))
            }
            None => {
                self.rest = &[];
                Some(Err(Truncated))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fp32(rows: usize, columns: usize) -> Tensor {
        let data: Vec<u8> = (0..rows * columns).flat_map(|i| (i as f32).to_le_bytes()).collect();
        Tensor::new("x", Dtype::Fp32, vec![rows, columns], data.into()).unwrap()
    }

    fn strings(elements: &[&str], shape: Vec<usize>) -> Result<Tensor, TensorError> {
        let mut data = Vec::new();
        for e in elements {
            data.extend_from_slice(&(e.len() as u32).to_le_bytes());
            data.extend_from_slice(e.as_bytes());
        }
        Tensor::new("s", Dtype::Bytes, shape, data.into())
    }

    #[test]
    fn what_is_split_joins_to_what_it_was() {
        for whole in [fp32(5, 3), strings(&["a", "", "ccc", "dd", "e", "ffff", "g", "h", "i", "j"], vec![5, 2]).unwrap()] {
            let parts = [whole.slice_rows(0, 1).unwrap(), whole.slice_rows(1, 4).unwrap(), whole.slice_rows(4, 5).unwrap()];
            assert_eq!(parts[1].rows(), 3);
            assert_eq!(Tensor::concat_rows(&parts.iter().collect::<Vec<_>>()).unwrap(), whole);
            assert_eq!(whole.split_rows([1, 3, 1]).unwrap(), parts);
            assert_eq!(whole.split_rows([2, 0]).unwrap()[1].data(), &Bytes::new());
            assert!(whole.split_rows([1, 5]).is_err() && whole.split_rows([1, usize::MAX]).is_err());
        }
    }

    #[test]
    fn a_declared_shape_beyond_the_data_is_refused_without_allocating() {
        let huge = Tensor::new("x", Dtype::Fp32, vec![1 << 40, 1 << 40], Bytes::new());
        assert!(matches!(huge, Err(TensorError::ShapeOverflows { .. })));
        let large = Tensor::new("x", Dtype::Fp32, vec![1 << 40], Bytes::new());
        assert!(matches!(large, Err(TensorError::Size { actual: 0, .. })));
    }

    #[test]
    fn bytes_elements_are_counted_and_bounded() {
        assert_eq!(strings(&["a", "b"], vec![3]), Err(TensorError::ElementCount { expected: 3, actual: 2 }));
        let lying = Tensor::new("s", Dtype::Bytes, vec![1], Bytes::from_static(&[9, 0, 0, 0, 1]));
        assert_eq!(lying, Err(TensorError::ElementTruncated { index: 0 }));
    }

    #[test]
    fn an_empty_batch_slices_to_nothing() {
        let none = Tensor::new("x", Dtype::Fp32, vec![0, 4], Bytes::new()).unwrap();
        assert_eq!(none.slice_rows(0, 0).unwrap(), none);
        assert!(none.slice_rows(0, 1).is_err());
    }
}
