//! What a body is, by its content type, and by its first bytes where the type says nothing.

use crate::error::{DecodeError, excerpt};
use crate::image::Format;

/// The form of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Raw,
    Json,
    /// Text in base64, or a data URL.
    Base64,
    Multipart {
        boundary: String,
    },
}

impl Content {
    pub(super) fn of(content_type: Option<&str>, body: &[u8]) -> Result<Content, DecodeError> {
        let declared = content_type.unwrap_or_default();
        let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "image/png" | "image/jpeg" | "image/jpg" => Ok(Content::Raw),
            "text/plain" => Ok(Content::Base64),
            "multipart/form-data" => match multer::parse_boundary(declared) {
                Ok(boundary) => Ok(Content::Multipart { boundary }),
                Err(_) => Err(DecodeError::malformed("multipart/form-data without a boundary in its content type")),
            },
            json if json == "application/json" || (json.starts_with("application/") && json.ends_with("+json")) => Ok(Content::Json),
            // What curl says for `--data` when it is told nothing is no more than a guess.
            "" | "application/octet-stream" | "application/x-www-form-urlencoded" => match Self::sniff(body) {
                Some(content) => Ok(content),
                None if essence.ends_with("urlencoded") => Err(unsupported(&essence)),
                None => Ok(Content::Raw),
            },
            other => Err(unsupported(other)),
        }
    }

    fn sniff(body: &[u8]) -> Option<Content> {
        if Format::of(body).is_some() {
            return Some(Content::Raw);
        }
        match body.iter().find(|b| !b.is_ascii_whitespace()) {
            Some(b'{' | b'[') => Some(Content::Json),
            _ => None,
        }
    }
}

fn unsupported(essence: &str) -> DecodeError {
    DecodeError::unsupported(format!(
        "the content type {} is not taken: one of image/png, image/jpeg, multipart/form-data, application/json and text/plain (base64)",
        excerpt(essence.as_bytes())
    ))
}
