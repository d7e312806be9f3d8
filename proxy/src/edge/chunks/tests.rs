use super::*;

#[path = "../../../fuzz/src/targets.rs"]
#[allow(unreachable_pub, reason = "the fuzz target needs it public")]
mod targets;

const MOST: usize = 4_000;

/// What becomes of a body that comes in these pieces: the bytes up to its end, `None` if it has none, or the flaw.
fn verdict<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<usize>, BadChunk> {
    let (mut chunks, mut before) = (Chunks::new(MOST), 0);
    for piece in pieces {
        match chunks.take(piece)? {
            Progress::End(at) => return Ok(Some(before + at)),
            Progress::More => before += piece.len(),
        }
    }
    Ok(None)
}

fn whole(body: &str) -> Result<Option<usize>, BadChunk> {
    verdict([body.as_bytes()])
}

fn bodies() -> Vec<String> {
    let mut bodies: Vec<String> = [
        "0\r\n\r\n",
        "0000\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        "0005\r\nhello\r\n0\r\n\r\n",
        "0000000000000005\r\nhello\r\n0\r\n\r\n",
        "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
        "5\r\n\r\n0\r\n\r\n0\r\n\r\n",
        "5;a=b\r\nhello\r\n0\r\n\r\n",
        "5 ;\ta = b;c\r\nhello\r\n0;d\r\n\r\n",
        "5;a=\"b;\u{fc}\"\r\nhello\r\n0\r\n\r\n",
        "0\r\nX: y\r\n\r\n",
        "0\r\nX:\r\nZ:\ta, \u{fc} \r\n\r\n",
    ]
    .map(str::to_owned)
    .to_vec();
    bodies.push(format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(LINE - 3)));
    bodies.push(format!("0\r\nX:{}\r\n\r\n", "y".repeat(MOST - 3)));
    bodies.push(format!("{}0\r\n\r\n", "1;x=y\r\n \r\n".repeat(MOST / 4)));
    bodies.push(format!("{}0\r\n\r\n", "1\r\n \r\n".repeat(MOST)));
    bodies
}

fn flaws() -> Vec<(String, &'static str)> {
    let mut flaws: Vec<(String, &'static str)> = [
        ("\r\nhello\r\n0\r\n\r\n", "missing"),
        (";a\r\n\r\n", "missing"),
        ("+5\r\nhello\r\n0\r\n\r\n", "missing"),
        ("-5\r\nhello\r\n0\r\n\r\n", "missing"),
        (" 5\r\nhello\r\n0\r\n\r\n", "missing"),
        ("\t5\r\nhello\r\n0\r\n\r\n", "missing"),
        ("five", "something other than"),
        ("0x5\r\nhello\r\n0\r\n\r\n", "something other than"),
        ("5h\r\nhello\r\n0\r\n\r\n", "something other than"),
        ("0_5\r\nhello\r\n0\r\n\r\n", "something other than"),
        ("5 \r\nhello\r\n0\r\n\r\n", "something other than"),
        ("5\t\r\nhello\r\n0\r\n\r\n", "something other than"),
        ("1 0\r\nhello\r\n0\r\n\r\n", "something other than"),
        ("5\0\r\nhello\r\n0\r\n\r\n", "something other than"),
        ("5\nhello\r\n0\r\n\r\n", "something other than"),
        ("5\rhello\r\n0\r\n\r\n", "not followed by LF"),
        ("5\r\r\nhello\r\n0\r\n\r\n", "not followed by LF"),
        ("00000000000000005\r\nhello\r\n0\r\n\r\n", "too many digits"),
        ("10000000000000005\r\nhello\r\n0\r\n\r\n", "too many digits"),
        ("8000000000000000\r\nhello\r\n0\r\n\r\n", "too many digits"),
        ("ffffffffffffffff\r\nhello\r\n0\r\n\r\n", "too many digits"),
        ("5;a\nb\r\nhello\r\n0\r\n\r\n", "control character"),
        ("5;a\rb\r\nhello\r\n0\r\n\r\n", "not followed by LF"),
        ("5;a\0b\r\nhello\r\n0\r\n\r\n", "control character"),
        ("5;a\u{7f}\r\nhello\r\n0\r\n\r\n", "control character"),
        ("5\r\nhello\n0\r\n\r\n", "where its size says"),
        ("5\r\nhello\r0\r\n\r\n", "not followed by LF"),
        ("5\r\nhello0\r\n\r\n", "where its size says"),
        ("5\r\nhello \r\n0\r\n\r\n", "where its size says"),
        ("3\r\nhello\r\n0\r\n\r\n", "where its size says"),
        ("9\r\nhello\r\n0\r\n\r\n", "where its size says"),
        ("5\r\nhello\r\n\r\n0\r\n\r\n", "missing"),
        ("0\n\r\n", "something other than"),
        ("0\r\n\n", "not a name"),
        ("0\r\n\rX", "not followed by LF"),
        ("0\r\nGET /smuggled HTTP/1.1\r\n\r\n", "not a name"),
        ("0\r\n: y\r\n\r\n", "not a name"),
        ("0\r\nX\r\n\r\n", "not a name"),
        ("0\r\nX : y\r\n\r\n", "not a name"),
        ("0\r\nX: a\r\n b\r\n\r\n", "not a name"),
        ("0\r\n\tX: a\r\n\r\n", "not a name"),
        ("0\r\nX: y\n\r\n", "control character"),
        ("0\r\nX: a\0b\r\n\r\n", "control character"),
        ("0\r\nX: a\rb\r\n\r\n", "not followed by LF"),
    ]
    .map(|(body, fragment)| (body.to_owned(), fragment))
    .to_vec();
    flaws.push((format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(LINE)), "too long"));
    flaws.push((format!("5{};a\r\nhello\r\n0\r\n\r\n", " ".repeat(LINE)), "too long"));
    flaws.push((format!("0\r\nX:{}\r\n\r\n", "y".repeat(MOST)), "longer than"));
    flaws.push((format!("0\r\n{}\r\n", "X: y\r\n".repeat(MOST / 4)), "longer than"));
    flaws.push((format!("{}0\r\n\r\n", "1;x=y\r\n \r\n".repeat(MOST)), "longer than"));
    flaws
}

