//! The content codings gzip and deflate (RFC 9110, section 8.4.1), both ways.
//!
//! A decoded body is never longer than the limit that it is given, and memory grows with what came out so far. What follows the compressed
//! data is refused: a reader behind us could take it for something else.

use std::io::{BufRead, Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::error::{DecodeError, excerpt, one_line};

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Identity,
    Gzip,
    /// The zlib format, as HTTP means the word.
    Deflate,
}

impl Coding {
    /// The coding that `Content-Encoding` names. Several at once are not taken: nested compression is how small bodies become huge.
    pub fn of_content(header: &str) -> Result<Coding, DecodeError> {
        let name = header.trim();
        match () {
            () if name.is_empty() || name.eq_ignore_ascii_case("identity") => Ok(Coding::Identity),
            () if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => Ok(Coding::Gzip),
            () if name.eq_ignore_ascii_case("deflate") => Ok(Coding::Deflate),
            () => Err(DecodeError::unsupported(format!(
                "the content coding {} is not taken: one of gzip and deflate, or none",
                excerpt(name.as_bytes())
            ))),
        }
    }

    /// The coding to answer with: the most wanted of `Accept-Encoding`, gzip before deflate among equals.
    pub fn accepted(header: &str) -> Coding {
        let mut best = (0.0, Coding::Identity);
        for (name, coding) in [("gzip", Coding::Gzip), ("deflate", Coding::Deflate)] {
            let weight = weight(header, name).or_else(|| weight(header, "*")).unwrap_or(0.0);
            if weight > best.0 {
                best = (weight, coding);
            }
        }
        match weight(header, "identity") {
            Some(identity) if identity > best.0 => Coding::Identity,
            _ => best.1,
        }
    }

    /// The value of `Content-Encoding`; none for [`Coding::Identity`].
    pub fn header(self) -> Option<&'static str> {
        match self {
            Coding::Identity => None,
            Coding::Gzip => Some("gzip"),
            Coding::Deflate => Some("deflate"),
        }
    }
}

/// Weight of `coding` in an `Accept-Encoding` header, if it is there. What cannot be read counts as unwanted.
fn weight(header: &str, coding: &str) -> Option<f32> {
    header.split(',').find_map(|item| {
        let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
        if !name.trim().eq_ignore_ascii_case(coding) {
            return None;
        }
        let q = parameters.trim().strip_prefix("q=").or_else(|| parameters.trim().strip_prefix("Q="));
        Some(q.map_or(1.0, |q| q.trim().parse().unwrap_or(0.0)))
    })
}

/// Undoes `coding`; at most `most` bytes come out.
pub fn decode(coding: Coding, body: Bytes, most: usize) -> Result<Bytes, DecodeError> {
    match coding {
        Coding::Identity if body.len() > most => Err(too_large(most)),
        Coding::Identity => Ok(body),
        Coding::Gzip => {
            // Members may follow one another; anything else that follows fails as a member.
            read(MultiGzDecoder::new(body.as_ref()), "gzip", most)
        }
        Coding::Deflate => {
            let mut decoder = ZlibDecoder::new(body.as_ref());
            let decoded = read(&mut decoder, "deflate", most)?;
            match decoder.get_mut().fill_buf() {
                Ok([]) => Ok(decoded),
                _ => Err(DecodeError::malformed("bytes follow the deflate data")),
            }
        }
    }
}

fn read(decoder: impl Read, name: &str, most: usize) -> Result<Bytes, DecodeError> {
    let mut decoded = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    decoder
        .take(limit)
        .read_to_end(&mut decoded)
        .map_err(|e| DecodeError::malformed(format!("the body is not {name} data, as Content-Encoding says: {}", one_line(&e))))?;
    if decoded.len() > most { Err(too_large(most)) } else { Ok(decoded.into()) }
}

fn too_large(most: usize) -> DecodeError {
    DecodeError::too_large(format!("the decoded body is larger than {most} bytes"))
}

