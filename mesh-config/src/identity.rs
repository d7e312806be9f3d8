//! `identity:` how a request's Principal is found; sources are tried in order.

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
