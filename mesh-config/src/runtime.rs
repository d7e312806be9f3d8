//! `runtime:` ONNX Runtime inside this process, for models with a `repository`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::tree::Keys;
use crate::tree::form::{maybe, path, whole};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// ONNX Runtime's shared library. Default: the environment's `ORT_DYLIB_PATH`, then `libonnxruntime.so` as the loader finds it.
    pub library: Option<PathBuf>,
    /// Threads inside one run. Default 1: batching already fills the core, and more threads cost small models time.
    pub threads: NonZeroUsize,
}

impl Default for Runtime {
    fn default() -> Self {
        Runtime { library: None, threads: NonZeroUsize::MIN }
    }
}

impl Runtime {
    pub(crate) fn declare(keys: &mut Keys<'_, '_>, from: Self) -> Self {
        Runtime {
            library: keys.key(
                "library",
                maybe(path(), PathBuf::new),
                from.library,
                "ONNX Runtime's shared library. Without it: ORT_DYLIB_PATH, then libonnxruntime.so as the loader finds it.",
            ),
            threads: keys.key(
                "threads",
                whole().at_most(1_024),
                from.threads,
                "Threads inside one run. Batching already fills a core; more threads cost small models time.",
            ),
        }
    }
}
