//! Which requests may run together. Strict: whatever the model could tell apart is part of the key.
//!
//! Model, version, every input's name, datatype and inner shape, all parameters and the requested outputs. Not part of it: the request's
//! `id`, and how its answer is written ([`forebay_protocol::OutputForm`]).

use std::sync::Arc;

use forebay_protocol::{InferRequest, ParameterValue, Parameters};

/// Requests with equal keys may share a batch. Every part is written with its length before it, so no two requests can meet by accident.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MergeKey(Arc<[u8]>);

impl MergeKey {
    pub(crate) fn of(request: &InferRequest) -> Self {
        let mut key = Writer(Vec::with_capacity(96));
        key.text(&request.model);
        key.count(usize::from(request.version.is_some()));
        key.text(request.version.as_deref().unwrap_or(""));
        key.parameters(&request.parameters);
        key.count(request.inputs.len());
        for input in &request.inputs {
            key.text(input.tensor.name());
            key.text(input.tensor.dtype().name());
            key.count(input.tensor.inner_shape().len());
            input.tensor.inner_shape().iter().for_each(|&d| key.count(d));
            key.parameters(&input.parameters);
        }
        for output in &request.outputs {
            key.text(&output.name);
            key.parameters(&output.parameters);
        }
        MergeKey(key.0.into())
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn count(&mut self, n: usize) {
        self.0.extend_from_slice(&(n as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn parameters(&mut self, parameters: &Parameters) {
        self.count(parameters.len());
        for (name, value) in parameters {
            self.text(name);
            match value {
                ParameterValue::Bool(b) => self.0.extend_from_slice(&[0, u8::from(*b)]),
                ParameterValue::Int(i) => {
                    self.0.push(1);
                    self.0.extend_from_slice(&i.to_le_bytes());
                }
                ParameterValue::Float(f) => {
                    self.0.push(2);
                    self.0.extend_from_slice(&f.to_bits().to_le_bytes());
                }
                ParameterValue::String(s) => {
                    self.0.push(3);
                    self.text(s);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::request;
    use forebay_protocol::{Dtype, RequestedOutput, Tensor};

    #[test]
    fn only_rows_values_and_ids_may_differ() {
        let mut other = request(3);
        other.id = Some("another".into());
        assert_eq!(MergeKey::of(&request(1)), MergeKey::of(&other));
    }

    #[test]
    fn whatever_a_model_can_tell_apart_parts_two_requests() {
        type Change = fn(&mut InferRequest);
        let changes: [(&str, Change); 10] = [
            ("model", |r| r.model.push('2')),
            ("version", |r| r.version = Some("2".into())),
            ("empty version", |r| r.version = Some(String::new())),
            ("parameter", |r| r.parameters.push(("p".into(), ParameterValue::Int(1)))),
            ("parameter of another kind", |r| r.parameters.push(("p".into(), ParameterValue::Float(1.0)))),
            ("input name", |r| r.inputs[0].tensor = r.inputs[0].tensor.clone().renamed("z")),
            ("datatype", |r| r.inputs[0].tensor = Tensor::new("x", Dtype::Int32, vec![1, 2], vec![0; 8].into()).unwrap()),
            ("inner shape", |r| r.inputs[0].tensor = Tensor::new("x", Dtype::Fp32, vec![1, 1, 2], vec![0; 8].into()).unwrap()),
            ("input parameter", |r| r.inputs[0].parameters.push(("p".into(), ParameterValue::Bool(true)))),
            ("requested output", |r| r.outputs.push(RequestedOutput { name: "y".into(), parameters: vec![] })),
        ];
        let mut keys = vec![("nothing", MergeKey::of(&request(1)))];
        for (what, change) in changes {
            let mut changed = request(1);
            change(&mut changed);
            let key = MergeKey::of(&changed);
            assert!(keys.iter().all(|(_, k)| *k != key), "{what} does not part requests");
            keys.push((what, key));
        }
    }
}
