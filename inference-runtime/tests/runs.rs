//! Runs of loaded models: what is answered, and what becomes of a run that fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail loudly")]

use std::num::NonZeroUsize;
use std::time::Duration;

use forebay_runtime::{LoadedModel, RunError, Simulated, load};

mod support;

use support::{asking_for, floats, fp32, int64, load_test_model, request, runtime, strings, test_models};

#[tokio::test]
async fn only_the_requested_outputs_are_answered_and_in_that_order() {
    let model = load_test_model("sums").unwrap();
    let both = request("sums", vec![fp32("a", &[1, 4], &[1.0, 2.0, 3.0, 4.0]), fp32("b", &[1, 4], &[0.5; 4])]);
    let names = |outputs: Vec<forebay_protocol::Tensor>| outputs.iter().map(|output| output.name().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(model.run(both.clone()).await.unwrap().outputs), ["sum", "difference"]);
    let one = model.run(asking_for(&["difference"], both.clone())).await.unwrap();
    assert_eq!(floats(&one.outputs[0]), [0.5, 1.5, 2.5, 3.5]);
    assert_eq!(names(one.outputs), ["difference"]);
    assert_eq!(names(model.run(asking_for(&["difference", "sum"], both)).await.unwrap().outputs), ["difference", "sum"]);
}

#[tokio::test]
async fn a_request_keeps_its_id() {
    let model = load_test_model("doubled").unwrap();
    let sent = forebay_protocol::InferRequest { id: Some("abc".into()), ..request("doubled", vec![fp32("x", &[3], &[1.0, 2.0, 3.0])]) };
    assert_eq!(model.run(sent).await.unwrap().id.as_deref(), Some("abc"));
}

#[tokio::test]
async fn a_model_without_a_batch_dimension_says_so_and_runs() {
    let model = load_test_model("doubled").unwrap();
    assert!(!model.metadata().has_batch_dimension());
    assert_eq!(model.max_rows(), None);
    let answer = model.run(request("doubled", vec![fp32("x", &[3], &[1.0, 2.0, 3.0])])).await.unwrap();
    assert_eq!(floats(&answer.outputs[0]), [2.0, 4.0, 6.0]);
}

#[tokio::test]
async fn a_row_that_fails_the_run_is_refused_and_the_next_run_is_good() {
    let model = load_test_model("fragile").unwrap();
    let bad = model.run(request("fragile", vec![int64("index", &[3], &[1, 10, 2])])).await.unwrap_err();
    assert!(matches!(&bad, RunError::Refused { detail } if detail.contains("out of data bounds")), "{bad}");
    let good = model.run(request("fragile", vec![int64("index", &[3], &[1, 9, 2])])).await.unwrap();
    assert_eq!(floats(&good.outputs[0]), [10.0, 90.0, 20.0]);
}

#[tokio::test]
async fn a_model_that_cannot_run_zeros_is_served_without_warm_up() {
    let model = load_test_model("parsed").unwrap();
    assert!(model.warm_up().batches.is_empty());
    let bad = model.run(request("parsed", vec![strings("text", &[2], &[b"1", b"one"])])).await.unwrap_err();
    assert!(matches!(bad, RunError::Refused { .. } | RunError::Failed { .. }), "{bad}");
    let good = model.run(request("parsed", vec![strings("text", &[2], &[b"1.5", b"-2"])])).await.unwrap();
    assert_eq!(floats(&good.outputs[0]), [1.5, -2.0]);
}

#[tokio::test]
async fn inputs_that_the_model_does_not_take_are_refused() {
    let model = load_test_model("finite").unwrap();
    let row = |name: &str, columns: usize| fp32(name, &[1, columns], &vec![0.0; columns]);
    for (what, inputs) in [
        ("index: 1 Got: 5 Expected: 4", vec![row("x", 5)]),
        ("Invalid rank for input: x Got: 1 Expected: 2", vec![fp32("x", &[4], &[0.0; 4])]),
        ("Unexpected input data type", vec![int64("x", &[1, 4], &[0; 4])]),
        ("input \"x\" is missing", vec![row("z", 4)]),
        ("Invalid input name: z", vec![row("x", 4), row("z", 4)]),
        ("input \"x\" is missing", vec![]),
    ] {
        let refused = model.run(request("finite", inputs)).await.unwrap_err();
        assert!(matches!(&refused, RunError::Refused { detail } if detail.contains(what)), "{what}: {refused}");
    }
    let unknown = model.run(asking_for(&["nothing"], request("finite", vec![row("x", 4)]))).await.unwrap_err();
    assert!(matches!(unknown, RunError::Refused { .. }), "{unknown}");
}

#[tokio::test]
async fn rows_that_were_lost_are_a_failure_and_not_anothers_answer() {
    let model = load_test_model("ragged").unwrap();
    let whole = model.run(request("ragged", vec![fp32("x", &[2], &[1.0, 2.0])])).await.unwrap();
    assert_eq!(floats(&whole.outputs[0]), [1.0, 2.0]);
    let lost = model.run(request("ragged", vec![fp32("x", &[2], &[1.0, -2.0])])).await.unwrap_err();
    assert_eq!(lost, RunError::Failed { detail: "output \"y\" has 1 rows for a batch of 2".into() });
}

#[tokio::test(flavor = "multi_thread")]
async fn several_workers_answer_each_caller_with_its_own_rows() {
    let model = load(&test_models(), "identity_fp32", &runtime(), NonZeroUsize::new(2).unwrap()).unwrap();
    for round in 0..200u16 {
        let rows: Vec<f32> = (0..8).map(|i| f32::from(round * 8 + i)).collect();
        let answers = rows.iter().map(|&row| (row, model.run(request("identity_fp32", vec![fp32("x", &[1, 1], &[row])]))));
        for (row, answer) in answers.collect::<Vec<_>>() {
            assert_eq!(floats(&answer.await.unwrap().outputs[0]), [row]);
        }
    }
}

#[tokio::test]
async fn a_model_can_be_loaded_beside_itself_and_dropped() {
    let old = load_test_model("identity_fp32").unwrap();
    let new = load_test_model("identity_fp32").unwrap();
    let row = || request("identity_fp32", vec![fp32("x", &[1, 1], &[7.0])]);
    let pending = old.run(row());
    drop(old);
    assert_eq!(floats(&pending.await.unwrap().outputs[0]), [7.0]);
    assert_eq!(floats(&new.run(row()).await.unwrap().outputs[0]), [7.0]);
    new.close();
}

#[tokio::test]
async fn a_simulated_accelerator_takes_the_time_that_it_is_told() {
    let accelerator = Simulated { base: Duration::from_millis(8), per_row: Duration::from_micros(250), columns: 64 };
    assert_eq!(accelerator.service_time(32), Duration::from_millis(16));
    let model = LoadedModel::simulated("sim", accelerator, support::ONE).unwrap();
    let sent = fp32("x", &[2, 64], &[1.0; 128]);
    let begun = std::time::Instant::now();
    let answer = model.run(request("sim", vec![sent.clone()])).await.unwrap();
    assert!(begun.elapsed() >= accelerator.service_time(2));
    assert_eq!(answer.outputs, [sent.renamed("y")]);
}
