//! Values that JSON cannot say and binary data can: refused where the model's manifest forbids them, and else the model's own business.

use super::{Case, post};

const BAD: [(&str, f32); 5] = [
    ("NaN", f32::NAN),
    ("negative NaN", -f32::NAN),
    ("a signalling NaN", f32::from_bits(0x7f80_0001)),
    ("infinity", f32::INFINITY),
    ("negative infinity", f32::NEG_INFINITY),
];

/// Four numbers a row in binary data. Answers are asked for in binary too.
fn rows(name: &str, model: &str, input: &str, values: &[f32], expected: &str) -> Case {
    let (rows, size) = (values.len() / 4, values.len() * 4);
    let json = format!(
        r#"{{"parameters":{{"binary_data_output":true}},"inputs":[{{"name":"{input}","shape":[{rows},4],"datatype":"FP32","parameters":{{"binary_data_size":{size}}}}}]}}"#
    );
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let length = json.len().to_string();
    let fields = [("inference-header-content-length", length.as_str())];
    let path = format!("/v2/models/{model}/infer");
    post("values: NaN and infinities", &format!("{name} for {model}"), &path, &fields, [json.as_bytes(), &data].concat(), expected)
}

pub(super) fn cases() -> Vec<Case> {
    let forbidden = "400 malformed /inputs/0";
    let mut cases = Vec::new();
    for (name, bad) in BAD {
        cases.push(rows(name, "finite", "x", &[1.0, 2.0, 3.0, bad], forbidden));
        cases.push(rows(name, "iris", "flower", &[bad, 2.0, 3.0, 4.0], forbidden));
        cases.push(rows(name, "identity_fp32", "x", &[1.0, bad, 3.0, 4.0], "200"));
    }
    let mut late = vec![0.0; 4 * 1_024];
    cases.push(rows("1,024 rows of zeros", "finite", "x", &late, "200"));
    late[4 * 1_024 - 1] = f32::NAN;
    cases.push(rows("the last of 4,096 values", "finite", "x", &late, forbidden));
    cases.push(rows("the largest and the smallest", "finite", "x", &[f32::MAX, f32::MIN, f32::MIN_POSITIVE, -0.0], "200"));
    cases
}
