//! Who is charged and when they are refused, from outside: keys, addresses, quotas and their header fields.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail loudly")]

mod support;

use std::process::Command;

use support::{Answer, Connection, Forebay, INFER, get, infer_body, oip_backend, post, request, until_true};

/// Keys that the tests present; their digests are below.
const ALICE: &str = "fb_alice";
const BOB: &str = "fb_bob";
const CAROL: &str = "fb_carol";
const DAVE: &str = "fb_dave";

/// SHA-256 of the keys above, as `printf fb_alice | sha256sum` gives them.
const KEYS: &str = "
- { name: alice, sha256: \"c8aa711233efb2393a0368a9ef320739d9b43f73ec0d285eab10dff24db062f6\" }
- { name: bob, sha256: \"a8b1a27f0bdcadcf01d84c5d6ed3ef2d8cd62001bc7ecbe2b9af4b13dc6da2fa\" }
- { name: carol, sha256: \"2b037389074345be6dc0f3c1cf1713d0bcc01187fe0ed6dbb72fe47ad92a6d26\" }
- { name: dave, sha256: \"0bb99af8de6adf93cf072879688d3ffb95e31ea24e355c955ad8b29e683664b0\" }
";

/// Too slow to refill a bucket while a test runs.
const SLOW: &str = "1/h";

/// Keys first, then the address.
const BY_KEY: &str = "identity: [{ api_key: { keys: keys.yaml } }, { address: {} }]\n";

fn per_principal(rate: &str, burst: u32) -> String {
    format!("{{ name: per-user, per: principal, token_bucket: {{ rate: {rate}, burst: {burst} }} }}")
}

fn quotas(quotas: &[String]) -> String {
    format!("limits: {{ quotas: [{}] }}\n", quotas.join(", "))
}

/// A Forebay without a model: every path is a 404 that is charged like anything else.
fn limited(yaml: &str) -> Forebay {
    Forebay::with(yaml).file("keys.yaml", KEYS).start()
}

fn ask(forebay: &Forebay, headers: &[(&str, &str)]) -> Answer {
    post(&forebay.api, "/anything", headers, b"{}")
}

/// What is left of `quota` by an answer's `RateLimit` field.
fn left(answer: &Answer, quota: &str) -> Option<u64> {
    let field = answer.header("ratelimit")?;
    let item = field.split(", ").find_map(|item| item.strip_prefix(&format!("\"{quota}\";r=")))?;
    item.split(';').next()?.parse().ok()
}

#[test]
fn a_key_is_one_principal_in_either_header_and_the_address_another() {
    let forebay = limited(&(BY_KEY.to_owned() + &quotas(&[per_principal(SLOW, 3)])));
    let bearer = format!("Bearer {ALICE}");
    assert_eq!(left(&ask(&forebay, &[("authorization", &bearer)]), "per-user"), Some(2));
    assert_eq!(left(&ask(&forebay, &[("x-api-key", ALICE)]), "per-user"), Some(1));
    assert_eq!(left(&ask(&forebay, &[("x-api-key", ALICE), ("authorization", &bearer)]), "per-user"), Some(0));
    assert_eq!(ask(&forebay, &[("x-api-key", ALICE)]).status, 429);
    assert_eq!(left(&ask(&forebay, &[("x-api-key", BOB)]), "per-user"), Some(2), "another key has a bucket of its own");
    assert_eq!(left(&ask(&forebay, &[]), "per-user"), Some(2), "no key: the address is charged");
    assert_eq!(left(&ask(&forebay, &[("authorization", "Basic dTpw")]), "per-user"), Some(1), "another scheme is not ours");
    assert_eq!(forebay.metric("forebay_limiter_principals", &[]), 3.0);
}

#[test]
fn sources_are_asked_in_their_order() {
    let alice = KEYS.lines().nth(1).unwrap().trim_start_matches("- ");
    let two = format!("identity: [{{ api_key: {{ keys: [{alice}], wrong: next }} }}, {{ api_key: {{ keys: keys.yaml }} }}]\n");
    let forebay = limited(&(two + &quotas(&[per_principal(SLOW, 3)])));
    assert_eq!(left(&ask(&forebay, &[("x-api-key", ALICE)]), "per-user"), Some(2));
    assert_eq!(left(&ask(&forebay, &[("x-api-key", BOB)]), "per-user"), Some(2), "the first source passes on what it does not know");
    assert_eq!(ask(&forebay, &[("x-api-key", "fb_nobody")]).status, 401, "the last one does not");
    assert_eq!(left(&ask(&forebay, &[]), "per-user"), Some(2), "whom no source knows is anonymous");
}

#[test]
fn a_wrong_key_is_401_and_the_connection_goes_on() {
    let forebay = limited(BY_KEY);
    for headers in [vec![("x-api-key", "fb_nobody")], vec![("authorization", "Bearer x")], vec![("x-api-key", ALICE), ("x-api-key", BOB)]] {
        let mut connection = Connection::open(&forebay.api);
        connection.send(request("POST", "/anything", &headers, b"{}"));
        let answer = connection.answer();
        assert_eq!((answer.status, answer.problem().as_str()), (401, "unidentified"), "{headers:?}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert!(!answer.text().contains("fb_"), "a refusal repeats no key: {}", answer.text());
        assert!(connection.is_usable(), "{headers:?}");
    }
    assert_eq!(forebay.metric("forebay_requests_total", &[("code", "401"), ("reason", "unidentified")]), 3.0);
}

#[test]
fn a_wrong_key_is_as_good_as_none_where_the_configuration_says_so() {
    let next = "identity: [{ api_key: { keys: keys.yaml, wrong: next } }, { address: {} }]\n".to_owned();
    let forebay = limited(&(next + &quotas(&[per_principal(SLOW, 3)])));
    assert_eq!(left(&ask(&forebay, &[]), "per-user"), Some(2));
    assert_eq!(left(&ask(&forebay, &[("x-api-key", "fb_nobody")]), "per-user"), Some(1), "charged to the address");
}

#[test]
fn answers_say_what_is_left_and_refusals_when_to_come_back() {
    let forebay = limited(&quotas(&[per_principal("1/m", 2)]));
    let allowed = ask(&forebay, &[]);
    assert_eq!(allowed.status, 404);
    assert_eq!(allowed.header("ratelimit-policy"), Some("\"per-user\";q=2;w=120"));
    assert_eq!(allowed.header("ratelimit"), Some("\"per-user\";r=1;t=60"));
    ask(&forebay, &[]);
    let refused = ask(&forebay, &[]);
    assert_eq!((refused.status, refused.problem().as_str()), (429, "quota-exceeded"));
    assert_eq!(refused.header("ratelimit-policy"), Some("\"per-user\";q=2;w=120"));
    assert_eq!(refused.header("ratelimit"), Some("\"per-user\";r=0;t=120"));
    let problem = refused.json();
    assert_eq!(problem["violated-policies"], serde_json::json!(["per-user"]));
    assert_eq!(problem["status"], 429);
    let wait = problem["retry_after_ms"].as_u64().unwrap();
    assert!((50_000..=60_000).contains(&wait), "{wait}");
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(seconds, wait.div_ceil(1000), "the header is the body's wait, rounded up");
}

#[test]
fn whoever_waits_as_told_is_admitted() {
    let forebay = limited(&quotas(&[per_principal("20/s", 1)]));
    ask(&forebay, &[]);
    let refused = ask(&forebay, &[]);
    assert_eq!(refused.status, 429);
    until_true("a new token", || ask(&forebay, &[]).status == 404);
}

#[test]
fn a_request_is_refused_before_a_byte_of_its_body_is_read() {
    let forebay = limited(&quotas(&[per_principal(SLOW, 1)]));
    ask(&forebay, &[]);
    for more in ["", "expect: 100-continue\r\n"] {
        let mut connection = Connection::open(&forebay.api);
        connection.send(format!("POST /anything HTTP/1.1\r\nhost: a\r\n{more}content-length: 10000000\r\n\r\n"));
        let answer = connection.answer();
        assert_eq!((answer.status, answer.interim.as_slice()), (429, [].as_slice()), "no body was asked for");
        assert!(connection.is_closed(), "the body that never came would be taken for a request");
    }
}

#[test]
fn a_refused_small_body_does_not_cost_the_connection() {
    let forebay = limited(&quotas(&[per_principal(SLOW, 1)]));
    let mut connection = Connection::open(&forebay.api);
    for status in [404, 429, 429] {
        connection.send(request("POST", "/anything", &[], &[b'x'; 1000]));
        assert_eq!(connection.answer().status, status);
    }
}

#[test]
fn everybody_together_has_a_quota_that_nobody_can_use_up_beyond_their_own() {
    let everybody = format!("{{ name: everybody, per: all, token_bucket: {{ rate: {SLOW}, burst: 4 }} }}");
    let forebay = limited(&(BY_KEY.to_owned() + &quotas(&[per_principal(SLOW, 2), everybody])));
    for _ in 0..10 {
        ask(&forebay, &[("x-api-key", ALICE)]);
    }
    let bob = ask(&forebay, &[("x-api-key", BOB)]);
    assert_eq!((left(&bob, "per-user"), left(&bob, "everybody")), (Some(1), Some(1)), "alice's refused requests took nothing");
    ask(&forebay, &[("x-api-key", BOB)]);
    let carol = ask(&forebay, &[("x-api-key", CAROL)]);
    assert_eq!((carol.status, &carol.json()["violated-policies"]), (429, &serde_json::json!(["everybody"])));
    assert_eq!(forebay.metric("forebay_limiter_verdicts_total", &[("verdict", "admit")]), 4.0);
    assert_eq!(forebay.metric("forebay_limiter_verdicts_total", &[("verdict", "deny"), ("quota", "per-user")]), 8.0);
    assert_eq!(forebay.metric("forebay_limiter_verdicts_total", &[("verdict", "deny"), ("quota", "everybody")]), 1.0);
}

/// Two principals at most, and what happens to further ones.
fn capped(at_cap: &str, rate: &str) -> Forebay {
    let limits = format!("limits: {{ max_principals: 2, at_cap: {at_cap}, quotas: [{}] }}\n", per_principal(rate, 3));
    limited(&(BY_KEY.to_owned() + &limits))
}

#[test]
fn newcomers_at_the_cap_share_one_bucket() {
    let forebay = capped("share", SLOW);
    ask(&forebay, &[("x-api-key", ALICE)]);
    ask(&forebay, &[("x-api-key", BOB)]);
    assert_eq!(left(&ask(&forebay, &[("x-api-key", CAROL)]), "per-user"), Some(2));
    assert_eq!(left(&ask(&forebay, &[("x-api-key", DAVE)]), "per-user"), Some(1), "carol took one of dave's");
    assert_eq!(left(&ask(&forebay, &[("x-api-key", ALICE)]), "per-user"), Some(1), "whom Forebay knows keeps a bucket");
    assert_eq!(forebay.metric("forebay_limiter_principals", &[]), 2.0);
}

#[test]
fn newcomers_at_the_cap_are_refused_where_the_configuration_says_so() {
    let forebay = capped("refuse", SLOW);
    ask(&forebay, &[("x-api-key", ALICE)]);
    ask(&forebay, &[("x-api-key", BOB)]);
    let carol = ask(&forebay, &[("x-api-key", CAROL)]);
    assert_eq!((carol.status, carol.header("retry-after")), (429, Some("1")));
    assert!(carol.header("ratelimit-policy").is_some() && carol.header("ratelimit").is_some(), "{:?}", carol.headers);
    assert_eq!(left(&ask(&forebay, &[("x-api-key", ALICE)]), "per-user"), Some(1));
    assert_eq!(forebay.metric("forebay_limiter_principals", &[]), 2.0);
}

#[test]
fn a_principal_whose_bucket_is_full_again_makes_room() {
    let forebay = capped("refuse", "1000/s");
    ask(&forebay, &[("x-api-key", ALICE)]);
    ask(&forebay, &[("x-api-key", BOB)]);
    until_true("room for a third", || ask(&forebay, &[("x-api-key", CAROL)]).status == 404);
}

#[test]
fn whoever_asks_if_forebay_lives_is_not_limited() {
    let backend = oip_backend();
    let forebay = Forebay::start(&(backend.config("") + "short_forms: true\n" + &quotas(&[per_principal(SLOW, 1)]))).when_ready();
    get(&forebay.api, "/v2");
    assert_eq!(get(&forebay.api, "/v2").status, 429);
    for path in ["/v2/health/live", "/v2/health/ready", "/health"] {
        for _ in 0..3 {
            let answer = get(&forebay.api, path);
            assert_eq!((answer.status, answer.header("ratelimit")), (200, None), "{path}");
        }
    }
}

#[test]
fn an_inference_is_charged_once_and_carries_the_fields() {
    let backend = oip_backend();
    let forebay = Forebay::start(&(backend.config("") + &quotas(&[per_principal(SLOW, 2)]))).when_ready();
    let infer = || post(&forebay.api, INFER, &[], &infer_body(&[1.0, 2.0, 3.0]));
    let answer = infer();
    assert_eq!((answer.status, left(&answer, "per-user")), (200, Some(1)));
    assert_eq!(infer().status, 200);
    assert_eq!(infer().status, 429);
    assert_eq!(backend.batches().len(), 2, "the refused one never reached the model");
}

#[test]
fn a_new_key_works_with_the_entry_that_comes_with_it() {
    let made = Command::new(env!("CARGO_BIN_EXE_forebay")).args(["key", "new", "erin"]).output().unwrap();
    let (entry, told) = (String::from_utf8(made.stdout).unwrap(), String::from_utf8(made.stderr).unwrap());
    let key = told.trim().rsplit(' ').next().unwrap();
    assert!(made.status.success() && key.len() >= 22 && !entry.contains(key), "{entry}{told}");
    let yaml = "identity: [{ api_key: { keys: new.yaml } }]\n".to_owned() + &quotas(&[per_principal(SLOW, 2)]);
    let forebay = Forebay::with(&yaml).file("new.yaml", &entry).start();
    assert_eq!(left(&ask(&forebay, &[("x-api-key", key)]), "per-user"), Some(1));
    assert_eq!(ask(&forebay, &[("x-api-key", &key[1..])]).status, 401);
}
