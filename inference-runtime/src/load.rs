//! From a folder to a model that can answer at full speed: found, opened, compared with its golden file, warmed, given its threads.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use forebay_mesh_config::runtime::Runtime;
use forebay_protocol::ModelMetadata;

use crate::error::LoadError;
use crate::golden::Golden;
use crate::loaded::{LoadedModel, WarmUp};
use crate::manifest::{Manifest, read_manifest_for};
use crate::model::{Model, RunError};
use crate::onnx::{Library, OnnxModel};
use crate::repository::{self, Files};
use crate::warmup;
use crate::worker::Workers;

/// Most rows that a model is warmed for when its manifest does not say.
const DEFAULT_MAX_ROWS: u32 = 32;

/// The library's name where it is installed for the whole system.
const LIBRARY: &str = "libonnxruntime.so";

/// Loads model `name`, blocking, with `workers` sessions of its own.
///
/// A process can load any number of models any number of times, all on the first library that it opened.
pub fn load(repository: &Path, name: &str, runtime: &Runtime, workers: NonZeroUsize) -> Result<LoadedModel, LoadError> {
    let files = repository::find(repository, name)?;
    let library = Library::open(library_path(runtime))?;
    let first = open(&library, &files, runtime)?;
    let metadata = metadata(name, &files, &first)?;
    let manifest = read_manifest_for(&files.manifest, &metadata)?;
    let golden = golden(&files, &metadata)?;

    let mut replicas = vec![first];
    for _ in 1..workers.get() {
        replicas.push(open(&library, &files, runtime)?);
    }
    let sizes = batch_sizes(&metadata, &manifest);
    let warm_up = match &golden {
        Some((file, golden)) => prove(&mut replicas, file, golden, sizes)?,
        None => try_zeros(&mut replicas, &metadata, sizes),
    };
    tracing::info!(model = name, version = %files.version, batches = ?warm_up.batches, took = ?warm_up.took, "model loaded and warmed");
    let workers = Workers::start(name, replicas).map_err(|source| LoadError::Threads { name: name.to_owned(), source })?;
    Ok(LoadedModel::new(metadata, manifest, warm_up, workers))
}

/// Where the library is: the configuration, the environment, then wherever the system's loader looks.
fn library_path(runtime: &Runtime) -> PathBuf {
    let environment = || std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()).map(PathBuf::from);
    let path = runtime.library.clone().or_else(environment).unwrap_or_else(|| PathBuf::from(LIBRARY));
    // A bare name is searched for; any other path is the user's, and not relative to the executable.
    if path.components().count() > 1 { std::path::absolute(&path).unwrap_or(path) } else { path }
}

fn open(library: &Library, files: &Files, runtime: &Runtime) -> Result<OnnxModel, LoadError> {
    let refused = |detail| LoadError::Model { file: files.model.clone(), detail };
    OnnxModel::open(library, &files.model, runtime.threads.get()).map_err(refused)
}

fn metadata(name: &str, files: &Files, model: &OnnxModel) -> Result<ModelMetadata, LoadError> {
    let unsupported = |detail| LoadError::Unsupported { file: files.model.clone(), detail };
    Ok(ModelMetadata {
        name: name.to_owned(),
        versions: vec![files.version.to_string()],
        platform: "onnxruntime_onnx".to_owned(),
        inputs: model.inputs().map_err(unsupported)?,
        outputs: model.outputs().map_err(unsupported)?,
    })
}

fn golden<'f>(files: &'f Files, metadata: &ModelMetadata) -> Result<Option<(&'f Path, Golden)>, LoadError> {
    let Some(file) = files.golden.as_deref() else { return Ok(None) };
    let text = fs::read_to_string(file).map_err(|source| LoadError::Unreadable { path: file.to_owned(), source })?;
    match Golden::parse(&text, metadata) {
        Ok(golden) => Ok(Some((file, golden))),
        Err(detail) => Err(LoadError::Golden { file: file.to_owned(), detail }),
    }
}

/// Sizes to warm; only one where rows cannot be joined.
fn batch_sizes(metadata: &ModelMetadata, manifest: &Manifest) -> Option<Vec<usize>> {
    let most = manifest.max_rows.map_or(DEFAULT_MAX_ROWS, |rows| rows.get());
    metadata.has_batch_dimension().then(|| warmup::sizes(usize::try_from(most).unwrap_or(usize::MAX)))
}

/// Compares every replica with the golden file, and warms it with the file's rows.
fn prove(replicas: &mut [OnnxModel], file: &Path, golden: &Golden, sizes: Option<Vec<usize>>) -> Result<WarmUp, LoadError> {
    let begun = Instant::now();
    let sizes = sizes.unwrap_or_else(|| vec![golden.request.rows()]);
    let failed = |(rows, source): (usize, RunError)| LoadError::Warmup { file: file.to_owned(), rows, source };
    for replica in replicas {
        let answered = replica.run(&golden.request).map_err(|error| failed((golden.request.rows(), error)))?;
        if let Some(detail) = golden.mismatch(&answered) {
            return Err(LoadError::GoldenMismatch { file: file.to_owned(), detail });
        }
        warmup::warm(replica, &golden.request, &sizes).map_err(failed)?;
    }
    Ok(WarmUp { batches: sizes, took: begun.elapsed() })
}

/// Warms with zeros, which are no promise of the model: one that cannot run them is served without.
fn try_zeros(replicas: &mut [OnnxModel], metadata: &ModelMetadata, sizes: Option<Vec<usize>>) -> WarmUp {
    let begun = Instant::now();
    let Some(sample) = warmup::zeros(metadata) else {
        tracing::warn!(model = metadata.name, "not warmed: a row of zeros would be very large; add a golden.json");
        return WarmUp::default();
    };
    let sizes = sizes.unwrap_or_else(|| vec![sample.rows()]);
    for replica in replicas {
        if let Err((rows, error)) = warmup::warm(replica, &sample, &sizes) {
            tracing::warn!(model = metadata.name, rows, %error, "not warmed: the model cannot run zeros; add a golden.json");
            return WarmUp::default();
        }
    }
    WarmUp { batches: sizes, took: begun.elapsed() }
}
