//! Runs before the first caller: a session allocates and chooses kernels on its first runs, and on the first of each size.
//!
//! Every replica runs a batch of each size class, 1, 2, 4 and so on up to the most rows. The rows are those of the golden file, which the
//! model must be able to run; where there is none they are zeros, and a model that fails on zeros is served all the same.

use forebay_protocol::{InferRequest, Input, ModelMetadata, Tensor, TensorError, TensorSpec, element_count};

use crate::model::{Model, RunError};

/// Bytes that a row of zeros may have. Beyond it, warming would cost more memory than it saves time.
const LARGEST_ROW: usize = 16 << 20;

/// Sizes of the batches to run: powers of two, and the most.
pub(crate) fn sizes(most: usize) -> Vec<usize> {
    let powers = std::iter::successors(Some(1usize), |size| size.checked_mul(2));
    powers.take_while(|&size| size < most).chain([most]).collect()
}

/// Runs a batch of each size; at the first that fails, its size and why.
pub(crate) fn warm(replica: &mut impl Model, sample: &InferRequest, sizes: &[usize]) -> Result<(), (usize, RunError)> {
    for &rows in sizes {
        let batch = repeated(sample, rows).map_err(|error| (rows, RunError::Failed { detail: error.to_string() }))?;
        replica.run(&batch).map_err(|error| (rows, error))?;
    }
    Ok(())
}

/// A batch of `rows` rows, the sample's over and over.
fn repeated(sample: &InferRequest, rows: usize) -> Result<InferRequest, TensorError> {
    let inputs = sample.inputs.iter().map(|input| Ok(Input { tensor: rows_of(&input.tensor, rows)?, parameters: vec![] }));
    Ok(InferRequest { inputs: inputs.collect::<Result<_, TensorError>>()?, ..sample.clone() })
}

fn rows_of(tensor: &Tensor, rows: usize) -> Result<Tensor, TensorError> {
    if tensor.rows() == rows {
        return Ok(tensor.clone());
    }
    let there = tensor.rows().max(1);
    let parts: Vec<Tensor> = (0..rows).map(|row| tensor.slice_rows(row % there, row % there + 1)).collect::<Result<_, _>>()?;
    Tensor::concat_rows(&parts.iter().collect::<Vec<_>>())
}

/// One row of zeros for every input; dimensions of any size are 1. `None` where that would be very large.
pub(crate) fn zeros(metadata: &ModelMetadata) -> Option<InferRequest> {
    let inputs = metadata.inputs.iter().map(|spec| Some(Input { tensor: zero(spec)?, parameters: vec![] }));
    Some(InferRequest {
        model: metadata.name.clone(),
        version: None,
        id: None,
        parameters: vec![],
        inputs: inputs.collect::<Option<_>>()?,
        outputs: vec![],
    })
}

fn zero(spec: &TensorSpec) -> Option<Tensor> {
    let shape: Vec<usize> = spec.shape.iter().map(|&dim| usize::try_from(dim).unwrap_or(1)).collect();
    // Four zero bytes are an empty BYTES element: its length.
    let size = element_count(&shape)?.checked_mul(spec.dtype.size().unwrap_or(4)).filter(|&size| size <= LARGEST_ROW)?;
    Tensor::new(&spec.name, spec.dtype, shape, vec![0; size].into()).ok()
}

#[cfg(test)]
mod tests {
    use forebay_protocol::Dtype;

    use super::*;

    struct Recorded(Vec<usize>);

    impl Model for Recorded {
        fn run(&mut self, request: &InferRequest) -> Result<Vec<Tensor>, RunError> {
            self.0.push(request.rows());
            if request.rows() > 8 { Err(RunError::Failed { detail: "too many".into() }) } else { Ok(vec![]) }
        }
    }

    fn metadata(dtype: Dtype, shape: Vec<i64>) -> ModelMetadata {
        let input = TensorSpec { name: "x".into(), dtype, shape };
        ModelMetadata { name: "m".into(), versions: vec![], platform: String::new(), inputs: vec![input], outputs: vec![] }
    }

    #[test]
    fn sizes_double_up_to_the_most() {
        for (most, expected) in [(1, vec![1]), (2, vec![1, 2]), (12, vec![1, 2, 4, 8, 12]), (32, vec![1, 2, 4, 8, 16, 32])] {
            assert_eq!(sizes(most), expected);
        }
    }

    #[test]
    fn each_size_runs_until_one_fails() {
        let sample = zeros(&metadata(Dtype::Fp32, vec![-1, 3])).unwrap();
        let mut model = Recorded(vec![]);
        assert_eq!(warm(&mut model, &sample, &[1, 4, 8]), Ok(()));
        assert_eq!(model.0, [1, 4, 8]);
        let (rows, _) = warm(&mut model, &sample, &[16, 32]).unwrap_err();
        assert_eq!(rows, 16);
    }

    #[test]
    fn rows_of_a_sample_are_taken_in_turn() {
        let data = [1u8, 2, 3].to_vec();
        let tensor = Tensor::new("x", Dtype::Uint8, vec![3, 1], data.into()).unwrap();
        assert_eq!(rows_of(&tensor, 5).unwrap().data().as_ref(), [1, 2, 3, 1, 2]);
        assert_eq!(rows_of(&tensor, 2).unwrap().data().as_ref(), [1, 2]);
    }

    #[test]
    fn zeros_fit_every_datatype_and_stay_small() {
        for dtype in Dtype::ALL {
            let sample = zeros(&metadata(dtype, vec![-1, 2, -1])).unwrap();
            assert_eq!(sample.inputs[0].tensor.shape(), [1, 2, 1], "{dtype}");
        }
        assert_eq!(zeros(&metadata(Dtype::Fp32, vec![-1, i64::MAX])), None);
        assert_eq!(zeros(&metadata(Dtype::Fp32, vec![-1, 1 << 40])), None);
    }
}
