//! Pictures and features: decoded as the manifest says, in every form, or refused with the reason.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod common;

use ::image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use common::pictures::{apng, cmyk_jpeg_head, encode, large_jpeg_of_few_bytes, palette_of, palette_png, png_of_size};
use common::{Spec, limits, metadata};
use forebay_mesh_config::decode::DecodeLimits;
use forebay_protocol::form::Forms;
use forebay_protocol::{Colour, DecodeError, DecodeErrorKind, Dtype, Features, ImageInput, Layout, Meaning, ModelMetadata, image};

fn input(width: u32, height: u32, colour: Colour, layout: Layout) -> ImageInput {
    ImageInput { input: "x".into(), width, height, colour, layout, scale: 1.0, mean: vec![], std: vec![] }
}

fn decode(picture: &[u8], input: &ImageInput) -> Result<Vec<f32>, DecodeError> {
    let tensor = image::decode(picture, input, Dtype::Fp32, &mut limits().image_pixels.clone())?;
    Ok(tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect())
}

fn grey_8x8() -> GrayImage {
    GrayImage::from_fn(8, 8, |x, y| Luma([(x * 31 + y * 7) as u8]))
}

#[test]
fn a_grey_picture_of_the_right_size_keeps_its_samples_bit_for_bit() {
    let grey = grey_8x8();
    let png = encode(&DynamicImage::ImageLuma8(grey.clone()), ImageFormat::Png);
    let expected: Vec<f32> = grey.as_raw().iter().map(|&s| f32::from(s)).collect();
    for layout in [Layout::Hw, Layout::Chw, Layout::Hwc, Layout::Flat] {
        assert_eq!(decode(&png, &input(8, 8, Colour::Grey, layout)).unwrap(), expected);
    }
}

#[test]
fn layouts_order_what_is_decoded() {
    let rgb = RgbImage::from_fn(2, 1, |x, _| Rgb([x as u8 * 10 + 1, x as u8 * 10 + 2, x as u8 * 10 + 3]));
    let png = encode(&DynamicImage::ImageRgb8(rgb), ImageFormat::Png);
    assert_eq!(decode(&png, &input(2, 1, Colour::Rgb, Layout::Chw)).unwrap(), [1., 11., 2., 12., 3., 13.]);
    assert_eq!(decode(&png, &input(2, 1, Colour::Rgb, Layout::Hwc)).unwrap(), [1., 2., 3., 11., 12., 13.]);
    assert_eq!(decode(&png, &input(2, 1, Colour::Bgr, Layout::Hwc)).unwrap(), [3., 2., 1., 13., 12., 11.]);
    let shapes = [Layout::Chw, Layout::Hwc, Layout::Flat]
        .map(|layout| image::decode(&png, &input(2, 1, Colour::Rgb, layout), Dtype::Uint8, &mut 100).unwrap().shape().to_vec());
    assert_eq!(shapes, [vec![1, 3, 1, 2], vec![1, 1, 2, 3], vec![1, 6]]);
}

#[test]
fn samples_are_scaled_and_normalised_per_channel() {
    let png = encode(&DynamicImage::ImageRgb8(RgbImage::from_pixel(1, 1, Rgb([255, 0, 51]))), ImageFormat::Png);
    let mut how = input(1, 1, Colour::Rgb, Layout::Chw);
    how.scale = 1.0 / 255.0;
    (how.mean, how.std) = (vec![0.5, 0.25, 0.2], vec![0.5, 0.25, 1.0]);
    let values = decode(&png, &how).unwrap();
    assert_eq!(values[..2], [1.0, -1.0]);
    assert!(values[2].abs() < 1e-6);
}

