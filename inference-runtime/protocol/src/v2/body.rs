//! Where the JSON of a body ends, and the binary data after it, handed out piece by piece.

use bytes::Bytes;

use crate::error::{DecodeError, excerpt};

/// The value of an `Inference-Header-Content-Length` header.
pub fn parse_json_length(value: &str) -> Result<usize, DecodeError> {
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    match value.parse() {
        Ok(length) if digits => Ok(length),
        _ => Err(DecodeError::malformed(format!("Inference-Header-Content-Length is {}, not a count of bytes", excerpt(value.as_bytes())))),
    }
}

/// Binary data that no tensor has claimed yet.
pub(super) struct Binary {
    rest: Option<Bytes>,
}

/// Cuts a body into its JSON and its binary data.
pub(super) fn split(mut body: Bytes, json_length: Option<usize>) -> Result<(Bytes, Binary), DecodeError> {
    let Some(length) = json_length else { return Ok((body, Binary { rest: None })) };
    if length > body.len() {
        return Err(DecodeError::malformed(format!(
            "Inference-Header-Content-Length says that {length} bytes are JSON, the body has {}",
            body.len()
        )));
    }
    let binary = body.split_off(length);
    Ok((body, Binary { rest: Some(binary) }))
}

impl Binary {
    /// The next `size` bytes, shared with the body.
    pub(super) fn claim(&mut self, size: usize) -> Result<Bytes, DecodeError> {
        let Some(rest) = &mut self.rest else {
            return Err(DecodeError::malformed("binary data need the header Inference-Header-Content-Length, which says where they begin"));
        };
        if size > rest.len() {
            return Err(DecodeError::malformed(format!("{size} bytes of binary data are declared, {} are left in the body", rest.len())));
        }
        Ok(rest.split_to(size))
    }

    /// Every byte must have been claimed.
    pub(super) fn end(self) -> Result<(), DecodeError> {
        match self.rest {
            Some(rest) if !rest.is_empty() => {
                Err(DecodeError::malformed(format!("{} bytes of binary data belong to no tensor", rest.len())))
            }
            _ => Ok(()),
        }
    }
}
