//! Memory follows what was received, never what it declares.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use common::pictures::png_of_size;
use common::{limits, metadata};
use forebay_protocol::coding::{self, Coding};
use forebay_protocol::form::Forms;
use forebay_protocol::{Colour, ImageInput, Layout as PictureLayout, Meaning, v1, v2};

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, which notes how much this thread holds at most.
struct Counting;

fn note(more: usize, less: usize) {
    let held = HELD.get().wrapping_add(more).wrapping_sub(less);
    HELD.set(held);
    PEAK.set(PEAK.get().max(if held > isize::MAX as usize { 0 } else { held }));
}

// SAFETY: every call is passed on to the system's allocator as it came; the counters are plain thread-local cells that do not allocate.
#[expect(unsafe_code, reason = "an allocator cannot be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        note(0, layout.size());
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size, layout.size());
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Most bytes that `run` holds beyond what was held before.
fn peak(run: impl FnOnce()) -> usize {
    let before = HELD.get();
    PEAK.set(before);
    run();
    PEAK.get() - before
}

/// A request of one tensor, with JSON data or declared binary data.
fn tensor(dtype: &str, shape: &str, rest: &str) -> Bytes {
    format!(r#"{{"inputs":[{{"name":"x","shape":{shape},"datatype":"{dtype}",{rest}}}]}}"#).into()
}

#[test]
fn a_terabyte_that_a_shape_declares_is_not_reserved() {
    for (body, json_length) in [
        (tensor("FP64", "[1000000000000]", r#""data":[1,2,3]"#), None),
        (tensor("FP64", "[1000000,1000000]", r#""data":[[1,2,3]]"#), None),
        (tensor("BYTES", "[1000000000000]", r#""data":["a"]"#), None),
        (tensor("FP32", "[1000000000000]", r#""parameters":{"binary_data_size":4000000000000}"#), Some(())),
        (tensor("BYTES", "[1000000000000]", r#""parameters":{"binary_data_size":4000000000000}"#), Some(())),
    ] {
        let length = json_length.map(|()| body.len());
        let used = peak(|| assert!(v2::decode_request("m", None, body.clone(), length, &limits()).is_err()));
        assert!(used < 16 << 10, "{used} bytes for {body:?}");
        let used = peak(|| {
            assert!(v2::decode_response(Bytes::from(String::from_utf8_lossy(&body).replace("inputs", "outputs")), length).is_err())
        });
        assert!(used < 16 << 10, "{used} bytes for an answer like {body:?}");
    }
}

#[test]
fn elements_take_at_most_four_times_their_text() {
    let numbers = vec!["1"; 1 << 17].join(",");
    for dtype in ["FP64", "INT64", "FP32", "UINT8"] {
        let body = tensor(dtype, "[131072]", &format!(r#""data":[{numbers}]"#));
        let used = peak(|| drop(v2::decode_request("m", None, body.clone(), None, &limits()).unwrap()));
        assert!(used < 4 * body.len() + (16 << 10), "{dtype}: {used} bytes for {}", body.len());
        let late = body.len() * 4;
        let body = tensor(dtype, "[99131072]", &format!(r#""data":[{numbers}]"#));
        let used = peak(|| drop(v2::decode_request("m", None, body.clone(), None, &limits()).unwrap_err()));
        assert!(used < late + (16 << 10), "{dtype}: {used} bytes for {}", body.len());
    }
}

#[test]
fn nesting_and_names_hold_no_more_than_was_sent() {
    let deep = Bytes::from("[".repeat(1 << 20));
    assert!(peak(|| drop(v2::decode_request("m", None, deep.clone(), None, &limits()))) < 16 << 10);
    let names: String = (0..1_000_000).map(|i| format!("\"{i:x}\":0,")).collect();
    let body = Bytes::from(format!("{{{names}\"id\":1}}"));
    let used = peak(|| assert!(v2::decode_request("m", None, body.clone(), None, &limits()).unwrap_err().detail.contains("members")));
    assert!(used < 512 << 10, "{used} bytes for {}", body.len());
}

#[test]
fn values_of_v1_take_at_most_what_their_text_allows() {
    let metadata = metadata(&[("x", "FP64", &[-1, -1])], &[]);
    let body = format!("{{\"instances\":[[{}]]}}", vec!["1"; 1 << 17].join(","));
    let used = peak(|| drop(v1::decode_request("m", body.as_bytes(), &metadata, &limits()).unwrap()));
    // A vector that grows holds the old and the new half for a moment.
    assert!(used < 12 * body.len(), "{used} bytes for {}", body.len());
}

#[test]
fn a_picture_is_refused_by_its_header() {
    let image = ImageInput {
        input: "x".into(),
        width: 8,
        height: 8,
        colour: Colour::Grey,
        layout: PictureLayout::Hw,
        scale: 1.0,
        mean: vec![],
        std: vec![],
    };
    let meaning = Meaning { image: Some(image), ..Meaning::default() };
    let metadata = metadata(&[("x", "FP32", &[-1, 8, 8])], &[]);
    let limits = limits();
    let forms = Forms { model: "m", metadata: &metadata, meaning: &meaning, limits: &limits };
    let gigapixel = Bytes::from(png_of_size(40_000, 40_000));
    let used = peak(|| assert!(forms.picture(Some("image/png"), &gigapixel).is_err()));
    assert!(used < 256 << 10, "{used} bytes");
    let many = Bytes::from(format!("[{}]", vec![format!("\"{}\"", STANDARD.encode(png_of_size(4_000, 4_000))); 200].join(",")));
    let used = peak(|| assert_eq!(forms.list(None, &many).unwrap().len(), 200));
    assert!(used < 160 << 20, "{used} bytes");
}

#[test]
fn a_bomb_holds_no_more_than_twice_its_limit() {
    let bomb = coding::encode(Coding::Gzip, &Bytes::from(vec![0; 64 << 20]));
    let used = peak(|| assert!(coding::decode(Coding::Gzip, bomb.clone(), 1 << 20).is_err()));
    assert!(used < 4 << 20, "{used} bytes");
}
