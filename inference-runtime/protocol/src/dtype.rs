//! The datatypes of the Open Inference Protocol, by their protocol names.
//!
//! <https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md#tensor-data-types>

use std::fmt;
use std::str::FromStr;

/// Datatype of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Bf16,
    Fp32,
    Fp64,
    /// Elements of any length; each is a little-endian `u32` length and that many bytes.
    Bytes,
}

impl Dtype {
    pub const ALL: [Dtype; 14] = [
        Dtype::Bool,
        Dtype::Uint8,
        Dtype::Uint16,
        Dtype::Uint32,
        Dtype::Uint64,
        Dtype::Int8,
        Dtype::Int16,
        Dtype::Int32,
        Dtype::Int64,
        Dtype::Fp16,
        Dtype::Bf16,
        Dtype::Fp32,
        Dtype::Fp64,
        Dtype::Bytes,
    ];

    /// Bytes of one element; `None` for [`Dtype::Bytes`], whose elements carry their own length.
    pub fn size(self) -> Option<usize> {
        match self {
            Dtype::Bool | Dtype::Uint8 | Dtype::Int8 => Some(1),
            Dtype::Uint16 | Dtype::Int16 | Dtype::Fp16 | Dtype::Bf16 => Some(2),
            Dtype::Uint32 | Dtype::Int32 | Dtype::Fp32 => Some(4),
            Dtype::Uint64 | Dtype::Int64 | Dtype::Fp64 => Some(8),
            Dtype::Bytes => None,
        }
    }

    /// The protocol's name, e.g. `FP32`.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::Bool => "BOOL",
            Dtype::Uint8 => "UINT8",
            Dtype::Uint16 => "UINT16",
            Dtype::Uint32 => "UINT32",
            Dtype::Uint64 => "UINT64",
            Dtype::Int8 => "INT8",
            Dtype::Int16 => "INT16",
            Dtype::Int32 => "INT32",
            Dtype::Int64 => "INT64",
            Dtype::Fp16 => "FP16",
            Dtype::Bf16 => "BF16",
            Dtype::Fp32 => "FP32",
            Dtype::Fp64 => "FP64",
            Dtype::Bytes => "BYTES",
        }
    }

    pub fn is_float(self) -> bool {
        matches!(self, Dtype::Fp16 | Dtype::Bf16 | Dtype::Fp32 | Dtype::Fp64)
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text is not the name of a datatype of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a datatype of the Open Inference Protocol (BOOL, UINT8 to UINT64, INT8 to INT64, FP16, BF16, FP32, FP64, BYTES)")]
pub struct UnknownDtype;

impl FromStr for Dtype {
    type Err = UnknownDtype;

    fn from_str(text: &str) -> Result<Self, UnknownDtype> {
        Dtype::ALL.into_iter().find(|d| d.name() == text).ok_or(UnknownDtype)
    }
}
