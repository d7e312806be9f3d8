//! Writing JSON: strings escaped, numbers as short as they can be and still be read back exactly.

use serde::Serialize;

/// Appends `text` as a JSON string.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    write_value(out, text);
}

/// Appends a plain value: a number, a boolean, a string, or anything made of them.
pub(crate) fn write_value(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    // Writing to a Vec does not fail, and plain values always serialise.
    let _ = serde_json::to_writer(out, value);
}
