//! What Forebay answers to floods of HTTP/2 frames, and to streams that do not end.

use super::attacks::http2::{
    again_and_again, head_without_end, header_bombs, lone_frames, open, rapid_resets, rapid_resets_of_bodies, resets_by_provocation,
    small_pieces, stopped_streams, streams_without_end, zero_windows,
};
use super::frames::{Frame, GOAWAY, HEADERS, Wire, block, frame, get};
use super::support::INFER;
use super::{come_and_go, under};

/// Frames until the server closes or says that it goes away.
fn to_the_end(mut wire: Wire) -> Vec<Frame> {
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

fn goes_away(wire: Wire) -> bool {
    const PROTOCOL_ERROR: &[u8] = &[0, 0, 0, 1];
    const ENHANCE_YOUR_CALM: &[u8] = &[0, 0, 0, 11];
    let frames = to_the_end(wire);
    // A reset of the connection may have overtaken the frame.
    frames.last().is_none_or(|last| {
        let code = last.payload.get(4..8);
        last.kind != GOAWAY || code == Some(ENHANCE_YOUR_CALM) || code == Some(PROTOCOL_ERROR)
    })
}

#[test]
fn rapid_resets_end_or_exhaust_nothing() {
    under("rapid resets", |_, target| drop(to_the_end(rapid_resets(target))));
}

#[test]
fn rapid_resets_of_requests_to_a_model_end_or_exhaust_nothing() {
    under("rapid resets of inference", |_, target| drop(to_the_end(rapid_resets_of_bodies(target, INFER))));
}

#[test]
fn resets_by_provocation_end_the_connection() {
    under("resets by provocation", |_, target| assert!(goes_away(resets_by_provocation(target))));
}

#[test]
fn heads_that_never_end_end_the_connection() {
    for (name, size) in [("CONTINUATION with fields", 1_000), ("CONTINUATION of nothing", 0)] {
        under(name, |_, target| assert!(goes_away(head_without_end(target, size))));
    }
}

#[test]
fn settings_pings_and_updates_without_end_cost_nothing() {
    for (name, piece) in lone_frames() {
        under(name, |_, target| drop(again_and_again(target, &piece)));
    }
}

#[test]
fn a_small_head_that_grows_large_is_refused() {
    under("header compression bombs", |_, target| {
        for mut wire in header_bombs(target, 20) {
            let answered = wire.answer(1).unwrap();
            assert!(matches!(answered, None | Some(431)), "{answered:?}");
        }
    });
}

#[test]
fn streams_beyond_the_limit_are_refused_and_those_within_end() {
    under("streams without end to a model", |_, target| drop(to_the_end(streams_without_end(target, INFER))));
}

#[test]
fn streams_to_the_server_behind_that_stop_end_with_their_pause() {
    under("streams that stop", |forebay, target| {
        let _wire = stopped_streams(target);
        come_and_go(forebay, 100.0);
    });
}

#[test]
fn clients_with_a_window_of_nothing_are_let_go() {
    for (name, path) in [("zero windows on pages", "/v2/models/echo"), ("zero windows on large answers", "/large")] {
        under(name, |forebay, target| {
            let _wire = zero_windows(target, path);
            come_and_go(forebay, 50.0);
        });
    }
}

#[test]
fn small_and_empty_pieces_of_a_body_cost_nothing() {
    for (name, piece) in [("empty DATA", &b""[..]), ("DATA of one byte", b" ")] {
        under(name, |_, target| drop(small_pieces(target, INFER, piece)));
    }
}

#[test]
fn a_connection_without_streams_ends() {
    under("idle HTTP/2", |_, target| {
        let idle = open(target, &[]);
        let mut half_a_head = open(target, &[]);
        half_a_head.send(&frame(HEADERS, 0, 1, &block(&get("/small")))).unwrap();
        for mut wire in [idle, half_a_head] {
            // Settings come, and then the end; waiting longer than the attacker's patience fails.
            while wire.frame().unwrap().is_some() {}
        }
    });
}
