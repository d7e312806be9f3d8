//! Where a model's files are: `{repository}/{name}/manifest.yaml` and `{repository}/{name}/{version}/model.onnx`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::LoadError;
use crate::version::{Choice, Version, choose};

/// The files of the version that is to be served.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) manifest: PathBuf,
    pub(crate) version: Version,
    pub(crate) model: PathBuf,
    /// Absent where the version has none.
    pub(crate) golden: Option<PathBuf>,
}

const MANIFEST: &str = "manifest.yaml";
const MODEL: &str = "model.onnx";

/// Finds the files of model `name`.
pub(crate) fn find(repository: &Path, name: &str) -> Result<Files, LoadError> {
    let folder = repository.join(name);
    let manifest = folder.join(MANIFEST);
    if !manifest.is_file() {
        return Err(LoadError::NoSuchModel { folder, there: models(repository)? });
    }
    let version_file = folder.join("version");
    let named = text_of(&version_file)?;
    let version = match choose(&versions(&folder)?, named.as_deref()) {
        Choice::Serve(version) => version,
        Choice::Nothing => return Err(LoadError::NoVersion { folder }),
        Choice::Wrong(detail) => return Err(LoadError::VersionFile { file: version_file, detail }),
    };
    let files = folder.join(version.to_string());
    let golden = files.join("golden.json");
    Ok(Files { manifest, version, model: files.join(MODEL), golden: golden.is_file().then_some(golden) })
}

/// The content of a file that may be missing.
fn text_of(file: &Path) -> Result<Option<String>, LoadError> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(LoadError::Unreadable { path: file.to_owned(), source }),
    }
}

/// Versions that have a model in them: a folder that is still being filled is not served.
fn versions(folder: &Path) -> Result<Vec<Version>, LoadError> {
    let has_model = |name: &String| folder.join(name).join(MODEL).is_file();
    Ok(names(folder)?.iter().filter(|name| has_model(name)).filter_map(|name| Version::parse(name)).collect())
}

/// The models of a repository, for whoever asked for another.
fn models(repository: &Path) -> Result<Vec<String>, LoadError> {
    let mut models = names(repository)?;
    models.retain(|name| repository.join(name).join(MANIFEST).is_file());
    models.sort();
    Ok(models)
}

fn names(folder: &Path) -> Result<Vec<String>, LoadError> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let entries = entries.map_err(|source| LoadError::Unreadable { path: folder.to_owned(), source })?;
    Ok(entries.iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository with one model `m` of some versions.
    fn repository(versions: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for version in versions {
            fs::create_dir_all(root.path().join("m").join(version)).unwrap();
            fs::write(root.path().join("m").join(version).join(MODEL), "").unwrap();
        }
        fs::create_dir_all(root.path().join("m").join("holdout")).unwrap();
        fs::write(root.path().join("m").join(MANIFEST), "").unwrap();
        root
    }

    #[test]
    fn the_newest_whole_version_is_found_with_its_files() {
        let root = repository(&["1", "2"]);
        fs::create_dir(root.path().join("m/3")).unwrap();
        fs::write(root.path().join("m/2/golden.json"), "").unwrap();
        let files = find(root.path(), "m").unwrap();
        assert_eq!(files.model, root.path().join("m/2/model.onnx"));
        assert_eq!(files.golden, Some(root.path().join("m/2/golden.json")));
        fs::write(root.path().join("m/version"), "1\n").unwrap();
        let files = find(root.path(), "m").unwrap();
        assert_eq!((files.version.to_string().as_str(), files.golden), ("1", None));
    }

    #[test]
    fn what_is_missing_is_named_with_what_is_there() {
        let root = repository(&[]);
        let missing = |name: &str| find(root.path(), name).unwrap_err().to_string().replace(root.path().to_str().unwrap(), "R");
        assert_eq!(missing("n"), "R/n: no such model; it takes a folder with manifest.yaml and 1/model.onnx in it; there are: m");
        assert_eq!(missing("m"), "R/m: no version to serve; put the model at R/m/1/model.onnx");
        fs::write(root.path().join("m/version"), "7").unwrap();
        assert_eq!(missing("m"), "R/m/version: names version 7, which has no folder with a model.onnx; there are none");
        let nowhere = find(Path::new("/nowhere"), "m").unwrap_err().to_string();
        assert!(nowhere.starts_with("/nowhere: No such file"), "{nowhere}");
    }
}
