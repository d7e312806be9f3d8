//! One input while its values arrive: the shape is learned from the first nesting and asked of every other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::dtype::Dtype;
use crate::element::{Element, by_element};
use crate::error::DecodeError;
use crate::infer::{Input, TensorSpec};
use crate::json::{Kind, Reader};
use crate::tensor::Tensor;
use crate::v2::data::{append_bytes, append_string};

/// The member that marks bytes in base64.
pub(super) const BASE64: &str = "b64";

/// Values of one input, in order.
pub(super) struct Column<'m> {
    spec: &'m TensorSpec,
    /// Sizes by level; `None` while the first list of that level is open.
    sizes: Vec<Option<usize>>,
    /// Whether an element was seen: the number of levels is settled then.
    settled: bool,
    /// Most levels.
    rank: usize,
    data: Vec<u8>,
}

impl<'m> Column<'m> {
    pub(super) fn new(spec: &'m TensorSpec, rank: usize) -> Self {
        Column { spec, sizes: Vec::new(), settled: false, rank, data: Vec::new() }
    }

    /// A column whose rows come one by one, each read by [`Column::value`] at level 1.
    pub(super) fn of_rows(spec: &'m TensorSpec, rank: usize) -> Self {
        Column { sizes: vec![None], ..Column::new(spec, rank) }
    }

    pub(super) fn name(&self) -> &'m str {
        &self.spec.name
    }

    /// Reads the value that is next: an element, or a list of values of the next level. Depth is bounded by `rank`.
    pub(super) fn value(&mut self, reader: &mut Reader<'_>, level: usize) -> Result<(), DecodeError> {
        if reader.peek()? != Kind::Array {
            return self.element(reader, level);
        }
        if level >= self.rank {
            return Err(DecodeError::malformed(format!("more than {} dimensions", self.rank)));
        }
        match self.sizes.get(level) {
            None if self.settled => return Err(DecodeError::malformed("a list here, an element at this place in what came before")),
            None => self.sizes.push(None),
            Some(_) => {}
        }
        let size = self.sizes.get(level).copied().flatten();
        let found = reader.array(|reader, index| match size {
            Some(size) if index >= size => Err(DecodeError::malformed(format!("one more than the {size} of the lists before"))),
            _ => self.value(reader, level + 1),
        })?;
        match (size, self.sizes.get_mut(level)) {
            (Some(size), _) if found != size => Err(DecodeError::malformed(format!("{found} here, {size} in the lists before"))),
            (None, Some(unknown)) => {
                *unknown = Some(found);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn element(&mut self, reader: &mut Reader<'_>, level: usize) -> Result<(), DecodeError> {
        if self.sizes.len() > level {
            return Err(DecodeError::malformed("an element here, a list at this place in what came before"));
        }
        self.settled = true;
        by_element!(self.spec.dtype,
            T => {
                T::read(reader)?.append_to(&mut self.data);
                Ok(())
            },
            bytes => match reader.peek()? {
                Kind::Object => append_base64(reader, &mut self.data),
                _ => append_string(reader, &mut self.data),
            }
        )
    }

    /// The input, of as many `rows` as were read one by one, or as the first level has.
    pub(super) fn finish(mut self, rows: Option<usize>) -> Result<Input, DecodeError> {
        if let (Some(rows), Some(first)) = (rows, self.sizes.first_mut()) {
            *first = Some(rows);
        }
        let shape: Option<Vec<usize>> = self.sizes.into_iter().collect();
        let tensor = Tensor::new(self.spec.name.clone(), self.spec.dtype, shape.unwrap_or_default(), self.data.into())
            .map_err(|e| DecodeError::malformed(e.to_string()))?;
        Ok(Input { tensor, parameters: Vec::new() })
    }

    pub(super) fn dtype(&self) -> Dtype {
        self.spec.dtype
    }
}

/// `{"b64": "…"}`.
fn append_base64(reader: &mut Reader<'_>, data: &mut Vec<u8>) -> Result<(), DecodeError> {
    let mut found = false;
    reader.object(|reader, member| {
        if member != BASE64 {
            return Err(DecodeError::malformed("bytes are a string, or an object with the one member \"b64\""));
        }
        found = true;
        let bytes = STANDARD.decode(reader.string()?.as_bytes()).map_err(|e| DecodeError::malformed(format!("not base64: {e}")))?;
        append_bytes(&bytes, data)
    })?;
    match found {
        true => Ok(()),
        false => Err(DecodeError::malformed("bytes are a string, or an object with the one member \"b64\"")),
    }
}
