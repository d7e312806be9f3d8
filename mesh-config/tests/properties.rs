//! No text is a panic, and what is shown reads as the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail loudly")]

use std::path::Path;

use forebay_mesh_config::{Loaded, Problems, Snapshot};
use proptest::collection::vec;
use proptest::prelude::*;

fn parse(text: &str) -> Result<Loaded, Problems> {
    Snapshot::parse(text, Path::new("f.yaml"), &[], &|_| None)
}

/// Pieces that configurations are made of, so that random text gets past the first token.
fn pieces() -> impl Strategy<Value = String> {
    const PIECES: [&str; 32] = [
        "listen", "limits", "quotas", "identity", "models", "api_key", "keys", "decode", ": ", ":\n  ", "\n", "\n- ", "  ", "{", "}", "[",
        "]", ", ", "\"", "'", "|\n", ">\n", "*a", "&a ", "!!int ", "---\n", "${", "}", "file:", "? ", "#", "~",
    ];
    vec(prop_oneof![8 => prop::sample::select(PIECES.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,4}"], 0..60)
        .prop_map(|pieces| pieces.concat())
}

fn line<V: std::fmt::Debug>(key: &'static str, value: impl Strategy<Value = V>, show: fn(V) -> String) -> impl Strategy<Value = String> {
    prop::option::of(value).prop_map(move |value| value.map(|value| format!("{key}: {}\n", show(value))).unwrap_or_default())
}

fn duration() -> impl Strategy<Value = String> {
    (1u32..86_400, prop::sample::select(vec!["ms", "s"])).prop_map(|(number, unit)| format!("{number}{unit}"))
}

fn size() -> impl Strategy<Value = String> {
    (64u32..500, prop::sample::select(vec!["KiB", "MiB", "000"])).prop_map(|(number, unit)| format!("{number}{unit}"))
}

fn quota() -> impl Strategy<Value = String> {
    ("[A-Za-z0-9_]{1,8}", any::<bool>(), 1u32.., prop::sample::select(vec!["s", "m", "h", "d"]), 1u32..).prop_map(
        |(name, all, count, unit, burst)| {
            let per = if all { "all" } else { "principal" };
            format!("{{name: \"{name}\", per: {per}, token_bucket: {{rate: {count}/{unit}, burst: {burst}}}}}")
        },
    )
}

fn model() -> impl Strategy<Value = String> {
    let place = prop_oneof![
        "[a-z]{1,8}(/[a-z]{1,8})?".prop_map(|folder| format!("repository: /{folder}")),
        (1u16.., "[a-z]{1,8}").prop_map(|(port, host)| format!("backend: http://{host}:{port}")),
        "[a-z]{1,8}".prop_map(|path| format!("backend: unix:/run/{path}.sock")),
    ];
    (place, prop::option::of(1u32..1_024), duration(), 1u32..9, any::<bool>()).prop_map(|(place, rows, timeout, concurrency, split)| {
        let rows = rows.map(|rows| format!("max_rows: {rows}, ")).unwrap_or_default();
        let larger = if split { "split" } else { "refuse" };
        format!("{{{place}, {rows}timeout: {timeout}, concurrency: {concurrency}, larger_than_batch: {larger}}}")
    })
}

prop_compose! {
    fn config()(
        api in line("  api", 0u16.., |port| format!("127.0.0.2:{port}")),
        threads in line("  threads", 1u16..1_024, |threads| threads.to_string()),
        body in line("    body", size(), |size| size),
        head_time in line("    head_time", duration(), |duration| duration),
        window in line("      stream_window", size(), |size| size),
        origins in line("  cors", "[a-z]{1,9}", |host| format!("{{origins: [\"https://{host}.example\"]}}")),
        identity in line("identity", 1u8..=128, |prefix| format!("[{{address: {{ipv6_prefix: {prefix}}}}}]")),
        quotas in prop::collection::hash_map("[a-z]{1,4}", quota(), 0..4),
        models in prop::collection::btree_map("[A-Za-z0-9_]{1,8}", model(), 0..4),
        upstream in line("upstream", 1u16.., |port| format!("http://[::1]:{port}")),
        rest in vec(prop_oneof![Just("telemetry: {log: \"debug,a::b=off\", requests: {sample: 0.125}}\n"), Just("short_forms: false\n"), Just("decode: {rank: 3}\n")], 0..1),
    ) -> String {
        let quotas: std::collections::BTreeMap<_, _> = quotas.into_values().map(|quota| (quota.split(',').next().map(str::to_owned), quota)).collect();
        let quotas: String = quotas.into_values().map(|quota| format!("    - {quota}\n")).collect();
        let models: String = models.into_iter().map(|(name, model)| format!("  \"{name}\": {model}\n")).collect();
        format!(
            "listen:\n{api}{threads}{origins}  limits:\n{body}{head_time}    http2:\n{window}{identity}limits:\n  quotas:\n{quotas}models:\n{models}{upstream}{}",
            rest.concat()
        )
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_is_a_panic(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_mixture_of_pieces_is_a_panic(text in pieces()) {
        if let Err(problems) = parse(&text) {
            prop_assert!(problems.iter().count() > 0);
        }
    }

    #[test]
    fn what_is_shown_reads_as_the_same(text in config()) {
        let first = parse(&text).map_err(|problems| TestCaseError::fail(format!("{problems}\n{text}")))?.snapshot;
        let shown = first.to_redacted_json();
        let second = parse(&shown.to_string()).map_err(|problems| TestCaseError::fail(format!("{problems}\n{shown}")))?.snapshot;
        prop_assert_eq!(&shown, &second.to_redacted_json());
        let sorted = |mut snapshot: Snapshot| {
            // JSON objects have no order; the version is the text's.
            snapshot.models.sort_by(|a, b| a.name.cmp(&b.name));
            snapshot.version.clear();
            snapshot
        };
        prop_assert_eq!(sorted(first), sorted(second));
    }
}