#[test]
fn colour_becomes_grey_as_pillow_makes_it() {
    let png = encode(&DynamicImage::ImageRgb8(RgbImage::from_pixel(1, 1, Rgb([200, 100, 50]))), ImageFormat::Png);
    // (200·19595 + 100·38470 + 50·7471 + 32768) >> 16
    assert_eq!(decode(&png, &input(1, 1, Colour::Grey, Layout::Hw)).unwrap(), [124.0]);
    let grey = encode(&DynamicImage::ImageLuma8(GrayImage::from_pixel(1, 1, Luma([9]))), ImageFormat::Png);
    assert_eq!(decode(&grey, &input(1, 1, Colour::Rgb, Layout::Chw)).unwrap(), [9.0; 3]);
}

#[test]
fn palettes_sixteen_bits_and_opaque_alpha_become_eight_bits() {
    let how = input(2, 1, Colour::Rgb, Layout::Hwc);
    assert_eq!(decode(&palette_png(None), &how).unwrap(), [1., 2., 3., 250., 251., 252.]);
    let wide = ImageBuffer::from_pixel(2, 1, Luma([0x8000u16]));
    assert_eq!(
        decode(&encode(&DynamicImage::ImageLuma16(wide), ImageFormat::Png), &input(2, 1, Colour::Grey, Layout::Hw)).unwrap(),
        [128.; 2]
    );
    let opaque = RgbaImage::from_pixel(2, 1, Rgba([7, 8, 9, 255]));
    assert_eq!(decode(&encode(&DynamicImage::ImageRgba8(opaque), ImageFormat::Png), &how).unwrap(), [7., 8., 9., 7., 8., 9.]);
}

#[test]
fn a_jpeg_is_decoded_close_to_its_source() {
    let source = RgbImage::from_fn(16, 16, |x, y| Rgb([x as u8 * 16, y as u8 * 16, 128]));
    let jpeg = encode(&DynamicImage::ImageRgb8(source.clone()), ImageFormat::Jpeg);
    let decoded = decode(&jpeg, &input(16, 16, Colour::Rgb, Layout::Hwc)).unwrap();
    let worst = decoded.iter().zip(source.as_raw()).map(|(a, &b)| (a - f32::from(b)).abs()).fold(0.0, f32::max);
    assert!(worst < 40.0, "{worst}");
}

#[test]
fn resizing_keeps_flat_colours_and_the_mean() {
    let flat = encode(&DynamicImage::ImageRgb8(RgbImage::from_pixel(37, 11, Rgb([10, 20, 30]))), ImageFormat::Png);
    for (width, height) in [(1, 1), (8, 8), (100, 3), (3, 100), (37, 12)] {
        let resized = decode(&flat, &input(width, height, Colour::Rgb, Layout::Hwc)).unwrap();
        assert!(resized.chunks(3).all(|p| p == [10., 20., 30.]), "{width}×{height}");
    }
    let ramp = GrayImage::from_fn(256, 4, |x, _| Luma([x as u8]));
    let resized = decode(&encode(&DynamicImage::ImageLuma8(ramp), ImageFormat::Png), &input(4, 1, Colour::Grey, Layout::Hw)).unwrap();
    assert_eq!(resized, [38., 96., 160., 217.]);
}

#[test]
fn resizing_gives_what_pillow_gives() {
    let source = RgbImage::from_vec(7, 5, (0..105).map(|i| ((i * 37 + 11) % 251) as u8).collect()).unwrap();
    let png = encode(&DynamicImage::ImageRgb8(source), ImageFormat::Png);
    // Pillow 13: Image.resize((3, 4), Image.BILINEAR), which rounds between its two passes.
    let pillow: [u8; 36] = [
        99, 95, 132, 143, 121, 114, 140, 164, 138, 86, 123, 160, 102, 105, 142, 145, 113, 98, 114, 151, 126, 96, 133, 161, 142, 89, 126,
        142, 99, 109, 124, 150, 106, 103, 117, 154,
    ];
    let ours = decode(&png, &input(3, 4, Colour::Rgb, Layout::Hwc)).unwrap();
    assert!(ours.iter().zip(pillow).all(|(a, b)| (a - f32::from(b)).abs() <= 1.0), "{ours:?}");
}