/// Compresses an answer. The fastest level: an answer's latency is worth more than its last percent.
pub fn encode(coding: Coding, body: &Bytes) -> Bytes {
    let level = Compression::fast();
    let room = Vec::with_capacity(body.len() / 4 + 64);
    let encoded = match coding {
        Coding::Identity => return body.clone(),
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(room, level);
            encoder.write_all(body).and_then(|()| encoder.finish())
        }
        Coding::Deflate => {
            let mut encoder = ZlibEncoder::new(room, level);
            encoder.write_all(body).and_then(|()| encoder.finish())
        }
    };
    // Writing to a Vec does not fail.
    encoded.unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DecodeErrorKind;

    #[test]
    fn what_is_encoded_decodes_to_what_it_was() {
        let body = Bytes::from(b"{\"inputs\":[]}".repeat(1000));
        for coding in [Coding::Identity, Coding::Gzip, Coding::Deflate] {
            assert_eq!(decode(coding, encode(coding, &body), body.len()).unwrap(), body);
            assert_eq!(decode(coding, encode(coding, &body), body.len() - 1).unwrap_err().kind, DecodeErrorKind::TooLarge);
        }
    }

    #[test]
    fn a_bomb_is_refused_and_holds_no_more_than_the_limit() {
        let bomb = encode(Coding::Gzip, &Bytes::from(vec![0; 64 << 20]));
        assert!(bomb.len() < 1 << 20);
        assert_eq!(decode(Coding::Gzip, bomb, 1 << 20).unwrap_err().kind, DecodeErrorKind::TooLarge);
    }

    #[test]
    fn members_of_gzip_may_follow_one_another_and_nothing_else_may() {
        let one = encode(Coding::Gzip, &Bytes::from_static(b"one"));
        assert_eq!(decode(Coding::Gzip, [&one[..], &one[..]].concat().into(), 100).unwrap(), "oneone");
        for (coding, tail) in [(Coding::Gzip, &b"x"[..]), (Coding::Gzip, &[0; 8]), (Coding::Deflate, b"x"), (Coding::Deflate, &[0; 8])] {
            let with_tail = [&encode(coding, &Bytes::from_static(b"one"))[..], tail].concat();
            assert_eq!(decode(coding, with_tail.into(), 100).unwrap_err().kind, DecodeErrorKind::Malformed, "{coding:?} {tail:?}");
        }
    }

    #[test]
    fn data_that_break_off_or_are_damaged_are_refused() {
        let body = Bytes::from_static(b"some body that is long enough to be cut");
        for coding in [Coding::Gzip, Coding::Deflate] {
            let whole = encode(coding, &body);
            for length in 0..whole.len() {
                assert!(decode(coding, whole.slice(..length), 1000).is_err(), "{coding:?} cut at {length}");
            }
            let mut damaged = whole.to_vec();
            let last = damaged.len() - 6;
            damaged[last] ^= 1;
            assert!(decode(coding, damaged.into(), 1000).is_err());
        }
    }

    #[test]
    fn names_and_weights_of_codings_are_read_as_http_says() {
        assert_eq!(Coding::of_content(" GZip "), Ok(Coding::Gzip));
        assert_eq!(Coding::of_content("gzip, gzip").unwrap_err().kind, DecodeErrorKind::Unsupported);
        assert_eq!(Coding::of_content("br").unwrap_err().kind, DecodeErrorKind::Unsupported);
        for (header, coding) in [
            ("", Coding::Identity),
            ("gzip, deflate", Coding::Gzip),
            ("deflate", Coding::Deflate),
            ("gzip;q=0.5, deflate;q=0.8", Coding::Deflate),
            ("gzip;q=0", Coding::Identity),
            ("*", Coding::Gzip),
            ("br, zstd", Coding::Identity),
            ("identity;q=1, gzip;q=0.5", Coding::Identity),
            ("gzip;q=abc", Coding::Identity),
        ] {
            assert_eq!(Coding::accepted(header), coding, "{header}");
        }
    }
}
