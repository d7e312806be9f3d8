//! ONNX Runtime inside this process: models from a repository of folders, checked and warmed before they are served.
//!
//! [`load`] finds a model's newest version, opens a session per worker thread, compares its answers with those in its golden file, and
//! warms every batch size. [`LoadedModel::run`] then takes batches from any async runtime. The format of a repository and its manifests is
//! in this crate's README.

mod elements;
mod error;
mod fit;
mod golden;
mod load;
mod loaded;
mod manifest;
mod model;
mod onnx;
mod pairs;
mod repository;
mod simulated;
mod version;
mod warmup;
mod worker;

pub use error::{LibraryError, LoadError};
pub use load::load;
pub use loaded::{LoadedModel, WarmUp};
pub use manifest::{Manifest, read_manifest, read_manifest_for};
pub use model::RunError;
pub use simulated::Simulated;
