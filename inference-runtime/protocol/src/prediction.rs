//! What a model's scores mean, as its manifest says: the class, its probability, and the best few.

use bytes::Bytes;
use serde::Serialize;

use crate::element::{Element, by_element};
use crate::infer::InferResponse;
use crate::manifest::Classes;

/// The classes of one row, best first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// Name of the best class; its index as text where the manifest has no labels.
    pub class: String,
    pub index: usize,
    pub probability: f64,
    pub top_k: Vec<Ranked>,
}

/// One class among the best.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranked {
    pub class: String,
    pub index: usize,
    pub probability: f64,
}

/// Why an answer cannot be read as classes: the model does not do what its manifest says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PredictionError {
    #[error("the manifest says that {output:?} holds the scores, the model answered without it")]
    NoOutput { output: String },
    #[error("output {output:?} holds text, not scores")]
    NotNumbers { output: String },
    #[error("output {output:?} has no row {row} with scores")]
    NoRow { output: String, row: usize },
    #[error("output {output:?} has a score that is not a number")]
    NotFinite { output: String },
}

/// Reads row `row` of an answer.
pub fn predict(response: &InferResponse, row: usize, classes: &Classes) -> Result<Prediction, PredictionError> {
    let output = classes.output.clone();
    let scores = scores(response, row, &classes.output)?;
    if scores.iter().any(|s| s.is_nan()) {
        return Err(PredictionError::NotFinite { output });
    }
    let probabilities = if classes.softmax { softmax(&scores) } else { scores };
    let mut ranked: Vec<Ranked> = crate::v2::highest(&probabilities, classes.top_k.max(1))
        .into_iter()
        .map(|(index, probability)| Ranked { class: class_name(classes, index), index, probability })
        .collect();
    let Some(best) = ranked.first().cloned() else { return Err(PredictionError::NoRow { output, row }) };
    ranked.truncate(classes.top_k);
    Ok(Prediction { class: best.class, index: best.index, probability: best.probability, top_k: ranked })
}

fn class_name(classes: &Classes, index: usize) -> String {
    classes.labels.get(index).cloned().unwrap_or_else(|| index.to_string())
}

/// Scores of one row in FP64.
fn scores(response: &InferResponse, row: usize, name: &str) -> Result<Vec<f64>, PredictionError> {
    let output = || name.to_owned();
    let tensor = response.outputs.iter().find(|o| o.name() == name).ok_or_else(|| PredictionError::NoOutput { output: output() })?;
    let tensor = tensor.slice_rows(row, row.saturating_add(1)).map_err(|_| PredictionError::NoRow { output: output(), row })?;
    by_element!(tensor.dtype(),
        T => Ok(T::each(tensor.data()).map(Element::to_f64).collect()),
        bytes => Err(PredictionError::NotNumbers { output: output() })
    )
}

/// Probabilities from logits, shifted by the greatest so that no exponential overflows. An infinite logit takes all.
fn softmax(logits: &[f64]) -> Vec<f64> {
    let greatest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let raised: Vec<f64> = logits.iter().map(|&x| if x == greatest { 1.0 } else { (x - greatest).exp() }).collect();
    let sum: f64 = raised.iter().sum();
    raised.into_iter().map(|x| x / sum).collect()
}

/// A prediction with what is told beside it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PredictionAnswer<'a> {
    #[serde(flatten)]
    pub prediction: &'a Prediction,
    pub model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<&'a str>,
    pub request_id: &'a str,
    pub inference_time_ms: f64,
}

impl PredictionAnswer<'_> {
    pub fn to_json(&self) -> Bytes {
        // Plain text and finite numbers always serialise.
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dtype, Tensor};

    fn answer(rows: usize, scores: &[f32]) -> InferResponse {
        let data: Vec<u8> = scores.iter().flat_map(|s| s.to_le_bytes()).collect();
        let tensor = Tensor::new("scores", Dtype::Fp32, vec![rows, scores.len() / rows], data.into()).unwrap();
        InferResponse { model: "m".into(), version: None, id: None, parameters: vec![], outputs: vec![tensor] }
    }

    fn classes(softmax: bool) -> Classes {
        Classes { output: "scores".into(), softmax, labels: vec!["cat".into(), "dog".into()], top_k: 2 }
    }

    #[test]
    fn the_best_class_comes_first_with_its_label_or_index() {
        let prediction = predict(&answer(1, &[0.1, 0.2, 0.7]), 0, &classes(false)).unwrap();
        assert_eq!((prediction.class.as_str(), prediction.index), ("2", 2));
        assert_eq!(prediction.top_k.iter().map(|r| r.class.as_str()).collect::<Vec<_>>(), ["2", "dog"]);
    }

    #[test]
    fn softmax_adds_up_to_one_and_stands_large_logits() {
        for logits in [&[1.0, 2.0, 3.0][..], &[1e30, -1e30, 0.0], &[f32::INFINITY, 0.0, 1.0], &[f32::NEG_INFINITY; 3], &[1000.0; 3]] {
            let sum: f64 = softmax(&logits.iter().map(|&x| f64::from(x)).collect::<Vec<_>>()).iter().sum();
            assert!((sum - 1.0).abs() < 1e-12, "{logits:?}");
        }
        let prediction = predict(&answer(2, &[0.0, 0.0, 0.0, 2f32.ln()]), 1, &classes(true)).unwrap();
        assert!((prediction.probability - 2.0 / 3.0).abs() < 1e-7);
    }

    #[test]
    fn a_model_that_belies_its_manifest_is_named() {
        assert!(matches!(predict(&answer(1, &[f32::NAN, 1.0]), 0, &classes(false)), Err(PredictionError::NotFinite { .. })));
        assert!(matches!(predict(&answer(1, &[1.0]), 1, &classes(false)), Err(PredictionError::NoRow { row: 1, .. })));
        let other = Classes { output: "other".into(), ..classes(false) };
        assert!(matches!(predict(&answer(1, &[1.0]), 0, &other), Err(PredictionError::NoOutput { .. })));
    }

    #[test]
    fn the_answer_reads_as_documented() {
        let prediction = predict(&answer(1, &[0.25, 0.75]), 0, &classes(false)).unwrap();
        let told = PredictionAnswer { prediction: &prediction, model: "m", version: Some("1"), request_id: "r", inference_time_ms: 1.5 };
        assert_eq!(
            told.to_json(),
            r#"{"class":"dog","index":1,"probability":0.75,"top_k":[{"class":"dog","index":1,"probability":0.75},{"class":"cat","index":0,"probability":0.25}],"model":"m","version":"1","request_id":"r","inference_time_ms":1.5}"#
        );
    }
}
