//! The sources of the configuration, asked in order: absent → the next; present and wrong → refused, unless told otherwise.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use forebay_mesh_config::identity::{AddressSource, IdentitySource, Wrong};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::key::KeyTable;
use crate::principal::{Principal, subscriber};

/// What can be told of a caller before its body is read.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    pub headers: &'a HeaderMap,
    /// `None` on a unix socket.
    pub peer: Option<IpAddr>,
}

/// A credential was presented that nobody here knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unidentified {
    #[error("the API key is not known")]
    UnknownKey,
    #[error("more than one API key was sent")]
    SeveralKeys,
    #[error("the credential is not readable text")]
    Unreadable,
}

#[derive(Debug)]
enum Source {
    Keys { table: KeyTable, names: HashMap<String, Arc<str>>, wrong: Wrong },
    Address(AddressSource),
}

/// Tells who calls.
#[derive(Debug)]
pub struct Identifier {
    sources: Vec<Source>,
}

impl Identifier {
    pub fn new(sources: &[IdentitySource]) -> Self {
        let source = |declared: &IdentitySource| match declared {
            IdentitySource::ApiKey(keys) => Source::Keys {
                table: KeyTable::new(&keys.keys),
                names: keys.keys.iter().map(|k| (k.name.clone(), Arc::from(k.name.as_str()))).collect(),
                wrong: keys.wrong,
            },
            IdentitySource::Address(address) => Source::Address(*address),
        };
        Identifier { sources: sources.iter().map(source).collect() }
    }

    /// The principal of the first source that knows the caller.
    pub fn identify(&self, caller: Caller<'_>) -> Result<Principal, Unidentified> {
        for source in &self.sources {
            match source {
                Source::Keys { table, names, wrong } => match key_owner(table, names, caller.headers) {
                    Ok(Some(name)) => return Ok(Principal::Key(name)),
                    Ok(None) => {}
                    Err(_) if *wrong == Wrong::Next => {}
                    Err(wrong) => return Err(wrong),
                },
                Source::Address(source) => {
                    return Ok(caller.peer.map_or(Principal::Local, |peer| Principal::Address(subscriber(peer, source.ipv6_prefix))));
                }
            }
        }
        Ok(Principal::Anonymous)
    }
}

/// `Ok(None)`: no key was sent.
fn key_owner(table: &KeyTable, names: &HashMap<String, Arc<str>>, headers: &HeaderMap) -> Result<Option<Arc<str>>, Unidentified> {
    let Some(key) = presented(headers)? else { return Ok(None) };
    let owner = table.owner(key).ok_or(Unidentified::UnknownKey)?;
    Ok(names.get(owner).cloned())
}

/// The one key of a request. Two that differ would let a caller choose whom a later reader sees, so they are refused.
fn presented(headers: &HeaderMap) -> Result<Option<&str>, Unidentified> {
    let mut found = None;
    let bearers = headers.get_all(AUTHORIZATION).iter().map(|v| v.to_str().map(bearer));
    let plain = headers.get_all("x-api-key").iter().map(|v| v.to_str().map(|key| Some(key.trim())));
    for key in bearers.chain(plain) {
        let Some(key) = key.map_err(|_| Unidentified::Unreadable)? else { continue };
        if found.is_some_and(|other| other != key) {
            return Err(Unidentified::SeveralKeys);
        }
        found = Some(key);
    }
    Ok(found)
}

/// The token of `Bearer <token>` (RFC 6750 section 2.1); other schemes are not ours.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use forebay_mesh_config::identity::{ApiKey, ApiKeySource};

    use super::*;
    use crate::key::digest;

    fn identifier(wrong: Wrong) -> Identifier {
        let keys = vec![ApiKey { name: "alice".into(), sha256: digest("secret") }];
        Identifier::new(&[IdentitySource::ApiKey(ApiKeySource { keys, wrong }), IdentitySource::Address(AddressSource { ipv6_prefix: 64 })])
    }

    fn identify(wrong: Wrong, headers: &[(&'static str, &'static str)]) -> Result<Principal, Unidentified> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        identifier(wrong).identify(Caller { headers: &map, peer: Some("192.0.2.1".parse().unwrap()) })
    }

    #[test]
    fn a_key_is_taken_from_either_header_in_any_case_of_the_scheme() {
        let alice = Ok(Principal::Key("alice".into()));
        for headers in [[("authorization", "Bearer secret")], [("authorization", "bearer  secret ")], [("x-api-key", "secret")]] {
            assert_eq!(identify(Wrong::Refuse, &headers), alice, "{headers:?}");
        }
    }

    #[test]
    fn without_a_key_the_next_source_is_asked() {
        let address = Ok(Principal::Address("192.0.2.1".parse().unwrap()));
        assert_eq!(identify(Wrong::Refuse, &[]), address);
        assert_eq!(identify(Wrong::Refuse, &[("authorization", "Basic c2VjcmV0")]), address);
    }

    #[test]
    fn a_wrong_key_is_refused_unless_told_otherwise() {
        assert_eq!(identify(Wrong::Refuse, &[("x-api-key", "other")]), Err(Unidentified::UnknownKey));
        assert!(matches!(identify(Wrong::Next, &[("x-api-key", "other")]), Ok(Principal::Address(_))));
        assert_eq!(identify(Wrong::Refuse, &[("x-api-key", "")]), Err(Unidentified::UnknownKey));
    }

    #[test]
    fn two_different_keys_are_refused_and_the_same_twice_is_one() {
        assert_eq!(identify(Wrong::Refuse, &[("x-api-key", "secret"), ("authorization", "Bearer other")]), Err(Unidentified::SeveralKeys));
        assert!(identify(Wrong::Refuse, &[("x-api-key", "secret"), ("authorization", "Bearer secret")]).is_ok());
    }

    #[test]
    fn without_sources_everybody_is_one() {
        let nobody = Identifier::new(&[]);
        let headers = HeaderMap::new();
        assert_eq!(nobody.identify(Caller { headers: &headers, peer: None }), Ok(Principal::Anonymous));
    }
}
