//! Whether a manifest fits its model: each input and output that it names is there, with the datatype and shape that it needs.

use forebay_mesh_config::tree::Mistake;
use forebay_protocol::{Classes, Colour, Dtype, Features, ImageInput, Layout, ModelMetadata, TensorSpec};

use crate::manifest::Manifest;

/// Channels of a picture.
pub(crate) fn channels(colour: Colour) -> usize {
    match colour {
        Colour::Grey => 1,
        Colour::Rgb | Colour::Bgr => 3,
    }
}

/// What does not fit, by the manifest's key.
pub(crate) fn mistakes(manifest: &Manifest, metadata: &ModelMetadata) -> Vec<(&'static str, Mistake)> {
    let meaning = &manifest.meaning;
    let found = [
        ("max_rows", manifest.max_rows.and_then(|rows| rows_mistake(rows.get(), metadata))),
        ("image", meaning.image.as_ref().and_then(|image| image_mistake(image, metadata))),
        ("features", meaning.features.as_ref().and_then(|features| features_mistake(features, metadata))),
        ("classes", meaning.classes.as_ref().and_then(|classes| classes_mistake(classes, metadata))),
    ];
    found.into_iter().filter_map(|(key, mistake)| Some((key, mistake?))).collect()
}

fn rows_mistake(rows: u32, metadata: &ModelMetadata) -> Option<Mistake> {
    (rows > 1 && !metadata.has_batch_dimension()).then(|| {
        let is = "is more than 1, but the model has no batch dimension: not every input and output begins with a dimension of any size";
        Mistake::new(is, "export the model with a dynamic first dimension, or leave max_rows out: it is then served one by one")
    })
}

fn image_mistake(image: &ImageInput, metadata: &ModelMetadata) -> Option<Mistake> {
    let (width, height, channels) = (i64::from(image.width), i64::from(image.height), i64::try_from(channels(image.colour)).ok()?);
    let row = match image.layout {
        Layout::Chw => vec![channels, height, width],
        Layout::Hwc => vec![height, width, channels],
        Layout::Hw => vec![height, width],
        Layout::Flat => vec![channels.saturating_mul(height).saturating_mul(width)],
    };
    let mistake = only_input(&image.input, "a picture", metadata);
    mistake.or_else(|| named_mistake(&metadata.inputs, &image.input, "input", &[row])).or_else(|| {
        let input = metadata.inputs.iter().find(|spec| spec.name == image.input)?;
        let is = || format!("makes numbers of a picture, but the input {:?} is {}", input.name, input.dtype);
        matches!(input.dtype, Dtype::Bool | Dtype::Bytes).then(|| Mistake::new(is(), "leave image out: this model takes no pictures"))
    })
}

fn features_mistake(features: &Features, metadata: &ModelMetadata) -> Option<Mistake> {
    match features {
        Features::Columns { input, names } => {
            let row = vec![i64::try_from(names.len()).ok()?];
            only_input(input, "these columns", metadata).or_else(|| named_mistake(&metadata.inputs, input, "input", &[row]))
        }
        Features::Inputs { names } => {
            let wrong = names.iter().find_map(|(_, input)| named_mistake(&metadata.inputs, input, "input", &[vec![], vec![1]]));
            wrong.or_else(|| {
                let unfilled = metadata.inputs.iter().find(|spec| names.iter().all(|(_, input)| *input != spec.name))?;
                Some(Mistake::new(format!("leaves the model's input {:?} without a feature", unfilled.name), "name a feature for it"))
            })
        }
    }
}

fn classes_mistake(classes: &Classes, metadata: &ModelMetadata) -> Option<Mistake> {
    let any = i64::try_from(classes.labels.len()).ok().filter(|&labels| labels > 0).unwrap_or(-1);
    let mistake = named_mistake(&metadata.outputs, &classes.output, "output", &[vec![any]]);
    mistake.or_else(|| {
        let output = metadata.outputs.iter().find(|spec| spec.name == classes.output)?;
        let is = || format!("needs scores, but the output {:?} is {}", output.name, output.dtype);
        (!output.dtype.is_float()).then(|| Mistake::new(is(), "name the output that has the scores"))
    })
}

/// A picture or a row of columns is all that a request has, so the model must ask for nothing else.
fn only_input(input: &str, what: &str, metadata: &ModelMetadata) -> Option<Mistake> {
    let other = metadata.inputs.iter().find(|spec| spec.name != input && metadata.inputs.len() > 1)?;
    let is = format!("makes one input of {what}, but the model also has the input {:?}", other.name);
    Some(Mistake::new(is, "a model with several inputs takes features.inputs, or tensors only"))
}

/// An input or output that is not there, or whose rows have none of the `shapes`.
fn named_mistake(specs: &[TensorSpec], name: &str, what: &str, shapes: &[Vec<i64>]) -> Option<Mistake> {
    let Some(spec) = specs.iter().find(|spec| spec.name == name) else {
        let there: Vec<String> = specs.iter().map(|spec| format!("{:?}", spec.name)).collect();
        let is = format!("names the {what} {name:?}, which the model does not have");
        return Some(Mistake::new(is, format!("it has: {}", there.join(", "))));
    };
    let fits = |row: &Vec<i64>| same_shape(&spec.shape, row);
    if shapes.iter().any(fits) {
        return None;
    }
    let wanted: Vec<String> = shapes.iter().map(|row| format!("{:?}", whole_shape(row))).collect();
    let is = format!("makes rows of the {what} {name:?} of shape {}, but the model's is {:?}", wanted.join(" or "), spec.shape);
    Some(Mistake::new(is, "-1 is a dimension of any size"))
}

fn whole_shape(row: &[i64]) -> Vec<i64> {
    [-1].iter().chain(row).copied().collect()
}

/// Whether rows of the shape `row` are rows of `declared`; a first dimension of 1 is a model that takes one row at a time.
fn same_shape(declared: &[i64], row: &[i64]) -> bool {
    let Some((first, inner)) = declared.split_first() else { return false };
    let alike = |(&declared, &wanted): (&i64, &i64)| declared == wanted || declared < 0 || wanted < 0;
    (*first < 0 || *first == 1) && inner.len() == row.len() && inner.iter().zip(row).all(alike)
}
