//! Text in JSON that is no text: lone surrogates, invalid UTF-8, byte order marks; and bytes after the end.

use super::json::{GOOD, with};
use super::{Case, ask, post};

fn fp32(class: &'static str, name: &str, body: impl AsRef<[u8]>, expected: &str) -> Case {
    ask(class, name, "identity_fp32", body, expected)
}

/// A right request to the identity of texts; `text` stands between quotes.
fn texts(text: &[u8]) -> Vec<u8> {
    [&br#"{"inputs":[{"name":"x","shape":[1,1],"datatype":"BYTES","data":[""#[..], text, b"\"]}]}"].concat()
}

pub(super) fn cases() -> Vec<Case> {
    [surrogates(), utf8(), marks(), trailing()].concat()
}

fn surrogates() -> Vec<Case> {
    let class = "JSON: lone surrogates";
    let id = |name: &str, text: &str, expected: &str| fp32(class, name, with(&format!(r#""id":"{text}""#)), expected);
    let datum = "400 malformed /inputs/0/data/0";
    vec![
        id("the first half", r"\ud800", "400 malformed /id"),
        id("the second half", r"\udc00", "400 malformed /id"),
        id("two first halves", r"\ud800\ud800", "400 malformed /id"),
        id("in the wrong order", r"\udc00\ud800", "400 malformed /id"),
        id("with a letter between", r"\ud83dx\ude00", "400 malformed /id"),
        id("a pair", r"\ud83d\ude00", "200"),
        fp32(class, "in a member's name", with(r#""\udfff":1"#), "400 malformed whole"),
        fp32(class, "where it is passed over", with(r#""x":"\ud800""#), "400 malformed /x"),
        ask(class, "as an element", "identity_bytes", texts(br"\ud800"), datum),
        ask(class, "cut off", "identity_bytes", texts(br"\ud83d\ude"), datum),
        ask(class, "a pair as an element", "identity_bytes", texts(br"\ud83d\ude00"), "200"),
    ]
}

fn utf8() -> Vec<Case> {
    let class = "JSON: invalid UTF-8";
    let datum = |name: &str, text: &[u8]| ask(class, name, "identity_bytes", texts(text), "400 malformed /inputs/0/data/0");
    let id = [&br#"{"id":"a"#[..], b"\xff", br#"","inputs":[]}"#].concat();
    vec![
        datum("a byte that never occurs", b"\xff"),
        datum("an overlong slash", b"\xc0\xaf"),
        datum("an encoded surrogate", b"\xed\xa0\x80"),
        datum("beyond the last character", b"\xf4\x90\x80\x80"),
        datum("a continuation alone", b"a\x80"),
        datum("a beginning alone", b"\xe2\x82"),
        datum("Latin-1", b"caf\xe9"),
        ask(class, "what is valid", "identity_bytes", texts("é€😀".as_bytes()), "200"),
        fp32(class, "in the id", id, "400 malformed /id"),
        fp32(class, "in a member's name", b"{\"\xff\":1}", "400 malformed whole"),
        fp32(class, "between tokens", [b"{\xff", &GOOD.as_bytes()[1..]].concat(), "400 malformed whole"),
    ]
}

fn marks() -> Vec<Case> {
    let class = "JSON: byte order mark";
    let whole = "400 malformed whole";
    let before = |mark: &[u8]| [mark, GOOD.as_bytes()].concat();
    let wide = |encode: fn(u16) -> [u8; 2]| GOOD.encode_utf16().flat_map(encode).collect::<Vec<u8>>();
    vec![
        fp32(class, "UTF-8", before(b"\xef\xbb\xbf"), whole),
        fp32(class, "UTF-8, twice", before(b"\xef\xbb\xbf\xef\xbb\xbf"), whole),
        fp32(class, "UTF-8, half", before(b"\xef\xbb"), whole),
        fp32(class, "UTF-8, alone", b"\xef\xbb\xbf", whole),
        fp32(class, "UTF-8, within", [b"{\xef\xbb\xbf", &GOOD.as_bytes()[1..]].concat(), whole),
        fp32(class, "UTF-8, after white space", before(b" \xef\xbb\xbf"), whole),
        fp32(class, "UTF-16, little end first", [b"\xff\xfe", &wide(u16::to_le_bytes)[..]].concat(), whole),
        fp32(class, "UTF-16, big end first", [b"\xfe\xff", &wide(u16::to_be_bytes)[..]].concat(), whole),
        fp32(class, "UTF-16 without one", wide(u16::to_le_bytes), whole),
        fp32(class, "in a text, where it is a character", with("\"id\":\"\u{feff}\""), "200"),
        post(class, "before instances", "/v1/models/iris:predict", &[], b"\xef\xbb\xbf{}", whole),
    ]
}

fn trailing() -> Vec<Case> {
    let class = "JSON: trailing bytes";
    let after = |name: &str, tail: &[u8], expected: &str| fp32(class, name, [GOOD.as_bytes(), tail].concat(), expected);
    let whole = "400 malformed whole";
    vec![
        after("a letter", b"x", whole),
        after("a bracket", b"}", whole),
        after("a comma", b",", whole),
        after("NUL", b"\0", whole),
        after("a mark", b"\xef\xbb\xbf", whole),
        after("the same once more", GOOD.as_bytes(), whole),
        after("a comment", b"// done", whole),
        after("a megabyte", &[b'x'; 1 << 20], whole),
        after("white space", b" \r\n\t", "200"),
        post(class, "after instances", "/v1/models/iris:predict", &[], r#"{"instances":[[1,2,3,4]]}x"#, whole),
        post(class, "after a list", "/batch-predict", &[], r#"[{"image":"YQ=="}]]"#, whole),
    ]
}
