//! `identity:` how a request's Principal is found; sources are tried in order.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use crate::name::name;
use crate::tree::form::{Form, List, Scalar, choice, list, table, whole};
use crate::tree::{Keys, Mistake, Node, Reading, Value, beside, described, nearest};

/// One way to tell who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentitySource {
    ApiKey(ApiKeySource),
    Address(AddressSource),
}

/// `Authorization: Bearer <key>` or `x-api-key: <key>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeySource {
    pub keys: Vec<ApiKey>,
    pub wrong: Wrong,
}

/// What a present and wrong credential leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// 401 (the default).
    Refuse,
    /// The next source is asked.
    Next,
}

/// A known key: its owner's name and the SHA-256 of the key's text, 64 hex digits in the file.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub name: String,
    pub sha256: [u8; 32],
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKey").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The peer's address; IPv6 by its prefix, because one subscriber has a whole one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressSource {
    /// 1 to 128, default 64.
    pub ipv6_prefix: u8,
}

impl Default for AddressSource {
    fn default() -> Self {
        AddressSource { ipv6_prefix: 64 }
    }
}

impl AddressSource {
    fn declare(keys: &mut Keys<'_, '_>, from: Self) -> Self {
        AddressSource {
            ipv6_prefix: keys.key(
                "ipv6_prefix",
                whole().at_least(1).at_most(128),
                from.ipv6_prefix,
                "IPv6 addresses that share so many leading bits are one principal: one subscriber has a whole prefix.",
            ),
        }
    }
}

impl ApiKeySource {
    fn example() -> Self {
        ApiKeySource { keys: Vec::new(), wrong: Wrong::Refuse }
    }

    fn declare(keys: &mut Keys<'_, '_>, from: Self) -> Self {
        ApiKeySource {
            keys: keys.required("keys", ApiKeys, from.keys, "Who has which key: a list, or the path of a file that holds one."),
            wrong: keys.key(
                "wrong",
                choice(&[("refuse", Wrong::Refuse), ("next", Wrong::Next)]),
                from.wrong,
                "What a present and wrong key leads to: 401, or the next source is asked.",
            ),
        }
    }
}

impl ApiKey {
    fn example() -> Self {
        ApiKey { name: "alice".to_owned(), sha256: [0; 32] }
    }

    fn declare(keys: &mut Keys<'_, '_>, from: Self) -> Self {
        ApiKey {
            name: keys.required(
                "name",
                name(64),
                from.name,
                "The principal. Two keys of one name are one principal: that is how a key is replaced.",
            ),
            sha256: keys.required("sha256", Sha256Form, from.sha256, "The SHA-256 of the key's text, as `forebay key new` prints it."),
        }
    }
}

/// The whole section: sources in order.
pub(crate) struct Identity;

impl Form for Identity {
    type Value = Vec<IdentitySource>;

    fn read(&self, node: &Node, reading: &mut Reading<'_>, from: Self::Value) -> Self::Value {
        let reported = reading.reported();
        let sources = sources().read(node, reading, from);
        let Value::List(items) = &node.value else { return sources };
        if reading.reported() > reported {
            return sources;
        }
        if items.is_empty() {
            reading.refuse(&node.place, Mistake::new("is empty", "name a source, or leave identity out to tell callers by address"));
        }
        if let Some(at) = sources.iter().position(|source| matches!(source, IdentitySource::Address(_)))
            && let Some(after) = items.get(at + 1)
        {
            let mistake = Mistake::new("is never asked", "every request has an address; move the address source to the end");
            reading.at_index(at + 1, |reading| reading.refuse(&after.place, mistake));
        }
        sources
    }

    fn write(&self, value: &Self::Value) -> Json {
        sources().write(value)
    }

    fn schema(&self, from: &Self::Value) -> Json {
        sources().schema(from)
    }
}

fn sources() -> List<Source> {
    list(Source, || IdentitySource::Address(AddressSource::default()))
}

/// One source: a mapping whose only key says which.
struct Source;

const API_KEY: &str = "api_key";
const ADDRESS: &str = "address";

impl Form for Source {
    type Value = IdentitySource;

