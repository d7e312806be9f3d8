//! What the tests of this crate share: where things are, and how requests are made.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use forebay_mesh_config::runtime::Runtime;
use forebay_protocol::{Dtype, InferRequest, Input, RequestedOutput, Tensor};
use forebay_runtime::{LoadError, LoadedModel, load};

pub(crate) const ONE: NonZeroUsize = NonZeroUsize::MIN;

/// The crate's folder.
pub(crate) fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The repository that only tests serve.
pub(crate) fn test_models() -> PathBuf {
    here().join("tests/models")
}

/// The repository that ships.
pub(crate) fn shipped_models() -> PathBuf {
    here().join("models")
}

/// The configuration with a library that is there, or a failure that names the command which puts it there.
pub(crate) fn runtime() -> Runtime {
    Runtime { library: Some(library()), threads: ONE }
}

pub(crate) fn library() -> PathBuf {
    let set = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()).map(PathBuf::from);
    set.or_else(cached).expect("ONNX Runtime is not there; run inference-runtime/setup/onnxruntime.sh (or make setup) first")
}

fn cached() -> Option<PathBuf> {
    let versions = fs::read_dir(here().join("../.cache/onnxruntime")).ok()?;
    let mut libraries: Vec<PathBuf> = versions.map(|version| version.unwrap().path().join("libonnxruntime.so")).collect();
    libraries.retain(|library| library.is_file());
    libraries.sort();
    libraries.pop()
}

pub(crate) fn load_test_model(name: &str) -> Result<LoadedModel, LoadError> {
    load(&test_models(), name, &runtime(), ONE)
}

pub(crate) fn request(model: &str, inputs: Vec<Tensor>) -> InferRequest {
    let inputs = inputs.into_iter().map(|tensor| Input { tensor, parameters: vec![] }).collect();
    InferRequest { model: model.into(), version: None, id: None, parameters: vec![], inputs, outputs: vec![] }
}

pub(crate) fn asking_for(outputs: &[&str], request: InferRequest) -> InferRequest {
    let outputs = outputs.iter().map(|name| RequestedOutput { name: (*name).into(), parameters: vec![] }).collect();
    InferRequest { outputs, ..request }
}

pub(crate) fn fp32(name: &str, shape: &[usize], elements: &[f32]) -> Tensor {
    let data: Bytes = elements.iter().flat_map(|element| element.to_le_bytes()).collect();
    Tensor::new(name, Dtype::Fp32, shape.to_vec(), data).unwrap()
}

pub(crate) fn int64(name: &str, shape: &[usize], elements: &[i64]) -> Tensor {
    let data: Bytes = elements.iter().flat_map(|element| element.to_le_bytes()).collect();
    Tensor::new(name, Dtype::Int64, shape.to_vec(), data).unwrap()
}

pub(crate) fn strings(name: &str, shape: &[usize], elements: &[&[u8]]) -> Tensor {
    let data: Bytes =
        elements.iter().flat_map(|element| (element.len() as u32).to_le_bytes().into_iter().chain(element.iter().copied())).collect();
    Tensor::new(name, Dtype::Bytes, shape.to_vec(), data).unwrap()
}

pub(crate) fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor.data().as_chunks().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect()
}

/// A copy of a repository's model in a folder of its own, to be spoilt.
pub(crate) fn copied(repository: &Path, name: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let (from, to) = (repository.join(name), root.path().join(name));
    fs::create_dir_all(to.join("1")).unwrap();
    for file in ["manifest.yaml", "1/model.onnx", "1/golden.json"] {
        if from.join(file).is_file() {
            fs::copy(from.join(file), to.join(file)).unwrap();
        }
    }
    root
}
