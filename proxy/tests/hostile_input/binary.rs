//! The binary tensor extension: lengths that are missing, negative, huge, lying or overlapping, bytes that belong to no tensor, and the
//! prefixes of BYTES.

use super::{Case, post};

pub(super) fn cases() -> Vec<Case> {
    [headers(), sizes(), lying(), overlapping(), trailing(), prefixes()].concat()
}

/// A tensor of `size` bytes of binary data.
fn tensor(name: &str, shape: &str, dtype: &str, size: &str) -> String {
    format!(r#"{{"name":"{name}","shape":{shape},"datatype":"{dtype}","parameters":{{"binary_data_size":{size}}}}}"#)
}

fn inputs(tensors: &[String]) -> String {
    format!(r#"{{"inputs":[{}]}}"#, tensors.join(","))
}

/// Two numbers for the identity of FP32.
fn two(size: &str) -> String {
    inputs(&[tensor("x", "[1,2]", "FP32", size)])
}

fn at(class: &'static str, name: &str, model: &str, length: Option<&str>, body: &[u8], expected: impl Into<String>) -> Case {
    let mut fields = vec![("content-type", "application/octet-stream")];
    fields.extend(length.map(|length| ("inference-header-content-length", length)));
    post(class, name, &format!("/v2/models/{model}/infer"), &fields, body, expected)
}

/// With a header that tells the JSON's length truly.
fn told(class: &'static str, name: &str, model: &str, json: &str, data: &[u8], expected: impl Into<String>) -> Case {
    at(class, name, model, Some(&json.len().to_string()), &[json.as_bytes(), data].concat(), expected)
}

/// Where a tensor's size is.
const SIZE: &str = "400 malformed /inputs/0/parameters/binary_data_size";

fn headers() -> Vec<Case> {
    let class = "binary: the JSON's length";
    let body = [two("8").as_bytes(), &[0; 8]].concat();
    let length = two("8").len();
    let with = |name: &str, value: &str, expected: &str| at(class, name, "identity_fp32", Some(value), &body, expected);
    let whole = "400 malformed whole";
    vec![
        at(class, "missing", "identity_fp32", None, &body, SIZE),
        with("empty", "", whole),
        with("negative", "-1", whole),
        with("with a sign", &format!("+{length}"), whole),
        with("hexadecimal", "0x10", whole),
        with("a fraction", &format!("{length}.0"), whole),
        with("two of them in one", &format!("{length}, {length}"), whole),
        with("beyond the body", &(body.len() + 1).to_string(), whole),
        with("the largest number", &usize::MAX.to_string(), whole),
        with("more than can be counted", "99999999999999999999", whole),
        with("none", "0", whole),
        with("one too few", &(length - 1).to_string(), "400 malformed whole"),
        with("one too many", &(length + 1).to_string(), SIZE),
        with("right", &length.to_string(), "200"),
        doubled(class, &body, length),
    ]
}

/// Two headers that say two things: a reader behind us could believe the other one.
fn doubled(class: &'static str, body: &[u8], length: usize) -> Case {
    let (first, second) = (length.to_string(), "0");
    let fields = [("inference-header-content-length", first.as_str()), ("inference-header-content-length", second)];
    post(class, "two of them", "/v2/models/identity_fp32/infer", &fields, body, "400 malformed whole")
}

fn sizes() -> Vec<Case> {
    let class = "binary: sizes";
    let of = |size: &str| told(class, size, "identity_fp32", &two(size), &[0; 8], SIZE);
    let both = two("8").replace("\"datatype\"", "\"data\":[1,2],\"datatype\"");
    let neither = two("8").replace("\"binary_data_size\"", "\"binary_size\"");
    vec![
        of("-8"),
        of("8.0"),
        of("\"8\""),
        of("true"),
        of("9223372036854775807"),
        of("9223372036854775808"),
        of("4"),
        of("9"),
        told(class, "with data beside it", "identity_fp32", &both, &[0; 8], "400 malformed /inputs/0"),
        told(class, "missing", "identity_fp32", &neither, &[0; 8], "400 malformed /inputs/0"),
        told(class, "right", "identity_fp32", &two("8"), &[0; 8], "200"),
    ]
}

fn lying() -> Vec<Case> {
    let class = "binary: declared and not sent";
    let declared = |shape: &str, size: &str| {
        let json = inputs(&[tensor("x", shape, "FP32", size)]);
        told(class, &format!("{shape}, {size} bytes"), "identity_fp32", &json, &[0; 8], SIZE)
    };
    vec![
        declared("[1,1000000000000]", "4000000000000"),
        declared("[64000000000,1]", "256000000000"),
        declared("[1,3]", "12"),
        declared("[1,1048576]", "4194304"),
        declared("[1,2]", "4000000000000"),
        declared("[1000000000,2]", "8"),
        told(class, "seven of eight bytes", "identity_fp32", &two("8"), &[0; 7], SIZE),
        told(class, "none of eight bytes", "identity_fp32", &two("8"), &[], SIZE),
        told(class, "all of no bytes", "identity_fp32", &inputs(&[tensor("x", "[1,0]", "FP32", "0")]), &[], "200"),
    ]
}

fn overlapping() -> Vec<Case> {
    let class = "binary: overlapping";
    let pair = |a: &str, b: &str| inputs(&[tensor("a", "[1,4]", "FP32", a), tensor("b", "[1,4]", "FP32", b)]);
    let second = "400 malformed /inputs/1/parameters/binary_data_size";
    let sums = |name: &str, json: &str, bytes: usize, expected: &str| told(class, name, "sums", json, &vec![0; bytes], expected);
    let mixed =
        format!(r#"{{"inputs":[{},{{"name":"b","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}}]}}"#, tensor("a", "[1,4]", "FP32", "16"));
    vec![
        sums("one tensor's bytes for two", &pair("16", "16"), 16, second),
        sums("half of the second's", &pair("16", "16"), 24, second),
        sums("one byte short", &pair("16", "16"), 31, second),
        sums("the first takes all", &pair("32", "16"), 32, SIZE),
        sums("the second takes all", &pair("16", "32"), 32, second),
        sums("the first takes none", &pair("0", "32"), 32, SIZE),
        sums(
            "all of what is there, and once more",
            &pair("16", "16").replace("]}", &format!(",{}]}}", tensor("a", "[1,4]", "FP32", "16"))),
            32,
            "400 malformed /inputs/2/parameters/binary_data_size",
        ),
        sums("one in JSON, one not", &mixed, 16, "200"),
        sums("each its own", &pair("16", "16"), 32, "200"),
    ]
}

fn trailing() -> Vec<Case> {
    let class = "binary: trailing bytes";
    let after = |name: &str, bytes: usize| told(class, name, "identity_fp32", &two("8"), &vec![0; 8 + bytes], "400 malformed whole");
    let plain = super::json::GOOD;
    let empty = inputs(&[tensor("x", "[1,0]", "FP32", "0")]);
    vec![
        after("one", 1),
        after("as many again", 8),
        after("a megabyte", 1 << 20),
        told(class, "behind tensors in JSON", "identity_fp32", plain, b"x", "400 malformed whole"),
        told(class, "a line's end", "identity_fp32", plain, b"\r\n", "400 malformed whole"),
        told(class, "behind a tensor of none", "identity_fp32", &empty, &[0], "400 malformed whole"),
        told(
            class,
            "behind two tensors",
            "sums",
            &inputs(&[tensor("a", "[1,4]", "FP32", "16"), tensor("b", "[1,4]", "FP32", "16")]),
            &[0; 33],
            "400 malformed whole",
        ),
        told(class, "none", "identity_fp32", plain, b"", "200"),
    ]
}

fn prefixes() -> Vec<Case> {
    let class = "binary: BYTES prefixes";
    let of = |name: &str, data: &[u8], expected: &str| {
        let json = inputs(&[tensor("x", "[1,2]", "BYTES", &data.len().to_string())]);
        told(class, name, "identity_bytes", &json, data, expected)
    };
    let booleans = |name: &str, data: &[u8], expected: &str| {
        told(class, name, "identity_bool", &inputs(&[tensor("x", "[1,2]", "BOOL", "2")]), data, expected)
    };
    let whole = "400 malformed /inputs/0";
    vec![
        of("none", b"", whole),
        of("half of one", &[0, 0], whole),
        of("one of two", &[0; 4], whole),
        of("one and a half", &[0; 6], whole),
        of("three", &[0; 12], whole),
        of("beyond the end", &[5, 0, 0, 0, 1, 1, 1, 1], whole),
        of("4 GiB", &[255, 255, 255, 255, 0, 0, 0, 0], whole),
        of("2 GiB and a sign", &[0, 0, 0, 128, 0, 0, 0, 0], whole),
        of("the second beyond the end", &[1, 0, 0, 0, b'a', 9, 0, 0, 0], whole),
        of("two of nothing", &[0; 8], "200"),
        of("two of something", &[1, 0, 0, 0, b'a', 2, 0, 0, 0, 0xc3, 0xa9], "200"),
        // The protocol takes any bytes; this model's runtime knows only text.
        of("two that are not UTF-8", &[1, 0, 0, 0, 255, 1, 0, 0, 0, 128], "400 refused_by_backend none"),
        booleans("a boolean that is neither", &[0, 2], whole),
        booleans("two booleans", &[0, 1], "200"),
    ]
}
