//! What must hold for the bytes of any chunked body. The fuzz target runs it on what it makes up, `src/edge/chunks/tests.rs` on the committed
//! corpus.

use super::{Chunks, Progress};

/// Bytes that extensions and trailers may take.
const MOST: usize = 1 << 10;

/// Where the body ends that comes in these pieces: `None` if it has no end yet, and the flaw in words.
fn verdict<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Option<usize>, String> {
    let (mut chunks, mut before) = (Chunks::new(MOST), 0);
    for piece in pieces {
        match chunks.take(piece).map_err(|flaw| flaw.to_string())? {
            Progress::End(at) => return Ok(Some(before + at)),
            Progress::More => before += piece.len(),
        }
    }
    Ok(None)
}

/// Where a body ends for a reader that others wrote; `None` if it cannot read it.
fn elsewhere(body: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = body.get(at..)?;
        let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(rest) else { return None };
        at += line;
        if size == 0 {
            let mut fields = [httparse::EMPTY_HEADER; MOST];
            let Ok(httparse::Status::Complete((trailers, _))) = httparse::parse_headers(body.get(at..)?, &mut fields) else { return None };
            return Some(at + trailers);
        }
        at = at.checked_add(usize::try_from(size).ok()?)?;
        at += body.get(at..)?.strip_prefix(b"\r\n").map(|_| 2)?;
    }
}

/// The first byte tells how the rest is cut on its way. However it is cut, the verdict is the same; and where a body is found to end, another
/// reader finds its end too.
pub fn chunks(data: &[u8]) {
    let Some((&longest, body)) = data.split_first() else { return };
    let whole = verdict(std::iter::once(body));
    assert_eq!(verdict(body.chunks(usize::from(longest).max(1))), whole);
    assert_eq!(verdict(body.chunks(1)), whole);
    if let Ok(Some(end)) = whole {
        assert_eq!(elsewhere(body), Some(end));
        // No beginning of it is the whole.
        assert_eq!(verdict(std::iter::once(&body[..end - 1])), Ok(None));
    }
}
