//! Calls of the scripted backend's model through Forebay.

use serde_json::{Value, json};

use super::client::{Answer, Connection, post, request};
use super::forebay::Forebay;
use super::oip::{MODEL, Row, numbers};

/// Where the model is asked.
pub(crate) const INFER: &str = "/v2/models/echo/infer";

/// The body of a request with these rows.
pub(crate) fn infer_body(rows: &[Row]) -> Vec<u8> {
    let input = json!({ "name": "x", "shape": [rows.len(), 1], "datatype": "FP32", "data": rows });
    json!({ "inputs": [input] }).to_string().into_bytes()
}

/// The rows of an answer.
pub(crate) fn rows_of(answer: &Value) -> Vec<Row> {
    numbers(&answer["outputs"][0]["data"])
}

/// Asks with these rows and waits for the answer.
pub(crate) fn infer(forebay: &Forebay, rows: &[Row]) -> Answer {
    post(&forebay.api, INFER, &[], &infer_body(rows))
}

/// Asks with these rows on a connection of their own, for an answer that is read later, or never.
pub(crate) fn send(forebay: &Forebay, rows: &[Row]) -> Connection {
    let mut connection = Connection::open(&forebay.api);
    connection.send(request("POST", INFER, &[], &infer_body(rows)));
    connection
}

/// Rows that wait for the backend.
pub(crate) fn waiting(forebay: &Forebay) -> f64 {
    forebay.metric("forebay_queue_rows", &[("model", MODEL)])
}
