//! All quotas at once: a request is admitted by every one of them, or by none.
//!
//! Quotas per principal are asked before the shared ones, so that a caller who is over its own allowance takes nothing from everybody's.
//! Buckets live in memory, at most `max_principals` of them. A full bucket is forgotten by [`Limiter::sweep`]; when even then there is no
//! room, a newcomer shares one bucket with all other newcomers or is refused, as configured. Nobody who is known is ever pushed out.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use forebay_mesh_config::quota::{AtCap, Limits, Per};

use crate::bucket::{Gcra, Nanos, Take, is_full};

/// What the quotas say to a request.
#[derive(Debug)]
pub enum Verdict {
    Admit(Admission),
    Deny(Denial),
}

/// State of one quota after a request, for the `RateLimit` field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub quota: Arc<str>,
    pub remaining: u64,
    /// When the quota is whole again.
    pub reset: Duration,
}

/// An admitted request. What it took can be given back.
#[derive(Debug)]
pub struct Admission {
    pub standings: Vec<Standing>,
    taken: Vec<(Gcra, Arc<Buckets>, usize)>,
}

impl Admission {
    /// The request was refused later on, before it cost anything.
    pub fn give_back(&self) {
        for (gcra, buckets, at) in &self.taken {
            if let Some(arrival) = buckets.get(*at) {
                gcra.give_back(arrival);
            }
        }
    }
}

/// A refused request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Name of the quota that refused; the longest wait among several.
    pub quota: Arc<str>,
    pub retry_after: Duration,
    pub standings: Vec<Standing>,
    /// Whether it was refused because no more principals can be remembered.
    pub at_cap: bool,
}

/// One number per quota; see [`crate::bucket`].
type Buckets = Box<[AtomicU64]>;

#[derive(Debug)]
struct Quota {
    name: Arc<str>,
    gcra: Gcra,
}

/// Counts of every principal `K`, in memory.
#[derive(Debug)]
pub struct Limiter<K: Eq + Hash> {
    per_principal: Vec<Quota>,
    shared: Vec<Quota>,
    principals: DashMap<K, Arc<Buckets>>,
    /// Newcomers at the cap.
    strangers: Arc<Buckets>,
    everybody: Arc<Buckets>,
    max_principals: usize,
    at_cap: AtCap,
    policy: Option<String>,
    began: Instant,
}

fn buckets(quotas: &[Quota]) -> Arc<Buckets> {
    Arc::new(quotas.iter().map(|_| AtomicU64::new(0)).collect())
}

impl<K: Eq + Hash + Clone> Limiter<K> {
    pub fn new(limits: &Limits) -> Self {
        let quotas = |per| {
            let chosen = limits.quotas.iter().filter(|q| q.per == per);
            chosen.map(|q| Quota { name: q.name.as_str().into(), gcra: Gcra::new(q.bucket) }).collect::<Vec<_>>()
        };
        let (per_principal, shared) = (quotas(Per::Principal), quotas(Per::All));
        Limiter {
            policy: policy(per_principal.iter().chain(&shared)),
            strangers: buckets(&per_principal),
            everybody: buckets(&shared),
            principals: DashMap::new(),
            max_principals: limits.max_principals.get(),
            at_cap: limits.at_cap,
            per_principal,
            shared,
            began: Instant::now(),
        }
    }

    /// The value of `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10); `None` without quotas.
    pub fn policy(&self) -> Option<&str> {
        self.policy.as_deref()
    }

    /// Principals that are remembered.
    pub fn principals(&self) -> usize {
        self.principals.len()
    }

    /// Takes one request of `principal` out of every quota, or out of none.
    pub fn admit(&self, principal: &K, now: Instant) -> Verdict {
        let nanos = self.nanos(now);
        let mut admission = Admission { standings: Vec::new(), taken: Vec::new() };
        let Some(own) = self.buckets_of(principal) else {
            let quota = self.per_principal.first().map(|q| q.name.clone()).unwrap_or_default();
            let standing = Standing { quota: quota.clone(), remaining: 0, reset: AT_CAP_RETRY };
            return Verdict::Deny(Denial { quota, retry_after: AT_CAP_RETRY, standings: vec![standing], at_cap: true });
        };
        for (quotas, buckets) in [(&self.per_principal, &own), (&self.shared, &self.everybody)] {
            if let Err(denial) = take_all(quotas, buckets, nanos, &mut admission) {
                admission.give_back();
                return Verdict::Deny(denial);
            }
        }
        Verdict::Admit(admission)
    }

