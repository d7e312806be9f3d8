//! Rows: none, as many as are taken, and one more; split where the model's configuration says so, refused where it says so.

use super::pictures::{FILE, FORM, PNG, base64, multipart};
use super::{Case, ask, post};

pub(super) fn cases() -> Vec<Case> {
    [rows(), lists()].concat()
}

/// A tensor of `rows` rows of `columns` zeros.
fn tensor(name: &str, rows: usize, columns: usize) -> String {
    let data = vec!["0"; rows * columns].join(",");
    format!(r#"{{"name":"{name}","shape":[{rows},{columns}],"datatype":"FP32","data":[{data}]}}"#)
}

fn rows() -> Vec<Case> {
    let class = "batches: rows";
    let first = "400 malformed /inputs/0/shape/0";
    let identity = |rows: usize, expected: &str| {
        ask(class, &format!("{rows}, split over 32"), "identity_fp32", format!(r#"{{"inputs":[{}]}}"#, tensor("x", rows, 2)), expected)
    };
    let sums = |a: usize, b: usize, expected: &str| {
        let body = format!(r#"{{"inputs":[{},{}]}}"#, tensor("a", a, 4), tensor("b", b, 4));
        ask(class, &format!("{a} and {b}, refused over 16"), "sums", body, expected)
    };
    let instances = |model: &str, rows: usize, one: &str, expected: &str| {
        let path = format!("/v1/models/{model}:predict");
        post(
            class,
            &format!("{rows} instances for {model}"),
            &path,
            &[],
            format!(r#"{{"instances":[{}]}}"#, vec![one; rows].join(",")),
            expected,
        )
    };
    let pair = r#"{"a":[0,0,0,0],"b":[0,0,0,0]}"#;
    let single = r#"{"inputs":[{"name":"x","shape":[3],"datatype":"FP32","data":[1,2,3]}]}"#;
    let two = r#"{"inputs":[{"name":"x","shape":[2,3],"datatype":"FP32","data":[1,2,3,4,5,6]}]}"#;
    vec![
        identity(0, first),
        identity(1, "200"),
        identity(32, "200"),
        identity(33, "200"),
        identity(1_024, "200"),
        identity(1_025, first),
        identity(100_000, first),
        sums(0, 0, first),
        sums(16, 16, "200"),
        sums(17, 17, first),
        sums(1, 2, "400 malformed /inputs/1/shape/0"),
        sums(1, 0, "400 malformed /inputs/1/shape/0"),
        instances("sums", 16, pair, "200"),
        instances("sums", 17, pair, "400 malformed /instances"),
        instances("iris", 65, "[0,0,0,0]", "200"),
        instances("iris", 1_025, "[0,0,0,0]", "400 malformed /instances/1024"),
        ask(class, "a model without rows", "doubled", single, "200"),
        ask(class, "rows for a model without", "doubled", two, "400 malformed /inputs/0/shape"),
    ]
}

fn lists() -> Vec<Case> {
    let class = "batches: lists";
    let list = |name: &str, body: String, expected: &str| {
        post(class, name, "/batch-predict", &[("content-type", "application/json")], body, expected)
    };
    let text = base64(PNG);
    let of = |count: usize| format!("[{}]", vec![format!(r#"{{"image":"{text}"}}"#); count].join(","));
    let files = |count: usize| multipart(&vec![(FILE, PNG); count]);
    let form = |name: &str, body: Vec<u8>, expected: &str| post(class, name, "/batch-predict", &[("content-type", FORM)], body, expected);
    vec![
        list("none", "[]".into(), "400 malformed whole"),
        list("an object", "{}".into(), "400 malformed whole"),
        list("one without a list", format!("\"{text}\""), "400 malformed whole"),
        list("256", of(256), "200"),
        list("257", of(257), "400 malformed /256"),
        list("100,000 of nothing", format!("[{}{{}}]", "{},".repeat(100_000)), "400 malformed /256"),
        list("cut off in the second", of(2)[..of(2).len() - 2].to_owned(), "400 malformed /1"),
        // Each has its own problem in an answer of 200.
        list("a number, an object and a picture", format!(r#"[7,{{}},"{text}"]"#), "200"),
        form("16 files", files(16), "200"),
        form("17 files", files(17), "400 malformed whole"),
        form("no file", multipart(&[("Content-Disposition: form-data; name=\"a\"", b"x")]), "400 malformed whole"),
    ]
}
