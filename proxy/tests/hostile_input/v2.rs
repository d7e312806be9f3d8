//! Requests of V2 whose members are missing or of another kind, whose shapes mean too much, and whose data are more or fewer than they say.

use super::json::{GOOD, with, with_data};
use super::{Case, ask};

fn fp32(class: &'static str, name: &str, body: impl AsRef<[u8]>, expected: impl Into<String>) -> Case {
    ask(class, name, "identity_fp32", body, expected)
}

pub(super) fn cases() -> Vec<Case> {
    [missing(), wrong_kinds(), shapes(), counts()].concat()
}

/// A right request without `part`.
fn without(part: &str) -> String {
    assert!(GOOD.contains(part), "{part}");
    GOOD.replace(part, "")
}

fn missing() -> Vec<Case> {
    let class = "V2: missing";
    let tensor = "400 malformed /inputs/0";
    vec![
        fp32(class, "everything", "{}", "400 malformed whole"),
        fp32(class, "inputs, but an id", r#"{"id":"a"}"#, "400 malformed whole"),
        fp32(class, "any input", r#"{"inputs":[]}"#, "400 malformed whole"),
        fp32(class, "everything of an input", r#"{"inputs":[{}]}"#, tensor),
        fp32(class, "name", without(r#""name":"x","#), tensor),
        fp32(class, "shape", without(r#""shape":[1,2],"#), tensor),
        fp32(class, "datatype", without(r#""datatype":"FP32","#), tensor),
        fp32(class, "data", without(r#","data":[1,2]"#), tensor),
        fp32(class, "an output's name", with(r#""outputs":[{}]"#), "400 malformed /outputs/0"),
        ask(class, "one of two inputs", "sums", sums(&["a"]), "400 malformed /inputs"),
        ask(class, "nothing of two inputs", "sums", sums(&["a", "b"]), "200"),
    ]
}

/// A request to `sums` with a row of each of these inputs.
fn sums(names: &[&str]) -> String {
    let inputs: Vec<_> =
        names.iter().map(|name| format!(r#"{{"name":"{name}","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}}"#)).collect();
    format!(r#"{{"inputs":[{}]}}"#, inputs.join(","))
}

fn wrong_kinds() -> Vec<Case> {
    let class = "V2: of another kind";
    let instead = |of: &str, found: &str, pointer: &str| {
        assert!(GOOD.contains(of), "{of}");
        fp32(class, &format!("{found} for {of}"), GOOD.replace(of, found), format!("400 malformed {pointer}"))
    };
    vec![
        fp32(class, "a list for the request", "[]", "400 malformed whole"),
        fp32(class, "an object for inputs", r#"{"inputs":{}}"#, "400 malformed /inputs"),
        fp32(class, "null for inputs", r#"{"inputs":null}"#, "400 malformed /inputs"),
        fp32(class, "a number for an input", r#"{"inputs":[7]}"#, "400 malformed /inputs/0"),
        instead(r#""x""#, "7", "/inputs/0/name"),
        instead(r#""x""#, "null", "/inputs/0/name"),
        instead(r#""shape":[1,2]"#, r#""shape":2"#, "/inputs/0/shape"),
        instead(r#""shape":[1,2]"#, r#""shape":["1",2]"#, "/inputs/0/shape/0"),
        instead(r#""shape":[1,2]"#, r#""shape":[[1],2]"#, "/inputs/0/shape/0"),
        instead(r#""FP32""#, "32", "/inputs/0/datatype"),
        instead(r#""FP32""#, r#""float32""#, "/inputs/0/datatype"),
        instead(r#""FP32""#, r#""FP64""#, "/inputs/0/datatype"),
        instead(r#"[1,2]}"#, "{}}", "/inputs/0/data"),
        instead(r#"[1,2]}"#, r#""AACAPwAAAEA="}"#, "/inputs/0/data"),
        instead(r#"[1,2]}"#, "[1,true]}", "/inputs/0/data/1"),
        instead(r#"[1,2]}"#, r#"[1,"2"]}"#, "/inputs/0/data/1"),
        fp32(class, "an object for outputs", with(r#""outputs":{}"#), "400 malformed /outputs"),
        fp32(class, "a text for an output", with(r#""outputs":["y"]"#), "400 malformed /outputs/0"),
        ask(class, "numbers for booleans", "identity_bool", GOOD.replace("FP32", "BOOL"), "400 malformed /inputs/0/data/0"),
        ask(class, "numbers for texts", "identity_bytes", GOOD.replace("FP32", "BYTES"), "400 malformed /inputs/0/data/0"),
    ]
}

fn shapes() -> Vec<Case> {
    let class = "V2: shapes";
    let of = |shape: &str, data: &str, expected: &str| {
        let body = GOOD.replace("\"shape\":[1,2]", &format!("\"shape\":{shape}")).replace("[1,2]}", &format!("{data}}}"));
        fp32(class, &format!("{shape} of {data}"), body, expected)
    };
    vec![
        of("[-1,2]", "[1,2]", "400 malformed /inputs/0/shape/0"),
        of("[1,-2]", "[1,2]", "400 malformed /inputs/0/shape/1"),
        of("[-9223372036854775808,2]", "[1,2]", "400 malformed /inputs/0/shape/0"),
        of("[4294967296,4294967296]", "[1,2]", "400 malformed /inputs/0/shape"),
        of("[9223372036854775807,9223372036854775807]", "[1,2]", "400 malformed /inputs/0/shape"),
        of("[18446744073709551615,1]", "[1,2]", "400 malformed /inputs/0/data"),
        of("[18446744073709551616,1]", "[1,2]", "400 malformed /inputs/0/shape/0"),
        of("[1000000000,2]", "[1,2]", "400 malformed /inputs/0/data"),
        of("[1000000000,0]", "[]", "400 malformed /inputs/0/shape/0"),
        of("[0,1000000000000000000]", "[]", "400 malformed /inputs/0/shape/0"),
        of("[1,64000000000]", "[1,2]", "400 malformed /inputs/0/data"),
        of("[1.0,2]", "[1,2]", "400 malformed /inputs/0/shape/0"),
        of("[1e0,2]", "[1,2]", "400 malformed /inputs/0/shape/0"),
        of("[]", "[1]", "400 malformed /inputs/0/shape"),
        of("[2]", "[1,2]", "400 malformed /inputs/0/shape"),
        of("[1,2,1]", "[1,2]", "400 malformed /inputs/0/shape"),
        of("[1,1,1,1,1,1,1,1,2]", "[1,2]", "400 malformed /inputs/0/shape/8"),
        of("[1,0]", "[]", "200"),
        of("[2,1]", "[1,2]", "200"),
    ]
}

fn counts() -> Vec<Case> {
    let class = "V2: counts";
    let data = |data: &str, pointer: &str| fp32(class, data, with_data(data), format!("400 malformed /inputs/0/data{pointer}"));
    let square = |data: &str, expected: &str| fp32(class, data, with_data(data).replace("[1,2],\"datatype", "[2,2],\"datatype"), expected);
    let flood = format!("[{}1]", "1,".repeat(1_000_000));
    vec![
        data("[]", ""),
        data("[1]", ""),
        data("[1,2,3]", "/2"),
        data("[[1,2,3]]", "/0/2"),
        data("[[1]]", "/0"),
        data("[[1,2],[3,4]]", "/1"),
        data("[[1],[2]]", "/0"),
        data("[[[1,2]]]", "/0/0"),
        fp32(class, "a million for two", with_data(&flood), "400 malformed /inputs/0/data/2"),
        square("[[1,2],[3]]", "400 malformed /inputs/0/data/1"),
        square("[[1,2],3]", "400 malformed /inputs/0/data/1"),
        square("[[1,2]]", "400 malformed /inputs/0/data"),
        square("[1,2,[3,4]]", "400 malformed /inputs/0/data/2"),
        square("[[1,2],[3,4]]", "200"),
        square("[1,2,3,4]", "200"),
    ]
}
