//! Pictures as files of `multipart/form-data` (RFC 7578).

use bytes::Bytes;
use forebay_mesh_config::decode::DecodeLimits;
use futures_util::FutureExt as _;
use futures_util::stream::once;

use crate::error::{DecodeError, one_line};

/// Names under which a picture is looked for before any other file.
const NAMES: [&str; 2] = ["image", "file"];

struct Part {
    name: Option<String>,
    /// It has a file name or the type of a picture.
    file: bool,
    content: Bytes,
}

/// The part called `image` or `file`, else the first file.
pub(super) fn picture(body: &Bytes, boundary: &str, limits: &DecodeLimits) -> Result<Bytes, DecodeError> {
    let parts = parts(body, boundary, limits.multipart_parts)?;
    let named = |part: &&Part| part.name.as_deref().is_some_and(|name| NAMES.contains(&name));
    let found = parts.iter().find(named).or_else(|| parts.iter().find(|part| part.file));
    found
        .map(|part| part.content.clone())
        .ok_or_else(|| DecodeError::malformed("no part is a picture: send a file, or a part called \"image\" or \"file\""))
}

/// Every file, in order.
pub(super) fn pictures(body: &Bytes, boundary: &str, limits: &DecodeLimits) -> Result<Vec<Bytes>, DecodeError> {
    let parts = parts(body, boundary, limits.multipart_parts.min(limits.batch_elements))?;
    let files: Vec<Bytes> = parts.into_iter().filter(|part| part.file).map(|part| part.content).collect();
    match files.is_empty() {
        true => Err(DecodeError::malformed("no part is a file: send one for each element")),
        false => Ok(files),
    }
}

fn parts(body: &Bytes, boundary: &str, most: usize) -> Result<Vec<Part>, DecodeError> {
    let body = body.clone();
    let stream = once(std::future::ready(Ok::<Bytes, std::convert::Infallible>(body)));
    // All bytes are there, so nothing is ever waited for.
    match read(multer::Multipart::new(stream, boundary), most).now_or_never() {
        Some(parts) => parts,
        None => Err(broken(&"it does not end")),
    }
}

async fn read(mut multipart: multer::Multipart<'_>, most: usize) -> Result<Vec<Part>, DecodeError> {
    let mut parts = Vec::new();
    while let Some(field) = multipart.next_field().await.map_err(|e| broken(&e))? {
        if parts.len() >= most {
            return Err(DecodeError::malformed(format!("more than {most} parts")));
        }
        let name = field.name().map(str::to_owned);
        let file = field.file_name().is_some() || field.content_type().is_some_and(|t| t.type_() == "image");
        let content = field.bytes().await.map_err(|e| broken(&e))?;
        parts.push(Part { name, file, content });
    }
    Ok(parts)
}

fn broken(why: &dyn std::fmt::Display) -> DecodeError {
    DecodeError::malformed(format!("the multipart body is damaged or cut off: {}", one_line(why)))
}
