"""What Forebay does not declare streams through to the server behind it, unbuffered and untouched."""

import hashlib
import queue

import grpc
import pytest
import requests
from websockets.sync.client import connect

from running import TEST_MODELS, Forebay, write_config
from upstream import MEBIBYTE, METRICS, GrpcUpstream, HttpUpstream

MIB = 1 << 20
# What a proxy must say for itself, and what belongs to one connection only (RFC 9110 section 7.6.1).
PROXYS_OWN = {"connection", "transfer-encoding", "content-length", "keep-alive", "x-request-id", "traceparent"}


@pytest.fixture(scope="module")
def behind():
    server = HttpUpstream()
    yield server
    server.close()


@pytest.fixture(scope="module")
def front(behind, tmp_path_factory):
    """Forebay with one model of its own, no short forms, and all else behind it."""
    models = {"iris": {"repository": str(TEST_MODELS)}}
    config = write_config(tmp_path_factory.mktemp("front"), models=models, upstream=behind.address)
    with Forebay(config) as forebay:
        yield forebay.when_ready()


def test_events_arrive_one_by_one(front, behind):
    with requests.get(f"{front.api}/events", stream=True, timeout=60) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        lines = answer.iter_lines(chunk_size=1)
        for number in range(5):
            behind.next_event.release()
            assert next(line for line in lines if line) == f"data: {number}".encode()
        assert not [line for line in lines if line]


def test_a_websocket_talks_both_ways(front):
    with connect(f"ws://{front.address}/socket") as socket:
        for message in ("hello", b"\x00\xff" * 40_000, "", "häß"):
            socket.send(message)
            assert socket.recv(timeout=60) == message


def test_the_upstreams_own_health_and_metrics_are_untouched(front, behind):
    for path in ("/health", "/metrics"):
        direct = requests.get(f"{behind.address}{path}", timeout=60)
        through = requests.get(f"{front.api}{path}", timeout=60)
        assert (through.status_code, through.reason, through.content) == (direct.status_code, direct.reason, direct.content)
        for name, value in direct.headers.items():
            if name.lower() not in PROXYS_OWN | {"date"}:
                assert through.headers[name] == value
    assert through.content == METRICS


def test_the_request_arrives_as_it_was_sent(front, behind):
    target = "/v1/chat/completions?a=1&a=2&%7e=%2F..;x"
    sent = {"x-one": "1", "accept": "text/html;q=0.5", "authorization": "Bearer theirs", "content-type": "application/x-odd"}
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        got = requests.request(method, f"{front.api}{target}", headers=sent, data=b"a\x00\xffz", timeout=60).json()
        assert (got["method"], got["body"]) == (method, "a\x00\xffz")
        assert got["target"] == requests.Request(method, f"{behind.address}{target}").prepare().path_url
        headers = {name.lower(): value for name, value in got["headers"]}
        assert sent.items() <= headers.items()


@pytest.mark.parametrize("path", ["/predict", "/batch-predict", "/infer", "/model-info", "/v2/models/letters/infer", "/v1/models/letters:predict"])
def test_forms_that_are_not_declared_are_the_upstreams(front, path):
    got = requests.post(f"{front.api}{path}", data=b"not even JSON", timeout=60)
    assert got.status_code == 200
    assert got.json()["target"] == path


def test_the_declared_model_is_answered_by_forebay(front):
    body = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
    assert requests.post(f"{front.api}/v1/models/iris:predict", json=body, timeout=60).json().keys() == {"predictions"}


def test_chunked_bodies_go_both_ways(front):
    def pieces():
        for number in range(100):
            yield bytes([number]) * (number + 1)

    whole = b"".join(pieces())
    answer = requests.post(f"{front.api}/digest", data=pieces(), timeout=60).json()
    assert answer == {"sha256": hashlib.sha256(whole).hexdigest(), "length": len(whole)}


def test_a_hundred_megabytes_take_no_memory(front):
    requests.get(f"{front.api}/large?mebibytes=1", timeout=60)
    before = front.peak_memory()
    sent = requests.post(f"{front.api}/digest", data=(MEBIBYTE for _ in range(100)), timeout=120).json()
    expected = hashlib.sha256(MEBIBYTE * 100).hexdigest()
    assert sent == {"sha256": expected, "length": 100 * MIB}
    got = hashlib.sha256()
    with requests.get(f"{front.api}/large?mebibytes=100", stream=True, timeout=120) as answer:
        for piece in answer.iter_content(MIB):
            got.update(piece)
    assert got.hexdigest() == expected
    assert front.peak_memory() - before < 16 * MIB


def test_a_stopped_upstream_is_502_with_a_reason(tmp_path):
    server = HttpUpstream()
    config = write_config(tmp_path, upstream=server.address)
    with Forebay(config) as forebay:
        assert requests.get(f"{forebay.api}/health", timeout=60).status_code == 218
        server.close()
        answer = requests.get(f"{forebay.api}/health", timeout=60)
        assert answer.status_code in (502, 503)
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.fixture(scope="module")
def channel(tmp_path_factory):
    """gRPC through Forebay."""
    server = GrpcUpstream()
    config = write_config(tmp_path_factory.mktemp("grpc"), upstream=server.address)
    with Forebay(config) as forebay, grpc.insecure_channel(forebay.address) as channel:
        yield channel
    server.close()


def test_a_grpc_call_keeps_its_trailers(channel):
    message = bytes(range(256)) * 1000
    answer, call = channel.unary_unary("/echo.Echo/Once").with_call(message, timeout=60)
    assert answer == message
    assert ("x-length", str(len(message))) in call.trailing_metadata()


def test_a_grpc_failure_keeps_its_status(channel):
    with pytest.raises(grpc.RpcError) as failure:
        channel.unary_unary("/echo.Echo/Fail")(b"", timeout=60)
    assert failure.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert failure.value.details() == "as asked"
    assert ("x-why", "asked to") in failure.value.trailing_metadata()


def test_a_grpc_stream_is_not_held_back(channel):
    outgoing = queue.SimpleQueue()
    call = channel.stream_stream("/echo.Echo/Stream")(iter(outgoing.get, None), timeout=60)
    for number in range(20):
        outgoing.put(str(number).encode())
        assert next(call) == str(number).encode()
    outgoing.put(None)
    assert list(call) == []
    assert ("x-count", "20") in call.trailing_metadata()