    /// Forgets every principal whose buckets are full again; call it about once a second.
    pub fn sweep(&self, now: Instant) {
        let nanos = self.nanos(now);
        // One that is held elsewhere is about to be taken from, or may still be given back to: a bucket forgotten now would forget that.
        self.principals.retain(|_, buckets| Arc::strong_count(buckets) > 1 || !buckets.iter().all(|b| is_full(b, nanos)));
    }

    fn nanos(&self, now: Instant) -> Nanos {
        u64::try_from(now.saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX)
    }

    /// `None`: no room, and strangers are refused.
    fn buckets_of(&self, principal: &K) -> Option<Arc<Buckets>> {
        if self.per_principal.is_empty() {
            return Some(self.strangers.clone());
        }
        if let Some(known) = self.principals.get(principal) {
            return Some(known.clone());
        }
        // Racing newcomers may overshoot by the number of worker threads, which the cap's order of magnitude does not notice.
        if self.principals.len() < self.max_principals {
            return Some(match self.principals.entry(principal.clone()) {
                Entry::Occupied(known) => known.get().clone(),
                Entry::Vacant(new) => new.insert(buckets(&self.per_principal)).clone(),
            });
        }
        (self.at_cap == AtCap::Share).then(|| self.strangers.clone())
    }
}

/// When a stranger may try again at the cap: the period of [`Limiter::sweep`].
const AT_CAP_RETRY: Duration = Duration::from_secs(1);

fn take_all(quotas: &[Quota], buckets: &Arc<Buckets>, now: Nanos, admission: &mut Admission) -> Result<(), Denial> {
    for (at, (quota, arrival)) in quotas.iter().zip(buckets.iter()).enumerate() {
        match quota.gcra.take(arrival, now) {
            Take::Admitted { remaining, full_after } => {
                admission.standings.push(Standing { quota: quota.name.clone(), remaining, reset: full_after });
                admission.taken.push((quota.gcra, buckets.clone(), at));
            }
            Take::Denied { retry_after, full_after } => {
                let standing = Standing { quota: quota.name.clone(), remaining: 0, reset: full_after };
                return Err(Denial { quota: quota.name.clone(), retry_after, standings: vec![standing], at_cap: false });
            }
        }
    }
    Ok(())
}

/// `"name";q=burst;w=seconds` for each quota: the burst may be spent in the time that an empty bucket takes to fill.
fn policy<'a>(quotas: impl Iterator<Item = &'a Quota>) -> Option<String> {
    let policies: Vec<String> =
        quotas.map(|q| format!("\"{}\";q={};w={}", q.name, q.gcra.burst(), ceil_seconds(q.gcra.window()))).collect();
    (!policies.is_empty()).then(|| policies.join(", "))
}

