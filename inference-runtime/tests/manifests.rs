//! Manifests: what they say, and every mistake with its line.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail loudly")]

use std::fs;
use std::path::Path;

use forebay_protocol::{Classes, Colour, Dtype, Features, ImageInput, Layout, Meaning, ModelMetadata, TensorSpec};
use forebay_runtime::{Manifest, read_manifest, read_manifest_for};

mod support;

use support::{shipped_models, test_models};

fn spec(name: &str, dtype: Dtype, shape: &[i64]) -> TensorSpec {
    TensorSpec { name: name.into(), dtype, shape: shape.to_vec() }
}

/// A model that takes pictures of 8 by 8 grey samples and knows ten classes.
fn pictures() -> ModelMetadata {
    ModelMetadata {
        name: "m".into(),
        versions: vec!["1".into()],
        platform: String::new(),
        inputs: vec![spec("image", Dtype::Fp32, &[-1, 1, 8, 8])],
        outputs: vec![spec("scores", Dtype::Fp32, &[-1, 10]), spec("index", Dtype::Int64, &[-1, 1])],
    }
}

/// A model of two inputs, one of which has a fixed number of rows.
fn two_inputs() -> ModelMetadata {
    ModelMetadata { inputs: vec![spec("a", Dtype::Fp32, &[-1, 1]), spec("b", Dtype::Bytes, &[1])], ..pictures() }
}

fn read(text: &str, metadata: Option<&ModelMetadata>) -> Result<Manifest, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("m.yaml");
    fs::write(&file, text).unwrap();
    let read = match metadata {
        Some(metadata) => read_manifest_for(&file, metadata),
        None => read_manifest(&file),
    };
    read.map_err(|problems| problems.to_string().replace(folder.path().to_str().unwrap(), "").replace("/m.yaml:", ""))
}

#[test]
fn every_manifest_that_ships_can_be_read() {
    let mut count = 0;
    for repository in [shipped_models(), test_models()] {
        for entry in fs::read_dir(repository).unwrap() {
            let manifest = entry.unwrap().path().join("manifest.yaml");
            if manifest.is_file() {
                read_manifest(&manifest).unwrap();
                count += 1;
            }
        }
    }
    assert!(count > 20, "{count}");
}

#[test]
fn what_is_left_out_has_its_default() {
    assert_eq!(read("", None), Ok(Manifest::default()));
    let image = read("image: { input: x, width: 4, height: 2 }", None).unwrap().meaning.image.unwrap();
    let expected = ImageInput {
        input: "x".into(),
        width: 4,
        height: 2,
        colour: Colour::Rgb,
        layout: Layout::Chw,
        scale: 1.0 / 255.0,
        mean: vec![0.0; 3],
        std: vec![1.0; 3],
    };
    assert_eq!(image, expected);
    let classes = read("classes: { output: y }", None).unwrap().meaning.classes.unwrap();
    assert_eq!(classes, Classes { output: "y".into(), softmax: false, labels: vec![], top_k: 3 });
}

#[test]
fn what_is_written_is_what_is_meant() {
    let text = "max_rows: 8
finite: true
image: { input: x, width: 4, height: 2, colour: bgr, layout: hwc, scale: 1, mean: [1, 2.5, -3], std: [1, 2, 4] }
features: { columns: { input: x, names: [width, height] } }
classes: { output: y, softmax: true, labels: [cat, dog], top_k: 1 }
";
    let image = ImageInput {
        input: "x".into(),
        width: 4,
        height: 2,
        colour: Colour::Bgr,
        layout: Layout::Hwc,
        scale: 1.0,
        mean: vec![1.0, 2.5, -3.0],
        std: vec![1.0, 2.0, 4.0],
    };
    let meaning = Meaning {
        finite: true,
        image: Some(image),
        features: Some(Features::Columns { input: "x".into(), names: vec!["width".into(), "height".into()] }),
        classes: Some(Classes { output: "y".into(), softmax: true, labels: vec!["cat".into(), "dog".into()], top_k: 1 }),
    };
    assert_eq!(read(text, None), Ok(Manifest { max_rows: 8.try_into().ok(), meaning }));
    let inputs = read("features: { inputs: { width: w, height: h } }", None).unwrap().meaning.features;
    assert_eq!(inputs, Some(Features::Inputs { names: vec![("width".into(), "w".into()), ("height".into(), "h".into())] }));
}

