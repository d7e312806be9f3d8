//! `limits:` how much each Principal, and all of them together, may ask.

use std::num::NonZeroU32;
use std::num::NonZeroUsize;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    pub store: Store,
    /// Principals that are remembered at once. Default 100,000 (about 10 MB).
    pub max_principals: NonZeroUsize,
    /// What happens to a Principal that is not remembered while the store is full of ones that may not be forgotten yet.
    pub at_cap: AtCap,
    pub quotas: Vec<Quota>,
}

/// Where counts are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Memory,
}

/// The rule at `max_principals`. A bucket that is full again says nothing and is always forgotten first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtCap {
    /// Newcomers share one bucket, so that a flood of made-up names cannot push out honest ones (the default).
    Share,
    /// Newcomers are refused with 429.
    Refuse,
}

/// One allowance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    pub name: String,
    pub per: Per,
    pub bucket: TokenBucket,
}

/// Who shares a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// Each Principal has its own.
    Principal,
    /// Everybody together has one.
    All,
}

/// A token bucket: `burst` requests at once, refilled at `rate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    pub rate: Rate,
    pub burst: NonZeroU32,
}

/// `count` per `per`, written `50/s`, `100/m`, `1000/h` or `5000/d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub count: NonZeroU32,
    pub per: std::time::Duration,
}
