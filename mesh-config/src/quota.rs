//! `limits:` how much each Principal, and all of them together, may ask.

use std::num::NonZeroU32;
use std::num::NonZeroUsize;

use crate::name::name;
use crate::tree::Keys;
use crate::tree::form::{choice, list, table, whole};
use crate::units::rate;

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

impl Default for Limits {
    fn default() -> Self {
        const PRINCIPALS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(100_000 - 1);
        Limits { store: Store::Memory, max_principals: PRINCIPALS, at_cap: AtCap::Share, quotas: Vec::new() }
    }
}

impl Limits {
    pub(crate) fn declare(keys: &mut Keys<'_, '_>, from: Self) -> Self {
        Limits {
            store: keys.key("store", choice(&[("memory", Store::Memory)]), from.store, "Where counts are kept."),
            max_principals: keys.key(
                "max_principals",
                whole().at_most(100_000_000),
                from.max_principals,
                "Principals that are remembered at once; 100,000 take about 10 MB.",
            ),
            at_cap: keys.key(
                "at_cap",
                choice(&[("share", AtCap::Share), ("refuse", AtCap::Refuse)]),
                from.at_cap,
                "What happens to a newcomer at max_principals: all newcomers share one bucket, or are refused with 429.",
            ),
            quotas: keys.key(
                "quotas",
                list(table(Quota::declare), Quota::example).unique(|quota| &quota.name),
                from.quotas,
                "Allowances; a request must fit into all of them. Without any, nothing is limited.",
            ),
        }
    }
}

impl Quota {
    fn example() -> Self {
        Quota { name: "per-principal".to_owned(), per: Per::Principal, bucket: TokenBucket::example() }
    }

    fn declare(keys: &mut Keys<'_, '_>, from: Self) -> Self {
        Quota {
            name: keys.required("name", name(64), from.name, "Its name in the RateLimit headers, in metrics and in refusals."),
            per: keys.required(
                "per",
                choice(&[("principal", Per::Principal), ("all", Per::All)]),
                from.per,
                "Who shares it: each principal has its own, or all have one together.",
            ),
            bucket: keys.required(
                "token_bucket",
                table(TokenBucket::declare),
                from.bucket,
                "How much at once, and how fast it comes back. In the first window up to burst and a window's rate together.",
            ),
        }
    }
}

impl TokenBucket {
    fn example() -> Self {
        const FIFTY: NonZeroU32 = NonZeroU32::MIN.saturating_add(50 - 1);
        const HUNDRED: NonZeroU32 = NonZeroU32::MIN.saturating_add(100 - 1);
        TokenBucket { rate: Rate { count: FIFTY, per: std::time::Duration::from_secs(1) }, burst: HUNDRED }
    }

    fn declare(keys: &mut Keys<'_, '_>, from: Self) -> Self {
        TokenBucket {
            rate: keys.required("rate", rate(), from.rate, "Requests that come back per second, minute, hour or day."),
            burst: keys.required("burst", whole(), from.burst, "Requests that may come at once."),
        }
    }
}