#[test]
fn mistakes_are_named_with_their_line() {
    for (text, expected) in [
        ("max_rows: 0", "1:11: max_rows: \"0\" is out of range"),
        ("max_rows: many", "1:11: max_rows: \"many\" is not a whole number"),
        ("max_rwos: 3", "1:1: max_rwos: is not a known key; did you mean max_rows?"),
        ("finite: yes", "1:9: finite: \"yes\" is neither true nor false"),
        ("- 1", "1:1: is a list, not a mapping"),
        ("finite: true\nimage: 3", "2:8: image: is a single value, not a mapping"),
        ("image:\n  width: 8\n  height: 8", "2:3: image.input: is missing"),
        ("image:\n  input: x\n  width: 9000\n  height: 8", "3:10: image.width: \"9000\" is out of range"),
        ("image: { input: x, width: 8, height: 8, colour: gray }", "1:49: image.colour: \"gray\" is not known here; did you mean grey?"),
        ("image: { input: x, width: 8, height: 8, layout: hw }", "image.layout: has no place for three channels"),
        ("image: { input: x, width: 8, height: 8, mean: [1] }", "1:47: image.mean: has 1 numbers for 3 channels"),
        ("image: { input: x, width: 8, height: 8, std: [1, 0, 1] }", "1:46: image.std: divides by 0"),
        ("image: { input: x, width: 8, height: 8, scale: 0 }", "1:48: image.scale: \"0\" is out of range"),
        ("image: { input: x, width: 8, height: 8, scale: .inf }", "1:48: image.scale: \".inf\" is not a number"),
        ("features: {}", "1:11: features: takes columns or inputs, and one of them only"),
        ("features: { columns: { input: x, names: [a] }, inputs: { a: b } }", "takes columns or inputs"),
        ("features: { columns: { input: x, names: [a, b, a] } }", "1:41: features.columns.names: has \"a\" twice"),
        ("features: { inputs: [a, b] }", "1:21: features.inputs: is a list, not a mapping from names to names"),
        ("features: { inputs: { a: b, a: c } }", "1:29: features.inputs.a"),
        ("classes: { softmax: true }", "classes.output: is missing"),
        ("classes: { output: y, labels: [a, \"\"] }", "1:35: classes.labels[1]: \"\" is empty"),
        ("classes: { output: y, top_k: 0 }", "1:30: classes.top_k: \"0\" is out of range"),
        ("finite: [", "is not YAML"),
    ] {
        let problems = read(text, None).expect_err(text);
        assert!(problems.contains(expected), "{text}\n  expected: {expected}\n  got: {problems}");
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let problems = read("max_rows: 0\nfinite: 1\nclasses: {}\n", None).unwrap_err();
    assert_eq!(problems.lines().count(), 3, "{problems}");
}

#[test]
fn a_manifest_that_does_not_fit_its_model_is_refused_with_its_line() {
    let (pictures, two) = (pictures(), two_inputs());
    let texts = ModelMetadata { inputs: vec![spec("text", Dtype::Bytes, &[-1, 1])], ..self::pictures() };
    for (text, metadata, expected) in [
        (
            "image: { input: img, width: 8, height: 8, colour: grey }",
            &pictures,
            "1:8: image: names the input \"img\", which the model does not have; it has: \"image\"",
        ),
        (
            "image: { input: image, width: 9, height: 8, colour: grey }",
            &pictures,
            "makes rows of the input \"image\" of shape [-1, 1, 8, 9], but the model's is [-1, 1, 8, 8]",
        ),
        ("image: { input: image, width: 8, height: 8 }", &pictures, "of shape [-1, 3, 8, 8]"),
        ("image: { input: image, width: 8, height: 8, colour: grey, layout: hw }", &pictures, "of shape [-1, 8, 8]"),
        ("image: { input: image, width: 8, height: 8, colour: grey, layout: flat }", &pictures, "of shape [-1, 64]"),
        (
            "image: { input: a, width: 1, height: 1, colour: grey, layout: flat }",
            &two,
            "makes one input of a picture, but the model also has the input \"b\"",
        ),
        (
            "features: { columns: { input: image, names: [a] } }",
            &pictures,
            "1:11: features: makes rows of the input \"image\" of shape [-1, 1]",
        ),
        ("features: { inputs: { a: a } }", &two, "leaves the model's input \"b\" without a feature"),
        ("features: { inputs: { a: a, c: c } }", &two, "names the input \"c\", which the model does not have; it has: \"a\", \"b\""),
        (
            "image: { input: text, width: 1, height: 1, colour: grey, layout: flat }",
            &texts,
            "makes numbers of a picture, but the input \"text\" is BYTES",
        ),
        (
            "classes: { output: score }",
            &pictures,
            "1:10: classes: names the output \"score\", which the model does not have; it has: \"scores\", \"index\"",
        ),
        ("classes: { output: scores, labels: [a, b] }", &pictures, "of shape [-1, 2], but the model's is [-1, 10]"),
        ("classes: { output: index }", &pictures, "needs scores, but the output \"index\" is INT64"),
        ("max_rows: 2", &two, "1:11: max_rows: is more than 1, but the model has no batch dimension"),
    ] {
        let problems = read(text, Some(metadata)).expect_err(text);
        assert!(problems.contains(expected), "{text}\n  expected: {expected}\n  got: {problems}");
    }
}

#[test]
fn a_missing_manifest_is_named() {
    let problems = read_manifest(Path::new("/nowhere/manifest.yaml")).unwrap_err().to_string();
    assert!(problems.contains("/nowhere/manifest.yaml"), "{problems}");
}
