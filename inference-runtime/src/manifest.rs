//! `manifest.yaml`: what a model's file cannot say of itself. How a picture or named features become its inputs, what its output means,
//! and how many rows it takes at once.
//!
//! Every mistake is reported with its line, those against the model too: an input that it does not have, or labels of another number than
//! its classes.

use std::num::NonZeroU32;
use std::path::Path;

use forebay_mesh_config::Problems;
use forebay_mesh_config::tree::{self, Keys, Mistake, form};
use forebay_protocol::{Classes, Colour, Features, ImageInput, Layout, Meaning, ModelMetadata};

use crate::fit;
use crate::pairs::pairs;

/// What a manifest says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// Most rows in one batch. Absent: the caller's default.
    pub max_rows: Option<NonZeroU32>,
    pub meaning: Meaning,
}

/// Reads the manifest of a model whose inputs and outputs are not known yet: one behind a backend.
pub fn read_manifest(file: &Path) -> Result<Manifest, Problems> {
    read(file, None)
}

/// Reads a manifest and checks it against the inputs and outputs of its model.
pub fn read_manifest_for(file: &Path, metadata: &ModelMetadata) -> Result<Manifest, Problems> {
    read(file, Some(metadata))
}

fn read(file: &Path, metadata: Option<&ModelMetadata>) -> Result<Manifest, Problems> {
    let blank = Draft { manifest: Manifest::default(), metadata: metadata.cloned() };
    tree::read_file(file, manifest, blank).map(|draft| draft.manifest)
}

/// The manifest so far, and the model that it must fit, where that is known.
#[derive(Clone)]
struct Draft {
    manifest: Manifest,
    metadata: Option<ModelMetadata>,
}

fn manifest(keys: &mut Keys<'_, '_>, from: Draft) -> Draft {
    let meaning = from.manifest.meaning;
    let most = form::maybe(form::whole().at_most(65_536), || NonZeroU32::MIN);
    let manifest = Manifest {
        max_rows: keys.key("max_rows", most, from.manifest.max_rows, "Most rows in one batch. 32 by default."),
        meaning: Meaning {
            finite: keys.key("finite", form::boolean(), meaning.finite, "Whether NaN and infinities in inputs are refused."),
            image: keys.key("image", form::maybe(form::table(image), blank_image), meaning.image, "How a picture becomes a row."),
            features: keys
                .key(
                    "features",
                    form::maybe(form::table(features), Named::default),
                    meaning.features.map(Named::from),
                    "How named features become a row.",
                )
                .and_then(Named::features),
            classes: keys.key("classes", form::maybe(form::table(classes), blank_classes), meaning.classes, "What the output means."),
        },
    };
    for (key, mistake) in from.metadata.iter().flat_map(|metadata| fit::mistakes(&manifest, metadata)) {
        keys.refuse(key, mistake);
    }
    Draft { manifest, metadata: from.metadata }
}

fn blank_image() -> ImageInput {
    ImageInput {
        input: "image".to_owned(),
        width: 224,
        height: 224,
        colour: Colour::Rgb,
        layout: Layout::Chw,
        scale: 1.0 / 255.0,
        mean: vec![],
        std: vec![],
    }
}

fn image(keys: &mut Keys<'_, '_>, from: ImageInput) -> ImageInput {
    const COLOURS: &[(&str, Colour)] = &[("grey", Colour::Grey), ("rgb", Colour::Rgb), ("bgr", Colour::Bgr)];
    const LAYOUTS: &[(&str, Layout)] = &[("chw", Layout::Chw), ("hwc", Layout::Hwc), ("hw", Layout::Hw), ("flat", Layout::Flat)];
    let side = || form::whole().at_least(1).at_most(8_192);
    let channels = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
    let numbers = || form::list(form::number(f64::from(f32::MIN), f64::from(f32::MAX)), || 0.0);
    let scale = form::number(f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX));
    let read = ImageInput {
        input: keys.required("input", form::text(), from.input, "The input that the picture becomes a row of."),
        width: keys.required("width", side(), from.width, "Samples in a line; a picture of another size is resized."),
        height: keys.required("height", side(), from.height, "Lines of samples."),
        colour: keys.key("colour", form::choice(COLOURS), from.colour, "Channels of a sample."),
        layout: keys.key("layout", form::choice(LAYOUTS), from.layout, "Order of dimensions, after the batch's."),
        scale: single(keys.key("scale", scale, f64::from(from.scale), "A sample of 0 to 255 is multiplied by this; 1/255 by default.")),
        mean: keys.key("mean", numbers(), channels(from.mean), "Then less this, per channel.").into_iter().map(single).collect(),
        std: keys.key("std", numbers(), channels(from.std), "Then divided by this, per channel.").into_iter().map(single).collect(),
    };
    per_channel(keys, read)
}

