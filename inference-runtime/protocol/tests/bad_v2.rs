//! Requests of V2 that are refused: each with the place of its mistake and a sentence that names it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod common;

use bytes::Bytes;
use common::{limits, metadata};
use forebay_protocol::check::check;
use forebay_protocol::{DecodeError, DecodeErrorKind, Meaning, v2};

fn decode(body: &[u8], json_length: Option<usize>) -> Result<(), DecodeError> {
    v2::decode_request("m", None, Bytes::copy_from_slice(body), json_length, &limits()).map(|_| ())
}

/// Body, pointer, part of the message.
type Case = (&'static [u8], &'static str, &'static str);

#[track_caller]
fn assert_refused(error: Result<(), DecodeError>, body: &[u8], pointer: &str, part: &str) {
    let shown = String::from_utf8_lossy(body.get(..200).unwrap_or(body)).into_owned();
    let Err(error) = error else { panic!("accepted: {shown}") };
    assert_eq!(error.pointer, pointer, "{shown}: {}", error.detail);
    assert!(error.detail.contains(part), "{shown}: {:?} says nothing of {part:?}", error.detail);
    assert_eq!(error.kind, DecodeErrorKind::Malformed);
    assert!(error.detail.len() < 400 && !error.detail.contains(['\n', '\r', '\0']), "{:?}", error.detail);
}

#[test]
fn what_is_not_json_is_refused_where_it_stops_being_it() {
    let cases: &[Case] = &[
        (b"", "", "ends at byte 0"),
        (b"   ", "", "ends at byte 3"),
        (b"{", "", "ends at byte 1"),
        (b"[]", "", "expected an object, found a list"),
        (b"null", "", "found null"),
        (b"17", "", "found a number \"17\""),
        (b"\"inputs\"", "", "found a string"),
        (b"\xEF\xBB\xBF{}", "", "byte order mark"),
        (b"\xFF\xFE{\0}\0", "", "byte 0"),
        (b"{\"inputs\":[]}x", "", "missing or empty"),
        (b"{\"id\":\"a\"", "", "ends at byte 9"),
        (b"{\"id\":}", "/id", "expected a value at byte 6"),
        (b"{\"id\" \"a\"}", "/id", "expected ':'"),
        (b"{id:1}", "", "a member's name in quotes"),
        (b"{'id':1}", "", "a member's name in quotes"),
        (b"{\"id\":\"a\",}", "", "a member's name in quotes"),
        (b"{\"id\":\"a\" \"x\":1}", "", "expected ',' or '}'"),
        (b"{\"id\":\"a\",\"id\":\"a\"}", "/id", "twice"),
        (b"{\"id\":\"a\",\"\\u0069d\":\"a\"}", "/id", "twice"),
        (b"{\"x\":{\"y\":1,\"y\":1}}", "/x/y", "twice"),
        (b"{\"x\":[1,]}", "/x/1", "expected a value"),
        (b"{\"x\":[1 2]}", "/x/0", "expected ',' or ']'"),
        (b"{\"x\":[1}", "/x/0", "expected ',' or ']'"),
        (b"{\"x\":tru}", "/x", "expected a value"),
        (b"{\"x\":nul}", "/x", "expected a value"),
        (b"{\"x\":NaN}", "/x", "NaN and Infinity"),
        (b"{\"x\":Infinity}", "/x", "NaN and Infinity"),
        (b"{\"x\":-Infinity}", "/x", "NaN and Infinity"),
        (b"{\"x\":01}", "/x", "not a JSON number"),
        (b"{\"x\":1.}", "/x", "not a JSON number"),
        (b"{\"x\":.5}", "/x", "expected a value"),
        (b"{\"x\":+1}", "/x", "expected a value"),
        (b"{\"x\":1e}", "/x", "not a JSON number"),
        (b"{\"x\":0x10}", "", "expected ',' or '}'"),
        (b"{\"x\":\"a", "/x", "ends within a string"),
        (b"{\"x\":\"a\nb\"}", "/x", "control character"),
        (b"{\"x\":\"a\0b\"}", "/x", "control character"),
        (b"{\"x\":\"\\q\"}", "/x", "no such escape"),
        (b"{\"x\":\"\\u12G4\"}", "/x", "four hexadecimal"),
        (b"{\"x\":\"\\u12", "/x", "four hexadecimal"),
        (b"{\"x\":\"\\ud800\"}", "/x", "lone surrogate"),
        (b"{\"x\":\"\\udc00\"}", "/x", "lone surrogate"),
        (b"{\"x\":\"\\ud800\\ud800\"}", "/x", "lone surrogate"),
        (b"{\"x\":\"\\ud800x\"}", "/x", "lone surrogate"),
        (b"{\"x\":\"\xFF\"}", "/x", "invalid UTF-8 at byte 6"),
        (b"{\"x\":\"\xC0\xAF\"}", "/x", "invalid UTF-8"),
        (b"{\"x\":\"\xED\xA0\x80\"}", "/x", "invalid UTF-8"),
        (b"{\"\xFF\":1}", "", "invalid UTF-8"),
        (b"{\"x\":\"\\", "/x", "ends within a string"),
        (b"{\"x\":1}{", "", "missing or empty"),
        (b"{\"x\":/*c*/1}", "/x", "expected a value"),
        (b"{\"a/b~c\":[nope]}", "/a~1b~0c/0", "expected a value"),
    ];
    for (body, pointer, part) in cases {
        assert_refused(decode(body, None), body, pointer, part);
    }
}

#[test]
fn nesting_is_refused_at_its_limit_however_deep_it_goes() {
    for open in [&b"["[..], b"{\"a\":", b"{\"inputs\":["] {
        let body = open.repeat(100_000);
        let error = decode(&body, None).unwrap_err();
        assert!(error.detail.contains("nested too deep") || error.detail.contains("found a list"), "{}", error.detail);
        let body = [b"{\"x\":", &open.repeat(100_000)[..]].concat();
        assert!(decode(&body, None).unwrap_err().detail.contains("nested too deep"));
    }
}

/// A request whose first input is `input`.
fn with_input(input: &str) -> Vec<u8> {
    format!("{{\"inputs\":[{input}]}}").into_bytes()
}

#[test]
fn members_of_a_request_and_its_inputs_are_checked() {
    let good = r#"{"name":"x","shape":[1],"datatype":"FP32","data":[1]}"#;
    let cases: &[(String, &str, &str)] = &[
        ("{}".into(), "", "\"inputs\" is missing"),
        (r#"{"inputs":[]}"#.into(), "", "missing or empty"),
        (r#"{"inputs":{}}"#.into(), "/inputs", "expected a list, found an object"),
        (r#"{"inputs":null}"#.into(), "/inputs", "found null"),
        (r#"{"inputs":[1]}"#.into(), "/inputs/0", "expected an object"),
        (format!(r#"{{"inputs":[{good}],"id":7}}"#), "/id", "expected a string, found a number \"7\""),
        (format!(r#"{{"inputs":[{good}],"id":"a\r\nb"}}"#), "/id", "control characters"),
        (format!(r#"{{"inputs":[{good}],"id":"{}"}}"#, "x".repeat(2000)), "/id", "2000 bytes, at most 1024"),
        (format!(r#"{{"inputs":[{good}],"parameters":[]}}"#), "/parameters", "expected an object"),
        (format!(r#"{{"inputs":[{good}],"parameters":{{"p":[1]}}}}"#), "/parameters/p", "not a list"),
        (format!(r#"{{"inputs":[{good}],"parameters":{{"p":{{}}}}}}"#), "/parameters/p", "not an object"),
        (format!(r#"{{"inputs":[{good}],"parameters":{{"p":1,"p":2}}}}"#), "/parameters/p", "twice"),
        (format!(r#"{{"inputs":[{good}],"parameters":{{"p":9223372036854775808}}}}"#), "/parameters/p", "64 bits"),
        (format!(r#"{{"inputs":[{good}],"parameters":{{"p":1e999}}}}"#), "/parameters/p", "beyond FP64"),
        (format!(r#"{{"inputs":[{good}],"parameters":{{"p":"{}"}}}}"#, "x".repeat(2000)), "/parameters/p", "at most 1024"),
        (
            format!(r#"{{"inputs":[{good}],"parameters":{{{}}}}}"#, (0..65).map(|i| format!("\"p{i}\":1")).collect::<Vec<_>>().join(",")),
            "/parameters/p64",
            "more than 64",
        ),
        (format!(r#"{{"inputs":[{good}],"parameters":{{"binary_data_output":1}}}}"#), "/parameters/binary_data_output", "true or false"),
        (
            format!(r#"{{"inputs":[{good}],"parameters":{{"shared_memory_region":"r"}}}}"#),
            "/parameters/shared_memory_region",
            "shared memory",
        ),
        (format!(r#"{{"inputs":[{good}],"outputs":{{}}}}"#), "/outputs", "expected a list"),
        (format!(r#"{{"inputs":[{good}],"outputs":["y"]}}"#), "/outputs/0", "expected an object"),
        (format!(r#"{{"inputs":[{good}],"outputs":[{{}}]}}"#), "/outputs/0", "\"name\" is missing"),
        (format!(r#"{{"inputs":[{good}],"outputs":[{{"name":1}}]}}"#), "/outputs/0/name", "expected a string"),
        (
            format!(r#"{{"inputs":[{good}],"outputs":[{{"name":"y","parameters":{{"classification":-1}}}}]}}"#),
            "/outputs/0/parameters/classification",
            "not negative",
        ),
        (
            format!(r#"{{"inputs":[{good}],"outputs":[{{"name":"y","parameters":{{"classification":"3"}}}}]}}"#),
            "/outputs/0/parameters/classification",
            "a count",
        ),
        (
            format!(r#"{{"inputs":[{good}],"outputs":[{{"name":"y","parameters":{{"binary_data":"yes"}}}}]}}"#),
            "/outputs/0/parameters/binary_data",
            "true or false",
        ),
        (
            format!(r#"{{"inputs":[{good}],"outputs":[{{"name":"y","parameters":{{"shared_memory_offset":0}}}}]}}"#),
            "/outputs/0/parameters/shared_memory_offset",
            "shared memory",
        ),
        (format!(r#"{{"inputs":[{good}],"outputs":[{}]}}"#, vec![r#"{"name":"y"}"#; 65].join(",")), "/outputs/64", "more than 64 outputs"),
        (format!(r#"{{"inputs":[{}]}}"#, vec![good; 65].join(",")), "/inputs/64", "more than 64 inputs"),
    ];
    for (body, pointer, part) in cases {
        assert_refused(decode(body.as_bytes(), None), body.as_bytes(), pointer, part);
    }
}

#[test]
fn tensors_are_checked_in_themselves() {
    let deep_shape = format!(r#"{{"name":"x","shape":[{}],"datatype":"FP32","data":[1]}}"#, ["1"; 9].join(","));
    let cases: &[(&str, &str, &str)] = &[
        (r#"{}"#, "", "\"name\" is missing"),
        (r#"{"name":"x","datatype":"FP32","data":[1]}"#, "", "\"shape\" is missing"),
        (r#"{"name":"x","shape":[1],"data":[1]}"#, "", "\"datatype\" is missing"),
        (r#"{"name":"x","shape":[1],"datatype":"FP32"}"#, "", "neither \"data\""),
        (r#"{"name":null,"shape":[1],"datatype":"FP32","data":[1]}"#, "/name", "found null"),
        (r#"{"name":"a\u0000b","shape":[1],"datatype":"FP32","data":[1]}"#, "/name", "control characters"),
        (r#"{"name":"x","shape":1,"datatype":"FP32","data":[1]}"#, "/shape", "expected a list"),
        (r#"{"name":"x","shape":["1"],"datatype":"FP32","data":[1]}"#, "/shape/0", "expected a number, found a string"),
        (r#"{"name":"x","shape":[1,-1],"datatype":"FP32","data":[1]}"#, "/shape/1", "negative"),
        (r#"{"name":"x","shape":[1.0],"datatype":"FP32","data":[1]}"#, "/shape/0", "\"1.0\" is not a size"),
        (r#"{"name":"x","shape":[1e3],"datatype":"FP32","data":[1]}"#, "/shape/0", "is not a size"),
        (r#"{"name":"x","shape":[99999999999999999999],"datatype":"FP32","data":[1]}"#, "/shape/0", "is not a size"),
        (r#"{"name":"x","shape":[4294967296,4294967296],"datatype":"FP32","data":[1]}"#, "/shape", "can be counted"),
        (r#"{"name":"x","shape":[1000000000000],"datatype":"FP32","data":[1]}"#, "/data", "has 1000000000000 elements, the data 1"),
        (r#"{"name":"x","shape":[18446744073709551615],"datatype":"FP64","data":[1]}"#, "/data", "the data 1"),
        (&deep_shape, "/shape/8", "more than 8 dimensions"),
        (r#"{"name":"x","shape":[1],"datatype":"FLOAT","data":[1]}"#, "/datatype", "\"FLOAT\" is not a datatype"),
        (r#"{"name":"x","shape":[1],"datatype":"fp32","data":[1]}"#, "/datatype", "not a datatype"),
        (r#"{"name":"x","shape":[1],"datatype":32,"data":[1]}"#, "/datatype", "expected a string"),
        (r#"{"name":"x","shape":[1],"datatype":"FP32","data":1}"#, "/data", "expected a list of elements, found a number"),
        (r#"{"name":"x","shape":[1],"datatype":"FP32","data":{}}"#, "/data", "found an object"),
        (r#"{"name":"x","shape":[1],"datatype":"FP32","data":"AAAA"}"#, "/data", "found a string"),
        (r#"{"name":"x","shape":[1],"datatype":"FP32","data":null}"#, "/data", "found null"),
        (r#"{"name":"x","shape":[2],"datatype":"FP32","data":[1]}"#, "/data", "has 2 elements, the data 1"),
        (r#"{"name":"x","shape":[2],"datatype":"FP32","data":[1,2,3]}"#, "/data/2", "one element more"),
        (r#"{"name":"x","shape":[0],"datatype":"FP32","data":[1]}"#, "/data/0", "one element more"),
        (r#"{"name":"x","shape":[2],"datatype":"FP32","data":[1,"2"]}"#, "/data/1", "expected a number, found a string"),
        (r#"{"name":"x","shape":[2],"datatype":"FP32","data":[1,null]}"#, "/data/1", "found null"),
        (r#"{"name":"x","shape":[2],"datatype":"FP32","data":[1,true]}"#, "/data/1", "found a boolean"),
        (r#"{"name":"x","shape":[2],"datatype":"FP32","data":[1,NaN]}"#, "/data/1", "NaN and Infinity"),
        (r#"{"name":"x","shape":[2],"datatype":"FP32","data":[1,-Infinity]}"#, "/data/1", "NaN and Infinity"),
        (r#"{"name":"x","shape":[2],"datatype":"FP32","data":[[1],[2]]}"#, "/data/0", "expected a number, found a list"),
        (r#"{"name":"x","shape":[2,2],"datatype":"FP32","data":[[1,2],[3]]}"#, "/data/1", "1 here, the shape says 2"),
        (r#"{"name":"x","shape":[2,2],"datatype":"FP32","data":[[1,2],[3,4,5]]}"#, "/data/1/2", "one more than the 2"),
        (r#"{"name":"x","shape":[2,2],"datatype":"FP32","data":[[1,2],3]}"#, "/data/1", "expected a list, found a number"),
        (r#"{"name":"x","shape":[2,2],"datatype":"FP32","data":[[1,2],[3,[4]]]}"#, "/data/1/1", "expected a number, found a list"),
        (r#"{"name":"x","shape":[2,2],"datatype":"FP32","data":[1,2,[3,4]]}"#, "/data/2", "expected a number, found a list"),
        (r#"{"name":"x","shape":[2,2],"datatype":"FP32","data":[[1,2]]}"#, "/data", "1 here, the shape says 2"),
        (r#"{"name":"x","shape":[1,2,1],"datatype":"FP32","data":[[1,2]]}"#, "/data/0/0", "expected a list"),
        (r#"{"name":"x","shape":[1],"datatype":"FP32","data":[1e39]}"#, "/data/0", "beyond FP32"),
        (r#"{"name":"x","shape":[1],"datatype":"FP64","data":[1e309]}"#, "/data/0", "beyond FP64"),
        (r#"{"name":"x","shape":[1],"datatype":"FP16","data":[65520]}"#, "/data/0", "beyond FP16"),
        (r#"{"name":"x","shape":[1],"datatype":"BF16","data":[-3.4e38]}"#, "/data/0", "beyond BF16"),
        (r#"{"name":"x","shape":[1],"datatype":"UINT8","data":[256]}"#, "/data/0", "UINT8's range, 0 to 255"),
        (r#"{"name":"x","shape":[1],"datatype":"UINT8","data":[-1]}"#, "/data/0", "UINT8's range"),
        (r#"{"name":"x","shape":[1],"datatype":"INT8","data":[128]}"#, "/data/0", "-128 to 127"),
        (r#"{"name":"x","shape":[1],"datatype":"UINT16","data":[65536]}"#, "/data/0", "range"),
        (r#"{"name":"x","shape":[1],"datatype":"INT16","data":[-32769]}"#, "/data/0", "range"),
        (r#"{"name":"x","shape":[1],"datatype":"UINT32","data":[4294967296]}"#, "/data/0", "range"),
        (r#"{"name":"x","shape":[1],"datatype":"INT32","data":[2147483648]}"#, "/data/0", "range"),
        (r#"{"name":"x","shape":[1],"datatype":"UINT64","data":[18446744073709551616]}"#, "/data/0", "range"),
        (r#"{"name":"x","shape":[1],"datatype":"INT64","data":[9223372036854775808]}"#, "/data/0", "range"),
        (r#"{"name":"x","shape":[1],"datatype":"INT32","data":[1.0]}"#, "/data/0", "not an integer"),
        (r#"{"name":"x","shape":[1],"datatype":"INT32","data":[1e2]}"#, "/data/0", "not an integer"),
        (r#"{"name":"x","shape":[1],"datatype":"INT32","data":[true]}"#, "/data/0", "found a boolean"),
        (r#"{"name":"x","shape":[1],"datatype":"BOOL","data":[1]}"#, "/data/0", "expected true or false, found a number"),
        (r#"{"name":"x","shape":[1],"datatype":"BOOL","data":["true"]}"#, "/data/0", "found a string"),
        (r#"{"name":"x","shape":[1],"datatype":"BYTES","data":[1]}"#, "/data/0", "expected a string"),
        (r#"{"name":"x","shape":[1],"datatype":"BYTES","data":["\ud800"]}"#, "/data/0", "lone surrogate"),
        (r#"{"data":[1,2],"name":"x","shape":[1],"datatype":"FP32"}"#, "/data/1", "one element more"),
        (r#"{"data":["a"],"name":"x","shape":[1],"datatype":"FP32"}"#, "/data/0", "expected a number"),
        (r#"{"data":[[nope]],"name":"x","shape":[1],"datatype":"FP32"}"#, "/data/0/0", "expected a value"),
        (r#"{"name":"x","shape":[1],"datatype":"FP32","data":[1],"data":[1]}"#, "/data", "twice"),
        (r#"{"name":"x","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4},"data":[1]}"#, "", "both \"data\""),
        (
            r#"{"name":"x","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":-4}}"#,
            "/parameters/binary_data_size",
            "not negative",
        ),
        (r#"{"name":"x","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":"4"}}"#, "/parameters/binary_data_size", "a count"),
        (r#"{"name":"x","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4.0}}"#, "/parameters/binary_data_size", "a count"),
        (
            r#"{"name":"x","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4}}"#,
            "/parameters/binary_data_size",
            "need the header",
        ),
        (
            r#"{"name":"x","shape":[1],"datatype":"FP32","parameters":{"shared_memory_region":"r"}}"#,
            "/parameters/shared_memory_region",
            "shared memory",
        ),
        (
            r#"{"name":"x","shape":[1],"datatype":"FP32","parameters":{"shared_memory_byte_size":4},"data":[1]}"#,
            "/parameters/shared_memory_byte_size",
            "shared memory",
        ),
    ];
    for (input, pointer, part) in cases {
        let body = with_input(input);
        assert_refused(decode(&body, None), &body, &format!("/inputs/0{pointer}"), part);
    }
}

#[test]
fn binary_data_are_as_long_as_everything_says_or_refused() {
    let fp32 = |size: &str| format!(r#"{{"name":"x","shape":[2],"datatype":"FP32","parameters":{{"binary_data_size":{size}}}}}"#);
    let bytes = |size: usize| format!(r#"{{"name":"x","shape":[2],"datatype":"BYTES","parameters":{{"binary_data_size":{size}}}}}"#);
    let huge = r#"{"name":"x","shape":[1000000000000],"datatype":"FP32","parameters":{"binary_data_size":4000000000000}}"#.to_owned();
    let boolean = r#"{"name":"x","shape":[3],"datatype":"BOOL","parameters":{"binary_data_size":3}}"#.to_owned();
    let size = "/inputs/0/parameters/binary_data_size";
    let cases: &[(String, &[u8], &str, &str)] = &[
        (fp32("4"), &[0; 4], size, "takes 8 bytes, not 4"),
        (fp32("9"), &[0; 9], size, "takes 8 bytes, not 9"),
        (fp32("8"), &[0; 7], size, "8 bytes of binary data are declared, 7 are left"),
        (fp32("8"), &[], size, "0 are left"),
        (fp32("8"), &[0; 9], "", "1 bytes of binary data belong to no tensor"),
        (fp32("9223372036854775807"), &[0; 8], size, "takes 8 bytes"),
        (fp32("9223372036854775808"), &[0; 8], size, "64 bits"),
        (huge, &[0; 8], size, "4000000000000 bytes of binary data are declared, 8 are left"),
        (bytes(8), &[0; 8], "/inputs/0", ""),
        (bytes(4), &[0; 4], "/inputs/0", "the shape has 2 BYTES elements, the data has 1"),
        (bytes(12), &[0; 12], "/inputs/0", "the shape has 2 BYTES elements, the data has 3"),
        (bytes(7), &[0; 7], "/inputs/0", "element 1 ends beyond"),
        (bytes(8), &[255; 8], "/inputs/0", "element 0 ends beyond"),
        (bytes(8), &[5, 0, 0, 0, 1, 1, 1, 1], "/inputs/0", "element 0 ends beyond"),
        (boolean, &[0, 1, 2], "/inputs/0", "element 2 of its binary data is neither 0 nor 1"),
    ];
    for (input, data, pointer, part) in cases.iter().filter(|c| !c.3.is_empty()) {
        let json = with_input(input);
        let body = [&json[..], data].concat();
        assert_refused(decode(&body, Some(json.len())), &body, pointer, part);
    }
    let json = with_input(&fp32("8"));
    let body = [&json[..], &[0; 8]].concat();
    assert_refused(decode(&body, Some(body.len() + 1)), &body, "", "the body has");
    assert_refused(decode(&body, Some(usize::MAX)), &body, "", "the body has");
    assert_refused(decode(&body, Some(0)), &body, "", "ends at byte 0");
    assert!(decode(&body, Some(json.len() - 1)).is_err());
    assert!(decode(&body, Some(json.len() + 1)).is_err());
    assert_eq!(decode(&body, Some(json.len())), Ok(()));
    for header in ["", "-1", "+1", " 1", "1.0", "0x10", "99999999999999999999", "1,1", "abc", "1\r\n"] {
        assert!(v2::parse_json_length(header).is_err(), "{header}");
    }
    assert_eq!(v2::parse_json_length("17"), Ok(17));
}

#[test]
fn a_consistent_request_that_its_model_does_not_take_is_refused() {
    let input = |name: &str, dtype: &str, shape: &str, data: &str| {
        format!(r#"{{"name":"{name}","shape":{shape},"datatype":"{dtype}","data":{data}}}"#)
    };
    let a = input("a", "FP32", "[1,2]", "[1,2]");
    let b = input("b", "INT64", "[1]", "[1]");
    let cases: &[(String, &str, &str)] = &[
        (format!("[{a}]"), "/inputs", "\"b\" is missing"),
        (format!("[{a},{b},{a}]"), "/inputs/2/name", "there already"),
        (
            format!("[{a},{b},{}]", input("c", "FP32", "[1]", "[1]")),
            "/inputs/2/name",
            "\"c\" is not an input of this model, which has \"a\", \"b\"",
        ),
        (format!("[{a},{}]", input("b", "INT32", "[1]", "[1]")), "/inputs/1/datatype", "INT32 here, the model takes INT64"),
        (format!("[{a},{}]", input("b", "INT64", "[1,1]", "[1]")), "/inputs/1/shape", "2 dimensions, the model takes 1"),
        (format!("[{a},{}]", input("b", "INT64", "[]", "[1]")), "/inputs/1/shape", "0 dimensions"),
        (format!("[{},{b}]", input("a", "FP32", "[1,3]", "[1,2,3]")), "/inputs/0/shape/1", "3 here, the model takes 2"),
        (format!("[{},{b}]", input("a", "FP32", "[1,0]", "[]")), "/inputs/0/shape/1", "0 here, the model takes 2"),
        (format!("[{a},{}]", input("b", "INT64", "[2]", "[1,2]")), "/inputs/1/shape/0", "2 rows here, 1 in the first"),
        (format!("[{},{}]", input("a", "FP32", "[0,2]", "[]"), input("b", "INT64", "[0]", "[]")), "/inputs/0/shape/0", "nothing to infer"),
        (
            format!("[{},{}]", input("a", "FP32", "[5,2]", "[1,2,3,4,5,6,7,8,9,0]"), input("b", "INT64", "[5]", "[1,2,3,4,5]")),
            "/inputs/0/shape/0",
            "5 rows, at most 4",
        ),
        (format!(r#"[{a},{b}],"outputs":[{{"name":"z"}}]"#), "/outputs/0/name", "\"z\" is not an output"),
        (format!(r#"[{a},{b}],"outputs":[{{"name":"y"}},{{"name":"y"}}]"#), "/outputs/1/name", "already"),
    ];
    let metadata = metadata(&[("a", "FP32", &[-1, 2]), ("b", "INT64", &[-1])], &[("y", "FP32", &[-1])]);
    let mut limits = limits();
    limits.rows = 4;
    for (inputs, pointer, part) in cases {
        let body = format!("{{\"inputs\":{inputs}}}");
        let (request, _) = v2::decode_request("m", None, body.clone().into(), None, &limits).unwrap();
        let checked = check(&request, &metadata, &Meaning::default(), &limits).map(|_| ());
        assert_refused(checked, body.as_bytes(), pointer, part);
    }
    let body = format!("{{\"inputs\":[{b},{a}]}}");
    let (request, _) = v2::decode_request("m", None, body.into(), None, &limits).unwrap();
    assert_eq!(check(&request, &metadata, &Meaning::default(), &limits), Ok(1));
}

#[test]
fn a_model_that_forbids_nan_gets_none() {
    let metadata = metadata(&[("a", "FP32", &[-1])], &[("y", "FP32", &[-1])]);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let json = br#"{"inputs":[{"name":"a","shape":[2],"datatype":"FP32","parameters":{"binary_data_size":8}}]}"#;
        let body = [&json[..], &1f32.to_le_bytes(), &bad.to_le_bytes()].concat();
        let (request, _) = v2::decode_request("m", None, body.clone().into(), Some(json.len()), &limits()).unwrap();
        assert_eq!(check(&request, &metadata, &Meaning::default(), &limits()), Ok(2));
        let forbids = Meaning { finite: true, ..Meaning::default() };
        assert_refused(check(&request, &metadata, &forbids, &limits()).map(|_| ()), json, "/inputs/0", "element 1 is NaN or infinite");
    }
}
