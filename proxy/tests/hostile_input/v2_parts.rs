//! Names that the model does not have or that come twice, parameters of the wrong kind or number, and ids.

use super::json::{GOOD, with};
use super::{Case, ask, post};

fn fp32(class: &'static str, name: &str, body: impl AsRef<[u8]>, expected: impl Into<String>) -> Case {
    ask(class, name, "identity_fp32", body, expected)
}

pub(super) fn cases() -> Vec<Case> {
    [names(), models(), parameters(), ids()].concat()
}

const TENSOR: &str = r#"{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}"#;

fn names() -> Vec<Case> {
    let class = "V2: names";
    let named = |name: &str, text: &str, expected: &str| fp32(class, name, GOOD.replace(r#""x""#, &format!("\"{text}\"")), expected);
    let other = TENSOR.replace("\"x\"", "\"z\"");
    vec![
        named("unknown", "z", "400 malformed /inputs/0/name"),
        named("empty", "", "400 malformed /inputs/0/name"),
        named("in capitals", "X", "400 malformed /inputs/0/name"),
        named("with NUL", r"x\u0000", "400 malformed /inputs/0/name"),
        named("with a line's end", r"x\r\n", "400 malformed /inputs/0/name"),
        named("of a megabyte", &"x".repeat(1 << 20), "400 malformed /inputs/0/name"),
        named("escaped", r"\u0078", "200"),
        fp32(class, "doubled", format!(r#"{{"inputs":[{TENSOR},{TENSOR}]}}"#), "400 malformed /inputs/1/name"),
        fp32(class, "one too many", format!(r#"{{"inputs":[{TENSOR},{other}]}}"#), "400 malformed /inputs/1/name"),
        fp32(class, "65 inputs", format!(r#"{{"inputs":[{}]}}"#, vec![TENSOR; 65].join(",")), "400 malformed /inputs/64"),
        fp32(class, "of an output, unknown", with(r#""outputs":[{"name":"z"}]"#), "400 malformed /outputs/0/name"),
        fp32(class, "of an output, doubled", with(r#""outputs":[{"name":"y"},{"name":"y"}]"#), "400 malformed /outputs/1/name"),
        fp32(class, "65 outputs", with(&format!(r#""outputs":[{}]"#, vec![r#"{"name":"y"}"#; 65].join(","))), "400 malformed /outputs/64"),
    ]
}

fn models() -> Vec<Case> {
    let class = "V2: models and versions";
    let at = |path: &str, expected: &str| post(class, path, path, &[], GOOD, expected);
    vec![
        at("/v2/models/nobody/infer", "404 unknown_model none"),
        at("/v2/models/IDENTITY_FP32/infer", "404 unknown_model none"),
        at("/v2/models/identity_fp32%00/infer", "404 unknown_model none"),
        at("/v2/models/..%2fidentity_fp32/infer", "404 unknown_model none"),
        at("/v2/models/identity_fp32/versions/2/infer", "404 unknown_version none"),
        at("/v2/models/identity_fp32/versions/-1/infer", "404 unknown_version none"),
        at("/v2/models/identity_fp32/versions/99999999999999999999/infer", "404 unknown_version none"),
        at("/v2/models/identity_fp32/versions/1/infer", "200"),
        at("/v1/models/nobody:predict", "404 unknown_model none"),
        at("/v2/models/identity_fp32/infer", "200"),
    ]
}

fn parameters() -> Vec<Case> {
    let class = "V2: parameters";
    let parameter = |name: &str, member: &str, pointer: &str| {
        fp32(class, name, with(&format!(r#""parameters":{{{member}}}"#)), format!("400 malformed /parameters{pointer}"))
    };
    let of_output = |name: &str, member: &str, pointer: &str| {
        let outputs = format!(r#""outputs":[{{"name":"y","parameters":{{{member}}}}}]"#);
        fp32(class, name, with(&outputs), format!("400 malformed /outputs/0/parameters/{pointer}"))
    };
    let many = |count: usize| (0..count).map(|n| format!(r#""p{n}":{n}"#)).collect::<Vec<_>>().join(",");
    let long = "x".repeat(2_000);
    vec![
        fp32(class, "a list of them", with(r#""parameters":[]"#), "400 malformed /parameters"),
        parameter("a list", r#""p":[1]"#, "/p"),
        parameter("an object", r#""p":{}"#, "/p"),
        parameter("a long text", &format!(r#""p":"{long}""#), "/p"),
        parameter("a long name", &format!(r#""{long}":1"#), &format!("/{}…", "x".repeat(48))),
        parameter("65 of them", &many(65), "/p64"),
        parameter("a number for true or false", r#""binary_data_output":1"#, "/binary_data_output"),
        parameter("shared memory", r#""shared_memory_region":"r""#, "/shared_memory_region"),
        of_output("fewer classes than none", r#""classification":-1"#, "classification"),
        of_output("a text for a count", r#""classification":"3""#, "classification"),
        of_output("half a class", r#""classification":1.5"#, "classification"),
        of_output("a text for true or false", r#""binary_data":"yes""#, "binary_data"),
        of_output("an answer into shared memory", r#""shared_memory_offset":0"#, "shared_memory_offset"),
        fp32(class, "64 of them", with(&format!(r#""parameters":{{{}}}"#, many(64))), "200"),
        fp32(class, "more classes than there are", with(r#""outputs":[{"name":"y","parameters":{"classification":1000000000}}]"#), "200"),
    ]
}

fn ids() -> Vec<Case> {
    let class = "V2: id";
    let id = |name: &str, value: &str, expected: &str| fp32(class, name, with(&format!("\"id\":{value}")), expected);
    let at = "400 malformed /id";
    vec![
        id("a line's end", r#""a\r\nx-evil: 1""#, at),
        id("a line feed", r#""a\nb""#, at),
        id("a carriage return", r#""a\rb""#, at),
        id("NUL", r#""\u0000""#, at),
        id("a raw line's end", "\"a\r\nb\"", at),
        id("a number", "7", at),
        id("a list", r#"["a"]"#, at),
        id("1,025 bytes", &format!("\"{}\"", "x".repeat(1_025)), at),
        id("1,024 bytes", &format!("\"{}\"", "x".repeat(1_024)), "200"),
        id("null", "null", "200"),
        id("quotes and a backslash", r#""\"\\""#, "200"),
    ]
}
