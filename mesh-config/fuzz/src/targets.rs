//! What must hold for any text of a configuration. The fuzz target runs it on what it makes up, `tests/corpus.rs` on the committed corpus.

use std::path::Path;

use forebay_mesh_config::{Loaded, Problems, Snapshot};

/// Relative paths begin in a folder that does not exist, so that what a text names is not read.
const NAME: &str = "/nonexistent/forebay.yaml";

fn parse(text: &str) -> Result<Loaded, Problems> {
    let environment = |name: &str| (name == "PORT").then(|| "8080".to_owned());
    Snapshot::parse(text, Path::new(NAME), &[], &environment)
}

/// Text is a snapshot, or a list of problems that each fit on a line and say where. A snapshot is shown in a form that reads as the same.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match parse(text) {
        Err(problems) => {
            let shown = problems.to_string();
            assert!(problems.iter().count() > 0);
            assert_eq!(shown.lines().count(), problems.iter().count(), "{shown}");
            assert!(shown.lines().all(|line| line.starts_with(NAME)), "{shown}");
        }
        Ok(loaded) => {
            let shown = loaded.snapshot.to_redacted_json();
            // Digests of keys are not shown, and what is shown in their place is none.
            if text.contains("api_key") {
                return;
            }
            let again = parse(&shown.to_string()).unwrap_or_else(|problems| panic!("{problems}\n{shown}")).snapshot;
            assert_eq!(shown, again.to_redacted_json());
        }
    }
}
