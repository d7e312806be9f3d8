//! Floods of HTTP/2 frames, and streams that do not end.

use super::frames::{
    ACK, CONTINUATION, DATA, END_STREAM, Frame, GOAWAY, HEADERS, PING, SETTINGS, Wire, block, data, frame, get, headers, integer, post,
    reset, setting, window_update,
};
use super::support::{Forebay, MODEL};
use super::{PATIENCE, come_and_go, under};

const INITIAL_WINDOW_SIZE: u16 = 4;

fn open(forebay: &Forebay, settings: &[u8]) -> Wire {
    Wire::open(&forebay.api, PATIENCE, settings).unwrap()
}

/// Sends `pieces` until the server closes or all are sent, without reading.
fn flood(wire: &mut Wire, pieces: impl Iterator<Item = Vec<u8>>) {
    let mut pieces = pieces.peekable();
    while pieces.peek().is_some() {
        let many: Vec<u8> = pieces.by_ref().take(256).flatten().collect();
        if wire.send(&many).is_err() {
            return;
        }
    }
}

/// Frames until the server closes or says that it goes away.
fn to_the_end(wire: &mut Wire) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = wire.frame() {
        let last = frame.kind == GOAWAY;
        frames.push(frame);
        if last {
            break;
        }
    }
    frames
}

fn goes_away(wire: &mut Wire) -> bool {
    const ENHANCE_YOUR_CALM: &[u8] = &[0, 0, 0, 11];
    let frames = to_the_end(wire);
    // A reset of the connection may have overtaken the frame.
    frames.last().is_none_or(|last| {
        last.kind != GOAWAY || last.payload.get(4..8) == Some(ENHANCE_YOUR_CALM) || last.payload.get(4..8) == Some(&[0, 0, 0, 1])
    })
}

fn stream(number: u32) -> u32 {
    2 * number + 1
}

#[test]
fn rapid_resets_end_or_exhaust_nothing() {
    under("rapid resets", |forebay| {
        let mut wire = open(forebay, &[]);
        flood(&mut wire, (0..20_000).map(|i| [headers(stream(i), END_STREAM, &get("/small")), reset(stream(i))].concat()));
        to_the_end(&mut wire);
    });
}

#[test]
fn rapid_resets_of_requests_to_a_model_end_or_exhaust_nothing() {
    under("rapid resets of inference", |forebay| {
        let mut wire = open(forebay, &[]);
        let path = format!("/v2/models/{MODEL}/infer");
        flood(&mut wire, (0..20_000).map(|i| [headers(stream(i), 0, &post(&path)), data(stream(i), 0, b"{"), reset(stream(i))].concat()));
        to_the_end(&mut wire);
    });
}

#[test]
fn resets_by_provocation_end_the_connection() {
    under("resets by provocation", |forebay| {
        let mut wire = open(forebay, &[]);
        // An increment of nothing is a mistake on the stream, which the server has to reset (RFC 9113 section 6.9).
        flood(&mut wire, (0..5_000).map(|i| [headers(stream(i), 0, &post("/small")), window_update(stream(i), 0)].concat()));
        assert!(goes_away(&mut wire));
    });
}

#[test]
fn heads_that_never_end_end_the_connection() {
    for (name, size) in [("CONTINUATION with fields", 1_000), ("CONTINUATION of nothing", 0)] {
        under(name, |forebay| {
            let mut wire = open(forebay, &[]);
            let piece = block(&[(b"x", &vec![b'y'; size])]);
            let piece = if size == 0 { Vec::new() } else { piece };
            wire.send(&frame(HEADERS, END_STREAM, 1, &block(&get("/small")))).unwrap();
            flood(&mut wire, (0..50_000).map(|_| frame(CONTINUATION, 0, 1, &piece)));
            assert!(goes_away(&mut wire));
        });
    }
}

