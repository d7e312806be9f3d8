//! JSON that ends early, goes too deep, says things twice, or holds numbers that are too large or none.

use super::{Case, ask, post};

/// A request that is right.
pub(super) const GOOD: &str = r#"{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}"#;

/// A right request with `member` before its inputs.
pub(super) fn with(member: &str) -> String {
    GOOD.replacen('{', &format!("{{{member},"), 1)
}

/// A right request of `data`.
pub(super) fn with_data(data: &str) -> String {
    GOOD.replace("[1,2]}", &format!("{data}}}"))
}

fn fp32(class: &'static str, name: &str, body: impl AsRef<[u8]>, expected: &str) -> Case {
    ask(class, name, "identity_fp32", body, expected)
}

pub(super) fn cases() -> Vec<Case> {
    [truncated(), deep(), doubled(), huge_numbers(), not_numbers()].concat()
}

fn truncated() -> Vec<Case> {
    let after = |text: &str, pointer: &str| {
        let end = GOOD.find(text).unwrap() + text.len();
        fp32("JSON: truncated", &format!("after {text}"), &GOOD[..end], &format!("400 malformed {pointer}"))
    };
    vec![
        fp32("JSON: truncated", "nothing", "", "400 malformed whole"),
        after("{", "whole"),
        after(r#"{"inputs""#, "/inputs"),
        after(r#"{"inputs":["#, "/inputs/0"),
        after(r#""name":"x"#, "/inputs/0/name"),
        after(r#""shape":[1"#, "/inputs/0/shape/0"),
        after(r#""datatype":"#, "/inputs/0/datatype"),
        after(r#""data":[1,"#, "/inputs/0/data/1"),
        after(r#""data":[1,2]}"#, "/inputs/0"),
        after(r#""data":[1,2]}]"#, "whole"),
        fp32("JSON: truncated", "not at all", GOOD, "200"),
    ]
}

fn deep() -> Vec<Case> {
    let class = "JSON: deep";
    let open = |count: usize| "[".repeat(count);
    let lists = |count: usize| format!("{}{}", "[".repeat(count), "]".repeat(count));
    let objects = r#"{"a":"#.repeat(100_000);
    vec![
        fp32(class, "100,000 lists", open(100_000), "400 malformed whole"),
        fp32(class, "100,000 objects", &objects, &format!("400 malformed {}", "/a".repeat(32))),
        fp32(
            class,
            "in a member that is passed over",
            with(&format!(r#""x":{}"#, open(100_000))),
            &format!("400 malformed /x{}", "/0".repeat(31)),
        ),
        fp32(class, "in the data", with_data(&open(100_000)), "400 malformed /inputs/0/data/0/0"),
        fp32(
            class,
            "in the shape",
            GOOD.replace("\"shape\":[1", &format!("\"shape\":{}", open(100_000))),
            "400 malformed /inputs/0/shape/0",
        ),
        fp32(class, "in a parameter", with(&format!(r#""parameters":{{"p":{}}}"#, lists(20))), "400 malformed /parameters/p"),
        fp32(class, "at the limit", with(&format!(r#""x":{}"#, lists(31))), "200"),
        fp32(class, "over the limit", with(&format!(r#""x":{}"#, lists(32))), &format!("400 malformed /x{}", "/0".repeat(31))),
        post(
            class,
            "instances",
            "/v1/models/iris:predict",
            &[],
            format!(r#"{{"instances":{}}}"#, open(100_000)),
            format!("400 malformed /instances{}", "/0".repeat(8)),
        ),
        post(
            class,
            "beside a picture",
            "/v1/predict",
            &[],
            format!(r#"{{"x":{}}}"#, open(100_000)),
            format!("400 malformed /x{}", "/0".repeat(31)),
        ),
        post(class, "a list of pictures", "/batch-predict", &[], open(100_000), format!("400 malformed {}", "/0".repeat(32))),
    ]
}

fn doubled() -> Vec<Case> {
    let class = "JSON: doubled keys";
    let tensor = |member: &str| GOOD.replacen(r#"{"name":"x","#, &format!(r#"{{"name":"x",{member},"#), 1);
    let many: Vec<String> = (0..5_000).map(|n| format!("\"{n}\":0")).collect();
    vec![
        fp32(class, "id", with(r#""id":"a","id":"a""#), "400 malformed /id"),
        fp32(class, "id, once escaped", with(r#""id":"a","\u0069d":"b""#), "400 malformed /id"),
        fp32(class, "inputs", with(r#""inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[1]}]"#), "400 malformed /inputs"),
        fp32(class, "name", tensor(r#""name":"x""#), "400 malformed /inputs/0/name"),
        fp32(class, "shape", tensor(r#""shape":[1,2]"#), "400 malformed /inputs/0/shape"),
        fp32(class, "datatype", tensor(r#""datatype":"INT8""#), "400 malformed /inputs/0/datatype"),
        fp32(class, "data", tensor(r#""data":[3,4]"#), "400 malformed /inputs/0/data"),
        fp32(class, "a parameter", with(r#""parameters":{"p":1,"p":2}"#), "400 malformed /parameters/p"),
        fp32(class, "where it is passed over", with(r#""x":{"y":{"z":1,"z":1}}"#), "400 malformed /x/y/z"),
        fp32(class, "5,000 different ones", with(&format!(r#""x":{{{}}}"#, many.join(","))), "400 malformed /x"),
        post(
            class,
            "instances",
            "/v1/models/iris:predict",
            &[],
            r#"{"instances":[[1,2,3,4]],"instances":[[1,2,3,4]]}"#,
            "400 malformed /instances",
        ),
        post(class, "image", "/v1/predict", &[], r#"{"image":"YQ==","image":"YQ=="}"#, "400 malformed /image"),
    ]
}

fn huge_numbers() -> Vec<Case> {
    let class = "JSON: huge numbers";
    let first = "400 malformed /inputs/0/data/0";
    let datum = |name: &str, number: &str, expected: &str| fp32(class, name, with_data(&format!("[{number},0]")), expected);
    let of = |model: &str, dtype: &str, number: &str, expected: &str| {
        let body = with_data(&format!("[{number},0]")).replace("FP32", dtype);
        ask(class, &format!("{number} as {dtype}"), model, body, expected)
    };
    vec![
        datum("beyond FP32", "1e39", first),
        datum("far beyond FP32", "-1e999999999", first),
        datum("an exponent of 10,000 digits", &format!("1e{}", "9".repeat(10_000)), first),
        datum("a million digits", &"9".repeat(1_000_000), first),
        datum("the largest FP32", "3.4028234663852886e38", "200"),
        datum("nearly nothing", "1e-999999999", "200"),
        datum("a million digits behind the point", &format!("0.{}", "3".repeat(1_000_000)), "200"),
        of("identity_int32", "INT32", "2147483648", first),
        of("identity_int32", "INT32", "-2147483648", "200"),
        of("identity_uint64", "UINT64", "18446744073709551616", first),
        of("identity_uint64", "UINT64", "18446744073709551615", "200"),
        of("identity_uint8", "UINT8", "256", first),
        fp32(class, "a parameter", with(r#""parameters":{"p":9223372036854775808}"#), "400 malformed /parameters/p"),
        fp32(class, "a parameter of no FP64", with(r#""parameters":{"p":1e999}"#), "400 malformed /parameters/p"),
    ]
}

fn not_numbers() -> Vec<Case> {
    let class = "JSON: NaN";
    let second = "400 malformed /inputs/0/data/1";
    let datum = |text: &str| fp32(class, text, with_data(&format!("[1,{text}]")), second);
    vec![
        datum("NaN"),
        datum("Infinity"),
        datum("-Infinity"),
        datum("nan"),
        datum("-NaN"),
        datum("1.#QNAN"),
        datum(r#""NaN""#),
        datum("null"),
        datum("+1"),
        datum("0x10"),
        fp32(class, "where it is passed over", with(r#""x":NaN"#), "400 malformed /x"),
        post(class, "in instances", "/v1/models/iris:predict", &[], r#"{"instances":[[1,2,NaN,4]]}"#, "400 malformed /instances/0/2"),
    ]
}
