//! Names of a request: `x-request-id`, and its place in a distributed trace (W3C Trace Context, <https://www.w3.org/TR/trace-context/>).
//!
//! A caller's own id is kept when it is short and plain, because it is written into logs and headers; otherwise a new one is made.

use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderMap;

/// Header of the request's id, in and out.
pub(crate) const REQUEST_ID: &str = "x-request-id";
/// Header of the trace, in and out.
pub(crate) const TRACEPARENT: &str = "traceparent";

/// Longest id that is taken over from a caller.
const LONGEST_ID: usize = 128;

/// Makes identifiers that are unique and not to be guessed from one another's neighbours in time by accident.
#[derive(Debug)]
pub(crate) struct Names {
    seed: [u64; 2],
    next: AtomicU64,
}

/// The names of one request.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    pub(crate) request_id: String,
    pub(crate) trace_id: String,
    /// The whole header for whoever is asked next, with this request as the parent.
    pub(crate) traceparent: String,
}

impl Names {
    /// With a seed of its own, so that two processes make different names.
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        Ok(Names { seed: [getrandom::u64()?, getrandom::u64()?], next: AtomicU64::new(0) })
    }

    /// Names a request by its headers, or anew.
    pub(crate) fn name(&self, headers: &HeaderMap) -> Trace {
        let [high, low, span] = self.fresh();
        let request_id = match headers.get(REQUEST_ID).and_then(|v| v.to_str().ok()).filter(|id| is_plain(id)) {
            Some(id) => id.to_owned(),
            None => hex(&[high, low]),
        };
        let (trace_id, flags) = match headers.get(TRACEPARENT).and_then(|v| v.to_str().ok()).and_then(parse) {
            Some((trace_id, flags)) => (trace_id.to_owned(), flags),
            None => (hex(&[high, low]), "00"),
        };
        // All zeros is not a valid id.
        let traceparent = ["00-", &trace_id, "-", &hex(&[span.max(1)]), "-", flags].concat();
        Trace { request_id, trace_id, traceparent }
    }

    fn fresh(&self) -> [u64; 3] {
        let [a, b] = self.seed;
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        [mix(a ^ n), mix(b.wrapping_add(n)), mix(a.rotate_left(32) ^ b ^ n)]
    }
}

/// 16 lower-case hex digits for each number.
fn hex(numbers: &[u64]) -> String {
    let nibbles = numbers.iter().flat_map(|n| (0..16).rev().map(move |at| (n >> (4 * at)) & 15));
    nibbles.filter_map(|nibble| char::from_digit(u32::try_from(nibble).ok()?, 16)).collect()
}

/// SplitMix64's finalizer (Steele, Lea and Flood, 2014): a bijection, so that different numbers stay different.
fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

fn is_plain(id: &str) -> bool {
    !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&b))
}

/// Trace id and flags of `00-<32 hex>-<16 hex>-<2 hex>`; later versions may have more behind it.
fn parse(header: &str) -> Option<(&str, &str)> {
    let hex = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let mut parts = header.split('-');
    let (version, trace_id, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let nothing = |text: &str| text.bytes().all(|b| b == b'0');
    let well_formed = hex(version, 2) && hex(trace_id, 32) && hex(parent, 16) && hex(flags, 2);
    let known = version != "ff" && (version != "00" || parts.next().is_none());
    (well_formed && known && !nothing(trace_id) && !nothing(parent)).then_some((trace_id, flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(headers: &[(&'static str, &str)]) -> Trace {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Names::new().unwrap().name(&map)
    }

    #[test]
    fn a_plain_id_is_kept_and_any_other_replaced() {
        assert_eq!(name(&[(REQUEST_ID, "order-7/a")]).request_id, "order-7/a");
        for odd in ["", "a b", "<script>", &"x".repeat(129)] {
            let named = name(&[(REQUEST_ID, odd)]).request_id;
            assert!(named != odd && named.len() == 32, "{named}");
        }
    }

    #[test]
    fn a_trace_goes_on_with_a_new_parent() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let named = name(&[(TRACEPARENT, &format!("00-{trace}-00f067aa0ba902b7-01"))]);
        assert_eq!(named.trace_id, trace);
        assert!(named.traceparent.starts_with(&format!("00-{trace}-")) && named.traceparent.ends_with("-01"));
        assert!(!named.traceparent.contains("00f067aa0ba902b7"));
    }

    #[test]
    fn a_malformed_trace_begins_anew() {
        let zeros = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
        for odd in ["", "00-abc-def-01", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", &zeros] {
            let named = name(&[(TRACEPARENT, odd)]);
            assert!(!odd.contains(&named.trace_id) && parse(&named.traceparent).is_some(), "{odd}");
        }
    }

    #[test]
    fn no_two_requests_have_one_name() {
        let names = Names::new().unwrap();
        let all: std::collections::HashSet<_> = (0..10_000).map(|_| names.name(&HeaderMap::new()).request_id).collect();
        assert_eq!(all.len(), 10_000);
    }
}
