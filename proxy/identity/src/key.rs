//! API keys: how one looks, how one is made, and the table that recognises them by their digests.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use forebay_mesh_config::identity::ApiKey;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Random bytes of a new key: 192 bits, more than anyone can guess and a multiple of three for base64.
const KEY_BYTES: usize = 24;

/// Says what the text is when it turns up where it should not be.
const KEY_PREFIX: &str = "fb_";

/// Longest credential that is looked at. Longer ones are nobody's key.
const LONGEST_KEY: usize = 512;

/// The system has no random bits.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random bits: {0}")]
pub struct NoRandomness(getrandom::Error);

/// A new key: `fb_` and 32 characters. Only its digest belongs into the configuration.
pub fn new_key() -> Result<String, NoRandomness> {
    let mut bits = [0u8; KEY_BYTES];
    getrandom::fill(&mut bits).map_err(NoRandomness)?;
    Ok(format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(bits)))
}

/// SHA-256 of a key's text.
pub fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// Known keys by digest.
#[derive(Debug, Default)]
pub(crate) struct KeyTable {
    /// By the digest's first eight bytes. Where a lookup ends tells at most those of a digest, which no one can turn back into a key;
    /// the whole digest is then compared in constant time.
    by_prefix: HashMap<[u8; 8], Vec<ApiKey>>,
}

impl KeyTable {
    pub(crate) fn new(keys: &[ApiKey]) -> Self {
        let mut table = KeyTable::default();
        for key in keys {
            table.by_prefix.entry(prefix(&key.sha256)).or_default().push(key.clone());
        }
        table
    }

    /// The name of the key's owner.
    pub(crate) fn owner(&self, presented: &str) -> Option<&str> {
        if presented.len() > LONGEST_KEY {
            return None;
        }
        let digest = digest(presented);
        let candidates = self.by_prefix.get(&prefix(&digest))?;
        candidates.iter().find(|k| bool::from(k.sha256.ct_eq(&digest))).map(|k| k.name.as_str())
    }
}

fn prefix(digest: &[u8; 32]) -> [u8; 8] {
    let mut prefix = [0; 8];
    prefix.iter_mut().zip(digest).for_each(|(to, from)| *to = *from);
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_long_and_its_own() {
        let (a, b) = (new_key().unwrap(), new_key().unwrap());
        assert_ne!(a, b);
        assert_eq!(URL_SAFE_NO_PAD.decode(&a[KEY_PREFIX.len()..]).unwrap().len() * 8, 192);
    }

    #[test]
    fn a_key_is_known_by_its_digest_alone() {
        let key = new_key().unwrap();
        let table = KeyTable::new(&[ApiKey { name: "alice".into(), sha256: digest(&key) }]);
        assert_eq!(table.owner(&key), Some("alice"));
        for wrong in [String::new(), format!("{key} "), key.to_uppercase(), "x".repeat(10_000)] {
            assert_eq!(table.owner(&wrong), None);
        }
    }

    #[test]
    fn two_digests_with_one_prefix_are_told_apart() {
        let mut twin = digest("mine");
        twin[31] ^= 1;
        let table = KeyTable::new(&[ApiKey { name: "twin".into(), sha256: twin }, ApiKey { name: "me".into(), sha256: digest("mine") }]);
        assert_eq!(table.owner("mine"), Some("me"));
    }
}
