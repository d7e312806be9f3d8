//! What several of the tests need.

#![allow(dead_code, reason = "each test uses its part")]

pub(crate) mod pictures;

use forebay_mesh_config::decode::DecodeLimits;
use forebay_protocol::{ModelMetadata, TensorSpec};

pub(crate) fn limits() -> DecodeLimits {
    DecodeLimits::default()
}

/// Name, datatype and shape of an input or output.
pub(crate) type Spec<'a> = (&'a str, &'a str, &'a [i64]);

pub(crate) fn metadata(inputs: &[Spec<'_>], outputs: &[Spec<'_>]) -> ModelMetadata {
    let specs = |specs: &[Spec<'_>]| {
        specs
            .iter()
            .map(|&(name, dtype, shape)| TensorSpec { name: name.into(), dtype: dtype.parse().unwrap(), shape: shape.to_vec() })
            .collect()
    };
    ModelMetadata { name: "m".into(), versions: vec!["1".into()], platform: "test".into(), inputs: specs(inputs), outputs: specs(outputs) }
}
