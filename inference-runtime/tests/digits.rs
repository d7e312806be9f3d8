//! The model that ships: compared with its golden file, warmed, and refused when it answers otherwise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail loudly")]

use std::fs;

use forebay_protocol::{Dtype, ImageInput, Tensor, image, prediction};
use forebay_runtime::{LoadError, load};

mod support;

use support::{ONE, copied, floats, request, runtime, shipped_models};

#[test]
fn the_shipped_model_is_proven_and_warmed_before_it_is_there() {
    let model = load(&shipped_models(), "digits", &runtime(), ONE).unwrap();
    assert_eq!(model.warm_up().batches, [1, 2, 4, 8, 16, 32]);
    assert!(model.metadata().has_batch_dimension());
    assert_eq!(model.max_rows().unwrap().get(), 32);
    assert_eq!(model.meaning().classes.as_ref().unwrap().labels.len(), 10);
    assert!(model.meaning().finite);
    assert_eq!(model.metadata().versions, ["1"]);
}

/// The held-out pictures, each as a row, and what they show.
fn held_out(image: &ImageInput) -> Vec<(Tensor, String)> {
    let folder = shipped_models().join("digits");
    let list = fs::read_to_string(folder.join("holdout.csv")).unwrap();
    let row = |line: &str| {
        let (file, label) = line.split_once(',').unwrap();
        let picture = fs::read(folder.join("holdout").join(file)).unwrap();
        (image::decode(&picture, image, Dtype::Fp32, &mut 64).unwrap(), label.to_owned())
    };
    list.lines().skip(1).map(row).collect()
}

#[tokio::test]
async fn the_shipped_model_reads_what_it_was_not_trained_on() {
    let model = load(&shipped_models(), "digits", &runtime(), ONE).unwrap();
    let meaning = model.meaning().clone();
    let (image, classes) = (meaning.image.unwrap(), meaning.classes.unwrap());
    let rows = held_out(&image);
    assert_eq!(rows.len(), 360);
    let mut right = 0;
    for batch in rows.chunks(32) {
        let joined = Tensor::concat_rows(&batch.iter().map(|(row, _)| row).collect::<Vec<_>>()).unwrap();
        assert!(floats(&joined).iter().all(|sample| (sample * 16.0).fract() == 0.0 && (0.0..=1.0).contains(sample)));
        let answer = model.run(request("digits", vec![joined])).await.unwrap();
        for (row, (_, label)) in batch.iter().enumerate() {
            let prediction = prediction::predict(&answer, row, &classes).unwrap();
            right += usize::from(prediction.class == *label);
        }
    }
    assert!(right * 100 >= 97 * rows.len(), "{right} of {}", rows.len());
}

#[tokio::test]
async fn a_row_is_answered_alike_alone_and_in_company() {
    let model = load(&shipped_models(), "digits", &runtime(), ONE).unwrap();
    let image = model.meaning().image.clone().unwrap();
    let rows: Vec<Tensor> = held_out(&image).into_iter().take(32).map(|(row, _)| row).collect();
    let joined = Tensor::concat_rows(&rows.iter().collect::<Vec<_>>()).unwrap();
    let together = floats(&model.run(request("digits", vec![joined])).await.unwrap().outputs[0]);
    for (row, expected) in rows.into_iter().zip(together.chunks(10)) {
        let alone = floats(&model.run(request("digits", vec![row])).await.unwrap().outputs[0]);
        assert!(alone.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{alone:?} {expected:?}");
    }
}

#[test]
fn a_model_that_answers_otherwise_than_its_golden_file_is_refused() {
    let root = copied(&shipped_models(), "digits");
    let golden = root.path().join("digits/1/golden.json");
    let text = fs::read_to_string(&golden).unwrap();
    let (before, after) = text.rsplit_once(",").unwrap();
    let (_, end) = after.split_once("]").unwrap();
    fs::write(&golden, format!("{before},0.5]{end}")).unwrap();
    let refused = load(root.path(), "digits", &runtime(), ONE).err().unwrap();
    assert!(matches!(&refused, LoadError::GoldenMismatch { detail, .. } if detail.contains("at element 99, it was 0.5")), "{refused}");
}

#[test]
fn a_golden_file_that_is_none_is_named_with_its_place() {
    let root = copied(&shipped_models(), "digits");
    let golden = root.path().join("digits/1/golden.json");
    let input = r#"{"name":"image","datatype":"FP32","shape":[1,1,8,8],"data":[]}"#;
    for (text, expected) in [
        ("", "is not {\"request\""),
        ("[]", "is not {\"request\""),
        (r#"{"request":{}}"#, "missing field `response`"),
        (r#"{"request":{},"response":{"outputs":[]}}"#, "/request"),
        (r#"{"request":{"inputs":[]},"response":{}}"#, ""),
        (&format!(r#"{{"request":{{"inputs":[{input}]}},"response":{{"outputs":[]}}}}"#), "/request/inputs/0"),
        (
            r#"{"request":{"inputs":[{"name":"image","datatype":"FP32","shape":[1,2],"data":[1,2]}]},"response":{"outputs":[]}}"#,
            "nothing to compare",
        ),
    ] {
        fs::write(&golden, text).unwrap();
        let refused = load(root.path(), "digits", &runtime(), ONE).err().unwrap();
        assert!(matches!(refused, LoadError::Golden { .. }), "{text}: {refused}");
        assert!(refused.to_string().contains(expected), "{text}: {refused}");
        assert!(refused.to_string().contains("digits/1/golden.json: "), "{refused}");
    }
}

#[test]
fn a_golden_file_that_the_model_cannot_run_is_refused() {
    let root = copied(&shipped_models(), "digits");
    let text = r#"{"request":{"inputs":[{"name":"image","datatype":"FP32","shape":[1,2],"data":[1,2]}]},
        "response":{"outputs":[{"name":"probabilities","datatype":"FP32","shape":[1],"data":[1]}]}}"#;
    fs::write(root.path().join("digits/1/golden.json"), text).unwrap();
    let refused = load(root.path(), "digits", &runtime(), ONE).err().unwrap();
    assert!(matches!(refused, LoadError::Warmup { rows: 1, .. }), "{refused}");
}

#[test]
fn a_model_file_that_is_none_is_named() {
    let root = copied(&shipped_models(), "digits");
    fs::write(root.path().join("digits/1/model.onnx"), "not a model").unwrap();
    let refused = load(root.path(), "digits", &runtime(), ONE).err().unwrap();
    assert!(matches!(refused, LoadError::Model { .. }), "{refused}");
    assert!(refused.to_string().contains("digits/1/model.onnx: ONNX Runtime cannot open it"), "{refused}");
}

#[test]
fn outputs_that_the_protocol_has_no_word_for_are_refused() {
    let refused = support::load_test_model("sequence").err().unwrap();
    assert!(matches!(refused, LoadError::Unsupported { .. }), "{refused}");
    assert!(refused.to_string().contains("\"y\" is not a tensor"), "{refused}");
}
