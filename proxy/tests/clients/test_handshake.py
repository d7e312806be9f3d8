"""A connection whose handshake is under way when Forebay stops."""

import signal
import socket

from running import MODELS, Forebay, until, write_config


def connect_without_the_last_packet(address):
    """A connection that stands for its client, and of which the server has heard the first packet only: Linux sends the handshake's last
    packet together with the request, or after 200 ms."""
    client = socket.socket()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
    client.settimeout(5)
    host, port = address.split(":")
    client.connect((host, int(port)))
    return client


def test_a_connection_that_stands_for_its_client_is_served(tmp_path):
    with Forebay(write_config(tmp_path, models={"digits": {"repository": str(MODELS)}})) as forebay:
        forebay.when_ready()
        with connect_without_the_last_packet(forebay.address) as client:
            forebay.child.send_signal(signal.SIGINT)
            until(lambda: forebay.find("draining: "), within=5)
            client.sendall(b"GET /v2 HTTP/1.1\r\nhost: forebay\r\n\r\n")
            answer = client.recv(4096)
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        assert b"connection: close" in answer.lower(), answer
        assert forebay.stop() == 0
