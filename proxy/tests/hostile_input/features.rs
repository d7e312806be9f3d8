//! Named features, for a model whose manifest names its columns: each once, each a number, and nothing else.

use super::pictures::{PNG, base64};
use super::{Case, post};

const GOOD: &str = r#"{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}"#;

pub(super) fn cases() -> Vec<Case> {
    [one(), lists()].concat()
}

fn one() -> Vec<Case> {
    let class = "features";
    let of = |name: &str, body: String, expected: &str| {
        post(class, name, "/predict", &[("content-type", "application/json")], body, format!("400 malformed {expected}"))
    };
    let width = |value: &str| GOOD.replace("0.2", value);
    let picture = |path: &str| {
        let body = format!(r#"{{"image":"{}"}}"#, base64(PNG));
        post(class, &format!("a picture, at {path}"), path, &[], body, "415 unsupported_media whole")
    };
    vec![
        of("none", "{}".into(), "whole"),
        of("one missing", GOOD.replace(r#","petal_width":0.2"#, ""), "whole"),
        of("one too many", GOOD.replace('}', r#","colour":1}"#), "/colour"),
        of("one twice", GOOD.replace('}', r#","petal_width":1}"#), "/petal_width"),
        of("a text", width(r#""0.2""#), "/petal_width"),
        of("null", width("null"), "/petal_width"),
        of("a list", width("[0.2]"), "/petal_width"),
        of("NaN", width("NaN"), "/petal_width"),
        of("beyond FP32", width("1e39"), "/petal_width"),
        of("in a list", format!("[{GOOD}]"), "whole"),
        of("cut off", GOOD[..33].to_owned(), "/sepal_width"),
        of("something behind it", format!("{GOOD}x"), "whole"),
        of("a name of a megabyte", format!(r#"{{"{}":1}}"#, "x".repeat(1 << 20)), &format!("/{}…", "x".repeat(48))),
        picture("/v1/predict"),
        post(class, "all", "/predict", &[], GOOD, "200"),
        post(class, "by number of no sense", "/predict", &[], width("-3e38"), "200"),
    ]
}

fn lists() -> Vec<Case> {
    let class = "lists of features";
    let of = |name: &str, body: String, expected: &str| post(class, name, "/batch-predict", &[], body, expected);
    let many = |count: usize| format!("[{}]", vec![GOOD; count].join(","));
    vec![
        of("none", "[]".into(), "400 malformed whole"),
        of("257", many(257), "400 malformed /256"),
        of("cut off", many(2)[..100].to_owned(), "400 malformed /1"),
        of("one twice in it", format!("[{}]", GOOD.replace('}', r#","petal_width":1}"#)), "400 malformed /0/petal_width"),
        of("NaN in it", format!("[{}]", GOOD.replace("0.2", "NaN")), "400 malformed /0/petal_width"),
        of("one list too few", "[[[[]]]".into(), "400 malformed /0"),
        of("256", many(256), "200"),
        // Each has its own problem in an answer of 200.
        of("a number and an object of others", format!(r#"[7,{{"a":1}},{GOOD}]"#), "200"),
    ]
}