#[expect(clippy::cast_possible_truncation, reason = "the form keeps it within the range of f32; its last digits are rounded")]
fn single(number: f64) -> f32 {
    number as f32
}

/// Checks what depends on the number of channels, and fills in what was left out.
fn per_channel(keys: &mut Keys<'_, '_>, mut image: ImageInput) -> ImageInput {
    let channels = fit::channels(image.colour);
    for (key, values, left_out) in [("mean", &mut image.mean, 0.0), ("std", &mut image.std, 1.0)] {
        if values.is_empty() && !keys.has(key) {
            *values = vec![left_out; channels];
        }
        if values.len() != channels {
            let is = format!("has {} numbers for {channels} channels", values.len());
            keys.refuse(key, Mistake::new(is, "write one per channel"));
        }
    }
    if image.std.contains(&0.0) {
        keys.refuse("std", Mistake::new("divides by 0", "write the standard deviation of each channel, or leave std out"));
    }
    if image.layout == Layout::Hw && channels != 1 {
        keys.refuse("layout", Mistake::new("has no place for three channels", "write chw, hwc or flat, or colour: grey"));
    }
    image
}

/// Features as written: one of the two.
#[derive(Clone, Default)]
struct Named {
    columns: Option<Columns>,
    inputs: Vec<(String, String)>,
}

#[derive(Clone)]
struct Columns {
    input: String,
    names: Vec<String>,
}

impl From<Features> for Named {
    fn from(features: Features) -> Self {
        match features {
            Features::Columns { input, names } => Named { columns: Some(Columns { input, names }), inputs: vec![] },
            Features::Inputs { names } => Named { columns: None, inputs: names },
        }
    }
}

impl Named {
    fn features(self) -> Option<Features> {
        match self.columns {
            Some(Columns { input, names }) => Some(Features::Columns { input, names }),
            None if self.inputs.is_empty() => None,
            None => Some(Features::Inputs { names: self.inputs }),
        }
    }
}

fn features(keys: &mut Keys<'_, '_>, from: Named) -> Named {
    let blank = || Columns { input: "x".to_owned(), names: vec!["width".to_owned(), "height".to_owned()] };
    let read = Named {
        columns: keys.key("columns", form::maybe(form::table(columns), blank), from.columns, "Each feature is a column of one input."),
        inputs: keys.key("inputs", pairs(), from.inputs, "Each feature is an input of its own: the feature's name, then the input's."),
    };
    if keys.has("columns") == keys.has("inputs") {
        keys.refuse_all(Mistake::new("takes columns or inputs, and one of them only", "write columns where one input takes all features"));
    }
    read
}

fn columns(keys: &mut Keys<'_, '_>, from: Columns) -> Columns {
    let read = Columns {
        input: keys.required("input", form::text(), from.input, "The input whose columns the features are."),
        names: keys.required("names", form::list(form::text(), String::new), from.names, "The features, in the order of the columns."),
    };
    let mut seen = std::collections::HashSet::new();
    if let Some(doubled) = read.names.iter().find(|name| !seen.insert(name.as_str())) {
        keys.refuse("names", Mistake::new(format!("has {doubled:?} twice"), "each column has a name of its own"));
    }
    read
}

fn blank_classes() -> Classes {
    Classes { output: "scores".to_owned(), softmax: false, labels: vec![], top_k: 3 }
}

fn classes(keys: &mut Keys<'_, '_>, from: Classes) -> Classes {
    Classes {
        output: keys.required("output", form::text(), from.output, "The output that has one score per class."),
        softmax: keys.key("softmax", form::boolean(), from.softmax, "Whether probabilities are the softmax of the scores."),
        labels: keys.key("labels", form::list(form::text(), String::new), from.labels, "Names of the classes, by index."),
        top_k: keys.key("top_k", form::whole().at_least(1).at_most(1_000), from.top_k, "How many of the best a prediction lists."),
    }
}
