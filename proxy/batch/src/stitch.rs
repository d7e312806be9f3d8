//! Rows to a batch and back: joining inputs, cutting outputs, and cutting one large request into parts.

use forebay_protocol::{InferRequest, InferResponse, Input, Tensor};

use crate::backend::BackendError;

/// One request out of the rows of several. All have the same merge key; the first gives everything that is not rows.
pub(crate) fn join(parts: &[&InferRequest]) -> Result<InferRequest, BackendError> {
    let Some(first) = parts.first() else { return Err(mismatch("an empty batch")) };
    let inputs = (0..first.inputs.len())
        .map(|i| {
            let tensors: Vec<&Tensor> = parts.iter().filter_map(|p| p.inputs.get(i)).map(|input| &input.tensor).collect();
            let tensor = Tensor::concat_rows(&tensors).map_err(|e| mismatch(&e.to_string()))?;
            Ok(Input { tensor, parameters: first.inputs.get(i).map(|input| input.parameters.clone()).unwrap_or_default() })
        })
        .collect::<Result<_, BackendError>>()?;
    Ok(InferRequest {
        model: first.model.clone(),
        version: first.version.clone(),
        // A batch of one keeps its id; a joined one has none that would be true.
        id: if parts.len() == 1 { first.id.clone() } else { None },
        parameters: first.parameters.clone(),
        inputs,
        outputs: first.outputs.clone(),
    })
}

/// Cuts an answer of `rows` rows in the order and sizes of `shares`; each answer is checked to have every row.
pub(crate) fn cut(response: &InferResponse, rows: usize, shares: impl Iterator<Item = usize>) -> Result<Vec<InferResponse>, BackendError> {
    for output in &response.outputs {
        if output.shape().is_empty() || output.rows() != rows {
            let detail = format!("output {:?} has {} rows for a batch of {rows}", output.name(), output.rows());
            return Err(BackendError::Failed { detail });
        }
    }
    let shares: Vec<usize> = shares.collect();
    let outputs = split(response.outputs.iter(), &shares)?;
    let answer = |outputs| InferResponse {
        model: response.model.clone(),
        version: response.version.clone(),
        id: None,
        parameters: response.parameters.clone(),
        outputs,
    };
    Ok(outputs.into_iter().map(answer).collect())
}

/// `rows` rows each of a request, one part after another, as requests of their own.
pub(crate) fn parts(request: &InferRequest, rows: &[usize]) -> Result<Vec<InferRequest>, BackendError> {
    let part = |tensors: Vec<Tensor>| InferRequest {
        model: request.model.clone(),
        version: request.version.clone(),
        id: request.id.clone(),
        parameters: request.parameters.clone(),
        inputs: (request.inputs.iter().zip(tensors))
            .map(|(input, tensor)| Input { tensor, parameters: input.parameters.clone() })
            .collect(),
        outputs: request.outputs.clone(),
    };
    let tensors = split(request.inputs.iter().map(|input| &input.tensor), rows)?;
    Ok(tensors.into_iter().map(part).collect())
}

/// The rows of each part, of every tensor.
fn split<'a>(tensors: impl Iterator<Item = &'a Tensor>, rows: &[usize]) -> Result<Vec<Vec<Tensor>>, BackendError> {
    let mut parts: Vec<Vec<Tensor>> = rows.iter().map(|_| Vec::new()).collect();
    for tensor in tensors {
        let split = tensor.split_rows(rows.iter().copied()).map_err(|e| mismatch(&e.to_string()))?;
        parts.iter_mut().zip(split).for_each(|(part, tensor)| part.push(tensor));
    }
    Ok(parts)
}

/// The outputs of a request that ran in several parts.
pub(crate) fn join_outputs(parts: &[Option<Vec<Tensor>>]) -> Result<Vec<Tensor>, BackendError> {
    let parts: Vec<&Vec<Tensor>> = parts.iter().flatten().collect();
    let outputs = parts.first().map_or(0, |p| p.len());
    (0..outputs)
        .map(|i| {
            let tensors: Vec<&Tensor> = parts.iter().filter_map(|p| p.get(i)).collect();
            Tensor::concat_rows(&tensors).map_err(|e| mismatch(&format!("parts of one request have different outputs: {e}")))
        })
        .collect()
}

fn mismatch(detail: &str) -> BackendError {
    BackendError::Failed { detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{echo, request, rows_request};

    #[test]
    fn rows_come_back_to_whom_they_belong() {
        let requests = [rows_request(1, 10), rows_request(3, 20), rows_request(2, 30)];
        let joined = join(&requests.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(joined.rows(), 6);
        let answers = cut(&echo(&joined), 6, requests.iter().map(InferRequest::rows)).unwrap();
        for (request, answer) in requests.iter().zip(&answers) {
            assert_eq!(answer.outputs[0].data(), request.inputs[0].tensor.data());
        }
    }

    #[test]
    fn an_answer_with_a_row_too_few_is_nobodys_answer() {
        let mut short = echo(&rows_request(3, 0));
        short.outputs[0] = short.outputs[0].slice_rows(0, 2).unwrap();
        assert!(matches!(cut(&short, 3, [1, 2].into_iter()), Err(BackendError::Failed { .. })));
    }

    #[test]
    fn a_batch_of_one_keeps_its_id_and_a_joined_one_has_none() {
        let (mut a, b) = (request(1), request(2));
        a.id = Some("a".into());
        assert_eq!(join(&[&a]).unwrap().id.as_deref(), Some("a"));
        assert_eq!(join(&[&a, &b]).unwrap().id, None);
    }

    #[test]
    fn a_request_cut_in_parts_is_joined_again() {
        let whole = rows_request(5, 7);
        let parts: Vec<_> = parts(&whole, &[2, 2, 1]).unwrap().iter().map(|part| Some(echo(part).outputs)).collect();
        assert_eq!(join_outputs(&parts).unwrap(), echo(&whole).outputs);
    }
}
