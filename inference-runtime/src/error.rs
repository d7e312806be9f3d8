//! Why a model cannot be served: what, where, and what to do about it.

use std::io;
use std::path::PathBuf;

use forebay_mesh_config::Problems;

use crate::model::RunError;

/// Why ONNX Runtime's shared library cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LibraryError {
    #[error(
        "ONNX Runtime cannot be loaded: {detail}\n\
         Forebay needs the shared library of ONNX Runtime 1.{} or newer. `make setup` fetches it; or set `runtime.library` or the \
         environment variable ORT_DYLIB_PATH to the path of libonnxruntime.so",
        crate::onnx::OLDEST_MINOR
    )]
    Refused { path: PathBuf, detail: String },
    #[error(
        "this process runs on ONNX Runtime from {}; another library ({}) takes a restart",
        loaded.display(), asked.display()
    )]
    Another { loaded: PathBuf, asked: PathBuf },
}

/// Why a model of a repository cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(
        "{}: no such model; it takes a folder with manifest.yaml and 1/model.onnx in it{}",
        folder.display(), known(there)
    )]
    NoSuchModel { folder: PathBuf, there: Vec<String> },
    #[error("{}: no version to serve; put the model at {}", folder.display(), folder.join("1").join("model.onnx").display())]
    NoVersion { folder: PathBuf },
    #[error("{}: {detail}", file.display())]
    VersionFile { file: PathBuf, detail: String },
    #[error("{}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// The manifest has mistakes, or does not fit the model.
    #[error(transparent)]
    Manifest(#[from] Problems),
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error("{}: ONNX Runtime cannot open it: {detail}", file.display())]
    Model { file: PathBuf, detail: String },
    #[error("{}: {detail}; only tensors of the protocol's datatypes can be served", file.display())]
    Unsupported { file: PathBuf, detail: String },
    /// The golden file is not one, or does not fit the model's inputs and outputs.
    #[error("{}: {detail}", file.display())]
    Golden { file: PathBuf, detail: String },
    #[error(
        "{}: the model does not answer as when it was made: {detail}; if the model was changed on purpose, make its golden file again",
        file.display()
    )]
    GoldenMismatch { file: PathBuf, detail: String },
    #[error("{}: it cannot run its own golden inputs as a batch of {rows}: {source}", file.display())]
    Warmup { file: PathBuf, rows: usize, source: RunError },
    #[error("no thread for a worker of model {name}: {source}; raise the limit of threads (ulimit -u, or the container's pids limit)")]
    Threads { name: String, source: io::Error },
}

fn known(there: &[String]) -> String {
    if there.is_empty() { "; the repository has no model at all".to_owned() } else { format!("; there are: {}", there.join(", ")) }
}