#[test]
fn well_formed_bodies_end_where_they_end_and_what_follows_is_left() {
    for body in bodies() {
        assert_eq!(whole(&body), Ok(Some(body.len())), "{body:?}");
        assert_eq!(whole(&format!("{body}GET / HTTP/1.1\r\n")), Ok(Some(body.len())), "{body:?}");
    }
}

#[test]
fn a_part_of_a_well_formed_body_is_neither_whole_nor_wrong() {
    for body in bodies() {
        let step = body.len() / 100 + 1;
        for end in (0..body.len()).step_by(step) {
            assert_eq!(verdict([&body.as_bytes()[..end]]), Ok(None), "{:?}", &body.as_bytes()[..end]);
        }
    }
    // A size that could be counted, whatever it promises.
    assert_eq!(whole("7fffffffffffffff\r\nhello"), Ok(None));
}

#[test]
fn whatever_two_readers_could_take_for_something_else_is_refused() {
    for (body, fragment) in flaws() {
        let flaw = whole(&body).expect_err(&body);
        assert!(flaw.to_string().contains(fragment), "{body:?}: {flaw}");
    }
}

#[test]
fn the_verdict_does_not_depend_on_how_a_body_was_cut_on_its_way() {
    let all = bodies().into_iter().chain(flaws().into_iter().map(|(body, _)| body)).map(|body| format!("{body}GET / HTTP/1.1\r\n\r\n"));
    for body in all {
        let (bytes, at_once) = (body.as_bytes(), whole(&body));
        let step = bytes.len() / 100 + 1;
        for cut in (0..=bytes.len()).step_by(step) {
            let (first, second) = bytes.split_at(cut);
            assert_eq!(verdict([first, second]), at_once, "{first:?} and {second:?}");
        }
        assert_eq!(verdict(bytes.chunks(1)), at_once, "{body:?} byte by byte");
        for seed in 0..100 {
            let pieces = pieces(bytes, seed);
            assert_eq!(verdict(pieces.iter().copied()), at_once, "{pieces:?}");
        }
    }
}

/// Cuts `bytes` in pieces of 0 to 15 bytes, each seed otherwise.
fn pieces(mut bytes: &[u8], seed: u64) -> Vec<&[u8]> {
    let (mut state, mut pieces) = (seed, Vec::new());
    while !bytes.is_empty() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (piece, rest) = bytes.split_at(bytes.len().min((state >> 60) as usize));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

/// pingora reads sizes with this parser: what passes here must mean the same there.
#[test]
fn sizes_mean_the_same_to_pingora() {
    for body in bodies() {
        let line = &body.as_bytes()[..body.find('\n').unwrap() + 1];
        let mut chunks = Chunks::new(MOST);
        assert_eq!(chunks.take(line), Ok(Progress::More), "{line:?}");
        assert_eq!(httparse::parse_chunk_size(line), Ok(httparse::Status::Complete((line.len(), chunks.size))), "{line:?}");
    }
}

#[test]
fn the_corpus_of_the_fuzz_target_holds() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/chunks");
    let entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(entries.len() >= 12);
    for entry in entries {
        (0..=entry.len()).for_each(|end| targets::chunks(&entry[..end]));
    }
}