/// Whole seconds, rounded up: a caller who waits as told must not come too early.
pub fn ceil_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// The value of `RateLimit`: what each quota has left and when it is whole again.
pub fn rate_limit_field(standings: &[Standing]) -> String {
    use std::fmt::Write;
    let mut field = String::with_capacity(standings.len() * 32);
    for (i, s) in standings.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(field, "{comma}\"{}\";r={};t={}", s.quota, s.remaining, ceil_seconds(s.reset));
    }
    field
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU32, NonZeroUsize};

    use forebay_mesh_config::quota::{Quota as Declared, Rate, Store, TokenBucket};

    use super::*;

    fn quota(name: &str, per: Per, count: u32, burst: u32) -> Declared {
        let rate = Rate { count: NonZeroU32::new(count).unwrap(), per: Duration::from_secs(1) };
        Declared { name: name.into(), per, bucket: TokenBucket { rate, burst: NonZeroU32::new(burst).unwrap() } }
    }

    fn limiter(max_principals: usize, at_cap: AtCap, quotas: Vec<Declared>) -> Limiter<u32> {
        let max_principals = NonZeroUsize::new(max_principals).unwrap();
        Limiter::new(&Limits { store: Store::Memory, max_principals, at_cap, quotas })
    }

    fn admitted(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Admit(_))
    }

    #[test]
    fn each_principal_has_its_own_and_all_share_one() {
        let limiter = limiter(10, AtCap::Share, vec![quota("all", Per::All, 1, 3), quota("own", Per::Principal, 1, 2)]);
        let now = Instant::now();
        let verdicts: Vec<bool> = [1, 1, 1, 2, 2].iter().map(|p| admitted(&limiter.admit(p, now))).collect();
        assert_eq!(verdicts, [true, true, false, true, false]);
        let Verdict::Deny(denial) = limiter.admit(&3, now) else { panic!() };
        assert_eq!(&*denial.quota, "all");
    }

    #[test]
    fn a_caller_over_its_own_allowance_takes_nothing_from_everybodys() {
        let limiter = limiter(10, AtCap::Share, vec![quota("all", Per::All, 1, 3), quota("own", Per::Principal, 1, 1)]);
        let now = Instant::now();
        (0..100).for_each(|_| drop(limiter.admit(&1, now)));
        assert!(admitted(&limiter.admit(&2, now)) && admitted(&limiter.admit(&3, now)));
    }

    #[test]
    fn a_refusal_by_everybodys_quota_costs_the_caller_nothing() {
        let limiter = limiter(10, AtCap::Share, vec![quota("all", Per::All, 1, 1), quota("own", Per::Principal, 1, 2)]);
        let now = Instant::now();
        assert!(admitted(&limiter.admit(&1, now)));
        (0..5).for_each(|_| assert!(!admitted(&limiter.admit(&2, now))));
        let Verdict::Admit(later) = limiter.admit(&2, now + Duration::from_secs(1)) else { panic!() };
        assert_eq!(later.standings[0].remaining, 1);
    }

    #[test]
    fn what_was_refused_later_on_is_given_back_to_every_quota() {
        let limiter = limiter(10, AtCap::Share, vec![quota("all", Per::All, 1, 1), quota("own", Per::Principal, 1, 1)]);
        let now = Instant::now();
        let Verdict::Admit(admission) = limiter.admit(&1, now) else { panic!() };
        admission.give_back();
        assert!(admitted(&limiter.admit(&1, now)));
    }

    #[test]
    fn at_the_cap_strangers_share_and_the_known_are_untouched() {
        let limiter = limiter(2, AtCap::Share, vec![quota("own", Per::Principal, 1, 2)]);
        let now = Instant::now();
        assert!(admitted(&limiter.admit(&1, now)) && admitted(&limiter.admit(&2, now)));
        let strangers: Vec<bool> = (10..14).map(|p| admitted(&limiter.admit(&p, now))).collect();
        assert_eq!(strangers, [true, true, false, false]);
        assert!(admitted(&limiter.admit(&1, now)));
        assert_eq!(limiter.principals(), 2);
    }

    #[test]
    fn at_the_cap_strangers_are_refused_where_configured_until_a_place_is_free() {
        let limiter = limiter(1, AtCap::Refuse, vec![quota("own", Per::Principal, 1, 1)]);
        let now = Instant::now();
        assert!(admitted(&limiter.admit(&1, now)));
        assert!(matches!(limiter.admit(&2, now), Verdict::Deny(Denial { at_cap: true, .. })));
        let later = now + Duration::from_millis(1001);
        limiter.sweep(later);
        assert_eq!(limiter.principals(), 0);
        assert!(admitted(&limiter.admit(&2, later)));
    }

    #[test]
    fn a_sweep_forgets_nobody_who_still_owes() {
        let limiter = limiter(10, AtCap::Share, vec![quota("own", Per::Principal, 1, 5)]);
        let now = Instant::now();
        drop(limiter.admit(&1, now));
        limiter.sweep(now);
        assert_eq!(limiter.principals(), 1);
    }

    #[test]
    fn a_sweep_forgets_nobody_whose_request_is_being_decided() {
        let limiter = limiter(10, AtCap::Share, vec![quota("own", Per::Principal, 1, 5)]);
        let now = Instant::now();
        let held = limiter.admit(&1, now);
        let later = now + Duration::from_secs(10);
        limiter.sweep(later);
        assert_eq!(limiter.principals(), 1);
        drop(held);
        limiter.sweep(later);
        assert_eq!(limiter.principals(), 0);
    }

    #[test]
    fn the_fields_say_what_the_draft_says() {
        let limiter = limiter(10, AtCap::Share, vec![quota("own", Per::Principal, 50, 100), quota("all", Per::All, 1000, 1500)]);
        assert_eq!(limiter.policy(), Some(r#""own";q=100;w=2, "all";q=1500;w=2"#));
        let Verdict::Admit(admission) = limiter.admit(&1, Instant::now()) else { panic!() };
        assert_eq!(rate_limit_field(&admission.standings), r#""own";r=99;t=1, "all";r=1499;t=1"#);
    }
}
