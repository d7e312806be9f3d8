//! Requests of V1 that lack something, are ragged, or mix its forms.

use super::{Case, post};

pub(super) fn cases() -> Vec<Case> {
    [missing(), ragged(), mixed()].concat()
}

/// To a model of four numbers a row, unless another is named.
fn ask(class: &'static str, body: &str, expected: impl Into<String>) -> Case {
    to(class, "iris", body, expected)
}

fn to(class: &'static str, model: &str, body: &str, expected: impl Into<String>) -> Case {
    let name: String = format!("{model} {body}").chars().take(80).collect();
    post(class, &name, &format!("/v1/models/{model}:predict"), &[("content-type", "application/json")], body, expected)
}

fn missing() -> Vec<Case> {
    let class = "V1: missing";
    vec![
        ask(class, "", "400 malformed whole"),
        ask(class, "{}", "400 malformed whole"),
        ask(class, r#"{"signature_name":"serving_default"}"#, "400 malformed whole"),
        ask(class, r#"{"instances":[]}"#, "400 malformed /instances"),
        ask(class, r#"{"instances":null}"#, "400 malformed /instances"),
        ask(class, r#"{"instances":[{}]}"#, "400 malformed /instances/0"),
        ask(class, r#"{"inputs":{}}"#, "400 malformed /inputs"),
        ask(class, r#"{"instances":[[1,2,3,null]]}"#, "400 malformed /instances/0/3"),
        to(class, "sums", r#"{"instances":[{"a":[1,2,3,4]}]}"#, "400 malformed /instances/0"),
        to(class, "sums", r#"{"inputs":{"b":[[1,2,3,4]]}}"#, "400 malformed /inputs"),
        to(class, "sums", r#"{"instances":[{"a":[1,2,3,4],"b":[1,2,3,4]},{"a":[1,2,3,4]}]}"#, "400 malformed /instances/1"),
        to(class, "sums", r#"{"instances":[{"a":[1,2,3,4],"b":[1,2,3,4]}]}"#, "200"),
        ask(class, r#"{"instances":[[1,2,3,4]]}"#, "200"),
    ]
}

fn ragged() -> Vec<Case> {
    let class = "V1: ragged";
    vec![
        ask(class, r#"{"instances":[[1,2,3,4],[1,2,3]]}"#, "400 malformed /instances/1"),
        ask(class, r#"{"instances":[[1,2,3,4],[1,2,3,4,5]]}"#, "400 malformed /instances/1/4"),
        ask(class, r#"{"instances":[[1,2,3,4],[]]}"#, "400 malformed /instances/1"),
        ask(class, r#"{"instances":[[],[1]]}"#, "400 malformed /instances/1/0"),
        // Each is as the others, and none is as the model wants it.
        ask(class, r#"{"instances":[[1,2,3],[1,2,3]]}"#, "400 malformed /instances"),
        ask(class, r#"{"instances":[1,2,3,4]}"#, "400 malformed /instances"),
        ask(class, r#"{"instances":[[[1,2,3,4]]]}"#, "400 malformed /instances"),
        ask(class, r#"{"instances":[[]]}"#, "400 malformed /instances"),
        ask(class, r#"{"inputs":[[1,2,3,4],[1,2]]}"#, "400 malformed /inputs/1"),
        ask(class, r#"{"inputs":[[1,2,3]]}"#, "400 malformed /inputs"),
        ask(class, r#"{"inputs":[]}"#, "400 malformed /inputs"),
        to(class, "sums", r#"{"inputs":{"a":[[1,2,3,4]],"b":[[1,2,3,4],[5,6,7,8]]}}"#, "400 malformed /inputs"),
        ask(class, r#"{"inputs":[[1,2,3,4],[5,6,7,8]]}"#, "200"),
    ]
}

fn mixed() -> Vec<Case> {
    let class = "V1: mixed";
    let (first, second) = ("400 malformed /instances/0", "400 malformed /instances/1");
    vec![
        ask(class, r#"{"instances":[[1,2,3,4]],"inputs":[[1,2,3,4]]}"#, "400 malformed /inputs"),
        ask(class, r#"{"instances":[[1,2,3,4],{"flower":[1,2,3,4]}]}"#, "400 malformed /instances/1"),
        ask(class, r#"{"instances":[{"flower":[1,2,3,4]},[1,2,3,4]]}"#, second),
        ask(class, r#"{"instances":[[1,2,3,4],1]}"#, second),
        ask(class, r#"{"instances":[[1,2,[3],4]]}"#, "400 malformed /instances/0/2"),
        ask(class, r#"{"instances":[[1,"2",3,4]]}"#, "400 malformed /instances/0/1"),
        ask(class, r#"{"instances":[[1,true,3,4]]}"#, "400 malformed /instances/0/1"),
        ask(class, r#"{"instances":[{"petal":[1,2,3,4]}]}"#, "400 malformed /instances/0/petal"),
        ask(class, r#"{"instances":{"flower":[[1,2,3,4]]}}"#, "400 malformed /instances"),
        to(class, "sums", r#"{"instances":[[1,2,3,4]]}"#, first),
        to(class, "sums", r#"{"inputs":[[1,2,3,4]]}"#, "400 malformed /inputs"),
        to(class, "identity_bytes", r#"{"instances":[["a",{"b64":"%"}]]}"#, "400 malformed /instances/0/1/b64"),
        to(class, "identity_bytes", r#"{"instances":[["a",{"b64":"YQ==","c":1}]]}"#, "400 malformed /instances/0/1/c"),
        to(class, "identity_bytes", r#"{"instances":[["a",{"b64":"w6k="}]]}"#, "200"),
    ]
}
