//! What one request costs in the codecs: `cargo run --release -p forebay-protocol --example codec_cost`.

#![expect(clippy::print_stdout, reason = "prints its measurements")]
#![expect(clippy::expect_used, reason = "a measurement of broken codecs means nothing")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use forebay_mesh_config::decode::DecodeLimits;
use forebay_protocol::{Dtype, InferRequest, InferResponse, Input, OutputForm, Tensor, v2};

/// Long enough for caches and clocks to settle, short enough to wait for.
const ENOUGH: Duration = Duration::from_millis(500);

/// CPU time of this thread, which other work on the machine does not lengthen.
fn cpu() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells a thread's CPU time");
    Duration::from_nanos(told.split_whitespace().next().and_then(|ns| ns.parse().ok()).expect("nanoseconds come first"))
}

fn cost<T>(what: &str, bytes: usize, mut run: impl FnMut() -> T) {
    let (start, before) = (Instant::now(), cpu());
    let mut times = 0u32;
    while start.elapsed() < ENOUGH {
        for _ in 0..100 {
            black_box(run());
        }
        times += 100;
    }
    let each = (cpu() - before).as_secs_f64() / f64::from(times);
    println!("{what:<52} {:>9.2} µs {:>8.0} MB/s", each * 1e6, bytes as f64 / each / 1e6);
}

fn tensor(rows: usize, values: impl Fn(usize) -> f32) -> Tensor {
    let data: Vec<u8> = (0..rows * 64).flat_map(|i| values(i).to_le_bytes()).collect();
    Tensor::new("x", Dtype::Fp32, vec![rows, 64], data.into()).expect("shape and data agree")
}

fn request(tensor: Tensor) -> InferRequest {
    InferRequest {
        model: "m".into(),
        version: None,
        id: Some("0123456789".into()),
        parameters: vec![],
        inputs: vec![Input { tensor, parameters: vec![] }],
        outputs: vec![],
    }
}

fn main() {
    let limits = DecodeLimits::default();
    let decode = |body: &Bytes, length| v2::decode_request("m", None, body.clone(), length, &limits).expect("it is a request");
    let pixels = tensor(1, |i| (i % 17) as f32);
    let short = tensor(1, |i| (i as f32 * 0.731).sin());
    let long: String = (0..64).map(|i| format!("{},", (f64::from(i) * 0.731).sin())).collect();
    let long =
        Bytes::from(format!(r#"{{"inputs":[{{"name":"x","shape":[1,64],"datatype":"FP32","data":[{}]}}]}}"#, long.trim_end_matches(',')));
    for (what, tensor) in [("64 FP32, small integers", &pixels), ("64 FP32, 8 digits", &short)] {
        let request = request(tensor.clone());
        let json = v2::encode_request(&request, false).expect("finite");
        cost(&format!("decode JSON, {what}, {} bytes", json.body.len()), json.body.len(), || decode(&json.body, None));
        cost(&format!("encode JSON, {what}"), json.body.len(), || v2::encode_request(&request, false));
    }
    cost(&format!("decode JSON, 64 FP32, 17 digits, {} bytes", long.len()), long.len(), || decode(&long, None));
    let batch = request(tensor(32, |i| (i as f32 * 0.731).sin()));
    let binary = v2::encode_request(&batch, true).expect("finite");
    cost("encode binary, 32 × 64 FP32", binary.body.len(), || v2::encode_request(&batch, true));
    cost("decode binary, 32 × 64 FP32", binary.body.len(), || decode(&binary.body, binary.json_length));
    let json = v2::encode_request(&batch, false).expect("finite");
    cost("encode JSON, 32 × 64 FP32", json.body.len(), || v2::encode_request(&batch, false));
    cost("decode JSON, 32 × 64 FP32", json.body.len(), || decode(&json.body, None));
    let outputs = vec![tensor(1, |i| (i as f32 * 0.3).cos()).slice_rows(0, 1).expect("one row")];
    let response = InferResponse { model: "m".into(), version: Some("1".into()), id: None, parameters: vec![], outputs };
    let told = v2::encode_response(&response, &OutputForm::default(), &|_, _| None).expect("finite");
    cost("encode answer, JSON, 64 FP32", told.body.len(), || v2::encode_response(&response, &OutputForm::default(), &|_, _| None));
    cost("decode answer, JSON, 64 FP32", told.body.len(), || v2::decode_response(told.body.clone(), None));
}