    fn read(&self, node: &Node, reading: &mut Reading<'_>, from: IdentitySource) -> IdentitySource {
        let only = match &node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Empty | Value::Scalar(_) | Value::List(_) => &[],
        };
        let [entry] = only else {
            reading.refuse(
                &node.place,
                Mistake::new("is not one source", "write - api_key: {...} or - address: {}, each with its own hyphen"),
            );
            return from;
        };
        reading.at_key(&entry.key, |reading| match entry.key.as_str() {
            API_KEY => IdentitySource::ApiKey(table(ApiKeySource::declare).read(&entry.value, reading, ApiKeySource::example())),
            ADDRESS => IdentitySource::Address(table(AddressSource::declare).read(&entry.value, reading, AddressSource::default())),
            other => {
                let hint = match nearest(other, [API_KEY, ADDRESS]) {
                    Some(known) => format!("did you mean {known}?"),
                    None => format!("known here: {API_KEY}, {ADDRESS}"),
                };
                reading.refuse(&entry.place, Mistake::new("is not a known source", hint));
                from
            }
        })
    }

    fn write(&self, value: &IdentitySource) -> Json {
        match value {
            IdentitySource::ApiKey(source) => json!({ API_KEY: table(ApiKeySource::declare).write(source) }),
            IdentitySource::Address(source) => json!({ ADDRESS: table(AddressSource::declare).write(source) }),
        }
    }

    fn schema(&self, _: &IdentitySource) -> Json {
        let one = |key: &str, schema: Json| json!({ "type": "object", "properties": { key: schema }, "required": [key], "additionalProperties": false });
        let api_key = table(ApiKeySource::declare).schema(&ApiKeySource::example());
        let address = table(AddressSource::declare).schema(&AddressSource::default());
        json!({
            "oneOf": [
                one(API_KEY, described(api_key, "Authorization: Bearer KEY, or x-api-key: KEY.")),
                one(ADDRESS, described(address, "The address that the connection comes from.")),
            ]
        })
    }
}

/// A list of keys, here or in a file of its own, which can then have stricter permissions.
struct ApiKeys;

impl Form for ApiKeys {
    type Value = Vec<ApiKey>;

    fn read(&self, node: &Node, reading: &mut Reading<'_>, from: Vec<ApiKey>) -> Vec<ApiKey> {
        match &node.value {
            Value::List(_) => read_keys(node, reading),
            Value::Empty | Value::Scalar(_) | Value::Map(_) => {
                let Some(path) = reading.text(node) else { return from };
                let file = beside(&node.place, &path);
                reading.open(&file, &node.place).map_or(from, |root| read_keys(&root, reading))
            }
        }
    }

    fn write(&self, value: &Vec<ApiKey>) -> Json {
        list(table(ApiKey::declare), ApiKey::example).write(value)
    }

    fn schema(&self, from: &Vec<ApiKey>) -> Json {
        json!({ "oneOf": [{ "type": "string", "minLength": 1 }, list(table(ApiKey::declare), ApiKey::example).schema(from)] })
    }

    fn example(&self, _: &Vec<ApiKey>) -> Json {
        json!("keys.yaml")
    }
}

fn read_keys(node: &Node, reading: &mut Reading<'_>) -> Vec<ApiKey> {
    let reported = reading.reported();
    let keys = list(table(ApiKey::declare), ApiKey::example).read(node, reading, Vec::new());
    let Value::List(items) = &node.value else { return keys };
    if reading.reported() > reported {
        return keys;
    }
    let mut owners: HashMap<[u8; 32], &str> = HashMap::new();
    for (index, (item, key)) in items.iter().zip(&keys).enumerate() {
        if let Some(owner) = owners.insert(key.sha256, &key.name) {
            let mistake = Mistake::new(format!("has the key of {owner:?}"), "make another one with `forebay key new`");
            reading.at_index(index, |reading| reading.refuse(&item.place, mistake));
        }
    }
    keys
}

/// 64 hex digits. Shown as `redacted`: whoever has digests can try keys against them.
struct Sha256Form;

/// What stands in place of a secret.
pub(crate) const REDACTED: &str = "redacted";

impl Scalar for Sha256Form {
    type Value = [u8; 32];

    /// A key pasted in place of its digest must not end up in a log.
    const SECRET: bool = true;

    fn parse(&self, text: &str) -> Result<[u8; 32], Mistake> {
        let mistake = || Mistake::new("is not a SHA-256", "write the 64 hex digits that `forebay key new` prints, never the key itself");
        let digits: Vec<u8> = text.chars().map_while(|c| c.to_digit(16)).filter_map(|digit| u8::try_from(digit).ok()).collect();
        if digits.len() != text.len() {
            return Err(mistake());
        }
        let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
        match <[u8; 32]>::try_from(bytes) {
            Ok(digest) if digits.len() == 64 => Ok(digest),
            _ => Err(mistake()),
        }
    }

    fn show(&self, _: &[u8; 32]) -> Json {
        json!(REDACTED)
    }

    fn describe(&self) -> Json {
        json!({ "type": "string", "pattern": "^[0-9A-Fa-f]{64}$" })
    }

    fn example(&self, value: &[u8; 32]) -> Json {
        json!(value.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_64_hex_digits_and_nothing_else() {
        let digest = Sha256Form.parse(&format!("0aFf{}", "00".repeat(30))).unwrap();
        assert_eq!(digest[..3], [0x0a, 0xff, 0]);
        for text in [String::new(), "0".repeat(63), "0".repeat(65), "0".repeat(66), format!("{}g", "0".repeat(63)), "é".repeat(32)] {
            assert!(Sha256Form.parse(&text).is_err(), "{text}");
        }
    }
}
