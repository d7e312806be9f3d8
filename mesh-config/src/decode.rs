//! `decode:` what one small request may make the decoders hold. Bytes are bounded by `listen.limits.body`; these bound what few bytes can mean.

use crate::tree::Keys;
use crate::tree::form::whole;
use crate::units::size;

/// Limits of every decoder. Over one of them: 400 (413 for pictures) with the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Nesting of JSON arrays and objects. Default 32: a tensor's rank and a few levels around it.
    pub json_depth: usize,
    /// Inputs of a request, and as many requested outputs. Default 64.
    pub tensors: usize,
    /// Dimensions of a tensor. Default 8, like most accelerators' libraries.
    pub rank: usize,
    /// Parameters of a request, an input or an output, each. Default 64.
    pub parameters: usize,
    /// Bytes of a name, an id, or a parameter's text. Default 1,024.
    pub text: usize,
    /// Rows of one request; more are refused even where they could be split. Default 1,024.
    pub rows: usize,
    /// Pixels of a picture, by its header. Default 16 Mi (64 MiB as decoded RGBA).
    pub image_pixels: u64,
    /// Parts of a multipart body. Default 16.
    pub multipart_parts: usize,
    /// Elements of a `/batch-predict` list. Default 256.
    pub batch_elements: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        DecodeLimits {
            json_depth: 32,
            tensors: 64,
            rank: 8,
            parameters: 64,
            text: 1_024,
            rows: 1_024,
            image_pixels: 16 << 20,
            multipart_parts: 16,
            batch_elements: 256,
        }
    }
}

impl DecodeLimits {
    pub(crate) fn declare(keys: &mut Keys<'_, '_>, from: Self) -> Self {
        DecodeLimits {
            json_depth: keys.key("json_depth", whole().at_least(4).at_most(128), from.json_depth, "Nesting of JSON arrays and objects."),
            tensors: keys.key(
                "tensors",
                whole().at_least(1).at_most(4_096),
                from.tensors,
                "Inputs of a request, and as many requested outputs.",
            ),
            rank: keys.key("rank", whole().at_least(1).at_most(32), from.rank, "Dimensions of a tensor."),
            parameters: keys.key(
                "parameters",
                whole().at_most(4_096),
                from.parameters,
                "Parameters of a request, an input or an output, each.",
            ),
            text: keys.key("text", size(16, 1 << 20), from.text, "Bytes of a name, an id, or a parameter's text."),
            rows: keys.key(
                "rows",
                whole().at_least(1).at_most(1 << 20),
                from.rows,
                "Rows of one request; more are refused even where they could be split.",
            ),
            image_pixels: keys.key(
                "image_pixels",
                whole().at_least(1).at_most(1 << 30),
                from.image_pixels,
                "Pixels of a picture, by its header. Decoded, each takes 4 bytes.",
            ),
            multipart_parts: keys.key(
                "multipart_parts",
                whole().at_least(1).at_most(1_024),
                from.multipart_parts,
                "Parts of a multipart body.",
            ),
            batch_elements: keys.key(
                "batch_elements",
                whole().at_least(1).at_most(65_536),
                from.batch_elements,
                "Elements of a /batch-predict list.",
            ),
        }
    }
}