#[test]
fn what_is_not_a_picture_or_not_one_meaning_is_refused() {
    let how = input(2, 1, Colour::Rgb, Layout::Hwc);
    let png = encode(&DynamicImage::ImageRgb8(RgbImage::new(20, 20)), ImageFormat::Png);
    let jpeg = encode(&DynamicImage::ImageRgb8(RgbImage::new(20, 20)), ImageFormat::Jpeg);
    let clear = encode(&DynamicImage::ImageRgba8(RgbaImage::from_pixel(2, 1, Rgba([7, 8, 9, 254]))), ImageFormat::Png);
    let cut = |bytes: &[u8], from_end: usize| bytes[..bytes.len() - from_end].to_vec();
    let mut damaged = png.clone();
    damaged[45] ^= 0xFF;
    let malformed = DecodeErrorKind::Malformed;
    let cases: &[(Vec<u8>, DecodeErrorKind, &str)] = &[
        (vec![], malformed, "no bytes"),
        (b"GIF89a".to_vec(), malformed, "neither PNG nor JPEG"),
        (b"BM".to_vec(), malformed, "neither PNG nor JPEG"),
        (b"RIFF\0\0\0\0WEBP".to_vec(), malformed, "neither PNG nor JPEG"),
        (b"%PDF-1.7".to_vec(), malformed, "neither PNG nor JPEG"),
        (vec![0; 1000], malformed, "neither PNG nor JPEG"),
        (png[..8].to_vec(), malformed, "damaged or cut off"),
        (png[..20].to_vec(), malformed, "damaged or cut off"),
        (cut(&png, 20), malformed, "damaged or cut off"),
        (damaged, malformed, "damaged or cut off"),
        (png_of_size(0, 1), malformed, "PNG"),
        (png_of_size(100_000, 1), DecodeErrorKind::TooLarge, "100000 × 1"),
        (png_of_size(65_535, 65_535), DecodeErrorKind::TooLarge, "at most 16777216 pixels"),
        (png_of_size(u32::MAX >> 1, u32::MAX >> 1), DecodeErrorKind::TooLarge, "more memory than pictures may"),
        (png_of_size(u32::MAX, u32::MAX), DecodeErrorKind::TooLarge, "more memory than pictures may"),
        (apng(), malformed, "animated"),
        (palette_png(Some(128)), malformed, "transparent"),
        (palette_of(&[]), malformed, "three bytes"),
        (palette_of(&[1, 2, 3, 4]), malformed, "three bytes"),
        (palette_of(&[0; 771]), malformed, "three bytes"),
        (clear, malformed, "transparent"),
        (vec![0xFF, 0xD8, 0xFF], malformed, "ends before its picture"),
        (jpeg[..100].to_vec(), malformed, "JPEG"),
        (cut(&jpeg, 2), malformed, "cut off"),
        (cut(&jpeg, 30), malformed, "cut off"),
        (large_jpeg_of_few_bytes(), malformed, "bytes cannot hold"),
        (cmyk_jpeg_head(4), malformed, "CMYK"),
        (cmyk_jpeg_head(2), malformed, "2 channels"),
    ];
    for (index, (picture, kind, part)) in cases.iter().enumerate() {
        let error = decode(picture, &how).unwrap_err();
        assert_eq!(error.kind, *kind, "case {index}: {}", error.detail);
        assert!(error.detail.contains(part), "case {index}: {}", error.detail);
    }
}

#[test]
fn pictures_of_one_request_share_their_pixels() {
    let png = encode(&DynamicImage::ImageLuma8(grey_8x8()), ImageFormat::Png);
    let how = input(8, 8, Colour::Grey, Layout::Hw);
    let mut pixels = 128;
    assert!(image::decode(&png, &how, Dtype::Fp32, &mut pixels).is_ok());
    assert!(image::decode(&png, &how, Dtype::Fp32, &mut pixels).is_ok());
    assert_eq!(image::decode(&png, &how, Dtype::Fp32, &mut pixels).unwrap_err().kind, DecodeErrorKind::TooLarge);
}