#[test]
fn settings_pings_and_updates_without_end_cost_nothing() {
    let update = window_update(0, 1);
    let priority = frame(2, 0, 1, &[0, 0, 0, 3, 16]);
    let floods = [
        ("SETTINGS", frame(SETTINGS, 0, 0, &setting(3, 100))),
        ("PING", frame(PING, 0, 0, b"12345678")),
        ("acknowledged SETTINGS", frame(SETTINGS, ACK, 0, &[])),
        ("WINDOW_UPDATE", update),
        ("PRIORITY", priority),
        ("frames of no known kind", frame(0xbe, 0, 0, &[0; 100])),
    ];
    for (name, piece) in floods {
        under(name, |forebay| {
            // Nothing is read, so that what the server has to say must wait.
            let mut wire = open(forebay, &[]);
            flood(&mut wire, (0..100_000).map(|_| piece.clone()));
        });
    }
}

#[test]
fn a_small_head_that_grows_large_is_refused() {
    under("header compression bombs", |forebay| {
        for _ in 0..20 {
            let mut wire = open(forebay, &[]);
            let mut bomb = block(&get("/small"));
            // A field of 3,900 bytes enters the table (RFC 7541 section 6.2.1), and then is named again and again by one byte.
            bomb.push(0x40);
            integer(&mut bomb, 7, 0, 1);
            bomb.push(b'x');
            integer(&mut bomb, 7, 0, 3_900);
            bomb.extend([b'y'; 3_900]);
            bomb.extend([0x80 | 62; 12_000]);
            wire.send(&frame(HEADERS, END_STREAM | 4, 1, &bomb)).unwrap();
            let answered = wire.answer(1).unwrap();
            assert!(matches!(answered, None | Some(431)), "{answered:?}");
        }
    });
}

#[test]
fn streams_beyond_the_limit_are_refused_and_those_within_end() {
    under("streams without end to a model", |forebay| {
        let mut wire = open(forebay, &[]);
        let path = format!("/v2/models/{MODEL}/infer");
        flood(&mut wire, (0..5_000).map(|i| headers(stream(i), 0, &post(&path))));
        to_the_end(&mut wire);
    });
}

#[test]
fn streams_to_the_server_behind_that_stop_end_with_their_pause() {
    under("streams that stop", |forebay| {
        let mut wire = open(forebay, &[]);
        flood(&mut wire, (0..100).map(|i| [headers(stream(i), 0, &post("/small")), data(stream(i), 0, b"x")].concat()));
        come_and_go(forebay, 100.0);
        drop(wire);
    });
}

#[test]
fn clients_with_a_window_of_nothing_are_let_go() {
    for (name, path) in [("zero windows on pages", "/v2/models/echo"), ("zero windows on large answers", "/large")] {
        under(name, |forebay| {
            let mut wire = open(forebay, &setting(INITIAL_WINDOW_SIZE, 0));
            flood(&mut wire, (0..50).map(|i| headers(stream(i), END_STREAM, &get(path))));
            come_and_go(forebay, 50.0);
            drop(wire);
        });
    }
}

#[test]
fn small_and_empty_pieces_of_a_body_cost_nothing() {
    for (name, piece) in [("empty DATA", &b""[..]), ("DATA of one byte", b" ")] {
        under(name, |forebay| {
            let mut wire = open(forebay, &[]);
            wire.send(&headers(1, 0, &post(&format!("/v2/models/{MODEL}/infer")))).unwrap();
            flood(&mut wire, (0..100_000).map(|_| frame(DATA, 0, 1, piece)));
        });
    }
}

#[test]
fn a_connection_without_streams_ends() {
    under("idle HTTP/2", |forebay| {
        let mut idle = open(forebay, &[]);
        let mut half_a_head = open(forebay, &[]);
        half_a_head.send(&frame(HEADERS, 0, 1, &block(&get("/small")))).unwrap();
        for wire in [&mut idle, &mut half_a_head] {
            // Settings come, and then the end; waiting longer than PATIENCE fails.
            while wire.frame().unwrap().is_some() {}
        }
    });
}
