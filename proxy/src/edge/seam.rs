//! Where a head ends and a chunked body begins, told while pingora has not parsed the head yet.
//!
//! pingora keeps to itself what came along with a head, so that a chunked body must not: its reads end at the head's empty line, and what
//! follows waits until the request says how its body is framed. Only heads that have the word `chunked` somewhere in them pay for this. A
//! head may be told too early to have ended (pingora reads on), never too late: one that ends in another way than CR LF CR LF is refused.

use memchr::{memchr2_iter, memmem};

const CHUNKED: &[u8; 7] = b"chunked";
const HEAD_END: &[u8; 4] = b"\r\n\r\n";
/// What of one read may be the beginning of either, whose end comes with the next.
const KEPT: usize = CHUNKED.len() - 1;

/// Ends reads where heads end, on one connection.
#[derive(Debug, Default)]
pub(super) struct Seam {
    /// The last bytes of the connection that were handed on, whatever they were.
    last: [u8; KEPT],
    /// The word was seen since the last head began.
    named: bool,
}

impl Seam {
    /// What comes now is of another head.
    pub(super) fn begin(&mut self) {
        self.named = false;
    }

    /// How many of these bytes of a head may be handed on, and whether the head ends there for certain.
    pub(super) fn cut(&mut self, read: &[u8]) -> (usize, bool) {
        self.named = self.named || self.names_chunked(read);
        let end = if self.named { self.head_end(read) } else { None };
        (end.unwrap_or(read.len()), end.is_some())
    }

    /// Remembers what was handed on.
    pub(super) fn passed(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last_chunk() {
            self.last = *last;
        } else {
            for &byte in bytes {
                self.last.rotate_left(1);
                self.last[KEPT - 1] = byte;
            }
        }
    }

    fn names_chunked(&self, read: &[u8]) -> bool {
        /// Where its rarest letter is.
        const K: usize = 4;
        let is_there = |at: usize| {
            let word = at.checked_sub(K).and_then(|begin| read.get(begin..begin + CHUNKED.len()));
            word.is_some_and(|word| word.eq_ignore_ascii_case(CHUNKED))
        };
        memchr2_iter(b'k', b'K', read).any(is_there) || (self.may_have_begun() && self.ends_across(read))
    }

    /// Whether the last byte is a letter of the word: hardly ever.
    fn may_have_begun(&self) -> bool {
        CHUNKED.contains(&self.last[KEPT - 1].to_ascii_lowercase())
    }

    fn ends_across(&self, read: &[u8]) -> bool {
        self.across(read).windows(CHUNKED.len()).any(|word| word.eq_ignore_ascii_case(CHUNKED))
    }

    /// The number of bytes up to and with the first empty line that ends here.
    fn head_end(&self, read: &[u8]) -> Option<usize> {
        let across = self.across(read);
        let ends = across.windows(HEAD_END.len()).enumerate().filter(|(_, w)| w == HEAD_END).map(|(at, _)| at + HEAD_END.len());
        let begun_before = ends.filter_map(|end| end.checked_sub(KEPT)).find(|end| *end > 0);
        begun_before.or_else(|| memmem::find(read, HEAD_END).map(|at| at + HEAD_END.len()))
    }

    /// The last bytes and the first new ones.
    fn across(&self, read: &[u8]) -> [u8; 2 * KEPT] {
        let mut both = [0; 2 * KEPT];
        let bytes = self.last.iter().chain(read);
        both.iter_mut().zip(bytes).for_each(|(into, from)| *into = *from);
        both
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: kk\r\nTransfer-Encoding: chunKed\r\n\r\n";
    const BODY: &[u8] = b"5\r\nhello\r\n0\r\n\r\n";

    /// What is handed on of `read`, as a connection would hand it on.
    fn cut(seam: &mut Seam, read: &[u8]) -> (usize, bool) {
        let (handed, at_seam) = seam.cut(read);
        seam.passed(&read[..handed]);
        (handed, at_seam)
    }

    #[test]
    fn a_read_ends_where_the_head_of_a_chunked_body_ends_wherever_it_was_cut() {
        let all = [HEAD, BODY].concat();
        for first in 1..HEAD.len() {
            for second in first + 1..all.len() {
                let mut seam = Seam::default();
                assert_eq!(cut(&mut seam, &all[..first]), (first, false));
                let expected = if second >= HEAD.len() { (HEAD.len() - first, true) } else { (second - first, false) };
                assert_eq!(cut(&mut seam, &all[first..second]), expected, "{first} {second}");
                if second < HEAD.len() {
                    assert_eq!(cut(&mut seam, &all[second..]), (HEAD.len() - second, true), "{first} {second}");
                }
            }
        }
    }

    #[test]
    fn other_requests_are_handed_on_as_they_come() {
        let mut seam = Seam::default();
        let other = b"POST / HTTP/1.1\r\nCookie: unchunk\r\nContent-Length: 2\r\n\r\n{}GET / HTTP/1.1\r\n\r\n";
        assert_eq!(cut(&mut seam, other), (other.len(), false));
        seam.begin();
        assert_eq!(cut(&mut seam, other), (other.len(), false));
    }

    #[test]
    fn the_word_in_a_head_before_does_not_count() {
        let mut seam = Seam::default();
        assert_eq!(cut(&mut seam, HEAD), (HEAD.len(), true));
        seam.begin();
        assert_eq!(cut(&mut seam, b"GET / HTTP/1.1\r\n\r\nGET"), (21, false));
    }

    #[test]
    fn nothing_is_ever_handed_on_as_no_bytes() {
        let mut seam = Seam::default();
        assert_eq!(cut(&mut seam, b"x-chunked\r\n\r\n"), (13, true));
        for _ in 0..3 {
            assert_eq!(cut(&mut seam, b"\r\n"), (2, true));
            assert_eq!(cut(&mut seam, b"\r"), (1, false));
            assert_eq!(cut(&mut seam, b"\n"), (1, true));
        }
    }
}