struct Model {
    metadata: ModelMetadata,
    meaning: Meaning,
    limits: DecodeLimits,
}

impl Model {
    fn of_pictures() -> Model {
        let image = Some(input(8, 8, Colour::Grey, Layout::Hw));
        Model { metadata: metadata(&[("x", "FP32", &[-1, 8, 8])], &[]), meaning: Meaning { image, ..Meaning::default() }, limits: limits() }
    }

    fn of_features(inputs: &[Spec<'_>], features: Features) -> Model {
        let meaning = Meaning { features: Some(features), ..Meaning::default() };
        Model { metadata: metadata(inputs, &[]), meaning, limits: limits() }
    }

    fn forms(&self) -> Forms<'_> {
        Forms { model: "m", metadata: &self.metadata, meaning: &self.meaning, limits: &self.limits }
    }
}

fn multipart(parts: &[(&str, &[u8])]) -> Bytes {
    let mut body = Vec::new();
    for (head, content) in parts {
        body.extend_from_slice(format!("--B\r\n{head}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--B--\r\n");
    body.into()
}

const FORM: &str = "multipart/form-data; boundary=B";
const FILE: &str = "Content-Disposition: form-data; name=\"f\"; filename=\"a.png\"\r\nContent-Type: image/png";

#[test]
fn one_picture_is_the_same_in_every_form() {
    let model = Model::of_pictures();
    let png = encode(&DynamicImage::ImageLuma8(grey_8x8()), ImageFormat::Png);
    let text = STANDARD.encode(&png);
    let wrapped: String = text.as_bytes().chunks(76).map(|line| format!("{}\n", std::str::from_utf8(line).unwrap())).collect();
    let plain = model.forms().picture(Some("image/png"), &png.clone().into()).unwrap();
    assert_eq!(plain.inputs[0].tensor.shape(), [1, 8, 8]);
    let field = "Content-Disposition: form-data; name=\"note\"";
    let image = "Content-Disposition: form-data; name=\"image\"";
    let forms: Vec<(Option<&str>, Bytes)> = vec![
        (None, png.clone().into()),
        (Some("image/jpeg"), png.clone().into()),
        (Some("application/octet-stream"), png.clone().into()),
        (Some("application/x-www-form-urlencoded"), png.clone().into()),
        (Some("application/json"), format!("{{\"image\":\"{text}\"}}").into()),
        (Some("application/json; charset=utf-8"), format!("{{\"other\":[{{}}],\"image\":\"data:image/png;base64,{text}\"}}").into()),
        (Some("application/x-www-form-urlencoded"), format!(" {{\"image\":\"{text}\"}}").into()),
        (None, format!("{{\"image\":\"{}\"}}", wrapped.replace('\n', "\\n")).into()),
        (Some("application/json"), format!("{{\"image\":\"{}\"}}", text.trim_end_matches('=')).into()),
        (Some("text/plain"), wrapped.into()),
        (Some(FORM), multipart(&[(FILE, &png)])),
        (Some(FORM), multipart(&[(field, b"hello"), (image, &png)])),
        (Some(FORM), multipart(&[(FILE, b"not this one"), (image, &png)])),
    ];
    for (content_type, body) in forms {
        let read = model.forms().picture(content_type, &body).unwrap_or_else(|e| panic!("{content_type:?}: {e}"));
        assert_eq!(read, plain, "{content_type:?}");
        assert_eq!(model.forms().picture_or_features(content_type, &body).unwrap(), plain);
    }
}

#[test]
fn forms_that_hold_no_picture_are_refused() {
    let model = Model::of_pictures();
    let (malformed, unsupported) = (DecodeErrorKind::Malformed, DecodeErrorKind::Unsupported);
    let many: Vec<(&str, &[u8])> = vec![(FILE, b"x"); 17];
    let cases: Vec<(Option<&str>, Bytes, DecodeErrorKind, &str, &str)> = vec![
        (Some("image/gif"), Bytes::new(), unsupported, "", "\"image/gif\" is not taken"),
        (Some("text/html"), Bytes::new(), unsupported, "", "is not taken"),
        (Some("application/x-www-form-urlencoded"), "a=b".into(), unsupported, "", "is not taken"),
        (None, "hello".into(), malformed, "", "neither PNG nor JPEG"),
        (None, Bytes::new(), malformed, "", "no bytes"),
        (Some("text/plain"), "####".into(), malformed, "", "not base64"),
        (Some("text/plain"), "data:image/png,abc".into(), malformed, "", "not in base64"),
        (Some("application/json"), "{}".into(), malformed, "", "\"image\" is missing"),
        (Some("application/json"), "[]".into(), malformed, "", "expected an object"),
        (Some("application/json"), r#"{"image":1}"#.into(), malformed, "/image", "expected a string"),
        (Some("application/json"), r#"{"image":"%%%%"}"#.into(), malformed, "/image", "not base64"),
        (Some("application/json"), r#"{"image":"YQ==","image":"YQ=="}"#.into(), malformed, "/image", "twice"),
        (Some("application/json"), r#"{"image":"YQ=="}"#.into(), malformed, "/image", "neither PNG nor JPEG"),
        (Some("application/json"), r#"{"image":"YQ=="#.into(), malformed, "/image", "ends within a string"),
        (Some("multipart/form-data"), Bytes::new(), malformed, "", "without a boundary"),
        (Some("multipart/form-data; boundary="), Bytes::new(), malformed, "", ""),
        (Some(FORM), Bytes::new(), malformed, "", "damaged or cut off"),
        (Some(FORM), "no boundary".into(), malformed, "", "damaged or cut off"),
        (Some(FORM), "--B--\r\n".into(), malformed, "", "no part is a picture"),
        (Some(FORM), multipart(&[("Content-Disposition: form-data; name=\"note\"", b"x")]), malformed, "", "no part is a picture"),
        (Some(FORM), multipart(&[("no header", b"x")]), malformed, "", "damaged or cut off"),
        (Some(FORM), multipart(&[(FILE, b"x")]).slice(..90), malformed, "", "damaged or cut off"),
        (Some(FORM), multipart(&[(FILE, b"x")]), malformed, "", "neither PNG nor JPEG"),
        (Some(FORM), multipart(&many), malformed, "", "more than 16 parts"),
    ];
    for (content_type, body, kind, pointer, part) in cases {
        let error = model.forms().picture(content_type, &body).unwrap_err();
        assert_eq!((error.kind, error.pointer.as_str()), (kind, pointer), "{content_type:?} {body:?}: {}", error.detail);
        assert!(error.detail.contains(part), "{content_type:?} {body:?}: {}", error.detail);
    }
    let none = Model::of_features(&[("x", "FP32", &[-1, 1])], Features::Columns { input: "x".into(), names: vec!["a".into()] });
    assert_eq!(none.forms().picture(Some("image/png"), &Bytes::new()).unwrap_err().kind, unsupported);
}

fn iris() -> Model {
    let names = ["sepal", "petal", "width"].map(str::to_owned).to_vec();
    Model::of_features(&[("x", "FP32", &[-1, 3])], Features::Columns { input: "x".into(), names })
}

#[test]
fn features_become_columns_or_inputs_by_name() {
    let json = Some("application/json");
    let request = iris().forms().picture_or_features(json, &r#"{"petal":2,"width":3.5,"sepal":1}"#.into()).unwrap();
    let data: Vec<u8> = [1f32, 2.0, 3.5].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!((request.inputs[0].tensor.shape(), &request.inputs[0].tensor.data()[..]), (&[1, 3][..], &data[..]));
    let names = vec![("age".into(), "a".into()), ("name".into(), "n".into())];
    let model = Model::of_features(&[("a", "INT64", &[-1]), ("n", "BYTES", &[-1, 1])], Features::Inputs { names });
    let request = model.forms().picture_or_features(json, &r#"{"name":"Ada","age":36}"#.into()).unwrap();
    assert_eq!(request.inputs[0].tensor.shape(), [1]);
    assert_eq!(request.inputs[1].tensor.shape(), [1, 1]);
    assert_eq!(request.inputs[1].tensor.bytes_elements().next(), Some(&b"Ada"[..]));
}

#[test]
fn features_that_do_not_fit_are_refused_by_name() {
    for (body, pointer, part) in [
        (r#"{"sepal":1,"petal":2}"#, "", "\"width\" is missing"),
        (r#"{"sepal":1,"petal":2,"width":3,"colour":4}"#, "/colour", "which has \"sepal\", \"petal\", \"width\""),
        (r#"{"sepal":"1","petal":2,"width":3}"#, "/sepal", "expected a number, found a string"),
        (r#"{"sepal":1e39,"petal":2,"width":3}"#, "/sepal", "beyond FP32"),
        (r#"{"sepal":1,"sepal":2,"petal":2,"width":3}"#, "/sepal", "twice"),
        (r#"{"sepal":null,"petal":2,"width":3}"#, "/sepal", "found null"),
        (r#"[1,2,3]"#, "", "expected an object"),
        (r#"{}"#, "", "\"sepal\" is missing"),
    ] {
        let error = iris().forms().picture_or_features(Some("application/json"), &body.into()).unwrap_err();
        assert_eq!(error.pointer, pointer, "{body}: {}", error.detail);
        assert!(error.detail.contains(part), "{body}: {}", error.detail);
    }
}

#[test]
fn each_element_of_a_list_has_its_own_success() {
    let png = encode(&DynamicImage::ImageLuma8(grey_8x8()), ImageFormat::Png);
    let text = STANDARD.encode(&png);
    let model = Model::of_pictures();
    let body = format!(r#"[{{"image":"{text}"}},{{"image":"YQ=="}},"{text}",7,{{}},{{"image":"%"}}]"#);
    let list = model.forms().list(Some("application/json"), &body.into()).unwrap();
    let told: Vec<Result<usize, &str>> =
        list.iter().map(|r| r.as_ref().map(|r| r.inputs[0].tensor.rows()).map_err(|e| e.pointer.as_str())).collect();
    assert_eq!(told, [Ok(1), Err("/1/image"), Ok(1), Err("/3"), Err("/4"), Err("/5/image")]);
    let files = multipart(&[(FILE, &png), (FILE, b"x")]);
    let list = model.forms().list(Some(FORM), &files).unwrap();
    assert_eq!(list.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false]);
    let features = iris();
    let list = features.forms().list(None, &r#"[{"sepal":1,"petal":2,"width":3},{"sepal":1}]"#.into()).unwrap();
    assert_eq!(list.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_list_that_cannot_be_read_fails_as_a_whole() {
    let model = Model { limits: DecodeLimits { batch_elements: 2, ..limits() }, ..Model::of_pictures() };
    for (content_type, body, pointer, part) in [
        (Some("application/json"), "{}", "", "expected a list"),
        (Some("application/json"), "[]", "", "nothing to infer"),
        (Some("application/json"), "[{},{},{}]", "/2", "more than 2 elements"),
        (Some("application/json"), "[{},{", "/1", "ends at byte"),
        (Some("application/json"), "[{\"a\":1,\"a\":2}]", "/0/a", "twice"),
        (Some("image/png"), "x", "", "a list is a JSON list"),
    ] {
        let error = model.forms().list(content_type, &body.into()).unwrap_err();
        assert_eq!(error.pointer, pointer, "{body}: {}", error.detail);
        assert!(error.detail.contains(part), "{body}: {}", error.detail);
    }
}
