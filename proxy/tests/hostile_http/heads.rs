//! Methods, paths, hosts, lines, control characters, numbers of fields.

use super::{Case, case, infer};

const BAD: &str = "400 bad_head closed";

pub(super) fn cases() -> Vec<Case> {
    [methods(), paths(), hosts(), folds(), controls(), many_fields()].concat()
}

fn methods() -> Vec<Case> {
    let class = "methods";
    let on = |method: &str, path: &str, expected| {
        case(class, &format!("{method} {path}"), format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n"), expected)
    };
    vec![
        on("GET", &infer(), "405 method_not_allowed open"),
        on("PUT", &infer(), "405 method_not_allowed open"),
        on("POST", "/v2/health/live", "405 method_not_allowed open"),
        on("DELETE", "/v2/models/echo", "405 method_not_allowed open"),
        on("PATCH", "/v2", "405 method_not_allowed open"),
        on("TRACE", "/v2", "405 method_not_allowed open"),
        on("BREW", &infer(), "405 method_not_allowed open"),
        on("get", "/v2", "405 method_not_allowed open"),
        on("OPTIONS", &infer(), "405 method_not_allowed open"),
        on("CONNECT", "a:443", "405 no_tunnel closed"),
        on("G(T", "/v2", "400 bad_head closed"),
        on("", "/v2", "400 bad_head closed"),
        on(&"X".repeat(300), "/v2", "405 method_not_allowed open"),
    ]
}

fn paths() -> Vec<Case> {
    let class = "paths";
    let at = |path: &str, expected| {
        let name: String = path.chars().take(40).collect();
        case(class, &name, format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"), expected)
    };
    vec![
        at("/v2/models/../../etc/passwd", "200 - open"),
        at("/v2/models/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "200 - open"),
        at("/v2%2fmodels%2fecho", "200 - open"),
        at("/v2//models/echo", "200 - open"),
        at("/%00", "200 - open"),
        at("/%ff%fe", "200 - open"),
        at("/%", "200 - open"),
        at("/%zz", "200 - open"),
        at(&format!("/{}", "a".repeat(10_000)), "200 - open"),
        at(&format!("/{}", "a".repeat(20_000)), "431 head_too_large open"),
        at(&format!("/v2/models/{}/infer", "m".repeat(10_000)), "200 - open"),
        at(&format!("/?{}", "a=b&".repeat(3_000)), "200 - open"),
        at("/caf\u{e9}", "400 bad_head closed"),
        at("*", "200 - open"),
        at("v2", "200 - open"),
        at("http://a/v2/health/live", "200 - open"),
        at("http://b/v2/health/live", "400 bad_head closed"),
    ]
}

fn hosts() -> Vec<Case> {
    let class = "Host";
    let with = |name: &str, fields: &str, expected| case(class, name, format!("GET /v2 HTTP/1.1\r\n{fields}\r\n"), expected);
    vec![
        with("missing", "", BAD),
        with("twice", "Host: a\r\nHost: b\r\n", "400 bad_head closed"),
        with("twice the same", "Host: a\r\nHost: a\r\n", "400 bad_head closed"),
        with("a list", "Host: a, b\r\n", BAD),
        with("a path", "Host: a/b\r\n", BAD),
        with("a user", "Host: u@a\r\n", "400 bad_head closed"),
        with("a blank inside", "Host: a b\r\n", BAD),
        with("a URL", "Host: http://a\r\n", BAD),
        with("not ASCII", "Host: caf\u{e9}\r\n", BAD),
        with("empty", "Host:\r\n", "200 - open"),
        with("10,000 characters", &format!("Host: {}\r\n", "a".repeat(10_000)), "200 - open"),
    ]
}

fn folds() -> Vec<Case> {
    let class = "lines";
    let with = |name: &str, head: &str, expected| case(class, name, head, expected);
    vec![
        with("a folded value", "GET /v2 HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", "400 bad_head closed"),
        with("a value folded with a tab", "GET /v2 HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n", "400 bad_head closed"),
        with("a folded host", "GET /v2 HTTP/1.1\r\nHost:\r\n a\r\n\r\n", "400 bad_head closed"),
        with("a folded first line", "GET /v2 HTTP/1.1\r\n Host: a\r\n\r\n", "400 bad_head closed"),
        with("a line of blanks", "GET /v2 HTTP/1.1\r\nHost: a\r\n \r\n\r\n", "400 bad_head closed"),
        with("a blank before the colon", "GET /v2 HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", "400 bad_head closed"),
        with("no colon", "GET /v2 HTTP/1.1\r\nHost: a\r\nXY\r\n\r\n", "400 bad_head closed"),
        with("an empty name", "GET /v2 HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n", "400 bad_head closed"),
        with("LF alone", "GET /v2 HTTP/1.1\nHost: a\n\n", BAD),
        with("LF alone in the middle", "GET /v2 HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", BAD),
        with("a shadow of a framing field", "GET /v2 HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n", BAD),
    ]
}

fn controls() -> Vec<Case> {
    let class = "control characters";
    let value =
        |name: &str, byte: &str, expected| case(class, name, format!("GET /v2 HTTP/1.1\r\nHost: a\r\nX: a{byte}b\r\n\r\n"), expected);
    let field =
        |name: &str, byte: &str, expected| case(class, name, format!("GET /v2 HTTP/1.1\r\nHost: a\r\nX{byte}Y: b\r\n\r\n"), expected);
    vec![
        value("NUL in a value", "\0", "400 bad_head closed"),
        value("CR in a value", "\r", "400 bad_head closed"),
        value("ESC in a value", "\x1b", "400 bad_head closed"),
        value("DEL in a value", "\x7f", "400 bad_head closed"),
        value("BEL in a value", "\x07", "400 bad_head closed"),
        value("a tab in a value", "\t", "200 - open"),
        field("NUL in a name", "\0", "400 bad_head closed"),
        field("CR in a name", "\r", "400 bad_head closed"),
        field("a tab in a name", "\t", "400 bad_head closed"),
        field("a blank in a name", " ", "400 bad_head closed"),
        field("a letter above ASCII in a name", "\u{e9}", "400 bad_head closed"),
    ]
}

fn many_fields() -> Vec<Case> {
    let class = "many and large fields";
    let fields = |count: usize| (0..count).map(|i| format!("X-{i}: y\r\n")).collect::<String>();
    let with = |name: &str, fields: &str, expected| case(class, name, format!("GET /v2 HTTP/1.1\r\nHost: a\r\n{fields}\r\n"), expected);
    vec![
        with("as many as are allowed", &fields(49), "200 - open"),
        with("one more", &fields(50), "431 too_many_headers open"),
        with("two hundred", &fields(200), "431 too_many_headers open"),
        with("three hundred", &fields(300), "400 bad_head closed"),
        with("100,000", &fields(100_000), "431 head_too_large closed"),
        with("100,000 with one name", &"X: y\r\n".repeat(100_000), "431 head_too_large closed"),
        with("one of 10,000 bytes", &format!("X: {}\r\n", "y".repeat(10_000)), "200 - open"),
        with("one of 20,000 bytes", &format!("X: {}\r\n", "y".repeat(20_000)), "431 head_too_large open"),
        with("one of 2,000,000 bytes", &format!("X: {}\r\n", "y".repeat(2_000_000)), "431 head_too_large closed"),
        with("a name of 20,000 bytes", &format!("{}: y\r\n", "x".repeat(20_000)), "431 head_too_large open"),
        with("a line that never ends", &format!("X: {}", "y".repeat(100_000)), "431 head_too_large closed"),
        with("a thousand cookies", &"Cookie: a=b\r\n".repeat(1_000), "400 bad_head closed"),
    ]
}
