//! ONNX Runtime's library: missing, foreign, found, and asked for from elsewhere. One test, as a process has one library for good.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail loudly")]

use std::fs;
use std::path::{Path, PathBuf};

use forebay_mesh_config::runtime::Runtime;
use forebay_runtime::{LibraryError, LoadError, load};

mod support;

use support::{ONE, library, test_models};

fn refusal(library: &Path) -> String {
    let runtime = Runtime { library: Some(library.to_owned()), threads: ONE };
    match load(&test_models(), "identity_fp32", &runtime, ONE) {
        Err(LoadError::Library(error @ LibraryError::Refused { .. })) => error.to_string(),
        Err(error) => panic!("another error: {error}"),
        Ok(_) => panic!("loaded"),
    }
}

#[test]
fn a_library_that_is_not_onnx_runtime_is_refused_with_the_remedy_and_a_good_one_stays() {
    let folder = tempfile::tempdir().unwrap();

    let missing = refusal(&folder.path().join("libonnxruntime.so"));
    assert!(missing.contains("No such file"), "{missing}");
    assert!(missing.contains("`make setup` fetches it"), "{missing}");

    let text = folder.path().join("text.so");
    fs::write(&text, "not a library").unwrap();
    let foreign = refusal(&text);
    assert!(foreign.contains("text.so"), "{foreign}");

    let other = refusal(Path::new("libm.so.6"));
    assert!(other.contains("OrtGetApiBase"), "{other}");

    let good = Runtime { library: Some(library()), threads: ONE };
    load(&test_models(), "identity_fp32", &good, ONE).unwrap().close();

    let elsewhere: PathBuf = folder.path().join("copy.so");
    fs::copy(library(), &elsewhere).unwrap();
    let another = load(&test_models(), "identity_fp32", &Runtime { library: Some(elsewhere), threads: ONE }, ONE).err().unwrap();
    assert!(matches!(another, LoadError::Library(LibraryError::Another { .. })), "{another}");
    assert!(another.to_string().contains("takes a restart"), "{another}");
    load(&test_models(), "identity_fp32", &good, ONE).unwrap().close();
}
