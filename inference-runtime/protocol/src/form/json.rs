//! Pictures and features in JSON.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use forebay_mesh_config::decode::DecodeLimits;

use super::{Forms, Subject, features};
use crate::error::DecodeError;
use crate::json::{Kind, Reader, whole};

/// The member that holds a picture.
const IMAGE: &str = "image";

/// The standard alphabet, with padding or without: both are sent.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// Bytes from base64, or from a data URL (RFC 2397) in base64. White space is passed over: encoders wrap lines.
pub(super) fn from_base64(text: &[u8]) -> Result<Bytes, DecodeError> {
    let text = text.trim_ascii();
    let encoded = match text.get(..5) {
        Some(scheme) if scheme.eq_ignore_ascii_case(b"data:") => {
            let comma = text.iter().position(|&b| b == b',').unwrap_or(text.len());
            match text.get(..comma).is_some_and(|head| head.ends_with(b";base64")) {
                true => text.get(comma + 1..).unwrap_or_default(),
                false => return Err(DecodeError::malformed("a data URL that is not in base64")),
            }
        }
        _ => text,
    };
    let decoded = match encoded.iter().any(u8::is_ascii_whitespace) {
        true => BASE64.decode(encoded.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect::<Vec<u8>>()),
        false => BASE64.decode(encoded),
    };
    decoded.map(Bytes::from).map_err(|e| DecodeError::malformed(format!("not base64: {e}")))
}

/// `{"image": …}` as a whole body.
pub(super) fn picture(body: &[u8], limits: &DecodeLimits) -> Result<Subject, DecodeError> {
    whole(body, limits.json_depth, |reader| image_of(reader))
}

/// An object with a picture, or one of features, as a whole body.
pub(super) fn subject(body: &[u8], forms: &Forms<'_>) -> Result<Subject, DecodeError> {
    whole(body, forms.limits.json_depth, |reader| subject_of(reader, forms))
}

/// A list of pictures and features. Each element is passed over first: only what is not JSON fails the list.
pub(super) fn list(body: &[u8], forms: &Forms<'_>) -> Result<Vec<Result<Subject, DecodeError>>, DecodeError> {
    let mut subjects = Vec::new();
    whole(body, forms.limits.json_depth, |reader| {
        reader.array(|reader, index| {
            if index >= forms.limits.batch_elements {
                return Err(DecodeError::malformed(format!("more than {} elements", forms.limits.batch_elements)));
            }
            let mut element = reader.clone();
            reader.skip()?;
            subjects.push(subject_of(&mut element, forms));
            Ok(())
        })
    })?;
    match subjects.is_empty() {
        true => Err(DecodeError::malformed("an empty list: there is nothing to infer")),
        false => Ok(subjects),
    }
}

fn subject_of(reader: &mut Reader<'_>, forms: &Forms<'_>) -> Result<Subject, DecodeError> {
    match reader.peek()? {
        Kind::String => base64_of(reader).map(Subject::picture),
        Kind::Object => match &forms.meaning.features {
            Some(features) if forms.meaning.image.is_none() || !has_image(reader)? => {
                features::read(reader, features, |input| forms.spec(input)).map(Subject::Features)
            }
            _ => image_of(reader),
        },
        other => Err(reader.mismatch("an object, or a string of base64", other)),
    }
}

fn has_image(reader: &Reader<'_>) -> Result<bool, DecodeError> {
    let mut found = false;
    reader.clone().object(|reader, member| {
        found |= member == IMAGE;
        reader.skip()
    })?;
    Ok(found)
}

fn image_of(reader: &mut Reader<'_>) -> Result<Subject, DecodeError> {
    let mut image = None;
    reader.object(|reader, member| {
        match member {
            IMAGE => image = Some(base64_of(reader)?),
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    let bytes = image.ok_or_else(|| DecodeError::malformed("the member \"image\" is missing: a picture in base64, or a data URL"))?;
    Ok(Subject::Picture { bytes, member: Some(IMAGE) })
}

fn base64_of(reader: &mut Reader<'_>) -> Result<Bytes, DecodeError> {
    from_base64(reader.string()?.as_bytes())
}
