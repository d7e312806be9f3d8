//! What is known of a model beyond its metadata: how a picture or named features become its inputs, and what its output means.
//!
//! Plain values. The runtime reads them from a `manifest.yaml`; the codecs of pictures, features and predictions follow them.

/// Everything that the wire forms need to know of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meaning {
    pub image: Option<ImageInput>,
    pub features: Option<Features>,
    pub classes: Option<Classes>,
    /// Whether NaN and infinities in inputs are refused.
    pub finite: bool,
}

/// How a picture becomes one row of the input `input`.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageInput {
    pub input: String,
    pub width: u32,
    pub height: u32,
    pub colour: Colour,
    pub layout: Layout,
    /// A sample of 0 to 255 is multiplied by this first: `1/255` by default.
    pub scale: f32,
    /// Then per channel: minus `mean`, divided by `std`. As many as channels; 0 and 1 by default.
    pub mean: Vec<f32>,
    pub std: Vec<f32>,
}

/// Channels of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// One channel: luma (ITU-R BT.601) of coloured pictures.
    Grey,
    /// Three channels.
    Rgb,
    /// Three channels in reverse.
    Bgr,
}

/// Order of dimensions, after the batch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Channel, height, width.
    Chw,
    /// Height, width, channel.
    Hwc,
    /// Height, width; one channel only.
    Hw,
    /// All in one dimension, row by row, channels last.
    Flat,
}

/// How named features of a JSON object become one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Features {
    /// Each feature is a column of one input, in this order: shape `[-1, n]`.
    Columns { input: String, names: Vec<String> },
    /// Each feature is an input of its own: shape `[-1]` or `[-1, 1]`. Pairs of (feature, input).
    Inputs { names: Vec<(String, String)> },
}

/// What the output `output`, one score per class, means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes {
    pub output: String,
    /// Whether the scores are logits, so that probabilities are their softmax. False: they are probabilities already.
    pub softmax: bool,
    /// Names by index; may be empty.
    pub labels: Vec<String>,
    /// How many of the best a prediction lists. Default 3.
    pub top_k: usize,
}
