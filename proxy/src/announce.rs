//! What a person who starts Forebay sees: where it listens, and two commands to try.

use std::fmt::Write;

use forebay_mesh_config::Snapshot;

use crate::cli;

/// Says where the API and the admin pages are, and what to do next.
pub(crate) fn listening(api: &str, admin: &str, snapshot: &Snapshot) {
    let mut text = format!("\nForebay listens.\n  API    {api}\n  admin  {admin}\n");
    let curl = |url: &str, path: &str| match url.strip_prefix("unix:") {
        Some(socket) => format!("curl --unix-socket {socket} 'http://localhost{path}'"),
        // The question mark is a pattern to some shells.
        None if path.contains('?') => format!("curl '{url}{path}'"),
        None => format!("curl {url}{path}"),
    };
    let model = snapshot.default_model.as_deref().or(snapshot.models.first().map(|m| m.name.as_str()));
    let path = model.map_or_else(|| "/".to_owned(), |name| format!("/v2/models/{name}"));
    // Writing to a String cannot fail.
    let _ = write!(text, "\nTry\n  {}\n  {}\n", curl(api, &path), curl(admin, "/ready?verbose"));
    if let Some(picture) = picture(snapshot) {
        let _ = writeln!(text, "  {} --data-binary @{picture}", curl(api, "/v1/predict"));
    }
    let _ = write!(text, "\nCtrl-C drains and stops.");
    cli::print(text);
}

/// A picture that ships with the default model, if it has one.
fn picture(snapshot: &Snapshot) -> Option<String> {
    use forebay_mesh_config::models::Source;
    let name = snapshot.default_model.as_deref()?;
    let model = snapshot.models.iter().find(|m| m.name == name)?;
    let Source::Repository(repository) = &model.source else { return None };
    let mut pictures: Vec<_> = std::fs::read_dir(repository.join(name).join("holdout")).ok()?.flatten().map(|e| e.path()).collect();
    pictures.sort();
    let picture = pictures.into_iter().find(|p| p.extension().is_some_and(|e| e == "png"))?.canonicalize().ok()?;
    let here = std::env::current_dir().ok()?;
    Some(picture.strip_prefix(here).unwrap_or(&picture).display().to_string())
}
